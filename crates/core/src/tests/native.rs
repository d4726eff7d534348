//! Agents that are services of systemd: restarted, and updated to programs that Core serves and sends to them.

use std::{fs, time::Duration};

use komodo_api::{
    Code,
    periphery::Program,
    permission::PermissionLevel,
    update::{Stage, Update, VerdictKind},
};
use komodo_link::{Identity, PublicKey};
use komodo_sim::{AgentOptions, Fault, HelperDies, Image, ServiceOptions, SimHost, World};
use serde_json::{Value, json};

use super::{
    harness::{Core, Host, verdicts, wait},
    programs::elf,
    script::Script,
};
use crate::programs;

const UNIT: &str = "komodo-periphery.service";
/// Some parts of a program, in bytes.
const LARGE: usize = 1_500_000;

/// A server whose agent is a service, linked whenever it runs.
async fn service(core: &mut Core, name: &str) -> Host {
    let host = service_that(core, name, None, None).await;
    core.keep_linked(&host);
    host
}

/// A server whose agent is a service, and connected. It trusts this Core, or the owner of another key; its program is
/// `fixed` for a reason.
async fn service_that(
    core: &mut Core,
    name: &str,
    core_key: Option<PublicKey>,
    fixed: Option<String>,
) -> Host {
    let id = core.server(name).await;
    let world = World::beginning_at(name.len() as u64, core.now());
    let options = AgentOptions {
        container: None,
        host_name: name.to_owned(),
    };
    let service = ServiceOptions {
        unit: UNIT.to_owned(),
        core_key: core_key.unwrap_or_else(|| core.app.identity.public_key()),
        sha256: "0a".repeat(32),
        fixed,
    };
    let host = SimHost::with_service(world.clone(), options, service);
    core.connected(id, name, world, host).await
}

/// Puts a program there whose bytes follow from its version.
async fn add(core: &Core, version: &str, bytes: usize) -> Program {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("new");
    fs::write(&file, elf(version, bytes)).expect("it is written");
    let added = programs::add(&core.app.config, &file, Some(version.into())).await;
    added.expect("it fits").program
}

async fn update(core: &Core, params: Value) -> Update {
    let update = core.execute("UpdatePeriphery", params).await;
    update.expect("it begins")
}

fn error_of(update: &Update) -> String {
    let errors = update.verdicts.iter().filter_map(|one| one.error.clone());
    let logged = update.logs.iter().filter(|log| !log.success);
    let logged = logged.map(|log| log.stderr.clone());
    errors.chain(logged).collect::<Vec<_>>().join("; ")
}

fn installed(host: &Host) -> String {
    host.host.installed().expect("it is a service").0
}

/// The one program is there, and nothing else.
fn is_tidy(host: &Host) -> bool {
    host.host.left() == (false, None)
}

