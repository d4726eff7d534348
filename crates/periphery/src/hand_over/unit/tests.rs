//! The helper as an agent and a watchdog see it, with a systemd that is told what to say. With a real one it is in the
//! acceptance tests.

use std::os::unix::fs::PermissionsExt;

use komodo_agent_api::{AgentOperation, OperationEvent};
use komodo_api::container::{ContainerAction, Scope};
use komodo_journal::{JOURNAL_BYTES_MAX, Journal};

use super::*;
use crate::{service::SystemdPrograms, test_directory::TestDirectory};

const UNIT: &str = "agent.service";

/// A host whose systemd says of every unit what is in the file `show`, and notes what it is to start.
struct Host {
    folder: TestDirectory,
    systemd: Systemd,
    kept: Kept,
    plan: UnitPlan,
}

impl Host {
    async fn new() -> Self {
        let folder = TestDirectory::new();
        let program = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let systemd = SystemdPrograms {
            systemctl: program(
                "systemctl",
                "#!/bin/sh\n[ \"$1\" != show ] || cat \"${0%/*}/show\"\n",
            ),
            systemd_run: program("systemd-run", "#!/bin/sh\necho \"$*\" >>\"${0%/*}/ran\"\n"),
        };
        let agent = program("agent", "#!/bin/sh\necho komodo-periphery 1\n");
        let plan = UnitPlan {
            operation: "op".into(),
            unit: UNIT.into(),
            user: false,
            program: agent.to_string_lossy().into_owned(),
            old_sha256: sha256(&agent).unwrap(),
            new_sha256: Some("1".into()),
            invocation: "first".into(),
            journal: folder
                .path()
                .join("journal/op.jsonl")
                .to_string_lossy()
                .into_owned(),
            until: 0,
        };
        let host = Host {
            systemd: Systemd::new(systemd, false),
            kept: Kept::new(folder.path(), &[]),
            plan,
            folder,
        };
        host.helper("inactive", 0);
        host.kept.keep_unit_plan(&host.plan).await.unwrap();
        host.handed()
            .prepare(host.plan.program.as_ref())
            .await
            .unwrap();
        host
    }

    fn handed(&self) -> Handed<'_> {
        Handed {
            systemd: &self.systemd,
            kept: &self.kept,
            plan: &self.plan,
        }
    }

    fn helper(&self, state: &str, restarts: u64) {
        let text = format!("ActiveState={state}\nNRestarts={restarts}\n");
        fs::write(self.folder.path().join("show"), text).unwrap();
    }

    fn outcome(&self, text: &str) {
        fs::write(self.handed().path(OUTCOME), text).unwrap();
    }

    /// Lines of what was started.
    fn ran(&self) -> Vec<String> {
        let ran = fs::read_to_string(self.folder.path().join("ran")).unwrap_or_default();
        ran.lines().map(str::to_owned).collect()
    }

    /// Journals the operation, and whether it was handed over.
    async fn journal(&self, events: Vec<OperationEventBody>) {
        let operation = AgentOperation {
            id: "op".into(),
            epoch: 1,
            core_id: None,
            action: ContainerAction::Restart,
            scope: Scope::All,
            exclude: Vec::new(),
            signal: None,
            time: None,
            override_reason: None,
            detach: false,
            recreate: None,
            probation_s: None,
            expected: Default::default(),
            bound: false,
            concurrency: 0,
            operator: String::new(),
        };
        let folder = self.folder.path().join("journal");
        let (journal, _) = Journal::open(&folder, JOURNAL_BYTES_MAX).unwrap();
        let planned = OperationEventBody::Planned {
            items: Vec::new(),
            deadline: 0,
        };
        let events: Vec<OperationEvent> = std::iter::once(planned)
            .chain(events)
            .zip(1..)
            .map(|(body, seq)| OperationEvent { seq, at: 0, body })
            .collect();
        let file = journal.create(&operation, &events[0], 1).await.unwrap();
        journal.append(&file, &events[1..], |written| written.unwrap());
    }

    async fn watchdog_looks(&self) -> bool {
        bring_back(&self.systemd, &self.kept, UNIT, false)
            .await
            .unwrap()
    }
}

fn handed_over() -> OperationEventBody {
    OperationEventBody::HandedOver {
        id: "unit:agent.service".into(),
        helper: "komodo-hand-over-op.service".into(),
        until: 0,
        probation_s: 1,
    }
}

