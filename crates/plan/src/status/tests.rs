use expect_test::expect;

use super::*;
use crate::table::container;

/// Words of a container, `now` ms after the epoch of the line's times.
fn words(line: &str, now: UnixMs) -> String {
    container_status(&container(line), now)
}

#[test]
fn containers_read_as_docker_ps_writes_them() {
    const S: i64 = 1000;
    const M: i64 = 60 * S;
    const H: i64 = 60 * M;
    const D: i64 = 24 * H;
    for (line, now, expected) in [
        ("a running started=0", 0, "Up Less than a second"),
        ("a running started=5000", 0, "Up Less than a second"),
        ("a running started=0", 999, "Up Less than a second"),
        ("a running started=0", S, "Up 1 second"),
        ("a running started=0", 2 * S, "Up 2 seconds"),
        ("a running started=0", 59 * S, "Up 59 seconds"),
        ("a running started=0", M, "Up About a minute"),
        ("a running started=0", 2 * M, "Up 2 minutes"),
        ("a running started=0", 59 * M, "Up 59 minutes"),
        ("a running started=0", H, "Up About an hour"),
        ("a running started=0", 89 * M, "Up About an hour"),
        ("a running started=0", 90 * M, "Up 2 hours"),
        ("a running started=0", 47 * H, "Up 47 hours"),
        ("a running started=0", 2 * D, "Up 2 days"),
        ("a running started=0", 13 * D, "Up 13 days"),
        ("a running started=0", 14 * D, "Up 2 weeks"),
        ("a running started=0", 59 * D, "Up 8 weeks"),
        ("a running started=0", 60 * D, "Up 2 months"),
        ("a running started=0", 729 * D, "Up 24 months"),
        ("a running started=0", 730 * D, "Up 2 years"),
        ("a running", 0, "Up"),
        (
            "a running started=0 health=healthy",
            5 * M,
            "Up 5 minutes (healthy)",
        ),
        (
            "a running started=0 health=unhealthy",
            5 * M,
            "Up 5 minutes (unhealthy)",
        ),
        (
            "a running started=0 health=starting",
            5 * S,
            "Up 5 seconds (health: starting)",
        ),
        ("a paused started=0", 5 * M, "Up 5 minutes (Paused)"),
        (
            "a restarting code=1 finished=0",
            3 * S,
            "Restarting (1) 3 seconds ago",
        ),
        (
            "a exited code=137 finished=0",
            3 * D,
            "Exited (137) 3 days ago",
        ),
        (
            "a exited code=0 finished=0",
            3 * S,
            "Exited (0) 3 seconds ago",
        ),
        ("a exited", 0, "Exited (0)"),
        ("a created", 0, "Created"),
        ("a dead", 0, "Dead"),
        ("a removing", 0, "Removal In Progress"),
        ("a stopping started=0", 5 * M, "Up 5 minutes"),
    ] {
        assert_eq!(words(line, now), expected, "{line} at {now}");
    }
}

