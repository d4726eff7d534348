//! The watchdog in a container beside the agent's: what was stopped or paused from outside is back by itself, and what
//! was meant stays as it was meant.

use bollard::query_parameters::LogsOptions;
use futures_util::StreamExt;
use komodo_agent_api::{AgentApi, AgentOperation};
use komodo_api::container::{ContainerAction, Scope};
use komodo_testkit::engine::{
    Container, Engine, Restart, State as Real,
    proxy::{Lie, Proxy},
};
use tokio::time::timeout;

use crate::{
    hand_over::{NEXT, ended, heard, next_image, replace, restart, tidy},
    harness::{PATIENCE, folder, one, operate, operation, shown},
    own_container::{IMAGE, Setting},
};

const AGENT: &str = "periphery";
const WATCHDOG: &str = "watchdog";

const RUNS: &str = "the agent runs";
const STARTS: &str = "the agent does not run: starting it";
const UNPAUSES: &str = "the agent was paused from outside: unpausing it";
const RESUMES: &str = "sending it back to its work";
const DETACHED: &str = "left alone: detached on purpose";
const HAND_OVER: &str = "left alone: a hand over is at work";
const GRACE: &str = "may start it again for a moment";
const GIVEN_UP: &str = "given up for a while";

fn watchdog(engine: &Engine, name: &str, arguments: &[&str]) -> Container {
    Container::from_image(name, IMAGE)
        .command([&["watchdog"], arguments].concat().iter().copied())
        .bind(engine.socket(), komodo_docker::DEFAULT_SOCKET)
        .label("komodo.watchdog", "true")
        .network_mode("none")
}

fn labelled(agent: Container) -> Container {
    agent.label("komodo.agent", "")
}

/// The watchdog's log, as soon as it has said something so often.
async fn said(engine: &Engine, text: &str, times: usize) -> String {
    let follow = LogsOptions {
        stdout: true,
        stderr: true,
        follow: true,
        ..LogsOptions::default()
    };
    let mut log = String::new();
    let mut lines = Box::pin(engine.docker().logs(WATCHDOG, Some(follow)));
    let saying = async {
        while log.matches(text).count() < times {
            let line = lines.next().await.expect("it goes on").unwrap();
            log.push_str(&String::from_utf8_lossy(&line.into_bytes()));
        }
    };
    let in_time = timeout(PATIENCE, saying).await.is_ok();
    assert!(in_time, "it does not say '{text}' {times} times:\n{log}");
    log
}

/// The agent, linked, and its watchdog, at work.
async fn watched(arguments: &[&str]) -> (Setting, crate::core::Linked) {
    let mut setting = Setting::new().await;
    let engine = &setting.engine;
    let agent = labelled(setting.agent(AGENT));
    engine.run(agent).await.unwrap();
    let dog = watchdog(engine, WATCHDOG, arguments).restart(Restart::UnlessStopped);
    engine.run(dog).await.unwrap();
    said(engine, RUNS, 1).await;
    let linked = setting.core.linked().await;
    (setting, linked)
}

async fn run_of(engine: &Engine) -> (String, String) {
    let found = engine.inspect(AGENT).await.unwrap();
    (found.id.unwrap(), found.state.unwrap().started_at.unwrap())
}

#[tokio::test]
async fn what_was_stopped_killed_or_paused_from_outside_is_back_by_itself() {
    let (mut setting, _) = watched(&["--grace", "1"]).await;
    let (id, mut began) = run_of(&setting.engine).await;
    for signal in [None, Some("SIGKILL")] {
        match signal {
            None => setting.engine.stop(AGENT).await.unwrap(),
            Some(signal) => setting.engine.signal(AGENT, signal).await.unwrap(),
        }
        setting.core.linked().await;
        let (now, run) = run_of(&setting.engine).await;
        assert_eq!(now, id, "the same container");
        assert_ne!(run, began, "another run");
        began = run;
    }
    setting.engine.pause(AGENT).await.unwrap();
    let log = said(&setting.engine, UNPAUSES, 1).await;
    setting
        .engine
        .wait_state(AGENT, Real::Running)
        .await
        .unwrap();
    assert_eq!(run_of(&setting.engine).await, (id, began), "the same run");
    assert_eq!(log.matches(STARTS).count(), 2, "{log}");
}

