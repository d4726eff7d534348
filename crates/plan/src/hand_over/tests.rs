use komodo_api::{engine::ContainerStateStatusEnum, update::Run};

use super::*;

mod explore;
mod recreate;
mod rows;
mod settled;

/// Until when the plans of these tests are to be confirmed.
const UNTIL: UnixMs = 100_000;
/// The start of the run that the old container is in.
const BEGAN: UnixMs = 1_000;

fn plan(kind: &str) -> HandOverPlan {
    let replace = |policy: &str| Replace {
        image: "komodo:2".into(),
        restart_policy: serde_json::json!({ "Name": policy, "MaximumRetryCount": 0 }),
        carry: Vec::new(),
    };
    HandOverPlan {
        operation: "op".into(),
        container: "o".into(),
        name: "agent".into(),
        run: Run {
            started_at: Some(BEGAN),
            finished_at: None,
        },
        stop_timeout_s: None,
        replace: match kind {
            "restart" => None,
            "replace" => Some(replace("always")),
            "replace-no" => Some(replace("no")),
            other => panic!("no plan {other}"),
        },
        journal: JournalPlace {
            container: None,
            path: "/j".into(),
        },
        until: UNTIL,
    }
}

/// `running`, `exited code=1 ended=5000`, `running again name=agent.komodo-old held`.
fn body(which: Which, text: &str) -> Option<Body> {
    let mut words = text.split_whitespace();
    let state = words.next()?;
    let mut body = Body {
        id: match which {
            Which::Old => "o".into(),
            Which::New => "n".into(),
        },
        name: match which {
            Which::Old => "agent".into(),
            Which::New => "agent.komodo-new".into(),
        },
        state: crate::table::state(state),
        run: Run {
            started_at: match which {
                Which::Old => Some(BEGAN),
                Which::New if state == "created" => None,
                Which::New => Some(20_000),
            },
            finished_at: None,
        },
        restarts: 0,
        exit_code: None,
        held: false,
    };
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "name" => body.name = value.into(),
            "held" => body.held = true,
            "again" => body.run.started_at = Some(30_000),
            "code" => body.exit_code = value.parse().ok(),
            "ended" => body.run.finished_at = value.parse().ok(),
            "restarts" => body.restarts = value.parse().unwrap(),
            other => panic!("no property {other}"),
        }
    }
    Some(body)
}

fn words(step: &Step) -> String {
    let whose = |which: &Which| match which {
        Which::Old => "old",
        Which::New => "new",
    };
    match step {
        Step::Create => "create".into(),
        Step::Hold => "hold".into(),
        Step::Release => "release".into(),
        Step::Stop(which) => format!("stop {}", whose(which)),
        Step::Rename(which, name) => format!("rename {} {name}", whose(which)),
        Step::Begin => "begin".into(),
        Step::Start(which) => format!("start {}", whose(which)),
        Step::Remove(which) => format!("remove {}", whose(which)),
        Step::Await => "await".into(),
        Step::Finish(Outcome::Confirmed) => "confirmed".into(),
        Step::Finish(Outcome::RolledBack { why }) => format!("rolled back: {why}"),
        Step::Finish(Outcome::Untouched { why }) => format!("untouched: {why}"),
        Step::Finish(Outcome::Stuck { why }) => format!("stuck: {why}"),
        Step::Finish(Outcome::Unconfirmed { why }) => format!("unconfirmed: {why}"),
    }
}

#[test]
fn each_outcome_has_its_exit_code() {
    let why = String::new;
    let outcomes = [
        (Outcome::Confirmed, 0),
        (Outcome::RolledBack { why: why() }, 10),
        (Outcome::Untouched { why: why() }, 11),
        (Outcome::Stuck { why: why() }, 12),
        (Outcome::Unconfirmed { why: why() }, 13),
    ];
    for (outcome, code) in outcomes {
        assert_eq!(outcome.exit_code(), code, "{outcome:?}");
    }
}

#[test]
fn a_plan_is_carried_as_text() {
    for kind in ["restart", "replace"] {
        let text = serde_json::to_string(&plan(kind)).unwrap();
        assert_eq!(
            serde_json::from_str::<HandOverPlan>(&text).unwrap(),
            plan(kind)
        );
    }
}
