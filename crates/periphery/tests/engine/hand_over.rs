//! The agent's container restarted and replaced by a helper: proven by the new agent's life, or put back as it was,
//! whatever dies midway.

mod deaths;

use std::collections::BTreeMap;

use bollard::models::{ContainerInspectResponse, EndpointIpamConfig, EndpointSettings};
use futures_util::StreamExt;
use komodo_agent_api::{
    AgentApi, AgentErrorCode, AgentOperation, EventBody, GoodbyeReason, OperationEvent,
    OperationEventBody,
};
use komodo_api::container::{ContainerAction, Recreate};
use komodo_api::update::VerdictKind;
use komodo_testkit::engine::{Container, Engine, Restart, Variant};
use tokio::time::timeout;

use crate::{
    core::{Core, Linked},
    harness::{PATIENCE, one, operation, shown, verdicts},
    own_container::{IMAGE, Setting},
};

const AGENT: &str = "periphery";
pub const NEXT: &str = "komodo-test/agent:2";
const HELPER_LABEL: &str = "komodo.hand-over";

/// A restart with so short a probation that nobody waits long for what does not come.
pub fn restart() -> AgentOperation {
    let mut order = operation(ContainerAction::Restart, one(AGENT));
    order.probation_s = Some(1);
    order.time = Some(2);
    order
}

pub fn replace(image: &str) -> AgentOperation {
    let mut order = restart();
    let image = Some(image.to_owned());
    order.recreate = Some(Recreate { image });
    order
}

/// The image of the agent with one more variable, under another name.
pub async fn next_image(engine: &Engine) {
    let variant = Variant::default().env("KOMODO_TEST_IMAGE", "2");
    engine.image_variant(IMAGE, NEXT, variant).await.unwrap();
}

/// What Core heard of an operation until the link ended.
pub struct Heard {
    pub id: String,
    pub events: Vec<OperationEvent>,
    pub goodbyes: Vec<GoodbyeReason>,
}

impl Heard {
    pub fn helper(&self) -> String {
        let handed = self.events.iter().find_map(|event| match &event.body {
            OperationEventBody::HandedOver { helper, .. } => Some(helper.clone()),
            _ => None,
        });
        handed.unwrap_or_else(|| panic!("it is handed over: {:#?}", self.events))
    }
}

/// Orders it, and listens until the agent is gone.
pub async fn heard(linked: &Linked, order: AgentOperation) -> Heard {
    let id = order.id.clone();
    let mut told = linked.client.events().await.unwrap();
    told.next().await.unwrap().unwrap();
    let mut events = linked.client.operate(order).await.unwrap();
    let (events, goodbyes) = tokio::join!(
        async {
            let mut heard = Vec::new();
            while let Ok(Some(Ok(event))) = timeout(PATIENCE, events.next()).await {
                heard.push(event);
            }
            heard
        },
        async {
            let mut heard = Vec::new();
            while let Ok(Some(Ok(event))) = timeout(PATIENCE, told.next()).await {
                if let EventBody::Goodbye(reason) = event.body {
                    heard.push(reason);
                }
            }
            heard
        }
    );
    Heard {
        id,
        events,
        goodbyes,
    }
}

/// The next agent that links and holds the operation, followed to its end; confirmed first where that is wanted.
pub async fn ended(core: &mut Core, id: &str, confirm: bool) -> (Linked, Vec<OperationEvent>) {
    loop {
        let linked = core.linked().await;
        let open = &linked.hello.open_operations;
        assert_eq!(open.iter().map(|open| &open.id).collect::<Vec<_>>(), [id]);
        if confirm {
            // One that was stopped again meanwhile cannot answer.
            let _ = linked.client.confirm(id.to_owned()).await;
        }
        let Ok(mut events) = linked.client.follow(id.to_owned(), 0).await else {
            continue;
        };
        let mut heard = Vec::new();
        while let Ok(Some(Ok(event))) = timeout(PATIENCE, events.next()).await {
            heard.push(event);
        }
        let last = heard.last().map(|event: &OperationEvent| &event.body);
        if matches!(last, Some(OperationEventBody::Ended { .. })) {
            return (linked, heard);
        }
    }
}

