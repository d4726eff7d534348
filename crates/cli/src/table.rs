//! Tables and JSON on the terminal.

use std::io;

use comfy_table::{Cell, Color, Table, presets};
use serde::Serialize;

use crate::{
    config::Borders,
    terminal::{Terminal, Tone, plain},
};

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For scripts: the answer of Core as it is.
    Json,
}

/// A cell, with a tone where it says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    text: String,
    tone: Option<Tone>,
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text { text, tone: None }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text {
            text: text.to_owned(),
            tone: None,
        }
    }
}

/// A cell in a tone.
pub fn toned(tone: Tone, text: impl Into<String>) -> Text {
    Text {
        text: text.into(),
        tone: Some(tone),
    }
}

/// Prints a table.
///
/// # Errors
/// When it cannot be written.
pub fn print<const COLUMNS: usize>(
    terminal: &mut Terminal,
    header: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [Text; COLUMNS]>,
) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(match terminal.borders {
        Borders::None => presets::NOTHING,
        Borders::Horizontal => presets::UTF8_HORIZONTAL_ONLY,
        Borders::Vertical | Borders::Inside => presets::UTF8_NO_BORDERS,
        Borders::Outside => presets::UTF8_BORDERS_ONLY,
        Borders::All => presets::UTF8_FULL_CONDENSED,
    });
    // Never as wide as the terminal: what is wrapped inside a cell cannot be copied or searched.
    match terminal.colour {
        true => table.enforce_styling(),
        false => table.force_no_tty(),
    };
    table.set_header(header.map(|name| Cell::new(name).fg(Color::DarkGrey)));
    table.add_rows(rows.into_iter().map(|row| row.map(cell)));
    if terminal.borders == Borders::None {
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
    }
    for line in table.lines() {
        terminal.line(line.trim_end())?;
    }
    Ok(())
}

fn cell(text: Text) -> Cell {
    let cell = Cell::new(plain(&text.text));
    match text.tone {
        None => cell,
        Some(Tone::Good) => cell.fg(Color::Green),
        Some(Tone::Warn) => cell.fg(Color::Yellow),
        Some(Tone::Bad) => cell.fg(Color::Red),
        Some(Tone::Faint) => cell.fg(Color::DarkGrey),
        Some(Tone::Strong) => cell.add_attribute(comfy_table::Attribute::Bold),
    }
}

/// Prints a value as JSON.
///
/// # Errors
/// When it cannot be written.
pub fn json(terminal: &mut Terminal, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
    terminal.line(text)
}
