//! The agent as a service of a systemd that is told what to say, and whose helper is told how it ends. With the real
//! ones it is in the acceptance tests.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::StreamExt;
use komodo_agent_api::{OperationEvent, ProgramPart};
use komodo_api::{
    container::ContainerAction,
    periphery::{AgentService, Program},
};
use komodo_docker::{Endpoint, Engine};
use komodo_journal::{JOURNAL_BYTES_MAX, Journal};
use komodo_link::Identity;
use komodo_plan::program::signed_text;
use tokio::{task::JoinSet, time::timeout};

use super::*;
use crate::{
    departure::Departure,
    hand_over::kept::Kept,
    observe::Observatory,
    operations::Operations,
    service::{Service, ServiceOptions, SystemdPrograms, sha256},
    test_directory::TestDirectory,
};

const SOON: Duration = Duration::from_secs(20);
const UNIT: &str = "agent.service";
const ID: &str = "op1";

/// A host whose systemd writes what is in the file `show`, and whose helpers end with what is in the file `ends`.
struct Host {
    folder: TestDirectory,
    core: Identity,
}

/// An agent on it.
struct Running {
    operations: Operations,
    service: Service,
    _tasks: JoinSet<()>,
}

/// A program of the agent that can do nothing but tell its version.
fn text(version: &str) -> String {
    format!("#!/bin/sh\necho 'komodo-periphery {version}'\n")
}