#[tokio::test]
async fn what_was_detached_on_purpose_stays_away_and_is_watched_again_when_it_is_back() {
    let (mut setting, linked) = watched(&["--grace", "1"]).await;
    let mut linked = linked;
    for (times, action, state) in [
        (1, ContainerAction::Stop, Real::Exited),
        (2, ContainerAction::Pause, Real::Paused),
    ] {
        let mut order = operation(action, one(AGENT));
        order.detach = true;
        let _told = linked.client.operate(order).await.unwrap();
        let log = said(&setting.engine, DETACHED, times).await;
        assert_eq!(setting.engine.state(AGENT).await.unwrap(), state);
        let acted = log.matches(STARTS).count() + log.matches(UNPAUSES).count();
        assert_eq!(acted, times - 1, "{log}");

        // Somebody brings it back, and then it is taken away from outside.
        match action {
            ContainerAction::Pause => setting.engine.unpause(AGENT).await.unwrap(),
            _ => setting.engine.start_container(AGENT).await.unwrap(),
        }
        linked = setting.core.linked().await;
        match action {
            ContainerAction::Pause => {
                setting.engine.pause(AGENT).await.unwrap();
                said(&setting.engine, UNPAUSES, 1).await;
            }
            _ => {
                setting.engine.stop(AGENT).await.unwrap();
                linked = setting.core.linked().await;
            }
        }
    }
    setting
        .engine
        .wait_state(AGENT, Real::Running)
        .await
        .unwrap();
}

#[tokio::test]
async fn who_restarts_it_is_not_disturbed() {
    let (setting, _) = watched(&["--grace", "120"]).await;
    let engine = &setting.engine;
    engine.restart_container(AGENT).await.unwrap();
    said(engine, RUNS, 2).await;
    engine.stop(AGENT).await.unwrap();
    said(engine, GRACE, 1).await;
    engine.start_container(AGENT).await.unwrap();
    let log = said(engine, RUNS, 3).await;
    assert!(!log.contains(STARTS), "{log}");
}

/// A stand-in for the helper of a hand over: what matters is what the Engine shows of it.
fn helper(name: &str, of: &str) -> Container {
    let plan = serde_json::json!({
        "operation": name,
        "container": of,
        "name": of,
        "run": { "started_at": 1, "finished_at": null },
        "journal": { "path": "/etc/komodo/journal" },
        "until": i64::MAX / 2,
    });
    Container::idle(name)
        .label("komodo.hand-over", name)
        .env("KOMODO_HAND_OVER", plan.to_string())
        .restart(Restart::Always)
}