async fn agent(setting: &mut Setting, container: Container) -> (Linked, ContainerInspectResponse) {
    setting.engine.run(container).await.unwrap();
    let linked = setting.core.linked().await;
    let seen = setting.engine.inspect(AGENT).await.unwrap();
    (linked, seen)
}

/// Waits until exactly one agent is there, and nothing is left of the hand over.
pub async fn tidy(engine: &Engine) {
    let left = || async {
        let all = engine.list().await.unwrap();
        let names = all.into_iter().flat_map(|one| {
            let labels = one.labels.unwrap_or_default();
            let is_helper = labels.contains_key(HELPER_LABEL);
            let names = one.names.unwrap_or_default();
            names.into_iter().map(move |name| (is_helper, name))
        });
        let left: Vec<_> = names
            .filter(|(is_helper, name)| *is_helper || name.contains(".komodo-"))
            .collect();
        left
    };
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let left = left().await;
        if left.is_empty() {
            break;
        }
        assert!(std::time::Instant::now() < until, "{left:?}");
        tokio::task::yield_now().await;
    }
    let running = engine.running().await.unwrap();
    assert_eq!(
        running.iter().filter(|name| name.contains(AGENT)).count(),
        1,
        "{running:?}"
    );
}

/// What of a container is to be the same in another one that replaces it.
fn configuration(seen: &ContainerInspectResponse) -> BTreeMap<&'static str, serde_json::Value> {
    let config = seen.config.clone().unwrap_or_default();
    let host = seen.host_config.clone().unwrap_or_default();
    let mut environment = config.env.unwrap_or_default();
    environment.retain(|variable| !variable.starts_with("KOMODO_TEST_IMAGE="));
    environment.sort();
    let mut labels = config.labels.unwrap_or_default();
    labels.remove("komodo.handed-over");
    let labels: BTreeMap<_, _> = labels.into_iter().collect();
    let mut mounts: Vec<_> = seen.mounts.clone().unwrap_or_default();
    mounts.sort_by_key(|mount| mount.destination.clone());
    let networks = seen.network_settings.clone().and_then(|all| all.networks);
    let networks: BTreeMap<_, _> = networks
        .unwrap_or_default()
        .into_iter()
        .map(|(name, endpoint)| {
            let id = seen.id.clone().unwrap();
            let mut aliases = endpoint.aliases.unwrap_or_default();
            aliases.retain(|alias| !id.starts_with(alias.as_str()));
            let asked = endpoint.ipam_config.and_then(|ipam| ipam.ipv4_address);
            (name, (aliases, asked))
        })
        .collect();
    let value = |value| serde_json::to_value(value).unwrap();
    BTreeMap::from([
        ("name", value(seen.name.clone())),
        ("environment", serde_json::to_value(environment).unwrap()),
        ("labels", serde_json::to_value(labels).unwrap()),
        ("binds", serde_json::to_value(host.binds).unwrap()),
        ("mounts", serde_json::to_value(mounts).unwrap()),
        ("networks", serde_json::to_value(networks).unwrap()),
        ("policy", serde_json::to_value(host.restart_policy).unwrap()),
        ("mode", serde_json::to_value(host.network_mode).unwrap()),
        (
            "extra hosts",
            serde_json::to_value(host.extra_hosts).unwrap(),
        ),
        (
            "entrypoint",
            serde_json::to_value(config.entrypoint).unwrap(),
        ),
        ("user", serde_json::to_value(config.user).unwrap()),
    ])
}

