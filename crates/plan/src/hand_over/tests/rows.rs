//! The table: what is observed, and what is done next.

use super::*;

/// `kind | old | new | confirmed, t=…, failed=step, why=… | what is next`; times are ms, until 100000.
const ROWS: &str = "
    restart | running | | | stop old
    restart | paused | | | stop old
    restart | running | | failed=stop old | untouched: cannot stop the old container: no
    restart | running | | t=100000 | untouched: its time was over before it was stopped
    restart | exited ended=40000 | | t=40001 | start old
    restart | exited ended=40000 | | t=200000 | start old
    restart | exited ended=40000 | | t=40001 failed=start old | start old
    restart | exited ended=40000 code=143 | | t=900000 | start old
    restart | exited ended=40000 code=1 | | t=700000 failed=start old | stuck: the container does not run: cannot start the old container: no
    restart | running again | | | await
    restart | running again | | confirmed | confirmed
    restart | running again | | confirmed t=100000 | confirmed
    restart | running again | | t=100000 | unconfirmed: it is running and was not confirmed within its time; there is nothing to go back to
    restart | paused again | | confirmed | await
    restart | exited again ended=40000 code=1 | | t=40001 | await
    restart | exited again ended=40000 code=1 | | t=45000 | start old
    restart | exited again ended=40000 code=1 | | t=700000 | stuck: the container does not run: it ended with exit code 1
    restart | restarting again code=1 | | | await
    restart | restarting again code=1 | | t=100000 | stuck: the container ended with exit code 1 again and again
    restart | | | | stuck: the container was removed meanwhile
    restart | removing | | | stuck: the container was removed meanwhile

    replace | running | | | create
    replace | running | | failed=create | untouched: cannot make the new container: no
    replace | running held | | failed=create | release
    replace | running | | t=100000 | untouched: its time was over before the old container was stopped
    replace | running | created | | hold
    replace | running | created | failed=hold | remove new
    replace | running held | created | | stop old
    replace | running held | created | failed=stop old | release
    replace | running | created | failed=stop old | remove new
    replace-no | running held | created | | stop old
    replace-no | running held | created | failed=stop old | remove new
    replace | exited | created | | hold
    replace | exited held | created | | rename old agent.komodo-old
    replace | exited held | created | failed=rename old agent.komodo-old | start old
    replace | exited held name=agent.komodo-old | created | | rename new agent
    replace | exited held name=other | created | | rename new agent
    replace | exited held name=agent.komodo-old | created | failed=rename new agent | start old
    replace | exited held name=agent.komodo-old | created name=agent | | begin
    replace | exited held name=agent.komodo-old | created name=agent | failed=begin | start old
    replace | exited held name=agent.komodo-old | running name=agent | | await
    replace | exited held name=agent.komodo-old | paused name=agent | | await
    replace | exited held name=agent.komodo-old | paused name=agent | confirmed t=100000 | stop new
    replace | exited held name=agent.komodo-old | running name=agent | confirmed | remove old
    replace | exited held name=agent.komodo-old | running name=agent | confirmed t=100000 | remove old
    replace | exited held name=agent.komodo-old | running name=agent | confirmed why=before | remove old
    replace | exited held name=agent.komodo-old | running name=agent | confirmed failed=remove old | confirmed
    replace | running again held | running name=agent | confirmed | stop old
    replace | | running name=agent | confirmed | confirmed

    replace | exited held name=agent.komodo-old | running name=agent | t=100000 | stop new
    replace | exited held name=agent.komodo-old | running name=agent | t=100000 failed=stop new | stop new
    replace | exited held name=agent.komodo-old | running name=agent | t=700000 failed=stop new | stuck: the new container was not confirmed within its time; the new container still runs: cannot stop the new container: no
    replace | exited held name=agent.komodo-old | running name=agent restarts=1 | | stop new
    replace | exited held name=agent.komodo-old | restarting name=agent restarts=3 code=1 | confirmed | stop new
    replace | exited held name=agent.komodo-old | exited name=agent code=1 ended=30000 | | start old
    replace | exited held ended=20000 name=agent.komodo-old | exited name=agent code=143 ended=900000 | t=900001 | start old
    replace | exited held name=agent.komodo-old | exited name=agent code=1 ended=30000 | confirmed | start old
    replace | exited held name=agent.komodo-old | dead name=agent code=1 ended=30000 | | start old
    replace | exited held name=agent.komodo-old | removing name=agent | | start old
    replace | exited held name=agent.komodo-old | | | start old
    replace | running again held name=agent.komodo-old | exited name=agent code=1 ended=30000 | | release
    replace | running again name=agent.komodo-old | exited name=agent code=1 ended=30000 | | rename new agent.komodo-new
    replace | running again name=agent.komodo-old | exited name=agent code=1 ended=30000 | failed=rename new agent.komodo-new | remove new
    replace | running again name=agent.komodo-old | exited code=1 ended=30000 | | rename old agent
    replace | running again name=agent.komodo-old | exited code=1 ended=30000 | failed=rename old agent | remove new
    replace | running again | exited code=1 ended=30000 | | remove new
    replace | running again | exited code=1 ended=30000 | failed=remove new | rolled back: the new container ended with exit code 1
    replace | running again | exited code=143 ended=100001 | t=100002 failed=remove new | rolled back: the new container was not confirmed within its time
    replace | running again | exited code=143 ended=100001 restarts=2 | failed=remove new | rolled back: the new container ended, and the Engine started it again (times: 2)
    replace | running again | | | rolled back: the old container was started again meanwhile
    replace | running again | | why=because | rolled back: because
    replace | running again name=agent.komodo-old | | | rename old agent
    replace | running again name=agent.komodo-old | | failed=rename old agent | rolled back: the old container was started again meanwhile
    replace | running again name=other | | why=because | rolled back: because
    replace | restarting again code=2 | | why=because | await
    replace | restarting again code=2 | | why=because t=700000 | stuck: because; the old container ended with exit code 2 again and again
    replace | exited again ended=30000 code=2 | | t=30001 | await
    replace | exited again ended=30000 code=2 | | t=35000 | start old
    replace | exited again ended=30000 code=2 | | t=700000 | stuck: the container does not run: it ended with exit code 2
    replace | running again | running name=agent | | stop new

    replace | | | | stuck: the container was removed meanwhile
    replace | | created | | rename new agent
    replace | | created name=agent | | begin
    replace | | created | failed=rename new agent | begin
    replace | | created name=agent | failed=begin | start new
    replace | | running name=agent | | await
    replace | | running name=agent | t=100000 | unconfirmed: it is running and was not confirmed within its time; the old container is gone, so it stays
    replace | | exited name=agent ended=30000 | t=40000 | start new