async fn listed(core: &Core, name: &str) -> Value {
    let servers = core.read("ListServers", json!({})).await;
    let mut servers = servers.as_array().into_iter().flatten();
    let found = servers.find(|server| server["name"] == name);
    found.expect("it is listed")["info"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_program_is_sent_handed_over_watched_and_confirmed() {
    let mut core = Core::start().await;
    let host = service(&mut core, "alpha").await;
    add(&core, "2.9.0", 10).await;
    let program = add(&core, "2.10.0", LARGE).await;
    let served = core.read("ListPeripheryPrograms", json!({})).await;
    let versions = served.as_array().into_iter().flatten();
    let versions: Vec<_> = versions.map(|one| one["version"].clone()).collect();
    assert_eq!(versions, ["2.10.0", "2.9.0"], "the newest first");
    let before = listed(&core, "alpha").await;
    assert_eq!(before["agent"]["service"]["unit"], UNIT);
    assert_eq!(before["agent"]["architecture"], std::env::consts::ARCH);

    host.agent.set_fault(Fault::Slow(Duration::from_millis(20)));
    let begun = update(&core, json!({ "server": "alpha" })).await;
    assert_eq!(begun.request.as_deref(), Some("UpdatePeriphery"));
    assert_eq!(begun.other_data, "version: 2.10.0", "the newest");
    assert_eq!(begun.container.as_deref(), Some(UNIT));
    let shown = core
        .until_update(&begun, "some of it is there", |update| {
            update.sent.is_some_and(|sent| sent.bytes > 0)
        })
        .await;
    assert_eq!(
        (shown.stage, shown.cancelable),
        (Some(Stage::Sending), true)
    );
    assert_eq!(shown.sent.map(|sent| sent.of), Some(program.bytes));
    let shown = core
        .until_update(&begun, "it is watched", |update| {
            update.stage == Some(Stage::Probation)
        })
        .await;
    assert_eq!((shown.sent, shown.cancelable), (None, false));
    let ended = core.end(&begun).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(verdicts(&ended), format!("{UNIT} done"));
    let stages: Vec<_> = ended.logs.iter().map(|log| log.stage.as_str()).collect();
    assert!(stages.ends_with(&["Hand over", "Confirm"]), "{stages:?}");
    assert_eq!(
        host.host.installed(),
        Some(("2.10.0".into(), program.sha256))
    );
    core.until(&host, "the new one is there", |view| view.is_live())
        .await;
    assert_eq!(listed(&core, "alpha").await["version"], "2.10.0");
    wait("nothing is left of it", || is_tidy(&host)).await;
}

#[tokio::test(start_paused = true)]
async fn a_program_that_is_not_good_is_put_back_and_it_says_why() {
    let mut core = Core::start().await;
    let host = service(&mut core, "alpha").await;
    let (old, dies) = (installed(&host), Duration::from_secs(10));
    for (version, does, says) in [
        ("3.0.1", Image::CannotStart, "exit code 1"),
        ("3.0.2", Image::NeverConnects, "not confirmed"),
        ("3.0.3", Image::DiesAfter(dies), "exit code 1"),
    ] {
        host.host.set_program(version, does);
        add(&core, version, 100).await;
        let begun = update(&core, json!({ "server": "alpha", "version": version })).await;
        let ended = core.end(&begun).await;
        assert_eq!(verdicts(&ended), format!("{UNIT} failed"), "{version}");
        let error = error_of(&ended);
        assert!(
            error.contains("rolled back") && error.contains(says),
            "{version}: {error}"
        );
        assert_eq!(installed(&host), old, "{version}");
        core.until(&host, "the old one is there", |view| view.is_live())
            .await;
        wait("nothing is left of it", || is_tidy(&host)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_helper_that_is_killed_at_any_step_is_started_again() {
    let mut core = Core::start().await;
    let host = service(&mut core, "alpha").await;
    for step in 1..=4 {
        for dies in [HelperDies::Before(step), HelperDies::After(step)] {
            let version = match dies {
                HelperDies::Before(step) => format!("4.{step}.0"),
                HelperDies::After(step) => format!("4.{step}.1"),
            };
            add(&core, &version, 100).await;
            host.host.helper_dies(Some(dies));
            let params = json!({ "server": "alpha", "version": version });
            let ended = core.end(&update(&core, params).await).await;
            assert!(ended.success, "{dies:?}: {ended:#?}");
            assert_eq!(installed(&host), version, "{dies:?}");
            core.until(&host, "it is there", |view| view.is_live())
                .await;
        }
    }
    host.host.helper_dies(None);
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_restarted_as_what_it_is() {
    let mut core = Core::start().await;
    let native = service(&mut core, "native").await;
    let boxed = core.host("boxed", &["periphery", "web"]).await;
    core.keep_linked(&boxed);
    for (server, name) in [("native", UNIT), ("boxed", "periphery")] {
        let params = json!({ "server": server });
        let plan = json!({ "type": "RestartPeriphery", "params": params });
        let plan = core.read("PlanOperation", plan).await;
        assert_eq!(plan["items"][0]["effect"], "hand-over", "{plan}");
        assert_eq!(plan["items"][0]["container"], name);
        let bound = json!({ "server": server, "plan": plan["hash"] });
        let begun = core.execute("RestartPeriphery", bound).await;
        let begun = begun.expect("the plan holds");
        assert_eq!(begun.request.as_deref(), Some("RestartPeriphery"));
        let ended = core.end(&begun).await;
        assert!(ended.success, "{ended:#?}");
        assert_eq!(verdicts(&ended), format!("{name} done"));
    }
    // A version that it runs already is a restart, too.
    let program = add(&core, "5.0.0", 10).await;
    for sent in [true, false] {
        let params = json!({ "server": "native", "version": "5.0.0" });
        let begun = update(&core, params).await;
        assert_eq!(begun.other_data == "version: 5.0.0", sent);
        assert!(core.end(&begun).await.success);
        assert_eq!(
            native.host.installed().map(|it| it.1),
            Some(program.sha256.clone())
        );
        core.until(&native, "it is there", |view| view.is_live())
            .await;
    }
    let user = core
        .user("ann", native.id, PermissionLevel::Execute, &[])
        .await;
    let error = core
        .execute_as(user, "RestartPeriphery", json!({ "server": "native" }))
        .await
        .expect_err("it needs Write");
    assert_eq!(error.code, Code::Forbidden);
}

/// A program of which its agent has a part, and the operation that sends it over a slow link.
async fn in_part(core: &Core, host: &Host) -> (Program, Update) {
    let program = add(core, "2.4.0", LARGE).await;
    host.agent.set_fault(Fault::Slow(Duration::from_millis(50)));
    let begun = update(core, json!({ "server": "alpha" })).await;
    let part = |update: &Update| update.sent.is_some_and(|sent| sent.bytes > sent.of / 3);
    let shown = core
        .until_update(&begun, "a part of it is there", part)
        .await;
    assert!(host.host.taken() < program.bytes, "{shown:#?}");
    (program, begun)
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_lost_costs_nothing_of_what_was_sent() {
    let mut core = Core::start().await;
    let host = service_that(&mut core, "alpha", None, None).await;
    let (program, begun) = in_part(&core, &host).await;
    core.cut(&host).await;
    host.agent.set_fault(Fault::None);
    let shown = core
        .until_update(&begun, "it waits", |update| update.waiting_for.is_some())
        .await;
    assert_eq!((shown.stage, shown.sent), (Some(Stage::Waiting), None));
    core.keep_linked(&host);
    let ended = core.end(&begun).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(installed(&host), "2.4.0");
    assert_eq!(host.host.taken(), program.bytes, "no part was sent twice");
}

#[tokio::test(start_paused = true)]
async fn a_core_that_restarts_while_it_sends_goes_on_from_there() {
    let mut core = Core::start().await;
    let host = service_that(&mut core, "alpha", None, None).await;
    let (program, begun) = in_part(&core, &host).await;
    let mut core = core.restart().await;
    assert!(host.host.taken() < program.bytes);
    host.agent.set_fault(Fault::None);
    host.agent.cut();
    core.keep_linked(&host);
    let ended = core.end(&begun).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(installed(&host), "2.4.0");
    assert_eq!(host.host.taken(), program.bytes, "no part was sent twice");
}

#[tokio::test(start_paused = true)]
async fn what_is_canceled_while_it_is_sent_was_not_tried() {
    let mut core = Core::start().await;
    let host = service(&mut core, "alpha").await;
    let old = installed(&host);
    add(&core, "2.4.0", LARGE).await;
    host.agent.set_fault(Fault::Slow(Duration::from_millis(50)));
    let begun = update(&core, json!({ "server": "alpha" })).await;
    core.until_update(&begun, "it is sent", |update| {
        update.stage == Some(Stage::Sending)
    })
    .await;
    let error = core
        .execute("RestartPeriphery", json!({ "server": "alpha" }))
        .await
        .expect_err("one at a time");
    assert_eq!(error.code, Code::Busy);
    let id = begun.id.expect("it has one").0;
    core.execute("CancelUpdate", json!({ "id": id }))
        .await
        .expect("it can be");
    let ended = core.end(&begun).await;
    assert!(!ended.success);
    assert_eq!(verdicts(&ended), format!("{UNIT} skipped (Canceled)"));
    host.agent.set_fault(Fault::None);
    assert_eq!(installed(&host), old);
    let again = update(&core, json!({ "server": "alpha" })).await;
    assert!(core.end(&again).await.success, "nothing stands in its way");
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_does_not_trust_is_not_run() {
    let mut core = Core::start().await;
    let other = Identity::generate().expect("a key").public_key();
    let host = service_that(&mut core, "alpha", Some(other), None).await;
    core.keep_linked(&host);
    let old = installed(&host);
    add(&core, "2.4.0", 100).await;
    let ended = core
        .end(&update(&core, json!({ "server": "alpha" })).await)
        .await;
    assert!(!ended.success && ended.verdicts.is_empty(), "{ended:#?}");
    let error = error_of(&ended);
    assert!(
        error.contains("nothing was done") && error.contains("signature"),
        "{error}"
    );
    assert_eq!(installed(&host), old);
    assert!(core.view(&host).is_live());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_an_agent_says_what_would() {
    let mut core = Core::start().await;
    service(&mut core, "alpha").await;
    let fixed = Some("/usr/local/bin may not be written".to_owned());
    service_that(&mut core, "fixed!", None, fixed).await;
    core.host("boxed", &["periphery"]).await;
    core.host("native!", &["web"]).await;
    let refused = async |params: Value| {
        let error = core.execute("UpdatePeriphery", params.clone()).await;
        let error = error.expect_err("it does not fit");
        assert_eq!(error.code, Code::Unprocessable, "{params}");
        let plan = json!({ "type": "UpdatePeriphery", "params": params });
        let planned = core
            .ask(core.admin, komodo_api::Module::Read, "PlanOperation", plan)
            .await
            .expect_err("it cannot be planned either");
        assert_eq!(planned.error, error.error);
        error.error
    };
    let none = refused(json!({ "server": "alpha" })).await;
    assert!(none.contains("komodo-core agents add FILE"), "{none}");
    add(&core, "2.4.0", 100).await;
    for (params, says) in [
        (json!({ "server": "alpha", "version": "2.5.0" }), "2.5.0"),
        (json!({ "server": "alpha", "version": "" }), "empty"),
        (json!({ "server": "alpha", "image": "x" }), "give `version`"),
        (
            json!({ "server": "boxed", "version": "2.4.0" }),
            "give `image`",
        ),
        (json!({ "server": "fixed!" }), "may not be written"),
        (json!({ "server": "native!" }), "run it as a service"),
    ] {
        let error = refused(params.clone()).await;
        assert!(error.contains(says), "{params}: {error}");
    }
    let restart = core
        .execute("RestartPeriphery", json!({ "server": "fixed!" }))
        .await;
    assert_eq!(restart.expect("it can be restarted").other_data, "");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_changed_is_not_served_and_that_is_said() {
    let mut core = Core::start().await;
    let mut host = service_that(&mut core, "alpha", None, None).await;
    let program = add(&core, "2.4.0", LARGE).await;
    let folder = core.app.config.data_directory.join("agents/2.4.0");
    let file = folder.join(&program.architecture).join("komodo-periphery");
    let params = json!({ "server": "alpha", "version": "2.4.0" });
    let plan = json!({ "type": "UpdatePeriphery", "params": params });
    core.read("PlanOperation", plan).await;
    fs::write(&file, elf("2.6.6", LARGE)).expect("it can be written");
    let served = core.read("ListPeripheryPrograms", json!({})).await;
    assert_eq!(served, json!([]));
    let error = core.execute("UpdatePeriphery", params.clone()).await;
    let error = error.expect_err("it is not served").error;
    assert!(error.contains("its file was changed"), "{error}");
    // One that is removed while it is sent is sent to its end, but not begun with again.
    fs::write(&file, elf("2.4.0", LARGE)).expect("it can be written");
    host.agent.set_fault(Fault::Slow(Duration::from_millis(50)));
    let begun = update(&core, params).await;
    core.until_update(&begun, "some of it is there", |update| {
        update.sent.is_some()
    })
    .await;
    fs::remove_dir_all(&folder).expect("it can be removed");
    core.cut(&host).await;
    host.agent.set_fault(Fault::None);
    core.reconnect(&mut host).await;
    let ended = core.end(&begun).await;
    assert!(!ended.success);
    let error = error_of(&ended);
    assert!(error.contains("could not be sent"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_the_newest_does_not_hold_for_a_newer_one() {
    let mut core = Core::start().await;
    let host = service(&mut core, "alpha").await;
    add(&core, "2.4.0", 100).await;
    let plan = json!({ "type": "UpdatePeriphery", "params": { "server": "alpha" } });
    let plan = core.read("PlanOperation", plan).await;
    assert!(
        plan["warnings"].to_string().contains("version 2.4.0"),
        "{plan}"
    );
    add(&core, "2.4.1", 100).await;
    let bound = json!({ "server": "alpha", "plan": plan["hash"] });
    let error = core.execute("UpdatePeriphery", bound).await;
    assert_eq!(error.expect_err("it drifted").code, Code::PlanDrifted);
    let bound = json!({ "server": "alpha", "version": "2.4.0", "plan": plan["hash"] });
    assert!(core.end(&update(&core, bound).await).await.success);
    assert_eq!(installed(&host), "2.4.0");
}

#[tokio::test(start_paused = true)]
async fn a_roll_takes_what_there_is_for_each_kind_and_leaves_out_the_rest() {
    let mut core = Core::start().await;
    let a = service(&mut core, "a").await;
    let bb = service(&mut core, "bb").await;
    let boxed = core.host("boxed", &["periphery image=periphery:1"]).await;
    core.keep_linked(&boxed);
    let native = core.host("native", &["web"]).await;
    add(&core, "2.4.0", 100).await;
    let servers = json!(["native", "a", "boxed", "bb"]);
    let told = |update: &Update| {
        let verdicts = update.verdicts.iter();
        let told = verdicts.map(|one| format!("{} {:?}", one.container, one.verdict));
        told.collect::<Vec<_>>()
    };
    let error = core
        .execute("RollPeriphery", json!({ "servers": servers }))
        .await
        .expect_err("to what?");
    assert_eq!(error.code, Code::Unprocessable);
    let params = json!({ "servers": servers, "version": "2.4.0" });
    let begun = core
        .execute("RollPeriphery", params)
        .await
        .expect("it begins");
    assert_eq!(begun.other_data, "version: 2.4.0");
    let ended = core.end(&begun).await;
    assert!(ended.success, "{ended:#?}");
    let expected = ["native Skipped", "a Done", "boxed Skipped", "bb Done"];
    assert_eq!(told(&ended), expected);
    let why = error_of(&ended);
    assert!(why.contains("give `image`"), "{why}");
    assert_eq!(
        (installed(&a), installed(&bb)),
        ("2.4.0".into(), "2.4.0".into())
    );

    let params = json!({ "servers": servers, "version": "2.4.0", "image": "periphery:2" });
    let begun = core
        .execute("RollPeriphery", params)
        .await
        .expect("it begins");
    assert_eq!(begun.other_data, "image: periphery:2, version: 2.4.0");
    let ended = core.end(&begun).await;
    assert!(ended.success, "{ended:#?}");
    let expected = [
        "native Skipped",
        "a Unchanged",
        "boxed Done",
        "bb Unchanged",
    ];
    assert_eq!(
        told(&ended),
        expected,
        "who runs it already is left in peace"
    );
    drop(native);
}

#[tokio::test(start_paused = true)]
async fn a_service_whose_agent_forgot_it_is_not_judged_by_containers() {
    let mut core = Core::start().await;
    let mut host = service_that(&mut core, "alpha", None, None).await;
    host.world.create(
        komodo_sim::parse_container(UNIT).expect("a container of the same name misleads nobody"),
    );
    let script = Script::of(&mut core, &mut host).await;
    let params = json!({ "server": "alpha" });
    let begun = script.begun(&core, "RestartPeriphery", params).await;
    script.handed_over(&core, &begun, 180_000).await;
    script.cut(&mut core, &host).await;
    script.kept().acknowledged = true;
    script.back(&mut core, &mut host).await;
    let ended = core.end(&begun).await;
    assert!(!ended.success);
    assert_eq!(ended.verdicts[0].verdict, VerdictKind::Unknown);
    let error = error_of(&ended);
    assert!(
        error.contains(&format!("systemctl status {UNIT}")),
        "{error}"
    );
}
