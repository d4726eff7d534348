//! Where output goes, whether a person is there, and colours.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::PathBuf,
};

use komodo_api::UnixMs;

use crate::config::{Borders, Environment};

/// Longest answer that is read from a person or a pipe.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Colours that say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Look at this.
    Warn,
    /// Wrong.
    Bad,
    /// Less important.
    Faint,
    /// Headings.
    Strong,
}

/// The two ends of a command: a person, a script, or a test.
pub struct Terminal {
    /// Results.
    pub out: Box<dyn Write + Send>,
    /// Progress, questions and errors.
    pub err: Box<dyn Write + Send>,
    /// Answers.
    pub input: Box<dyn BufRead + Send>,
    /// Whether a person can be asked.
    pub interactive: bool,
    /// Whether results may hold colours.
    pub colour: bool,
    /// Lines of tables.
    pub borders: Borders,
    /// Clock.
    pub now: fn() -> UnixMs,
    /// Home folder, for messages.
    pub home: Option<PathBuf>,
}

impl Terminal {
    /// The terminal that the process was started in.
    #[expect(clippy::disallowed_methods, reason = "the one clock of this program")]
    pub fn of_process(environment: &Environment) -> Self {
        let set = |name: &str| environment.get(name).is_some_and(|value| !value.is_empty());
        let dumb = environment.get("TERM").is_some_and(|term| term == "dumb");
        Terminal {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            input: Box::new(io::BufReader::new(io::stdin())),
            interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
            colour: io::stdout().is_terminal() && !set("NO_COLOR") && !dumb,
            borders: Borders::None,
            now: || jiff::Timestamp::now().as_millisecond(),
            home: environment.get("HOME").map(PathBuf::from),
        }
    }

    /// A line of result.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.out, "{}", text.as_ref())
    }

    /// A line beside the result.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.err, "{}", text.as_ref())
    }

    /// A text in a tone, where colours are shown.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        match self.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    /// A line from the person or the pipe, after a prompt; `None` at the end of input.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&mut self, prompt: &str) -> io::Result<Option<String>> {
        if self.interactive {
            write!(self.err, "{prompt}")?;
            self.err.flush()?;
        }
        let mut line = String::new();
        let read = io::Read::take(&mut self.input, ANSWER_BYTES_MAX).read_line(&mut line)?;
        Ok((read > 0).then(|| line.trim_end_matches(['\n', '\r']).to_owned()))
    }

    /// A secret: typed unseen by a person, or the next line of standard input.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_secret(&mut self, prompt: &str) -> io::Result<Option<String>> {
        match self.interactive {
            true => rpassword::prompt_password(prompt).map(Some),
            false => self.read(prompt),
        }
    }

    /// Whether the person says yes.
    ///
    /// # Errors
    /// When the answer cannot be read.
    pub fn confirm(&mut self, question: &str) -> io::Result<bool> {
        let answer = self
            .read(&format!("{question} [y/N] "))?
            .unwrap_or_default();
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

/// A text without control characters, which in a name could rewrite what the terminal shows.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}