#[tokio::test]
async fn what_has_become_of_a_helper_is_seen() {
    let host = Host::new().await;
    assert_eq!(host.handed().look().await, Helper::Lost);
    for state in ["active", "activating", "deactivating"] {
        host.helper(state, RESTARTS_MAX);
        assert_eq!(host.handed().look().await, Helper::Runs, "{state}");
    }
    host.helper("activating", RESTARTS_MAX + 1);
    assert_eq!(host.handed().look().await, Helper::Lost);
    host.outcome("{");
    assert_eq!(host.handed().look().await, Helper::Lost, "it is not whole");
    host.outcome(r#"{"outcome":"confirmed"}"#);
    let ended = Helper::Ended(Outcome::Confirmed);
    assert_eq!(host.handed().look().await, ended);
}

#[tokio::test]
async fn a_systemd_that_does_not_answer_tells_nothing() {
    let host = Host::new().await;
    fs::remove_file(host.folder.path().join("show")).unwrap();
    assert_eq!(host.handed().look().await, Helper::Away);
    assert!(host.ran().is_empty());
}

/// The old program is the one that goes on, whichever runs by then.
#[tokio::test]
async fn a_helper_runs_its_own_copy_of_the_old_program() {
    let host = Host::new().await;
    let copy = host.handed().path(HELPER);
    fs::write(&host.plan.program, "#!/bin/sh\necho komodo-periphery 2\n").unwrap();
    host.handed().start().await.unwrap();
    host.handed()
        .start_again(host.plan.program.as_ref())
        .await
        .unwrap();
    let ends = format!("-- {} hand-over", copy.display());
    let ran = host.ran();
    assert_eq!(ran.len(), 2);
    assert!(ran.iter().all(|line| line.ends_with(&ends)), "{ran:?}");
    assert_eq!(sha256(&copy).unwrap(), host.plan.old_sha256);
    // Without the copy it is done with what there is.
    fs::remove_file(&copy).unwrap();
    host.handed()
        .start_again(host.plan.program.as_ref())
        .await
        .unwrap();
    assert_eq!(host.ran().len(), 3);
    assert_ne!(sha256(&copy).unwrap(), host.plan.old_sha256);
}

/// One that is started before the agent has said that it hands over would act on what is only half there.
#[tokio::test]
async fn a_watchdog_brings_a_helper_back_where_it_was_handed_over() {
    let host = Host::new().await;
    assert!(!host.watchdog_looks().await, "there is no journal");
    host.journal(Vec::new()).await;
    assert!(!host.watchdog_looks().await, "not handed over yet");
    assert!(host.ran().is_empty());
    fs::remove_dir_all(host.folder.path().join("journal")).unwrap();
    host.journal(vec![handed_over()]).await;
    host.helper("active", 0);
    assert!(host.watchdog_looks().await, "the helper is at it");
    assert!(host.ran().is_empty());
    host.helper("inactive", 0);
    assert!(host.watchdog_looks().await, "it is brought back");
    assert_eq!(host.ran().len(), 1);
    host.outcome(r#"{"outcome":"confirmed"}"#);
    assert!(!host.watchdog_looks().await, "it is over");
    assert_eq!(host.ran().len(), 1);
}

/// A folder from which nothing may be run, as one mounted with `noexec`, is seen before anything is touched.
#[tokio::test]
async fn a_helper_that_cannot_be_run_is_told() {
    let host = Host::new().await;
    let handed = host.handed();
    let other = host.folder.path().join("other");
    fs::write(&other, "#!/none/there\n").unwrap();
    let why = handed.prepare(&other).await.unwrap_err();
    assert!(why.contains("cannot be run"), "{why}");
    fs::write(&other, "#!/bin/sh\n").unwrap();
    let why = handed.prepare(&other).await.unwrap_err();
    assert!(why.contains("does not say"), "{why}");
    let why = handed.prepare("/none/there".as_ref()).await.unwrap_err();
    assert!(why.contains("cannot be written"), "{why}");
}

#[tokio::test]
async fn nothing_is_left_of_what_is_settled() {
    let host = Host::new().await;
    let before = |host: &Host| {
        let names = fs::read_dir(host.folder.path()).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let names = before(&host);
    for path in files::unfinished(&host.plan) {
        fs::write(path, "").unwrap();
    }
    fs::write(host.plan.other(), "").unwrap();
    fs::write(host.handed().path(WHY), "").unwrap();
    fs::write(files::part(&host.handed().path(HELPER)), "").unwrap();
    host.outcome("{}");
    host.handed().tidy().await;
    assert_eq!(before(&host), names);
    let kept = fs::read_dir(host.folder.path().join("hand-over")).unwrap();
    assert_eq!(kept.count(), 0);
}