";

#[test]
fn what_is_observed_alone_tells_what_is_next() {
    let mut wrong = String::new();
    for row in ROWS.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [kind, old, new, besides, expected] = cells[..] else {
            panic!("{row}");
        };
        let mut scene = Scene {
            old: body(Which::Old, old),
            new: body(Which::New, new),
            confirmed: false,
            now: 50_000,
            failed: Vec::new(),
            why: None,
        };
        let (besides, failed) = besides.split_once("failed=").unwrap_or((besides, ""));
        if !failed.is_empty() {
            let all = steps();
            let step = all.into_iter().find(|step| words(step) == failed);
            scene.failed.push(Failure {
                step: step.unwrap_or_else(|| panic!("no step {failed}")),
                why: "no".into(),
            });
        }
        for word in besides.split_whitespace() {
            match word.split_once('=').unwrap_or((word, "")) {
                ("confirmed", _) => scene.confirmed = true,
                ("t", at) => scene.now = at.parse().unwrap(),
                ("why", why) => scene.why = Some(why.into()),
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

fn steps() -> Vec<Step> {
    let mut steps = vec![Step::Create, Step::Hold, Step::Release, Step::Begin];
    for which in [Which::Old, Which::New] {
        steps.extend([Step::Stop(which), Step::Start(which), Step::Remove(which)]);
        for name in ["agent", "agent.komodo-old", "agent.komodo-new"] {
            steps.push(Step::Rename(which, name.into()));
        }
    }
    steps
}

/// Without it nobody could tell the run that it was in from the one that it is in after.
#[test]
fn a_run_that_is_not_dated_is_left_alone() {
    let mut plan = plan("restart");
    plan.run = Run::default();
    let scene = Scene {
        old: body(Which::Old, "running"),
        new: None,
        confirmed: false,
        now: 0,
        failed: Vec::new(),
        why: None,
    };
    let step = next(&plan, &scene);
    assert!(
        matches!(step, Step::Finish(Outcome::Untouched { .. })),
        "{step:?}"
    );
}

#[test]
fn the_first_reason_is_the_one_that_is_told() {
    let plan = plan("replace");
    let mut scene = Scene {
        old: body(Which::Old, "exited held name=agent.komodo-old"),
        new: body(Which::New, "running name=agent"),
        confirmed: false,
        now: UNTIL,
        failed: Vec::new(),
        why: None,
    };
    assert!(
        reason(
            &plan,
            &Scene {
                now: UNTIL - 1,
                ..scene.clone()
            }
        )
        .is_none()
    );
    scene.why = reason(&plan, &scene);
    scene.new = body(Which::New, "exited name=agent code=143 ended=99000");
    let why = scene.why.clone().expect("it is over");
    assert_eq!(reason(&plan, &scene), Some(why));
}