#[test]
fn a_server_says_why_it_is_not_ok_and_since_when() {
    let connected = EngineState::Connected {
        engine_id: "E".into(),
        version: "28.5".into(),
        api_version: "1.51".into(),
        since: 0,
    };
    let away = EngineState::Unreachable {
        why: "permission denied".into(),
        since: 7,
    };
    let at = 1_795_435_391_000;
    let lost = |goodbye| LinkState::Lost { since: at, goodbye };
    let mut printed = String::new();
    for (enabled, link, engine) in [
        (true, LinkState::Up { since: 1 }, &connected),
        (true, LinkState::Up { since: 1 }, &away),
        (true, LinkState::Never, &away),
        (true, lost(None), &connected),
        (
            true,
            lost(Some(GoodbyeReason::Signal {
                signal: "SIGTERM".into(),
            })),
            &connected,
        ),
        (
            true,
            lost(Some(GoodbyeReason::EngineEvent {
                action: "pause".into(),
            })),
            &connected,
        ),
        (
            true,
            LinkState::KeyRefused {
                since: None,
                public_key: "K".into(),
            },
            &connected,
        ),
        (false, LinkState::Up { since: 1 }, &connected),
        (false, lost(None), &connected),
    ] {
        let (state, reason) = server_state(enabled, &link, engine);
        printed += &format!("{state:?}");
        if let Some(ServerReason {
            code, why, since, ..
        }) = reason
        {
            printed += &format!(" {code:?} since {since:?}: {why}");
        }
        printed.push('\n');
    }
    expect![[r#"
        Ok
        NotOk Docker since Some(7): Periphery is connected, but its Docker Engine does not answer: permission denied
        NotOk NeverConnected since None: no Periphery has connected yet
        NotOk Unreachable since Some(1795435391000): no contact with Periphery since 2026-11-23 12:03:11 UTC
        NotOk AgentStopped since Some(1795435391000): Periphery was stopped on the host at 2026-11-23 12:03:11 UTC (by SIGTERM)
        NotOk AgentStopped since Some(1795435391000): Periphery was stopped on the host at 2026-11-23 12:03:11 UTC (the Engine told: pause)
        NotOk KeyRefused since None: a Periphery with another key asks to connect and is refused (key K)
        Disabled
        Disabled
    "#]].assert_eq(&printed);
}

#[test]
fn who_detached_a_server_and_what_brings_it_back_are_told_apart_from_the_sentence() {
    let connected = EngineState::Connected {
        engine_id: "E".into(),
        version: "28.5".into(),
        api_version: "1.51".into(),
        since: 0,
    };
    let lost = |goodbye| LinkState::Lost {
        since: 1_795_435_391_000,
        goodbye: Some(goodbye),
    };
    let detached = lost(GoodbyeReason::Detached {
        by: "ada".into(),
        bring_back: "docker start periphery".into(),
    });
    let (_, reason) = server_state(true, &detached, &connected);
    let reason = reason.expect("it is not connected");
    assert_eq!(
        (
            reason.code,
            reason.by.as_deref(),
            reason.bring_back.as_deref()
        ),
        (
            ServerReasonCode::Detached,
            Some("ada"),
            Some("docker start periphery")
        )
    );
    assert!(reason.why.contains("ada") && reason.why.contains("docker start periphery"));
    let gone = lost(GoodbyeReason::Signal {
        signal: "SIGTERM".into(),
    });
    let (_, reason) = server_state(true, &gone, &connected);
    let reason = reason.expect("it is not connected");
    assert_eq!((reason.by, reason.bring_back), (None, None));
}

#[test]
fn an_agent_that_goes_on_purpose_is_not_told_to_be_broken() {
    let engine = EngineState::Unreachable {
        why: "it went".into(),
        since: 7,
    };
    let mut printed = String::new();
    for goodbye in [
        GoodbyeReason::Detached {
            by: "ada".into(),
            bring_back: "docker start periphery".into(),
        },
        GoodbyeReason::HandedOver {
            operation: "op".into(),
        },
    ] {
        let link = LinkState::Lost {
            since: 1_795_435_391_000,
            goodbye: Some(goodbye),
        };
        let (state, reason) = server_state(true, &link, &engine);
        let ServerReason {
            code, why, since, ..
        } = reason.expect("it is away");
        printed += &format!("{state:?} {code:?} since {since:?}: {why}\n");
        assert_eq!(server_state(false, &link, &engine).0, ServerState::Disabled);
    }
    expect![[r#"
        NotOk Detached since Some(1795435391000): detached by ada at 2026-11-23 12:03:11 UTC; bring it back with: docker start periphery
        NotOk HandedOver since Some(1795435391000): Periphery is being restarted or updated by its helper since 2026-11-23 12:03:11 UTC
    "#]].assert_eq(&printed);
}
