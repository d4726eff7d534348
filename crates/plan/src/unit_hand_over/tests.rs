use super::*;

mod explore;
mod rows;
mod settled;

/// Until when the plans of these tests are to be confirmed.
const UNTIL: UnixMs = 100_000;

fn plan(kind: &str) -> UnitPlan {
    UnitPlan {
        operation: "op".into(),
        unit: "agent.service".into(),
        user: false,
        program: "/bin/agent".into(),
        old_sha256: "0".into(),
        new_sha256: match kind {
            "restart" => None,
            "same" => Some("0".into()),
            "replace" => Some("1".into()),
            other => panic!("no plan {other}"),
        },
        invocation: "first".into(),
        journal: "/j".into(),
        until: UNTIL,
    }
}

fn content(word: &str) -> Content {
    match word {
        "old" => Content::Old,
        "new" => Content::New,
        "else" => Content::Else,
        "-" => Content::Absent,
        other => panic!("no content {other}"),
    }
}

/// `active runs=old`, `active again runs=new restarts=1`, `auto-restart again code=1`, `failed job`.
fn service(text: &str) -> Service {
    let mut words = text.split_whitespace();
    let state = words.next().expect("a state");
    let mut service = Service {
        active: match state {
            "auto-restart" => Active::Activating,
            state => Active::read(state),
        },
        auto_restart: state == "auto-restart",
        job: false,
        invocation: "first".into(),
        restarts: 0,
        ended: None,
        runs: Content::Absent,
    };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("again", _) => service.invocation = "second".into(),
            ("job", _) => service.job = true,
            ("runs", what) => service.runs = content(what),
            ("restarts", times) => service.restarts = times.parse().unwrap(),
            ("code", code) => service.ended = Some(format!("exit code {code}")),
            other => panic!("no property {other:?}"),
        }
    }
    service
}

fn words(step: &UnitStep) -> String {
    match step {
        UnitStep::Exchange => "exchange".into(),
        UnitStep::Restore => "restore".into(),
        UnitStep::Restart => "restart".into(),
        UnitStep::Start => "start".into(),
        UnitStep::RemoveOther => "remove".into(),
        UnitStep::Await => "await".into(),
        UnitStep::Finish(Outcome::Confirmed) => "confirmed".into(),
        UnitStep::Finish(Outcome::RolledBack { why }) => format!("rolled back: {why}"),
        UnitStep::Finish(Outcome::Untouched { why }) => format!("untouched: {why}"),
        UnitStep::Finish(Outcome::Stuck { why }) => format!("stuck: {why}"),
        UnitStep::Finish(Outcome::Unconfirmed { why }) => format!("unconfirmed: {why}"),
    }
}

#[test]
fn a_plan_is_carried_as_text() {
    for kind in ["restart", "replace"] {
        let text = serde_json::to_string(&plan(kind)).unwrap();
        assert_eq!(serde_json::from_str::<UnitPlan>(&text).unwrap(), plan(kind));
    }
}

#[test]
fn a_program_is_known_by_its_hash() {
    let plan = plan("replace");
    assert_eq!(plan.which("0"), Content::Old);
    assert_eq!(plan.which("1"), Content::New);
    assert_eq!(plan.which("2"), Content::Else);
    assert_eq!(plan.other(), "/bin/agent.komodo-other");
    assert_eq!(plan.helper_unit(), "komodo-hand-over-op.service");
}
