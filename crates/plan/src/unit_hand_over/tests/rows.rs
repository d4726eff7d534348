//! The table: what is observed, and what is done next.

use super::*;

/// `kind | program | other | service | confirmed, t=…, failed=step, why=… | what is next`; times are ms, until 100000.
const ROWS: &str = "
    restart | old | - | active runs=old | | restart
    same | old | - | active runs=old | | restart
    restart | else | - | active runs=else | | restart
    restart | old | - | active runs=old | failed=restart | untouched: cannot restart the service: no
    restart | old | - | active runs=old | t=100000 | untouched: its time was over before it was restarted
    restart | old | - | active job runs=old | | await
    restart | old | - | active job runs=old | t=700000 | await
    restart | old | - | active job runs=old | t=700000 failed=await | stuck: systemd is not through with the service: no
    restart | old | - | active job runs=old | t=100000 failed=await | await
    restart | old | - | deactivating runs=old | | await
    restart | old | - | failed job | | await
    restart | old | - | inactive | | start
    restart | old | - | failed code=1 | t=200000 | start
    restart | old | - | failed | t=700000 failed=start | stuck: the service does not run: cannot start the service: no
    restart | old | - | auto-restart code=1 | | start
    restart | old | - | activating again | | await
    restart | old | - | active again runs=old | | await
    restart | old | - | active again runs=old | confirmed | confirmed
    restart | old | - | active again runs=old | confirmed t=100000 | confirmed
    restart | old | - | activating again runs=old | confirmed | await
    restart | old | - | active again runs=old | t=100000 | unconfirmed: it was not confirmed within its time; there is nothing to go back to
    restart | old | - | auto-restart again code=1 | | await
    restart | old | - | auto-restart again code=1 | t=100000 | await
    restart | old | - | auto-restart again code=1 restarts=3 | | await
    restart | old | - | auto-restart again code=1 restarts=3 | t=100000 | start
    restart | old | - | auto-restart again code=1 restarts=3 | t=100000 failed=start | stuck: the service ended (exit code 1) again and again
    restart | old | - | failed again code=2 | | start
    restart | old | - | failed again code=2 | t=700000 | start
    restart | - | - | active runs=old | | untouched: there is no program at /bin/agent that could be started
    restart | - | - | deactivating runs=old | | restore
    restart | - | - | auto-restart again code=203 | | restore
    restart | - | - | failed again code=203 | failed=restore | restore
    restart | - | - | failed again code=203 | failed=restore t=700000 | stuck: the program was removed meanwhile; cannot put the old program back: no

    replace | old | new | active runs=old | | exchange
    replace | old | new | inactive | | exchange
    replace | old | new | active runs=old | failed=exchange | remove
    replace | old | - | active runs=old | failed=exchange | untouched: cannot exchange the programs: no
    replace | old | new | active runs=old | t=100000 | remove
    replace | old | - | active runs=old | why=because | untouched: because
    replace | old | else | active runs=old | | remove
    replace | old | - | active runs=old | | untouched: the new program is not there
    replace | new | old | active runs=old | | restart
    replace | new | old | active runs=old | failed=restart | exchange
    replace | new | old | active runs=old | t=100000 | exchange
    replace | old | - | active runs=old | t=100000 | untouched: the new program is not there
    replace | new | old | active job runs=old | | await
    replace | new | old | deactivating runs=old | | await
    replace | new | old | failed code=1 | | start
    replace | new | old | auto-restart code=1 | | start
    replace | new | old | active again runs=old | | restart
    replace | new | old | active again runs=else | | await
    replace | new | old | activating again runs=new | | await
    replace | new | old | active again runs=new | | await
    replace | new | old | active again runs=new | confirmed | remove
    replace | new | - | active again runs=new | confirmed | confirmed
    replace | new | old | active again runs=new | confirmed failed=remove | confirmed
    replace | new | old | active again runs=new | confirmed t=100000 | remove
    replace | new | old | active again runs=new restarts=2 | confirmed | remove
    replace | new | old | active again runs=new | confirmed why=before | remove
    replace | new | old | active again job runs=new | confirmed | await
    replace | old | new | active again runs=new | confirmed | exchange

    replace | new | old | active again runs=new restarts=1 | | exchange
    replace | new | old | auto-restart again code=1 | | exchange
    replace | new | old | failed again code=203 | | exchange
    replace | new | old | failed again code=1 | confirmed | exchange
    replace | new | old | activating again runs=new | t=100000 | exchange
    replace | new | old | active again runs=new | t=100000 | exchange
    replace | new | old | active again runs=new | t=100000 failed=exchange | restore
    replace | new | else | active again runs=new | t=100000 | restore
    replace | new | - | failed again code=1 | | restore
    replace | - | old | active again runs=new | | restore
    replace | - | - | active runs=old | | restore
    replace | new | - | failed again | t=700000 failed=restore | stuck: the service ended with the new program; cannot put the old program back: no
    replace | old | new | failed again code=1 | | start
    replace | old | new | auto-restart again code=1 | | start
    replace | old | new | active again runs=new | | restart
    replace | old | new | active again runs=new | failed=restart | restart
    replace | old | new | active again runs=new | t=700000 failed=restart | stuck: cannot restart the service: no; cannot restart the service: no
    replace | old | new | activating again runs=new | | restart
    replace | old | new | activating again runs=old | | await
    replace | old | new | active again job runs=new | | await
    replace | old | new | deactivating again runs=new | | await
    replace | old | new | active again runs=else | | await
    replace | old | new | active again runs=else | failed=await | restart
    replace | old | new | active again runs=old | why=because | remove
    replace | old | - | active again runs=old | why=because | rolled back: because
    replace | old | new | active again runs=old | failed=remove why=because | rolled back: because
    replace | old | - | active again runs=old | | rolled back: the service was started again with the old program
    replace | old | - | active again runs=new | confirmed | restart
    replace | old | - | failed again code=1 | why=because t=700000 | start
    replace | old | - | failed again code=1 | why=because t=700000 failed=start | stuck: because; the service does not run: cannot start the service: no
    replace | old | - | failed code=1 | why=because t=700000 | start

    replace | else | new | active runs=old | | remove
    replace | else | - | active runs=old | | untouched: another program was put at /bin/agent meanwhile
    replace | else | old | active again runs=new | | await
    replace | else | old | active again runs=new | confirmed | remove
    replace | else | - | active again runs=new | confirmed | confirmed
    replace | else | old | active again runs=new | t=100000 | stuck: another program was put at /bin/agent meanwhile
    replace | else | old | active again runs=else | | await
    replace | else | old | active again runs=else | t=100000 | stuck: another program was put at /bin/agent meanwhile
    replace | else | old | failed again code=1 | | start
    replace | else | old | deactivating runs=old | | await
