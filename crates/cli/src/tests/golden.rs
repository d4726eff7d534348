//! What people read: help, tables, plans. `UPDATE_EXPECT=1 cargo test -p komodo-cli` accepts a change.

use clap::CommandFactory;
use expect_test::{Expect, expect};
use komodo_api::{
    container::ContainerListItem, plan::Plan, server::ServerListItem, update::UpdateListItem,
};
use serde_json::{Map, Value, json};

use super::terminal;
use crate::{args::Km, container, list, plan, terminal::Terminal, update};

fn help(words: &[&str], expected: &Expect) {
    let mut command = Km::command().term_width(110);
    command.build();
    let mut command = &mut command;
    for word in words {
        command = command
            .find_subcommand_mut(word)
            .unwrap_or_else(|| panic!("there is no subcommand {word}"));
    }
    expected.assert_eq(&command.render_help().to_string());
}

fn printed(print: impl FnOnce(&mut Terminal) -> std::io::Result<()>, expected: &Expect) {
    let (mut terminal, out, err) = terminal("");
    print(&mut terminal).unwrap();
    expected.assert_eq(&format!("{}{}", out.text(), err.text()));
}

#[test]
fn help_of_km() {
    help(
        &[],
        &expect![[r#"
            Komodo on the command line: what runs on your servers, and what is done to it

            Usage: km [OPTIONS] <COMMAND>

            Commands:
              list         Lists servers, or another kind of thing [aliases: ls, resources]
              container    Lists containers over all servers [aliases: containers, cn, ps]
              inspect      Shows what the Engine knows of a container [alias: i]
              logs         Shows the log of a container
              plan         Says what an operation would do to which containers, without doing it
              execute      Carries out an operation and waits for its end [aliases: x, run, deploy, dep, send]
              undo         Brings the containers that an operation changed back, those that others changed since excepted
              cancel       Cancels an operation: what it has not begun with is left alone
              update       Lists, shows and watches Updates; changes resources
              alerts       Lists what somebody should look at [alias: alert]
              create       Creates an API key, an onboarding key or a server
              key          Lists and deletes your API keys [alias: k]
              core-info    Shows the settings of Core [alias: core]
              login        Signs in and stores an API key in the configuration
              config       Shows the settings of km and the files they are from, without secrets [aliases: cfg, cf]
              read         Any read request of the API
              write        Any write request of the API
              auth         Any request of the API about signing in
              completions  Prints the completions for a shell
              help         Print this message or the help of the given subcommand(s)

            Options:
              -h, --help     Print help
              -V, --version  Print version

            Where Core is:
              -p, --profile <PROFILE>         Profile of the configuration
                  --host <ADDRESS>            Address of Core, in place of the configured one
              -c, --config-path <PATH>        Configuration file or folder, in place of the known ones; may be repeated
              -m, --config-keyword <PATTERN>  Pattern for names of configuration files in folders; may be repeated
              -d, --debug-startup             Say which files are read

            Exit codes: 0 success, 1 the operation failed (or you said no), 2 asked for in a wrong way, 3 Core refused, 4
            Core not reached, 130 you stopped waiting.
        "#]],
    );
}

#[test]
fn help_of_an_operation_comes_from_its_type() {
    help(
        &["execute", "stop-container"],
        &expect![[r#"
            Stops a container

            Usage: km execute stop-container [OPTIONS] <SERVER> <CONTAINER>

            Arguments:
              <SERVER>     Server, by id or name
              <CONTAINER>  Container, by name or id

            Options:
                  --detach[=<DETACH>]        Where it runs the agent: the agent goes on purpose. Needs Write
                  --expires <EXPIRES>        Seconds after which an operation that waits for its server is given up; a day
                                             where it is not said. As 90, 10m or 1h
                  --override <OVERRIDE>      Why a container that is part of the control path is acted on all the same;
                                             needs Write, is audited
                  --plan <PLAN>              Hash of the plan that was looked at; refused with `plan_drifted` when the
                                             world changed since
                  --signal <SIGNAL>          Signal to stop it with [possible values: SIGHUP, SIGINT, SIGQUIT, SIGTERM]
                  --time <TIME>              Seconds to wait for its end before it is killed
                  --when-back[=<WHEN_BACK>]  Where the server is away: keeps the operation, and carries it out once when
                                             the server is back
              -y, --yes                      Do not ask
                  --wait                     Wait for the end; this is the default
                  --no-wait                  Return once Core has accepted the operation
              -f, --format <FORMAT>          How the answer is printed [default: table] [possible values: table, json]
              -h, --help                     Print help (see more with '--help')

            Where Core is:
              -p, --profile <PROFILE>  Profile of the configuration
                  --host <ADDRESS>     Address of Core, in place of the configured one
        "#]],
    );
    help(
        &["execute", "batch-containers"],
        &expect![[r#"
            Does one thing to several containers of a server: those named, or those that match a query

            Usage: km execute batch-containers [OPTIONS] <SERVER> <ACTION>

            Arguments:
              <SERVER>  Server, by id or name
              <ACTION>  What is done [possible values: start, restart, pause, unpause, stop, destroy, prune]

            Options:
                  --containers <CONTAINERS>  Containers, by name or id. Either this or `query`
                  --exclude <EXCLUDE>        Containers that are left alone, by name or id
                  --expires <EXPIRES>        Seconds after which an operation that waits for its server is given up; a day
                                             where it is not said. As 90, 10m or 1h
                  --plan <PLAN>              Hash of the plan that was looked at; refused with `plan_drifted` when the
                                             world changed since
                  --query <QUERY>            Which containers are meant. Either this or `containers`. JSON, or
                                             key=value&key=value; keys: images, labels, projects, states, terms
                  --when-back[=<WHEN_BACK>]  Where the server is away: keeps the operation, and carries it out once when
                                             the server is back
              -y, --yes                      Do not ask
                  --wait                     Wait for the end; this is the default
                  --no-wait                  Return once Core has accepted the operation
              -f, --format <FORMAT>          How the answer is printed [default: table] [possible values: table, json]
              -h, --help                     Print help (see more with '--help')

            Where Core is:
              -p, --profile <PROFILE>  Profile of the configuration
                  --host <ADDRESS>     Address of Core, in place of the configured one
        "#]],
    );
}

#[test]
fn help_of_logs() {
    help(
        &["logs"],
        &expect![[r#"
        Shows the log of a container

        Usage: km logs [OPTIONS] [SERVER] <CONTAINER>

        Arguments:
          <[SERVER] CONTAINER>...  Container, by name or id; before it the server, else it is looked for on all

        Options:
          -f, --follow        Go on with new lines as they come
          -n, --tail <LINES>  How many of the last lines; at most 5000 [default: 50]
              --since <TIME>  Only lines since a time (2026-01-31T12:00:00Z) or for a length of time (10m)
          -t, --timestamps    Each line with its time
          -h, --help          Print help

        Where Core is:
          -p, --profile <PROFILE>  Profile of the configuration
              --host <ADDRESS>     Address of Core, in place of the configured one
    "#]],
    );
}

const NOW: i64 = 1_769_860_800_000;

fn server(name: &str, info: Value) -> ServerListItem {
    let mut all = json!({
        "state": "Ok", "err": null, "stats": null, "alerting_thresholds": {}, "core_count": 2, "logical_core_count": 4,
        "region": "", "address": null, "external_address": null, "public_ip": null, "send_unreachable_alerts": true,
        "send_cpu_alerts": true, "send_mem_alerts": true, "send_disk_alerts": true,
        "send_version_mismatch_alerts": true, "version": "0.1.0", "public_key": null, "attempted_public_key": null,
        "terminals_disabled": false, "container_terminals_disabled": false,
    });
    all.as_object_mut()
        .unwrap()
        .extend(info.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "id": "0123456789abcdef01234567", "type": "Server", "name": name, "template": false, "tags": [], "info": all,
    }))
    .unwrap()
}

#[test]
fn servers_say_their_state_and_why() {
    let servers = [
        server(
            "alpha",
            json!({ "containers": { "total": 12, "running": 10, "paused": 0, "unhealthy": 1 } }),
        ),
        server(
            "beta",
            json!({
                "state": "NotOk", "last_seen": NOW - 180_000,
                "reason": { "code": "agent_stopped", "why": "Periphery was stopped on the host", "since": NOW - 180_000 },
            }),
        ),
        server("gamma", json!({ "state": "Disabled", "version": null })),
        server(
            "delta",
            json!({
                "state": "NotOk", "reason": {
                    "code": "detached", "why": "detached by ann; bring it back with: docker start periphery",
                    "since": NOW - 180_000,
                },
            }),
        ),
        server(
            "epsilon",
            json!({ "agent": {
                "version": "0.0.9", "level": 2, "in_container": true, "skew": "outdated", "why": "update Periphery",
            } }),
        ),
    ];
    printed(
        |terminal| list::print_servers(terminal, &servers),
        &expect![[r#"
            SERVER   STATE          CONTAINERS                  CPU  MEMORY  DISK  VERSION           NOTE
            alpha    ok             10/12 running, 1 unhealthy  -    -       -     0.1.0
            beta     agent stopped  -                           -    -       -     0.1.0             Periphery was stopped on the host; last seen 3 min ago
            gamma    disabled       -                           -    -       -     -
            delta    detached       -                           -    -       -     0.1.0             detached by ann; bring it back with: docker start periphery
            epsilon  ok             -                           -    -       -     0.1.0 (outdated)  update Periphery
        "#]],
    );
    printed(
        |terminal| list::print_servers(terminal, &[]),
        &expect![[r#"
        no servers; `km create onboarding-key NAME` gives what a Periphery needs to join
    "#]],
    );
}

#[test]
fn containers_say_what_protects_them_and_whether_they_are_out_of_date() {
    let containers: Vec<ContainerListItem> = serde_json::from_value(json!([
        {
            "server_name": "alpha", "name": "web", "state": "running", "status": "Up 5 minutes (healthy)",
            "image": "nginx:1.29", "ports": [
                { "IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp" },
                { "IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp" },
                { "IP": null, "PrivatePort": 443, "PublicPort": null, "Type": "tcp" },
            ],
        },
        {
            "server_name": "alpha", "name": "periphery", "state": "running", "status": "Up 2 days", "image": "komodo",
            "protected": [{ "reason": "agent" }, { "reason": "label", "detail": "komodo.skip=true" }],
        },
        { "server_name": "beta", "name": "evil\u{1b}[2J", "state": "exited", "stale_since": NOW - 3_600_000 },
    ]))
    .unwrap();
    printed(
        |terminal| container::print(terminal, &containers),
        &expect![[r#"
        CONTAINER  SERVER  STATE    STATUS                  IMAGE       PORTS     PROTECTED
        web        alpha   running  Up 5 minutes (healthy)  nginx:1.29  8080->80
        periphery  alpha   running  Up 2 days               komodo                agent, label
        evil�[2J   beta    exited   (as of 1 h ago)         -
        beta is away: its containers are shown as they were 1 h ago
    "#]],
    );
    printed(
        |terminal| {
            terminal.borders = crate::config::Borders::All;
            container::print(terminal, &containers[..1])
        },
        &expect![[r#"
            ┌───────────┬────────┬─────────┬────────────────────────┬────────────┬──────────┬───────────┐
            │ CONTAINER ┆ SERVER ┆ STATE   ┆ STATUS                 ┆ IMAGE      ┆ PORTS    ┆ PROTECTED │
            ╞═══════════╪════════╪═════════╪════════════════════════╪════════════╪══════════╪═══════════╡
            │ web       ┆ alpha  ┆ running ┆ Up 5 minutes (healthy) ┆ nginx:1.29 ┆ 8080->80 ┆           │
            └───────────┴────────┴─────────┴────────────────────────┴────────────┴──────────┴───────────┘
        "#]],
    );
}

#[test]
fn updates_say_how_they_ended_and_what_they_wait_for() {
    let target = json!({ "type": "Server", "id": "0123456789abcdef01234567" });
    let updates: Vec<UpdateListItem> = serde_json::from_value(json!([
        {
            "id": "65aa00000000000000000001", "operation": "StopAllContainers", "start_ts": NOW - 65_000, "success": true,
            "username": "admin", "operator": "1", "target": target, "status": "Complete", "end_ts": NOW - 62_600,
        },
        {
            "id": "65aa00000000000000000002", "operation": "None", "request": "BatchContainers", "start_ts": NOW - 5_000,
            "success": true, "username": "admin", "operator": "1", "target": target, "status": "InProgress",
            "waiting_for": { "server": "alpha" },
        },
        {
            "id": "65aa00000000000000000003", "operation": "DeleteServer", "start_ts": NOW - 86_400_000, "success": false,
            "username": "000000000000000000000000", "operator": "1", "target": { "type": "System", "id": "system" }, "status": "Complete",
            "end_ts": NOW - 86_399_990,
        },
        {
            "id": "65aa00000000000000000004", "operation": "StopAllContainers", "start_ts": NOW - 65_000, "success": false,
            "username": "admin", "operator": "1", "target": target, "status": "Complete", "end_ts": NOW - 62_600,
            "canceled_by": "bob",
        },
        {
            "id": "65aa00000000000000000005", "operation": "StopAllContainers", "start_ts": NOW - 5_000, "success": true,
            "username": "admin", "operator": "1", "target": target, "status": "Queued", "stage": "queued",
            "waiting_for": { "server": "alpha" },
        },
        {
            "id": "65aa00000000000000000006", "operation": "None", "request": "UndoUpdate", "start_ts": NOW - 5_000,
            "success": true, "username": "admin", "operator": "1", "target": target, "status": "InProgress",
            "stage": "canceling",
        },
    ]))
    .unwrap();
    let names = [("0123456789abcdef01234567".to_owned(), "alpha".to_owned())];
    printed(
        |terminal| update::print(terminal, &updates, &names),
        &expect![[r#"
            ID                        OPERATION          TARGET  RESULT                      STARTED    TOOK   BY
            65aa00000000000000000001  StopAllContainers  alpha   succeeded                   1 min ago  2.4 s  admin
            65aa00000000000000000002  BatchContainers    alpha   waiting for alpha           5 s ago    -      admin
            65aa00000000000000000003  DeleteServer       system  failed                      1 day ago  0.0 s  System
            65aa00000000000000000004  StopAllContainers  alpha   canceled by bob             1 min ago  2.4 s  admin
            65aa00000000000000000005  StopAllContainers  alpha   queued until alpha is back  5 s ago    -      admin
            65aa00000000000000000006  UndoUpdate         alpha   canceling                   5 s ago    -      admin
        "#]],
    );
}

fn plan_of(items: Value, counts: Value) -> Plan {
    serde_json::from_value(json!({
        "hash": "h", "operation": "StopAllContainers", "server": "0123456789abcdef01234567", "server_name": "alpha",
        "items": items, "counts": counts, "warnings": ["nothing else watches these containers"], "undo": true,
        "as_of": NOW - 2_000,
    }))
    .unwrap()
}

fn show(plan: &Plan, expected: &Expect) {
    let verb = plan::verb(&plan.operation, &Map::new());
    printed(|terminal| plan::note(terminal, plan, &verb), expected);
}

#[test]
fn a_plan_says_first_what_is_spared_and_why() {
    let items = json!([
        {
            "container": "periphery", "id": "a", "state": "running", "effect": "skip", "reason": { "reason": "agent" },
            "protected": [{ "reason": "agent" }, { "reason": "label", "detail": "komodo.skip" }],
        },
        {
            "container": "web", "id": "b", "state": "running", "effect": "act", "ports": ["0.0.0.0:8080/tcp"],
            "dependants": ["proxy"],
        },
        { "container": "database", "id": "c", "state": "paused", "effect": "act", "after": ["b"], "comes_back": true },
        { "container": "old", "id": "d", "state": "exited", "effect": "skip", "reason": { "reason": "already" } },
        { "container": "mine", "id": "e", "state": "running", "effect": "skip", "reason": { "reason": "excluded" } },
    ]);
    let counts = json!({ "act": 2, "protected": 1, "unchanged": 1, "excluded": 1, "refused": 0 });
    show(
        &plan_of(items, counts),
        &expect![[r#"
            StopAllContainers on alpha (as seen 2 s ago)

            Protected, left alone (1)
              periphery  running  it runs the agent; without it the server could not be controlled; a label leaves it out of bulk operations (komodo.skip)

            Will be stopped (2)
              web       running  felt by proxy; goes dark: 0.0.0.0:8080/tcp
              database  paused   comes back after a restart of the Engine

            Excluded by you (1)
              mine  running

            Nothing to do for 1 container.

            Note: nothing else watches these containers
        "#]],
    );
}

#[test]
fn a_plan_says_what_stays_of_what_is_removed_and_that_there_is_no_way_back() {
    let items = json!([
        {
            "container": "db", "id": "a", "state": "exited", "effect": "act", "bytes": 1_572_864,
            "volumes": ["shop_data", "/srv/db"],
        },
    ]);
    let counts = json!({ "act": 1, "protected": 0, "unchanged": 0, "excluded": 0, "refused": 0 });
    let mut plan = plan_of(items, counts);
    plan.operation = "PruneContainers".into();
    plan.undo = false;
    show(
        &plan,
        &expect![[r#"
            PruneContainers on alpha (as seen 2 s ago)

            Will be removed (1)
              db  exited  frees 1.5 MiB; its volumes stay: shop_data, /srv/db

            This cannot be undone.

            Note: nothing else watches these containers
        "#]],
    );
}

#[test]
fn a_plan_that_does_nothing_says_so() {
    let counts = json!({ "act": 0, "protected": 0, "unchanged": 3, "excluded": 0, "refused": 0 });
    show(
        &plan_of(json!([]), counts),
        &expect![[r#"
        StopAllContainers on alpha (as seen 2 s ago)

        Nothing to do for 3 containers.

        Nothing will happen.

        Note: nothing else watches these containers
    "#]],
    );
}

#[test]
fn verbs_are_those_of_the_operation() {
    let batch = serde_json::from_value(json!({ "action": "unpause" })).unwrap();
    for (operation, params, order, done) in [
        ("StopAllContainers", Map::new(), "Stop", "stopped"),
        ("PruneContainers", Map::new(), "Prune", "removed"),
        (
            "DestroyContainer",
            Map::new(),
            "Destroy",
            "stopped and removed",
        ),
        ("BatchContainers", batch, "Unpause", "resumed"),
        ("RenameServer", Map::new(), "Rename", "done"),
    ] {
        let verb = plan::verb(operation, &params);
        assert_eq!(
            (verb.order.as_str(), verb.done),
            (order, done),
            "{operation}"
        );
    }
}

#[test]
fn a_plan_says_what_is_done_to_the_agent_and_by_whom() {
    let own = |effect: &str, more: Value| {
        let mut item = json!({
            "container": "periphery", "id": "1", "state": "running", "effect": effect,
            "protected": [{ "reason": "agent" }],
        });
        let more = more.as_object().cloned().unwrap_or_default();
        item.as_object_mut().unwrap().extend(more);
        json!([item])
    };
    let counts = json!({ "act": 1, "protected": 0, "unchanged": 0, "excluded": 0, "refused": 0 });
    let mut plan = plan_of(own("hand-over", json!({})), counts.clone());
    plan.operation = "UpdatePeriphery".into();
    plan.probation_s = Some(30);
    plan.undo = false;
    show(
        &plan,
        &expect![[r#"
        UpdatePeriphery on alpha (as seen 2 s ago)

        Will be updated by a helper on the host (1)
          periphery  running  protected: it runs the agent; without it the server could not be controlled

        It is watched for 30 s, then confirmed; where it does not come back well, everything is put back as it was.

        Note: nothing else watches these containers
    "#]],
    );
    let bring_back = json!({ "bring_back": "docker start periphery" });
    let mut plan = plan_of(own("detach", bring_back), counts);
    plan.operation = "StopContainer".into();
    plan.undo = false;
    show(
        &plan,
        &expect![[r#"
        StopContainer on alpha (as seen 2 s ago)

        Will be stopped, and the server cannot be controlled until somebody brings it back (1)
          periphery  running  bring it back on its host with: docker start periphery; protected: it runs the agent; without it the server could not be controlled

        This cannot be undone.

        Note: nothing else watches these containers
    "#]],
    );
}
