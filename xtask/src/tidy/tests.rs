//! Each rule complains about what breaks it and about nothing else; and the repository keeps the rule about labels.

use std::path::Path;

use serde_json::{Value, json};

use super::{File, edges, files, labels, text};

fn file(path: &str, text: &str) -> File {
    File {
        path: path.into(),
        text: text.into(),
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// `cargo metadata` of a workspace with these edges; `dev:` before a name is one of tests.
fn graph(edges: &[(&str, &[&str])]) -> Value {
    let mut names: Vec<&str> = edges
        .iter()
        .flat_map(|(from, to)| [*from].into_iter().chain(to.iter().copied()))
        .collect();
    names
        .iter_mut()
        .for_each(|name| *name = name.trim_start_matches("dev:"));
    names.sort_unstable();
    names.dedup();
    let packages: Vec<Value> = names
        .iter()
        .map(|name| json!({ "id": name, "name": name }))
        .collect();
    let nodes: Vec<Value> = edges
        .iter()
        .map(|(from, to)| {
            let deps: Vec<Value> = to
                .iter()
                .map(|name| {
                    let kind = if name.starts_with("dev:") { json!("dev") } else { Value::Null };
                    json!({ "pkg": name.trim_start_matches("dev:"), "dep_kinds": [{ "kind": kind }] })
                })
                .collect();
            json!({ "id": from, "deps": deps })
        })
        .collect();
    let members: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| name.starts_with("komodo-"))
        .collect();
    json!({ "packages": packages, "resolve": { "nodes": nodes }, "workspace_members": members })
}

fn complaints_about(edges: &[(&str, &[&str])]) -> Vec<String> {
    let mut whole: Vec<(&str, &[&str])> = edges.to_vec();
    let named: Vec<&str> = edges
        .iter()
        .flat_map(|(_, to)| to.iter().map(|name| name.trim_start_matches("dev:")))
        .collect();
    for name in named {
        if !whole.iter().any(|(from, _)| *from == name) {
            whole.push((name, &[]));
        }
    }
    let complaints = edges::check(&graph(&whole)).unwrap();
    complaints
        .into_iter()
        .map(|complaint| complaint.split(", because").next().unwrap().to_owned())
        .collect()
}

#[test]
fn forbidden_edges_are_found_through_other_crates() {
    assert_eq!(
        complaints_about(&[
            ("komodo-periphery", &["komodo-x"]),
            ("komodo-x", &["komodo-core"])
        ]),
        [
            "komodo-periphery -> komodo-x -> komodo-core: komodo-periphery must not depend on komodo-core"
        ]
    );
    assert_eq!(
        complaints_about(&[("komodo-plan", &["serde", "tokio"])]),
        ["komodo-plan -> tokio: komodo-plan must not depend on tokio"]
    );
    assert_eq!(complaints_about(&[("komodo-x", &["bollard"])]).len(), 1);
}

#[test]
fn edges_of_tests_and_allowed_ones_are_left_alone() {
    assert_eq!(
        complaints_about(&[("komodo-plan", &["dev:tokio", "komodo-api"])]),
        Vec::<String>::new()
    );
    assert_eq!(
        complaints_about(&[
            ("komodo-docker", &["bollard"]),
            ("komodo-core", &["rusqlite"])
        ]),
        Vec::<String>::new()
    );
    // A circle over tests must not hang the search.
    assert_eq!(
        complaints_about(&[("komodo-api", &["komodo-x"]), ("komodo-x", &["komodo-api"])]),
        Vec::<String>::new()
    );
}

#[test]
fn files_are_checked_one_by_one() {
    let long = "line\n".repeat(601);
    let cases: &[(&str, &str, &[&str])] = &[
        ("crates/core/src/a.rs", "fn main() {}\n", &[]),
        ("crates/core/src/a.rs", &long, &[": 601 lines"]),
        ("docs/guide.md", &long, &[]),
        ("crates/core/src/utils.rs", "", &[": 'utils' says nothing"]),
        (
            "crates/core/src/helpers/mod.rs",
            "",
            &[": 'helpers' says nothing"],
        ),
        ("scripts/lib/common.sh", "", &[]),
        (
            "crates/core/src/a.rs",
            concat!("#[", "ignore]\nfn a() {}\n"),
            &[":1: a test that is left out"],
        ),
        (
            "crates/core/src/a.rs",
            concat!("let a = \"/var/run/", "docker.sock\";\n"),
            &[":1: names the Engine's socket"],
        ),
        (
            "crates/core/src/a.rs",
            concat!("// not /var/run/", "docker.sock\n"),
            &[],
        ),
        (
            "crates/docker/src/a.rs",
            concat!("let a = \"/var/run/", "docker.sock\";\n"),
            &[],
        ),
        (
            "crates/plan/src/a.rs",
            "use std::fs;\nlet now = Instant::now();\n",
            &[":1: uses std::fs", ":2: uses Instant::now"],
        ),
        (
            "crates/plan/src/a.rs",
            "async fn a() {}\n",
            &[":1: decisions are not async"],
        ),
        (
            "crates/plan/src/a/tests.rs",
            "let now = Instant::now();\n",
            &[],
        ),
        (
            "crates/core/src/a.rs",
            "use std::fs;\nlet now = Instant::now();\n",
            &[],
        ),
        (
            "docs/a.md",
            "see /home/me/x, and http://net/home/me/ too",
            &[":1: names a folder"],
        ),
        ("docs/a.md", "see $HOME/home/me/x", &[]),
        (
            "docs/a.md",
            concat!("run issues", " show 3"),
            &[":1: names a tool"],
        ),
        (
            "crates/periphery/src/a.rs",
            concat!(
                "let s = Unix",
                "Stream::connect(socket);\nuse tokio::process::",
                "Command;\n"
            ),
            &[":1: uses Unix", ":2: uses process"],
        ),
        (
            "crates/docker/src/a.rs",
            concat!(
                "let s = Unix",
                "Stream::connect(socket);\nuse tokio::process::",
                "Command;\n"
            ),
            &[],
        ),
        (
            "crates/periphery/tests/a.rs",
            concat!("let s = Unix", "Stream::connect(socket);\n"),
            &[],
        ),
    ];
    for (path, content, expected) in cases {
        let complaints = text::of_file(&file(path, content), Some("/home/me/"));
        assert_eq!(complaints.len(), expected.len(), "{path}: {complaints:?}");
        for (complaint, start) in complaints.iter().zip(*expected) {
            assert!(complaint.starts_with(start), "{path}: {complaint}");
        }
    }
}

#[test]
fn required_files_are_missed() {
    let complaints = text::check(root(), &[file("README.md", "hello")]);
    assert!(
        complaints.contains(&"CHANGELOG.md is missing or empty".to_owned()),
        "{complaints:?}"
    );
    assert!(
        !complaints
            .iter()
            .any(|complaint| complaint.starts_with("README.md ")),
        "{complaints:?}"
    );
}

#[test]
fn agents_without_the_label_are_found_in_every_form() {
    let run = "docker run -d --name a \\\n  -v /x:/x komodo-periphery\n";
    let labelled = "docker run -d --label komodo.skip=true \\\n  -v /x:/x komodo-periphery\n";
    let compose =
        |labels: &str| format!("services:\n  agent:\n    image: komodo-periphery\n{labels}");
    let list = "[\n  \"docker run -d\",\n  LABEL,\n  \"-v /x:/x\",\n  \"komodo-periphery\",\n].join(\" \");\n";
    let cases: &[(&str, String, usize)] = &[
        ("docs/a.md", run.into(), 1),
        ("docs/a.zh-CN.md", run.into(), 1),
        ("scripts/up", format!("#!/bin/sh\n{run}"), 1),
        ("docs/a.md", labelled.into(), 0),
        (
            "docs/a.md",
            "Start periphery with `docker run`, as shown.\n".into(),
            0,
        ),
        ("docs/a.md", "docker run -d nginx\n".into(), 0),
        (
            "crates/x/src/a.rs",
            "/// As of `docker run -d nginx`.\nfn periphery() {}\n".into(),
            0,
        ),
        (
            "ui/src/a.ts",
            list.replace("LABEL", "\"--restart always\""),
            1,
        ),
        (
            "ui/src/a.ts",
            list.replace("LABEL", "\"--label komodo.skip\""),
            0,
        ),
        ("deploy/compose.yaml", compose(""), 1),
        (
            "deploy/compose.yaml",
            compose("    labels: [komodo.skip]\n"),
            0,
        ),
        (
            "deploy/compose.yaml",
            compose("    labels:\n      komodo.skip: true\n"),
            0,
        ),
        (
            "deploy/compose.yaml",
            compose("    labels:\n      komodo.skip: \"false\"\n"),
            1,
        ),
        ("deploy/compose.yaml", compose("    labels: [other]\n"), 1),
        (
            "docs/a.md",
            format!("# x\n```yaml\n{}```\n", compose("")),
            1,
        ),
        (
            "docs/a.md",
            format!(
                "# x\n```yaml\n{}```\n",
                compose("    labels: [komodo.skip=true]\n")
            ),
            0,
        ),
        (
            "deploy/Dockerfile.periphery",
            "FROM scratch\nCOPY komodo-periphery /\n".into(),
            1,
        ),
        (
            "deploy/Dockerfile.periphery",
            "FROM scratch\nLABEL komodo.skip=true\nCOPY komodo-periphery /\n".into(),
            0,
        ),
        (
            "deploy/Dockerfile.core",
            "FROM scratch\nLABEL a=b \\\n  komodo.skip=\"true\"\nCOPY komodo-core /\n".into(),
            0,
        ),
        (
            "deploy/Dockerfile.core",
            "FROM scratch\n# LABEL komodo.skip=true\nLABEL komodo.skip=false\nCOPY komodo-core /\n"
                .into(),
            1,
        ),
        (
            "docs/a.md",
            labelled
                .replace("periphery", "core")
                .replace("true", "false"),
            1,
        ),
        ("docs/a.md", run.replace("periphery", "core"), 1),
        (
            "docs/a.md",
            labelled.replace("skip", "skipped").replace("=true", ""),
            1,
        ),
        (
            "README.md",
            labelled.replace("komodo-periphery", "komodo-periphery watchdog"),
            1,
        ),
        (
            "deploy/komodo.service",
            "[Service]\nExecStart=/usr/bin/docker run --rm komodo-core\n".into(),
            1,
        ),
        (
            "deploy/compose.yaml",
            compose("    labels: [komodo.skip]\n    command: [watchdog]\n"),
            1,
        ),
        (
            "deploy/compose.yaml",
            compose("    labels: [komodo.skip, komodo.watchdog]\n    command: watchdog\n"),
            0,
        ),
        (
            "deploy/compose.yaml",
            compose("    labels: [komodo.skip]\n").replace("periphery", "core"),
            0,
        ),
        (
            "deploy/compose.yaml",
            compose("").replace("periphery", "core"),
            1,
        ),
    ];
    for (path, content, expected) in cases {
        let complaints = labels::of_file(&file(path, content));
        assert_eq!(
            complaints.len(),
            *expected,
            "{path}:\n{content}\n{complaints:?}"
        );
    }
}

/// Places that start a container of ours today; one that moves is pointed at anew, so that it cannot fall out of sight.
const STARTED_HERE: [&str; 12] = [
    "deploy/Dockerfile.core",
    "deploy/Dockerfile.periphery",
    "deploy/compose/all-in-one.yaml",
    "deploy/compose/periphery.yaml",
    "docs/guide/hand-over.md",
    "docs/guide/hand-over.zh-CN.md",
    "docs/guide/install.md",
    "docs/guide/install.zh-CN.md",
    "docs/guide/servers.md",
    "docs/guide/servers.zh-CN.md",
    "scripts/up",
    "ui/src/servers/join-command.ts",
];

#[test]
fn everything_of_ours_that_this_repository_starts_carries_the_label() {
    let files = files(root()).unwrap();
    assert_eq!(labels::check(&files), Vec::<String>::new());
    for path in STARTED_HERE {
        let file = files.iter().find(|file| file.path == path);
        let file =
            file.unwrap_or_else(|| panic!("{path} has moved: point this test at where it is now"));
        assert!(
            labels::count(file) > 0,
            "{path} starts a container of ours in a form that this check does not see"
        );
    }
}

#[test]
fn a_label_that_is_taken_away_anywhere_is_missed() {
    let files = files(root()).unwrap();
    for started in files
        .iter()
        .filter(|file| !file.path.starts_with("xtask/") && labels::count(file) > 0)
    {
        for without in [
            started.text.replace(labels::LABEL, "komodo.other"),
            started
                .text
                .replace("komodo.skip=true", "komodo.skip=false")
                .replace("komodo.skip=\"true\"", "komodo.skip=\"false\"")
                .replace("komodo.skip: \"true\"", "komodo.skip: \"false\""),
        ] {
            let complaints = labels::of_file(&file(&started.path, &without));
            assert_eq!(
                complaints.len(),
                labels::count(started),
                "{}: {complaints:?}",
                started.path
            );
        }
    }
}

#[test]
fn the_page_and_the_guide_start_an_agent_alike() {
    let files = files(root()).unwrap();
    let parts = [
        "docker run -d --name komodo-periphery --network host --init --restart always --label komodo.skip=true",
        "-v /var/run/docker.sock:/var/run/docker.sock -v /etc/komodo:/etc/komodo",
        "komodo-periphery:local",
    ];
    for path in [
        "ui/src/servers/join-command.ts",
        "docs/guide/install.md",
        "docs/guide/install.zh-CN.md",
        "docs/guide/servers.md",
        "docs/guide/servers.zh-CN.md",
    ] {
        let file = files.iter().find(|file| file.path == path).unwrap();
        for part in parts {
            assert!(file.text.contains(part), "{path} lacks: {part}");
        }
    }
}