#[tokio::test]
async fn a_helper_at_work_is_left_alone_and_one_that_was_killed_goes_on() {
    let (mut setting, _) = watched(&["--grace", "1"]).await;
    let engine = &setting.engine;
    engine.run(helper("elsewhere", "other")).await.unwrap();
    engine.run(helper("helper", AGENT)).await.unwrap();
    engine.stop(AGENT).await.unwrap();
    said(engine, HAND_OVER, 1).await;
    assert_eq!(engine.state(AGENT).await.unwrap(), Real::Exited);

    engine.signal("helper", "SIGKILL").await.unwrap();
    said(engine, RESUMES, 1).await;
    engine.wait_state("helper", Real::Running).await.unwrap();
    let log = said(engine, HAND_OVER, 2).await;
    assert!(!log.contains(STARTS), "{log}");

    // It says that it is done, and did not start the agent.
    let done = bollard::models::ContainerUpdateBody {
        restart_policy: Some(bollard::models::RestartPolicy {
            name: Some(bollard::models::RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        ..Default::default()
    };
    let docker = engine.docker();
    docker.update_container("helper", done).await.unwrap();
    engine.stop("helper").await.unwrap();
    setting.core.linked().await;
    // Nobody lets it go on: the agent that is back takes it away.
    let engine = &setting.engine;
    engine.wait_state("helper", Real::Absent).await.unwrap();
    let log = engine.logs(WATCHDOG).await.unwrap();
    assert_eq!(log.matches(RESUMES).count(), 1, "{log}");
}

/// A real hand over, under a watchdog with no patience at all.
#[tokio::test]
async fn a_hand_over_is_not_disturbed() {
    let (mut setting, linked) = watched(&["--grace", "0"]).await;
    next_image(&setting.engine).await;
    let began = run_of(&setting.engine).await;
    let told = heard(&linked, replace(NEXT)).await;
    let (linked, events) = ended(&mut setting.core, &told.id, true).await;
    assert_eq!(shown(&events), ["periphery: done"], "{events:#?}");
    assert_ne!(
        run_of(&setting.engine).await.0,
        began.0,
        "another container"
    );
    tidy(&setting.engine).await;
    linked.client.acknowledge(told.id).await.unwrap();
    let told = heard(&linked, restart()).await;
    let (_, events) = ended(&mut setting.core, &told.id, true).await;
    assert_eq!(shown(&events), ["periphery: done"], "{events:#?}");
    tidy(&setting.engine).await;

    // The new one is watched as the old one was.
    let log = setting.engine.logs(WATCHDOG).await.unwrap();
    assert!(!log.contains(STARTS) && !log.contains(RESUMES), "{log}");
    setting.engine.stop(AGENT).await.unwrap();
    setting.core.linked().await;
}

/// Nobody else is there to go on: the agent is stopped, and the Engine starts no helper that was killed by hand.
async fn killed_between_two_agents(order: fn() -> AgentOperation) {
    let mut setting = Setting::new().await;
    let engine = &setting.engine;
    next_image(engine).await;
    let agent =
        labelled(setting.agent(AGENT)).env("KOMODO_FAILPOINT", "hand-over.stop.done:1:stop");
    engine.run(agent).await.unwrap();
    let dog = watchdog(engine, WATCHDOG, &["--grace", "1"]);
    engine.run(dog).await.unwrap();
    said(engine, RUNS, 1).await;
    let linked = setting.core.linked().await;
    let told = heard(&linked, order()).await;
    said(&setting.engine, HAND_OVER, 1).await;
    setting
        .engine
        .signal(&told.helper(), "SIGKILL")
        .await
        .unwrap();
    let log = said(&setting.engine, RESUMES, 1).await;
    assert!(!log.contains(STARTS), "{log}");
    let (_, events) = ended(&mut setting.core, &told.id, true).await;
    assert_eq!(shown(&events), ["periphery: done"], "{events:#?}");
    tidy(&setting.engine).await;
}

#[tokio::test]
async fn a_helper_that_was_killed_in_a_restart_goes_on() {
    killed_between_two_agents(restart).await;
}

#[tokio::test]
async fn a_helper_that_was_killed_in_a_replacement_goes_on() {
    killed_between_two_agents(|| replace(NEXT)).await;
}

#[tokio::test]
async fn one_that_does_not_stay_is_given_up_for_a_while() {
    let setting = Setting::new().await;
    let engine = &setting.engine;
    let broken = labelled(Container::new(AGENT, ["false"]));
    engine.run(broken).await.unwrap();
    let dog = watchdog(engine, WATCHDOG, &["--grace", "0"]);
    engine.run(dog).await.unwrap();
    let log = said(engine, GIVEN_UP, 1).await;
    assert_eq!(log.matches(STARTS).count(), 5, "{log}");
    let (_, began) = run_of(engine).await;
    // A new reason to look, and none to act.
    let other = bollard::query_parameters::RenameContainerOptions {
        name: "renamed".into(),
    };
    engine
        .docker()
        .rename_container(AGENT, other)
        .await
        .unwrap();
    let helper = engine.run(helper("helper", "renamed")).await.unwrap();
    let log = said(engine, HAND_OVER, 1).await;
    assert_eq!(log.matches(STARTS).count(), 5, "{log}");
    engine.remove(&helper).await.unwrap();
    let log = said(engine, GIVEN_UP, 2).await;
    assert_eq!(log.matches(STARTS).count(), 5, "{log}");
    let found = engine.inspect("renamed").await.unwrap().state.unwrap();
    assert_eq!(found.started_at.unwrap(), began);
}

#[tokio::test]
async fn after_a_restart_of_the_engine_both_are_back() {
    let mut setting = Setting::new().await;
    // The Engine does not start it by itself.
    let agent = labelled(setting.agent(AGENT)).with(|body| {
        body.host_config.as_mut().unwrap().restart_policy = None;
    });
    let id = setting.engine.run(agent).await.unwrap();
    let dog = watchdog(&setting.engine, WATCHDOG, &["--grace", "1"]);
    let dog = dog.restart(Restart::UnlessStopped);
    setting.engine.run(dog).await.unwrap();
    said(&setting.engine, RUNS, 1).await;
    setting.core.linked().await;
    setting.engine.restart().await.unwrap();
    setting.core.linked().await;
    assert_eq!(run_of(&setting.engine).await.0, id);
    // And it is watched.
    setting.engine.stop(AGENT).await.unwrap();
    setting.core.linked().await;
    assert_eq!(setting.engine.state(WATCHDOG).await.unwrap(), Real::Running);
}

#[tokio::test]
async fn one_that_was_made_anew_is_watched_and_a_watchdog_goes_at_once() {
    let (mut setting, _) = watched(&["--grace", "1", "--agent", AGENT]).await;
    setting.engine.remove(AGENT).await.unwrap();
    said(&setting.engine, "the agent's container is gone", 1).await;
    let agent = setting.agent(AGENT);
    setting.engine.run(agent).await.unwrap();
    setting.core.linked().await;
    setting.engine.stop(AGENT).await.unwrap();
    setting.core.linked().await;

    let began = std::time::Instant::now();
    setting.engine.stop(WATCHDOG).await.unwrap();
    assert!(began.elapsed().as_secs() < 8, "it was not killed");
    assert_eq!(setting.engine.wait_exit(WATCHDOG).await.unwrap(), 0);
}

#[tokio::test]
async fn once_for_a_timer() {
    let mut setting = Setting::new().await;
    let once = async |setting: &Setting, name: &str, arguments: &[&str]| {
        let engine = &setting.engine;
        let arguments = [&["--once", "--grace", "0"], arguments].concat();
        let dog = watchdog(engine, name, &arguments);
        engine.run(dog).await.unwrap();
        let code = engine.wait_exit(name).await.unwrap();
        (code, engine.logs(name).await.unwrap())
    };
    let (code, log) = once(&setting, "none", &[]).await;
    assert_eq!(code, 1, "{log}");
    assert!(
        log.contains("no container has the label komodo.agent"),
        "{log}"
    );

    let agent = labelled(setting.agent(AGENT));
    setting.engine.run(agent).await.unwrap();
    setting.core.linked().await;
    let (code, log) = once(&setting, "runs", &[]).await;
    assert_eq!((code, log.contains(RUNS)), (0, true), "{log}");

    setting.engine.stop(AGENT).await.unwrap();
    let (code, log) = once(&setting, "stopped", &[]).await;
    assert_eq!((code, log.contains(STARTS)), (0, true), "{log}");
    setting.core.linked().await;

    // Of an agent whose root directory is on no mount, too.
    setting.engine.stop(AGENT).await.unwrap();
    let mark =
        r#"{"by":"ann","action":"stop","at":9000000000000,"bring_back":"docker start periphery"}"#;
    let path = "/tmp/detached.json";
    let other = Container::new("other", ["sh", "-c", &format!("echo '{mark}' > {path}")]);
    setting.engine.run(other).await.unwrap();
    setting.engine.wait_exit("other").await.unwrap();
    let (code, log) = once(&setting, "marked", &["--agent", "other", "--root", "/tmp"]).await;
    assert_eq!((code, log.contains(DETACHED)), (0, true), "{log}");
    assert!(log.contains("ann"), "{log}");

    let second = labelled(Container::idle("second"));
    setting.engine.run(second).await.unwrap();
    let (code, log) = once(&setting, "several", &[]).await;
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("(periphery, second)"), "{log}");
    assert_eq!(setting.engine.state(AGENT).await.unwrap(), Real::Exited);

    // One that cannot be started is an error.
    let engine = &setting.engine;
    engine.run(Container::idle("network")).await.unwrap();
    let broken = Container::idle("broken").network_mode("container:network");
    engine.run(broken).await.unwrap();
    engine.stop("broken").await.unwrap();
    engine.remove("network").await.unwrap();
    let (code, log) = once(&setting, "of-broken", &["--agent", "broken"]).await;
    assert_eq!(code, 1, "{log}");
    assert!(
        log.contains("'broken' could not be brought back: "),
        "{log}"
    );
}

#[tokio::test]
async fn no_operation_on_many_takes_it_away() {
    let (setting, linked) = watched(&[]).await;
    let all = operation(ContainerAction::Stop, Scope::All);
    let lines = shown(&operate(&linked.client, all).await.unwrap());
    assert_eq!(
        lines,
        [
            "periphery: skipped (agent)",
            "watchdog: skipped (agentdependency)"
        ]
    );
    let by_name = operation(ContainerAction::Stop, one(WATCHDOG));
    let lines = shown(&operate(&linked.client, by_name).await.unwrap());
    assert_eq!(lines, ["watchdog: failed (agentdependency)"]);
    assert_eq!(setting.engine.state(WATCHDOG).await.unwrap(), Real::Running);
}

/// Runs the program on this machine, to its end: its exit code, and what it said.
async fn program(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let ended = tokio::process::Command::new(env!("CARGO_BIN_EXE_komodo-periphery"))
        .arg("watchdog")
        .args(arguments)
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .envs(variables.iter().copied())
        .kill_on_drop(true)
        .output();
    let ended = timeout(PATIENCE, ended).await.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    (ended.status.code(), said)
}

/// It says so before it matters: where it could not tell, it would bring back what was detached.
#[tokio::test]
async fn a_proxy_that_hides_files_is_told_at_once() {
    let engine = Engine::start().await.unwrap();
    engine.run(Container::idle(AGENT)).await.unwrap();
    let folder = folder();
    let proxy = Proxy::start(&engine.socket(), &folder).unwrap();
    let host = proxy.docker_host();
    let at = [("DOCKER_HOST", host.as_str())];
    let (code, said) = program(&["--agent", AGENT, "--once"], &at).await;
    assert_eq!(code, Some(0), "{said}");
    proxy.lie("/archive", Lie::Forbids);
    for arguments in [&["--agent", AGENT, "--once"][..], &["--agent", AGENT]] {
        let (code, said) = program(arguments, &at).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("/archive"), "{said}");
    }
    proxy.be_honest();
    let (code, said) = program(&["--once"], &[]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("does not exist"), "{said}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// What is asked of systemd, and what is made of its answers. The program that answers stands in for `systemctl`.
#[tokio::test]
async fn a_unit_is_started_unless_somebody_meant_it() {
    let folder = folder();
    let (asked, systemctl) = (folder.join("asked"), folder.join("systemctl"));
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {}\ncase $* in *show*) cat {}/state;; *) cat {}/started; exit $(cat {}/code);; esac\n",
        asked.display(),
        folder.display(),
        folder.display(),
        folder.display()
    );
    std::fs::write(&systemctl, script).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&systemctl, executable).unwrap();
    std::fs::write(folder.join("started"), "").unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let root = folder.join("root");
    std::fs::create_dir(&root).unwrap();
    let ask = async |state: &str, code: &str, user: &[&str]| {
        std::fs::write(folder.join("state"), state).unwrap();
        std::fs::write(folder.join("code"), code).unwrap();
        let _ = std::fs::remove_file(&asked);
        let arguments = [&["--once", "--unit", "agent"], user].concat();
        let root = root.to_str().unwrap();
        let variables = [("PATH", path.as_str()), ("PERIPHERY_ROOT_DIRECTORY", root)];
        let (code, said) = program(&arguments, &variables).await;
        let asked = std::fs::read_to_string(&asked).unwrap();
        let last = asked.lines().last().unwrap().to_owned();
        (code, said, last)
    };
    let failed = "LoadState=loaded\nActiveState=failed\nUnitFileState=enabled\n";
    let (code, said, last) = ask(failed, "0", &[]).await;
    assert_eq!(
        (code, &*last),
        (Some(0), "start -- agent.service"),
        "{said}"
    );
    let (code, said, last) = ask(failed, "0", &["--user"]).await;
    assert_eq!(
        (code, &*last),
        (Some(0), "--user start -- agent.service"),
        "{said}"
    );
    let (code, said, _) = ask(failed, "1", &[]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("systemctl start agent.service"), "{said}");
    for state in [
        "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n",
        "LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n",
        "LoadState=masked\nActiveState=inactive\nUnitFileState=masked\n",
    ] {
        let (code, said, last) = ask(state, "0", &[]).await;
        assert_eq!(code, Some(0), "{said}");
        assert!(last.starts_with("show "), "{last}");
        assert!(said.contains("left alone"), "{said}");
    }
    let (code, said, _) = ask("LoadState=not-found\nActiveState=inactive\n", "0", &[]).await;
    assert_eq!(code, Some(1), "{said}");
    let mark = komodo_periphery::hand_over::DETACHED;
    std::fs::write(root.join(mark), "{}").unwrap();
    let (code, said, last) = ask(failed, "0", &[]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(DETACHED) && last.starts_with("show "),
        "{said}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
