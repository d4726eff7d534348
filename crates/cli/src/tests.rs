//! The command line as a whole: every operation can be reached, help and tables read as they should.

mod double;
mod flows;
mod golden;
mod updates;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use clap::{CommandFactory, Parser};
use komodo_api::{Module, operations};

use crate::{
    args::{Command, Km},
    config::Borders,
    operation_args::{Kind, kebab, shape},
    terminal::Terminal,
};

/// What a command printed.
#[derive(Clone, Default)]
pub(crate) struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A terminal at 2026-01-31 12:00:00 that keeps what is printed: results, and the rest.
pub(crate) fn terminal(input: &str) -> (Terminal, Printed, Printed) {
    let (out, err) = (Printed::default(), Printed::default());
    let terminal = Terminal {
        out: Box::new(out.clone()),
        err: Box::new(err.clone()),
        input: Box::new(io::Cursor::new(input.to_owned().into_bytes())),
        interactive: false,
        colour: false,
        borders: Borders::None,
        now: || 1_769_860_800_000,
        home: None,
    };
    (terminal, out, err)
}

#[test]
fn the_command_line_has_no_contradictions() {
    Km::command().debug_assert();
}

#[test]
fn every_operation_can_be_reached_with_its_own_name_and_every_older_one() {
    for operation in operations() {
        let verb = match operation.module {
            Module::Execute => "execute",
            Module::Read => "read",
            Module::Write => "write",
            Module::AuthLogin | Module::AuthManage => "auth",
        };
        let shape = shape(&operation);
        let values = shape
            .fields
            .iter()
            .filter(|field| field.required && !field.secret)
            .map(|field| match &field.kind {
                Kind::Choice(words) => words[0].0.clone(),
                Kind::Object(_) => "{}".to_owned(),
                Kind::Integer | Kind::Seconds | Kind::Number => "1".to_owned(),
                _ => "x".to_owned(),
            });
        let values: Vec<String> = values.collect();
        let names = std::iter::once(operation.name).chain(operation.aliases.iter().copied());
        for name in names.flat_map(|name| [kebab(name), name.to_owned()]) {
            let words = ["km", verb, &name]
                .map(str::to_owned)
                .into_iter()
                .chain(values.iter().cloned());
            let km = Km::try_parse_from(words)
                .unwrap_or_else(|error| panic!("km {verb} {name}: {error}"));
            let reached = match km.command {
                Command::Execute(execute) => execute.operation.operation.name,
                Command::Read(request) => request.operation.operation.name,
                Command::Write(request) => request.operation.operation.name,
                Command::Auth(request) => request.operation.operation.name,
                other => panic!("km {verb} {name} reaches {other:?}"),
            };
            assert_eq!(reached, operation.name, "km {verb} {name}");
        }
    }
}

#[test]
fn every_execution_can_be_planned() {
    for operation in operations()
        .into_iter()
        .filter(|operation| operation.module == Module::Execute)
    {
        let command = Km::command();
        let plan = command
            .find_subcommand("plan")
            .expect("there is a plan command");
        assert!(
            plan.find_subcommand(kebab(operation.name)).is_some(),
            "km plan {}",
            kebab(operation.name)
        );
    }
}

/// The command lines of a guide: lines of shell blocks that start with `km`.
fn command_lines(guide: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in guide.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside && line.contains("sh");
            continue;
        }
        let line = line.split(" #").next().unwrap_or_default().trim();
        let line = line.trim_start_matches("$ ");
        if inside && line.starts_with("km ") {
            lines.push(line.to_owned());
        }
    }
    lines
}

#[test]
fn every_command_in_the_guides_can_be_parsed() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut guides = vec![
        format!("{root}/README.md"),
        format!("{root}/README.zh-CN.md"),
    ];
    for entry in std::fs::read_dir(format!("{root}/docs/guide")).unwrap() {
        guides.push(entry.unwrap().path().display().to_string());
    }
    let mut count = 0;
    for guide in guides {
        let text = std::fs::read_to_string(&guide).unwrap();
        for line in command_lines(&text) {
            let words = line
                .replace(['"', '\''], "")
                .replace("new servers", "new-servers");
            if let Err(error) = Km::try_parse_from(words.split_whitespace()) {
                panic!("{guide} tells people to type what km does not know: {line}\n{error}");
            }
            count += 1;
        }
    }
    assert!(
        count > 5,
        "the guides hold {count} commands of km: is this test still reading them?"
    );
}
