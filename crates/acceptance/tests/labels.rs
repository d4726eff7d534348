//! Which values of `komodo.skip` leave a container out of server-wide operations, on every verb and on prune.

use komodo_acceptance::act_on_all;
use komodo_api::{container::ContainerAction, plan::ReasonCode, update::VerdictKind};
use komodo_testkit::{
    engine::{Container, Engine, State},
    installation::{Agent, Core, Failure},
};

const SERVER: &str = "host-1";

/// Name of the container, value of the label (none where it has no label), whether it is spared.
const CASES: [(&str, Option<&str>, bool); 7] = [
    ("is-true", Some("true"), true),
    ("is-empty", Some(""), true),
    ("is-zero", Some("0"), true),
    ("is-no", Some("no"), true),
    ("is-capital-false", Some("False"), true),
    ("is-false", Some("false"), false),
    ("is-absent", None, false),
];

async fn installation() -> Result<(Engine, Core, Agent), Failure> {
    let engine = Engine::start().await?;
    let core = Core::start(engine.host_address().into()).await?;
    for (name, value, _) in CASES {
        let mut container = Container::idle(name);
        if let Some(value) = value {
            container = container.label("komodo.skip", value);
        }
        engine.run(container).await?;
    }
    let agent = core.agent_process(&engine, SERVER).await?;
    Ok((engine, core, agent))
}

/// Runs an operation on all and checks that the spared ones kept `kept` and the others have `changed`.
async fn check(
    engine: &Engine,
    core: &Core,
    action: ContainerAction,
    kept: State,
    changed: State,
) -> Result<(), Failure> {
    let update = act_on_all(core, SERVER, action).await?;
    assert!(update.success, "{update:#?}");
    for (name, _, spared) in CASES {
        let verdict = update
            .verdicts
            .iter()
            .find(|verdict| verdict.container == name)
            .ok_or("no verdict")?;
        let expected = if spared {
            VerdictKind::Skipped
        } else {
            VerdictKind::Done
        };
        assert_eq!(
            verdict.verdict, expected,
            "{action:?} on {name}: {verdict:?}"
        );
        if spared {
            assert_eq!(
                verdict.reason.as_ref().map(|reason| reason.code),
                Some(ReasonCode::Label),
                "{verdict:?}"
            );
        }
        assert_eq!(
            engine.state(name).await?,
            if spared { kept } else { changed },
            "{action:?} on {name}"
        );
    }
    Ok(())
}

/// Brings the labelled containers, which no operation on all touches, into a state by hand.
async fn by_hand(engine: &Engine, core: &Core, state: State) -> Result<(), Failure> {
    for (name, _, spared) in CASES {
        let now = engine.state(name).await?;
        match state {
            _ if !spared || now == state => continue,
            State::Paused => engine.pause(name).await?,
            State::Running if now == State::Paused => engine.unpause(name).await?,
            State::Running => engine.start_container(name).await?,
            _ => engine.stop(name).await?,
        }
    }
    core.wait_containers(SERVER, "the change by hand", |list| {
        CASES
            .iter()
            .filter(|(_, _, spared)| *spared)
            .all(|(name, _, _)| {
                list.iter().any(|item| {
                    item.name == *name
                        && item.state.as_str()
                            == match state {
                                State::Paused => "paused",
                                State::Running => "running",
                                _ => "exited",
                            }
                })
            })
    })
    .await
    .map(drop)
}

#[tokio::test]
async fn the_label_spares_five_of_seven_from_every_operation_on_all() -> Result<(), Failure> {
    let (engine, core, _agent) = installation().await?;
    use ContainerAction::{Pause, Prune, Restart, Start, Stop, Unpause};
    use State::{Absent, Exited, Paused, Running};
    // What is done to all, the state that the labelled ones are brought into before and keep, that of the others after.
    let steps = [
        (Pause, Running, Paused),
        (Unpause, Paused, Running),
        (Restart, Running, Running),
        (Stop, Running, Exited),
        (Start, Exited, Running),
        (Stop, Exited, Exited),
        (Prune, Exited, Absent),
    ];
    for (action, kept, changed) in steps {
        by_hand(&engine, &core, kept).await?;
        check(&engine, &core, action, kept, changed).await?;
    }
    Ok(())
}