";

pub(super) const STEPS: [UnitStep; 6] = [
    UnitStep::Await,
    UnitStep::Exchange,
    UnitStep::Restore,
    UnitStep::Restart,
    UnitStep::Start,
    UnitStep::RemoveOther,
];

#[test]
fn what_is_observed_alone_tells_what_is_next() {
    let mut wrong = String::new();
    for row in ROWS.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [kind, program, other, state, besides, expected] = cells[..] else {
            panic!("{row}");
        };
        let mut scene = UnitScene {
            program: content(program),
            other: content(other),
            service: service(state),
            confirmed: false,
            now: 50_000,
            failed: Vec::new(),
            why: None,
        };
        for word in besides.split_whitespace() {
            match word.split_once('=').unwrap_or((word, "")) {
                ("confirmed", _) => scene.confirmed = true,
                ("t", at) => scene.now = at.parse().unwrap(),
                ("why", why) => scene.why = Some(why.into()),
                ("failed", failed) => scene.failed.push(UnitFailure {
                    step: STEPS
                        .into_iter()
                        .find(|step| words(step) == failed)
                        .unwrap_or_else(|| panic!("no step {failed}")),
                    why: "no".into(),
                }),
                other => panic!("no property {other:?}"),
            }
        }
        let found = words(&next(&plan(kind), &scene));
        if found != expected {
            wrong += &format!("{row}\n    found: {found}\n");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Without it nobody could tell the run that it was in from the one that it is in after.
#[test]
fn a_run_that_is_not_known_is_left_alone() {
    let plan = UnitPlan {
        invocation: String::new(),
        ..plan("replace")
    };
    let scene = UnitScene {
        program: Content::Old,
        other: Content::New,
        service: service("active runs=old"),
        confirmed: false,
        now: 0,
        failed: Vec::new(),
        why: None,
    };
    let step = next(&plan, &scene);
    assert!(
        matches!(step, UnitStep::Finish(Outcome::Untouched { .. })),
        "{step:?}"
    );
    assert_eq!(reason(&plan, &scene), None);
}

#[test]
fn the_first_reason_is_the_one_that_is_told() {
    let plan = plan("replace");
    let mut scene = UnitScene {
        program: Content::New,
        other: Content::Old,
        service: service("auto-restart again code=7"),
        confirmed: false,
        now: 50_000,
        failed: Vec::new(),
        why: None,
    };
    let why = reason(&plan, &scene).expect("it has ended");
    assert_eq!(why, "the service ended (exit code 7) with the new program");
    scene.why = Some(why.clone());
    scene.program = Content::Old;
    scene.other = Content::New;
    scene.service = service("active again runs=old");
    assert_eq!(reason(&plan, &scene), Some(why));
}