#[tokio::test]
async fn a_restart_is_handed_over_and_confirmed() {
    let mut setting = Setting::new().await;
    // As many run it: the journal is read through the mounts of the agent, this one among them.
    let container = setting.agent(AGENT).bind("/proc", "/proc");
    let (linked, before) = agent(&mut setting, container).await;
    let heard = heard(&linked, restart()).await;
    assert!(
        heard.helper().starts_with("komodo-hand-over-"),
        "{}",
        heard.helper()
    );
    let operation = heard.id.clone();
    assert_eq!(heard.goodbyes, [GoodbyeReason::HandedOver { operation }]);

    let back = setting.core.linked().await;
    let too_soon = back.client.acknowledge(heard.id.clone()).await.unwrap_err();
    assert_eq!(too_soon.code, AgentErrorCode::Invalid, "it is open");
    back.client.confirm(heard.id.clone()).await.unwrap();
    let events = back.client.follow(heard.id.clone(), 0).await.unwrap();
    let events: Vec<_> = timeout(PATIENCE, events.map(Result::unwrap).collect())
        .await
        .expect("it ends");
    assert_eq!(shown(&events), ["periphery: done"]);
    assert_eq!(verdicts(&events)[0].error, None);
    let confirmed = |event: &OperationEvent| event.body == OperationEventBody::Confirmed;
    assert!(events.iter().any(confirmed));
    let after = setting.engine.inspect(AGENT).await.unwrap();
    assert_eq!(after.id, before.id);
    assert_ne!(
        after.state.unwrap().started_at,
        before.state.unwrap().started_at
    );
    tidy(&setting.engine).await;
    assert!(
        !setting
            .state
            .join("hand-over")
            .join(format!("{}.json", heard.id))
            .exists()
    );
}

#[tokio::test]
async fn another_image_takes_over_with_the_same_configuration() {
    let mut setting = Setting::new().await;
    next_image(&setting.engine).await;
    let ipam = bollard::models::Ipam {
        config: Some(vec![bollard::models::IpamConfig {
            subnet: Some("10.77.0.0/24".into()),
            ..Default::default()
        }]),
        ..Default::default()
    };
    let network = bollard::models::NetworkCreateRequest {
        name: "control".into(),
        ipam: Some(ipam),
        ..Default::default()
    };
    setting
        .engine
        .docker()
        .create_network(network)
        .await
        .unwrap();
    setting.engine.create_network("second").await.unwrap();
    let container = setting
        .agent(AGENT)
        .network_mode("control")
        .label("com.example.team", "a b")
        .env("EXTRA", "1")
        .restart(Restart::Always)
        .with(|body| {
            let endpoint = EndpointSettings {
                aliases: Some(vec!["the-agent".into()]),
                ipam_config: Some(EndpointIpamConfig {
                    ipv4_address: Some("10.77.0.9".into()),
                    ..Default::default()
                }),
                ..Default::default()
            };
            let endpoints = [("control".to_owned(), endpoint)].into_iter().collect();
            body.networking_config = Some(bollard::models::NetworkingConfig {
                endpoints_config: Some(endpoints),
            });
        });
    setting.engine.create(container).await.unwrap();
    let second = bollard::models::NetworkConnectRequest {
        container: AGENT.into(),
        endpoint_config: Some(EndpointSettings {
            aliases: Some(vec!["agent-too".into()]),
            ..Default::default()
        }),
    };
    setting
        .engine
        .docker()
        .connect_network("second", second)
        .await
        .unwrap();
    setting.engine.start_container(AGENT).await.unwrap();
    let linked = setting.core.linked().await;
    let before = setting.engine.inspect(AGENT).await.unwrap();

    let heard = heard(&linked, replace(NEXT)).await;
    let (_, events) = ended(&mut setting.core, &heard.id, true).await;
    assert_eq!(shown(&events), ["periphery: done"], "{events:#?}");
    let after = setting.engine.inspect(AGENT).await.unwrap();
    assert_ne!(after.id, before.id);
    let variables = after.config.clone().unwrap().env.unwrap();
    assert!(
        variables.contains(&"KOMODO_TEST_IMAGE=2".to_owned()),
        "{variables:?}"
    );
    assert_eq!(configuration(&after), configuration(&before));
    tidy(&setting.engine).await;
}

