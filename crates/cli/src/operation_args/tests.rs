//! Arguments to parameters, case by case.

use clap::Parser;
use komodo_api::operations;
use serde_json::{Value, json};

use super::*;
use crate::args::{Command as Verb, Km};

/// The parameters that a command line stands for, or the first line of the refusal.
fn params(line: &str) -> Result<Value, String> {
    let km = Km::try_parse_from(line.split(' '))
        .map_err(|error| error.to_string().lines().next().unwrap().to_owned())?;
    Ok(Value::Object(match km.command {
        Verb::Execute(args) => args.operation.params,
        Verb::Read(args) => args.operation.params,
        Verb::Write(args) => args.operation.params,
        Verb::Auth(args) => args.operation.params,
        Verb::Create(args) => args.operation.params,
        Verb::Update {
            command: crate::args::UpdateCommand::Change(operation),
        } => operation.params,
        other => panic!("{other:?} has no parameters"),
    }))
}

#[test]
fn command_lines_become_parameters() {
    let cases = [
        (
            "km x stop-container host web",
            json!({ "server": "host", "container": "web" }),
        ),
        (
            "km x stop-container host web --time 5 --signal sigint",
            json!({ "server": "host", "container": "web", "time": 5, "signal": "SIGINT" }),
        ),
        (
            "km execute StopContainer host web",
            json!({ "server": "host", "container": "web" }),
        ),
        (
            "km x stop-container host web --time -1",
            json!({ "server": "host", "container": "web", "time": -1 }),
        ),
        (
            "km run stop-all-containers host --exclude a,b --exclude c -y",
            json!({ "server": "host", "exclude": ["a", "b", "c"] }),
        ),
        (
            "km x stop-container host web --when-back --expires 90m",
            json!({ "server": "host", "container": "web", "when_back": true, "expires_s": 5400 }),
        ),
        (
            "km x stop-container host web --when-back --expires-s 90",
            json!({ "server": "host", "container": "web", "when_back": true, "expires_s": 90 }),
        ),
        (
            "km x stop-container host web --expires 1d",
            json!({ "server": "host", "container": "web", "expires_s": 86400 }),
        ),
        (
            "km x undo-update 65aa --plan h",
            json!({ "id": "65aa", "plan": "h" }),
        ),
        (
            "km x batch-containers host stop --query terms=web,api&states=running",
            json!({ "server": "host", "action": "stop", "query": { "terms": ["web", "api"], "states": ["running"] } }),
        ),
        (
            r#"km x batch-containers host stop --query {"labels":["a=b"]}"#,
            json!({ "server": "host", "action": "stop", "query": { "labels": ["a=b"] } }),
        ),
        (
            "km read get-container-log host web",
            json!({ "server": "host", "container": "web" }),
        ),
        (
            "km read get-container-log host web --timestamps --tail 7",
            json!({ "server": "host", "container": "web", "timestamps": true, "tail": 7 }),
        ),
        (
            "km read get-container-log host web --timestamps=false",
            json!({ "server": "host", "container": "web", "timestamps": false }),
        ),
        (
            "km read search-container-log host web error,fatal panic",
            json!({ "server": "host", "container": "web", "terms": ["error", "fatal", "panic"] }),
        ),
        (
            "km read list-servers --query specific.states=Ok&tags=prod --sort-by cpu",
            json!({ "query": { "specific": { "states": ["Ok"] }, "tags": ["prod"] }, "sort_by": "Cpu" }),
        ),
        (
            "km read list-updates --query target.type=Server&success=true&n[x]=1",
            json!({ "query": { "target.type": "Server", "success": true, "n[x]": 1 } }),
        ),
        (
            "km update server host enabled=true&cpu_warning=80.5&links=a,b",
            json!({ "id": "host", "config": { "enabled": true, "cpu_warning": 80.5, "links": ["a", "b"] } }),
        ),
        (
            "km create onboarding-key racks --max-uses 3",
            json!({ "name": "racks", "max_uses": 3 }),
        ),
        (
            "km create onboarding-key --name racks",
            json!({ "name": "racks" }),
        ),
        ("km create api-key ci", json!({ "name": "ci" })),
        ("km auth login-local-user me", json!({ "username": "me" })),
    ];
    for (line, expected) in cases {
        assert_eq!(params(line).as_ref(), Ok(&expected), "{line}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_what_is_expected() {
    let cases = [
        (
            "km x stop-container host",
            "error: the following required arguments were not provided:",
        ),
        (
            "km x stop-container host web --time soon",
            "error: time: 'soon' is not a whole number",
        ),
        (
            "km x stop-container host web --when-back --expires tomorrow",
            "error: expires_s: 'tomorrow' is not a length of time like 90 (seconds), 10m or 1h",
        ),
        (
            "km x stop-container host web --expires=-1h",
            "error: expires_s: '-1h' is not a length of time like 90 (seconds), 10m or 1h",
        ),
        (
            "km x stop-container host web --signal SIGKILL",
            "error: invalid value 'SIGKILL' for '--signal <SIGNAL>'",
        ),
        (
            "km x no-such-operation",
            "error: unrecognized subcommand 'no-such-operation'",
        ),
        (
            "km x batch-containers host stop --query colour=red",
            "error: query: 'colour' is not a key of it; those are images, labels, projects, states, terms",
        ),
        (
            "km x batch-containers host stop --query red",
            "error: query: 'red' is not JSON, and not written like key=value&key=value",
        ),
        (
            "km x batch-containers host stop --query states=gone",
            "error: query.states: 'gone' is not one of running, created, restarting, stopping, removing, paused, exited, dead",
        ),
        (
            "km auth login-local-user me --password x",
            "error: unexpected argument '--password' found",
        ),
        (
            "km create onboarding-key n --private-key x",
            "error: unexpected argument '--private-key' found",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(params(line), Err(expected.to_owned()), "{line}");
    }
}

#[test]
fn no_secret_is_an_argument() {
    for operation in operations() {
        for argument in command(&operation).get_arguments() {
            let name = argument.get_id().as_str();
            assert!(
                !SECRET_FIELDS.contains(&name),
                "{} takes {name}, which the process list would show",
                operation.name
            );
        }
    }
}

#[test]
fn names_are_written_with_hyphens() {
    for (name, kebab_case) in [
        ("StopAllContainers", "stop-all-containers"),
        ("GetUpdate", "get-update"),
        ("sort_by", "sort-by"),
    ] {
        assert_eq!(kebab(name), kebab_case);
    }
}