impl Host {
    fn new() -> Self {
        let host = Host {
            folder: TestDirectory::new(),
            core: Identity::generate().unwrap(),
        };
        host.program("agent", &text("1.0.0"));
        host.write("cgroup", &format!("0::/system.slice/{UNIT}\n"));
        symlink(host.path("agent"), host.path("exe")).unwrap();
        host.program(
            "systemctl",
            "#!/bin/sh\nfolder=${0%/*}\ncase \"$*\" in\n*komodo-hand-over*) cat \"$folder/helper\" ;;\n*) cat \"$folder/show\" ;;\nesac\n",
        );
        host.program(
            "systemd-run",
            "#!/bin/sh\nfolder=${0%/*}\necho \"$*\" >>\"$folder/ran\"\n[ \"$1\" = --version ] && exit 0\n\
             test -e \"$folder/fails\" && { echo no room >&2; exit 1; }\n\
             test ! -e \"$folder/ends\" || cp \"$folder/ends\" \"$folder/hand-over/op1.outcome\"\n",
        );
        host.write("helper", "LoadState=not-found\nActiveState=inactive\n");
        host.write(
            "ends",
            r#"{"outcome":"rolled_back","why":"it did not start"}"#,
        );
        host.shows("aa");
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn program(&self, name: &str, text: &str) {
        self.write(name, text);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn shows(&self, invocation: &str) {
        let own = std::process::id();
        let text = format!(
            "LoadState=loaded\nMainPID={own}\nInvocationID={invocation}\nRootDirectory=\nRootImage=\n\
             TimeoutStopUSec=15s\nRefuseManualStart=no\nRefuseManualStop=no\n"
        );
        self.write("show", &text);
    }

    /// An agent in a run of its own. No Engine is there.
    async fn agent(&self, invocation: &str) -> Running {
        let options = ServiceOptions {
            invocation: Some(invocation.to_owned()),
            cgroup: self.path("cgroup"),
            program: self.path("exe"),
            systemd: SystemdPrograms {
                systemctl: self.path("systemctl"),
                systemd_run: self.path("systemd-run"),
            },
            core_keys: vec![self.core.public_key()],
        };
        let (service, detection) = Service::new(self.folder.path(), options);
        let mut tasks = JoinSet::new();
        tasks.spawn(detection.run());
        let journal = self.path("journal");
        let (journal, recorded) = Journal::open(&journal, JOURNAL_BYTES_MAX).unwrap();
        let means = Means {
            engine: Engine::new(Endpoint::Unix(self.path("docker.sock"))),
            observatory: Observatory::new(16),
            journal: Arc::new(journal),
            kept: Kept::new(self.folder.path(), &[]),
            departure: Departure::default(),
            service: service.clone(),
        };
        Running {
            operations: Operations::new(means, recorded).await.unwrap(),
            service,
            _tasks: tasks,
        }
    }

    /// A program that Core would send.
    fn signed(&self, version: &str, text: &str) -> Program {
        self.write("new", text);
        let program = Program {
            version: version.into(),
            architecture: std::env::consts::ARCH.into(),
            bytes: text.len() as u64,
            sha256: sha256(&self.path("new")).unwrap(),
            signature: String::new(),
        };
        Program {
            signature: self.core.sign(signed_text(&program).as_bytes()).unwrap(),
            ..program
        }
    }

    /// What systemd-run was asked for, without the questions for its version.
    fn helpers(&self) -> Vec<String> {
        let ran = fs::read_to_string(self.path("ran")).unwrap_or_default();
        let helpers = ran.lines().filter(|line| *line != "--version");
        helpers.map(str::to_owned).collect()
    }

    /// Waits until one is asked for.
    async fn has_helper(&self) {
        let asked = async {
            while self.helpers().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        timeout(SOON, asked).await.expect("a helper is asked for");
    }

    fn is_tidy(&self) {
        let left = fs::read_dir(self.path("hand-over")).into_iter().flatten();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(!self.path("agent.komodo-other").exists());
    }
}

impl Running {
    async fn send(&self, program: &Program, text: &str) {
        let part = ProgramPart {
            program: program.clone(),
            offset: 0,
            part: STANDARD.encode(text),
        };
        let received = self.service.receive(part).await.unwrap();
        assert_eq!(received.bytes, program.bytes);
    }

    /// What is told of an operation from its beginning to its end.
    async fn carry_out(&self, operation: AgentOperation) -> Vec<OperationEventBody> {
        let events = self.operations.operate(operation).await.unwrap();
        to_the_end(events).await
    }

    async fn follow(&self) -> Vec<OperationEventBody> {
        to_the_end(self.operations.follow(ID, 0).await.unwrap()).await
    }

    async fn refuses(&self, operation: AgentOperation) -> String {
        let events = self.carry_out(operation).await;
        let handed = |event: &OperationEventBody| {
            matches!(
                event,
                OperationEventBody::HandedOver { .. } | OperationEventBody::Started { .. }
            )
        };
        assert!(!events.iter().any(handed), "{events:?}");
        let verdict = verdict_of(&events);
        assert_eq!(verdict.verdict, VerdictKind::Failed);
        verdict.error.unwrap()
    }
}

async fn to_the_end(
    events: komodo_agent_api::AgentStream<OperationEvent>,
) -> Vec<OperationEventBody> {
    let bodies = events.map(|event| event.unwrap().body).collect();
    timeout(SOON, bodies).await.expect("it ends")
}

fn verdict_of(events: &[OperationEventBody]) -> Verdict {
    let mut verdicts = events.iter().filter_map(|event| match event {
        OperationEventBody::Verdict(verdict) => Some(verdict.clone()),
        _ => None,
    });
    verdicts.next().expect("there is a verdict")
}

fn restart(program: Option<Program>) -> AgentOperation {
    AgentOperation {
        id: ID.into(),
        epoch: 1,
        core_id: None,
        action: ContainerAction::Restart,
        scope: Scope::Agent(AgentService {
            unit: UNIT.into(),
            program,
        }),
        exclude: Vec::new(),
        signal: None,
        time: None,
        override_reason: None,
        detach: false,
        recreate: None,
        probation_s: Some(3),
        expected: BTreeMap::new(),
        bound: false,
        concurrency: 1,
        operator: "test".into(),
    }
}

#[tokio::test]
async fn it_knows_which_service_it_is() {
    let host = Host::new();
    let told = host.agent("aa").await.service.told().await.unwrap();
    assert_eq!(told.name, UNIT);
    assert_eq!(told.program, host.path("agent").to_string_lossy());
    assert_eq!(told.sha256, sha256(&host.path("agent")).unwrap());
    assert!(!told.user);
    // Another run of that service, so another process.
    assert_eq!(host.agent("bb").await.service.told().await, None);
    host.write("cgroup", "0::/\n");
    assert_eq!(host.agent("aa").await.service.told().await, None);
}

#[tokio::test]
async fn a_helper_is_started_for_a_restart_also_without_an_engine() {
    let host = Host::new();
    let agent = host.agent("aa").await;
    let events = agent.carry_out(restart(None)).await;
    let handed = events.iter().find_map(|event| match event {
        OperationEventBody::HandedOver { id, helper, .. } => Some((id.as_str(), helper.as_str())),
        _ => None,
    });
    let expected = ("unit:agent.service", "komodo-hand-over-op1.service");
    assert_eq!(handed, Some(expected));
    let [helper] = &host.helpers()[..] else {
        panic!("{:?}", host.helpers());
    };
    assert!(
        helper.contains("--unit=komodo-hand-over-op1.service"),
        "{helper}"
    );
    assert!(helper.contains("op1.helper hand-over"), "{helper}");
    let verdict = verdict_of(&events);
    assert_eq!(verdict.verdict, VerdictKind::Failed);
    assert_eq!(
        verdict.error.as_deref(),
        Some("rolled back: it did not start")
    );
    timeout(SOON, agent.operations.end())
        .await
        .expect("it ends");
    host.is_tidy();
}

#[tokio::test]
async fn a_new_program_is_put_beside_the_one_that_runs() {
    let host = Host::new();
    let agent = host.agent("aa").await;
    let new = text("2.0.0");
    let program = host.signed("2.0.0", &new);
    agent.send(&program, &new).await;
    // So that everything is there still.
    fs::remove_file(host.path("ends")).unwrap();
    host.write("helper", "LoadState=loaded\nActiveState=active\n");
    let events = agent.operations.operate(restart(Some(program)));
    let events = events.await.unwrap();
    host.has_helper().await;
    assert_eq!(
        fs::read_to_string(host.path("agent.komodo-other")).unwrap(),
        new
    );
    assert_eq!(
        fs::read_to_string(host.path("agent")).unwrap(),
        text("1.0.0")
    );
    let helper = fs::read_to_string(host.path("hand-over/op1.helper")).unwrap();
    assert_eq!(helper, text("1.0.0"));
    // The old one confirms nothing, whoever asks.
    let error = agent.operations.confirm(ID).await.unwrap_err();
    assert_eq!(error.code, AgentErrorCode::Invalid);
    drop(events);
    agent.operations.end().await;

    // The helper does its work; the next agent is the new program in a new run.
    fs::rename(host.path("agent.komodo-other"), host.path("agent")).unwrap();
    host.shows("bb");
    let agent = host.agent("bb").await;
    agent.operations.confirm(ID).await.unwrap();
    host.write("hand-over/op1.outcome", r#"{"outcome":"confirmed"}"#);
    let events = agent.follow().await;
    assert!(events.contains(&OperationEventBody::Confirmed));
    let verdict = verdict_of(&events);
    assert_eq!(verdict.verdict, VerdictKind::Done, "{verdict:?}");
    assert_eq!(verdict.id, "unit:agent.service");
    assert_eq!(host.helpers().len(), 1);
    host.is_tidy();
}

#[tokio::test]
async fn a_helper_that_is_gone_is_started_again() {
    let host = Host::new();
    let agent = host.agent("aa").await;
    host.write("helper", "LoadState=loaded\nActiveState=active\n");
    let ends = fs::read_to_string(host.path("ends")).unwrap();
    fs::remove_file(host.path("ends")).unwrap();
    let events = agent.operations.operate(restart(None)).await.unwrap();
    host.has_helper().await;
    drop(events);
    agent.operations.end().await;
    host.write("helper", "LoadState=not-found\nActiveState=inactive\n");
    host.write("ends", &ends);
    let agent = host.agent("aa").await;
    let verdict = verdict_of(&agent.follow().await);
    assert_eq!(
        verdict.error.as_deref(),
        Some("rolled back: it did not start")
    );
    assert_eq!(host.helpers().len(), 2);
}

#[tokio::test]
async fn what_cannot_work_is_refused_while_nothing_is_touched() {
    let host = Host::new();
    let agent = host.agent("aa").await;
    let new = text("2.0.0");
    let good = host.signed("2.0.0", &new);
    let operation = |id: &str, program: &Program| AgentOperation {
        id: id.into(),
        ..restart(Some(program.clone()))
    };
    let why = agent.refuses(operation("not-sent", &good)).await;
    assert!(why.contains("completely"), "{why}");

    agent.send(&good, &new).await;
    let other_unit = AgentOperation {
        scope: Scope::Agent(AgentService {
            unit: "other.service".into(),
            program: None,
        }),
        ..operation("other-unit", &good)
    };
    let why = agent.refuses(other_unit).await;
    assert!(why.contains("'agent.service'"), "{why}");

    let forged = Program {
        version: "3.0.0".into(),
        ..good.clone()
    };
    let why = agent.refuses(operation("forged", &forged)).await;
    assert!(why.contains("signature"), "{why}");

    let liar = host.signed("3.0.0", &new);
    agent.send(&liar, &new).await;
    let why = agent.refuses(operation("liar", &liar)).await;
    assert!(why.contains("2.0.0") && why.contains("3.0.0"), "{why}");

    let broken_text = "no program at all";
    let broken = host.signed("4.0.0", broken_text);
    agent.send(&broken, broken_text).await;
    let why = agent.refuses(operation("broken", &broken)).await;
    assert!(why.contains("cannot be run"), "{why}");

    agent.send(&good, &new).await;
    host.program("agent", &text("1.0.1"));
    let why = agent.refuses(operation("replaced", &good)).await;
    assert!(why.contains("restart the agent first"), "{why}");
    host.program("agent", &text("1.0.0"));

    host.shows("cc");
    let why = agent.refuses(operation("another-run", &good)).await;
    assert!(why.contains("does not run this agent"), "{why}");
    host.shows("aa");

    fs::create_dir_all(host.path("hand-over")).unwrap();
    host.write("hand-over/another.json", "{}");
    let why = agent.refuses(operation("one-more", &good)).await;
    assert!(why.contains("operation another"), "{why}");
    fs::remove_file(host.path("hand-over/another.json")).unwrap();

    assert!(host.helpers().is_empty(), "{:?}", host.helpers());
    host.is_tidy();
}

#[tokio::test]
async fn a_program_that_no_helper_can_put_back_is_put_back_by_the_agent() {
    let host = Host::new();
    let agent = host.agent("aa").await;
    let new = text("2.0.0");
    let program = host.signed("2.0.0", &new);
    agent.send(&program, &new).await;
    host.write("helper", "LoadState=loaded\nActiveState=active\n");
    fs::remove_file(host.path("ends")).unwrap();
    // The program is held by what runs, whatever is at its path.
    fs::hard_link(host.path("agent"), host.path("runs")).unwrap();
    let events = agent.operations.operate(restart(Some(program)));
    let events = events.await.unwrap();
    host.has_helper().await;
    fs::remove_file(host.path("exe")).unwrap();
    symlink(host.path("runs"), host.path("exe")).unwrap();
    // The helper dies between two of its steps, and no other one comes to anything.
    fs::rename(host.path("agent.komodo-other"), host.path("agent")).unwrap();
    host.write("helper", "LoadState=not-found\nActiveState=inactive\n");
    let verdict = verdict_of(&to_the_end(events).await);
    assert_eq!(verdict.verdict, VerdictKind::Failed);
    let why = verdict.error.unwrap();
    assert!(why.contains("still runs as before"), "{why}");
    let path = host.path("agent");
    assert_eq!(fs::read_to_string(path).unwrap(), text("1.0.0"));
    host.is_tidy();
}

#[tokio::test]
async fn a_helper_that_cannot_be_started_leaves_nothing_behind() {
    let host = Host::new();
    let agent = host.agent("aa").await;
    let new = text("2.0.0");
    let program = host.signed("2.0.0", &new);
    agent.send(&program, &new).await;
    host.write("fails", "");
    let events = agent.carry_out(restart(Some(program))).await;
    let verdict = verdict_of(&events);
    assert_eq!(verdict.verdict, VerdictKind::Failed);
    let why = verdict.error.unwrap();
    assert!(
        why.contains("nothing was changed") && why.contains("no room"),
        "{why}"
    );
    timeout(SOON, agent.operations.end())
        .await
        .expect("it ends");
    host.is_tidy();
}