#[tokio::test]
async fn an_agent_without_a_volume_keeps_its_key_and_its_journal() {
    let mut setting = Setting::new().await;
    next_image(&setting.engine).await;
    let container = setting.agent(AGENT).with(|body| {
        let binds = body.host_config.as_mut().unwrap().binds.as_mut().unwrap();
        binds.retain(|bind| !bind.ends_with(":/etc/komodo"));
    });
    let (linked, before) = agent(&mut setting, container).await;
    let heard = heard(&linked, replace(NEXT)).await;
    let (back, events) = ended(&mut setting.core, &heard.id, true).await;
    assert_eq!(shown(&events), ["periphery: done"], "{events:#?}");
    assert_eq!(back.key, linked.key);
    let after = setting.engine.inspect(AGENT).await.unwrap();
    assert_ne!(after.id, before.id);
    tidy(&setting.engine).await;
}

/// The verdict of what was rolled back, and that all is as it was.
async fn rolled_back(setting: &mut Setting, linked: Linked, order: AgentOperation) -> String {
    let before = setting.engine.inspect(AGENT).await.unwrap();
    let heard = heard(&linked, order).await;
    let (_, events) = ended(&mut setting.core, &heard.id, false).await;
    let told = verdicts(&events);
    assert_eq!(told[0].verdict, VerdictKind::Failed, "{events:#?}");
    let after = setting.engine.inspect(AGENT).await.unwrap();
    assert_eq!(after.id, before.id, "the old one is back");
    assert_eq!(configuration(&after), configuration(&before));
    assert_eq!(after.state.unwrap().running, Some(true));
    tidy(&setting.engine).await;
    told[0].error.clone().unwrap()
}

#[tokio::test]
async fn an_image_that_cannot_start_is_rolled_back() {
    let mut setting = Setting::new().await;
    let broken = Variant::entrypoint(["/no/such/program"]);
    setting
        .engine
        .image_variant(IMAGE, NEXT, broken)
        .await
        .unwrap();
    let container = setting.agent(AGENT);
    let (linked, _) = agent(&mut setting, container).await;
    let why = rolled_back(&mut setting, linked, replace(NEXT)).await;
    assert!(why.contains("cannot start the new container"), "{why}");
}

#[tokio::test]
async fn an_image_that_ends_at_once_is_rolled_back() {
    let mut setting = Setting::new().await;
    let broken = Variant::entrypoint(["sh", "-c", "exit 3"]);
    setting
        .engine
        .image_variant(IMAGE, NEXT, broken)
        .await
        .unwrap();
    let container = setting.agent(AGENT);
    let (linked, _) = agent(&mut setting, container).await;
    let why = rolled_back(&mut setting, linked, replace(NEXT)).await;
    assert!(
        why.contains("exit code 3") || why.contains("started it again"),
        "{why}"
    );
}

#[tokio::test]
async fn what_nobody_confirms_is_rolled_back() {
    let mut setting = Setting::new().await;
    next_image(&setting.engine).await;
    let container = setting.agent(AGENT);
    let (linked, _) = agent(&mut setting, container).await;
    let why = rolled_back(&mut setting, linked, replace(NEXT)).await;
    assert!(why.contains("not confirmed within its time"), "{why}");
}

#[tokio::test]
async fn one_that_is_removed_when_it_stops_is_refused() {
    let mut setting = Setting::new().await;
    let container = setting.agent(AGENT).with(|body| {
        let host = body.host_config.as_mut().unwrap();
        host.restart_policy = None;
        host.auto_remove = Some(true);
    });
    let (linked, before) = agent(&mut setting, container).await;
    refused(&setting, &linked, restart(), "--rm").await;
    refused(&setting, &linked, replace(IMAGE), "--rm").await;
    let after = setting.engine.inspect(AGENT).await.unwrap();
    assert_eq!(
        after.state.unwrap().started_at,
        before.state.unwrap().started_at
    );
}

#[tokio::test]
async fn an_image_that_is_not_there_is_refused_while_nothing_is_touched() {
    let mut setting = Setting::new().await;
    let container = setting.agent(AGENT);
    let (linked, before) = agent(&mut setting, container).await;
    let missing = replace("127.0.0.1:9/komodo-test/nowhere:1");
    refused(&setting, &linked, missing, "nowhere").await;
    let after = setting.engine.inspect(AGENT).await.unwrap();
    assert_eq!(
        after.state.unwrap().started_at,
        before.state.unwrap().started_at
    );
}

async fn refused(setting: &Setting, linked: &Linked, order: AgentOperation, why: &str) {
    let events = crate::harness::operate(&linked.client, order)
        .await
        .unwrap();
    let told = verdicts(&events);
    assert_eq!(told[0].verdict, VerdictKind::Failed, "{told:?}");
    let error = told[0].error.clone().unwrap();
    assert!(error.contains(why), "{error}");
    let began = |event: &OperationEvent| matches!(event.body, OperationEventBody::Started { .. });
    assert!(!events.iter().any(began), "nothing was begun");
    assert!(linked.client.link().is_closed().is_none());
    tidy(&setting.engine).await;
}

/// Core in a container next to the agent: the agent stays, and its journal carries the confirmation.
#[tokio::test]
async fn the_container_of_core_is_handed_over_by_the_agent_beside_it() {
    let mut setting = Setting::new().await;
    setting.core = Core::start_in(Some("core")).await;
    let core = Container::idle("core").restart(Restart::Always);
    setting.engine.run(core).await.unwrap();
    let container = setting.agent(AGENT);
    let (linked, agent_before) = agent(&mut setting, container).await;
    let before = setting.engine.inspect("core").await.unwrap();
    for image in [None, Some(komodo_testkit::engine::BUSYBOX)] {
        let before = setting.engine.inspect("core").await.unwrap();
        let mut order = restart();
        order.scope = one("core");
        order.recreate = image.map(|image| Recreate {
            image: Some(image.to_owned()),
        });
        let id = order.id.clone();
        let mut events = linked.client.operate(order).await.unwrap();
        let mut heard = Vec::new();
        while let Ok(Some(event)) = timeout(PATIENCE, events.next()).await {
            let event = event.unwrap();
            let handed = matches!(event.body, OperationEventBody::HandedOver { .. });
            heard.push(event);
            if handed {
                confirmed_when_it_can_be(&linked, &id).await;
            }
        }
        assert_eq!(shown(&heard), ["core: done"], "{heard:#?}");
        assert_eq!(verdicts(&heard)[0].error, None);
        let after = setting.engine.inspect("core").await.unwrap();
        assert_eq!(after.id == before.id, image.is_none());
        assert_eq!(configuration(&after), configuration(&before));
        tidy(&setting.engine).await;
    }
    let after = setting.engine.inspect("core").await.unwrap();
    assert_ne!(
        after.state.unwrap().started_at,
        before.state.unwrap().started_at
    );
    let agent_after = setting.engine.inspect(AGENT).await.unwrap();
    assert_eq!(
        agent_after.state.unwrap().started_at,
        agent_before.state.unwrap().started_at,
        "the agent stays"
    );
    assert!(linked.client.link().is_closed().is_none());
}

/// Refused until the new Core is there.
async fn confirmed_when_it_can_be(linked: &Linked, id: &str) {
    let until = std::time::Instant::now() + PATIENCE;
    while let Err(error) = linked.client.confirm(id.to_owned()).await {
        assert_eq!(error.code, AgentErrorCode::Invalid, "{error:?}");
        assert!(std::time::Instant::now() < until, "{error:?}");
        tokio::task::yield_now().await;
    }
}
