//! A plan is shown, then the world changes in one fact that it shows, then the plan is executed: it is refused with the
//! new plan, and nothing is touched.

use bollard::{
    models::{ContainerUpdateBody, RestartPolicy, RestartPolicyNameEnum},
    query_parameters::{RenameContainerOptions, TagImageOptions},
};
use komodo_acceptance::truth::SERVER;
use komodo_api::{
    Code, Operation,
    container::{DestroyContainer, StopAllContainers, StopContainer},
    plan::{Plan, PlanOperation},
    update::Update,
};
use komodo_testkit::{
    engine::{BUSYBOX, Container, Engine},
    installation::{Core, Failure, wait_for},
};

use crate::each;

/// Another name of the same image.
const RENAMED_IMAGE: &str = "komodo-test/other:2";

/// The container that plans are about.
fn web() -> Container {
    Container::idle("web")
        .label("com.docker.compose.project", "shop")
        .label("com.docker.compose.service", "web")
        .publish(8080)
        .bind("content", "/content")
}

/// What may share its network, and what may depend on it.
fn sharing() -> Container {
    Container::idle("sharing").network_mode("container:web")
}

fn depending() -> Container {
    Container::idle("depending")
        .label("com.docker.compose.project", "shop")
        .label("com.docker.compose.service", "depending")
        .label("com.docker.compose.depends_on", "web:service_started:false")
}

/// A fact that changes.
#[derive(Debug, Clone, Copy)]
enum Fact {
    Stopped,
    Paused,
    Renamed,
    Image,
    SkipLabel,
    ProtectLabel,
    Project,
    Ports,
    Volumes,
    RestartPolicy,
    NetworkDependant,
    ComposeDependant,
    Added,
    Removed,
}

impl Fact {
    const ALL: [Fact; 14] = [
        Fact::Stopped,
        Fact::Paused,
        Fact::Renamed,
        Fact::Image,
        Fact::SkipLabel,
        Fact::ProtectLabel,
        Fact::Project,
        Fact::Ports,
        Fact::Volumes,
        Fact::RestartPolicy,
        Fact::NetworkDependant,
        Fact::ComposeDependant,
        Fact::Added,
        Fact::Removed,
    ];

    /// Changes it on the Engine, past the product.
    async fn change(self, engine: &Engine) -> Result<(), Failure> {
        let again = |web: Container| async move {
            engine.remove("web").await?;
            engine.run(web).await.map(drop)
        };
        match self {
            Fact::Stopped => engine.stop("web").await?,
            Fact::Paused => engine.pause("web").await?,
            Fact::Renamed => {
                let name = RenameContainerOptions {
                    name: "web-2".into(),
                };
                engine.docker().rename_container("web", name).await?;
            }
            Fact::Image => again(web().image(RENAMED_IMAGE)).await?,
            Fact::SkipLabel => again(web().label("komodo.skip", "true")).await?,
            Fact::ProtectLabel => again(web().label("komodo.protect", "true")).await?,
            Fact::Project => again(web().label("com.docker.compose.project", "mall")).await?,
            Fact::Ports => again(web().publish(8081)).await?,
            Fact::Volumes => again(web().bind("orders", "/orders")).await?,
            Fact::RestartPolicy => {
                let always = ContainerUpdateBody {
                    restart_policy: Some(RestartPolicy {
                        name: Some(RestartPolicyNameEnum::ALWAYS),
                        maximum_retry_count: None,
                    }),
                    ..ContainerUpdateBody::default()
                };
                engine.docker().update_container("web", always).await?;
            }
            Fact::NetworkDependant => engine.start_container("sharing").await?,
            Fact::ComposeDependant => engine.start_container("depending").await?,
            Fact::Added => drop(engine.run(Container::idle("new")).await?),
            Fact::Removed => engine.remove("other").await?,
        }
        Ok(())
    }

    /// What its plan shows of it afterwards.
    fn shown(self, plan: &Plan) -> bool {
        let web = || {
            plan.items
                .iter()
                .find(|item| item.container.starts_with("web"))
        };
        let of_web = |what: &dyn Fn(&komodo_api::plan::PlanItem) -> bool| web().is_some_and(what);
        match self {
            Fact::Stopped => of_web(&|web| web.state.as_str() == "exited"),
            Fact::Paused => of_web(&|web| web.state.as_str() == "paused"),
            Fact::Renamed => of_web(&|web| web.container == "web-2"),
            Fact::Image => of_web(&|web| web.image.as_deref() == Some(RENAMED_IMAGE)),
            Fact::SkipLabel | Fact::ProtectLabel => of_web(&|web| !web.protected.is_empty()),
            Fact::Project => of_web(&|web| web.project.as_deref() == Some("mall")),
            Fact::Ports => of_web(&|web| web.ports.iter().any(|port| port.contains(":8081/"))),
            Fact::Volumes => of_web(&|web| web.volumes.iter().any(|name| name == "orders")),
            Fact::RestartPolicy => of_web(&|web| web.comes_back),
            Fact::NetworkDependant => of_web(&|web| web.dependants == ["sharing"]),
            Fact::ComposeDependant => of_web(&|web| web.dependants == ["depending"]),
            Fact::Added => plan.items.iter().any(|item| item.container == "new"),
            Fact::Removed => plan.items.iter().all(|item| item.container != "other"),
        }
    }
}

async fn plan<O: Operation>(core: &Core, operation: &O) -> Result<Plan, Failure> {
    let params = match serde_json::to_value(operation)? {
        serde_json::Value::Object(params) => params,
        other => return Err(format!("{other} is no request").into()),
    };
    let ask = PlanOperation {
        operation: O::NAME.into(),
        params,
    };
    Ok(core.client.call(&ask).await?)
}

/// Every container with its state and its run.
async fn world(engine: &Engine) -> Result<Vec<String>, Failure> {
    let mut world = Vec::new();
    for container in engine.list().await? {
        let id = container.id.unwrap_or_default();
        let found = engine.inspect(&id).await?;
        world.push(format!("{id} {:?} {:?}", found.name, found.state));
    }
    world.sort();
    Ok(world)
}

async fn drifts<O: Operation<Output = Update>>(
    engine: &Engine,
    core: &Core,
    fact: Fact,
    of: impl Fn(Option<String>) -> O,
) -> Result<(), Failure> {
    for container in engine.list().await? {
        engine.remove(&container.id.unwrap_or_default()).await?;
    }
    engine.run(web()).await?;
    engine.run(Container::idle("other")).await?;
    engine.create(sharing()).await?;
    engine.create(depending()).await?;
    core.wait_containers(SERVER, "exactly these containers", |list| {
        let runs = |name: &str| {
            list.iter().any(|item| {
                item.name == name && item.state.as_str() == "running" && !item.ports.is_empty()
                    || name == "other" && item.name == name && item.state.as_str() == "running"
            })
        };
        list.len() == 4 && runs("web") && runs("other")
    })
    .await?;

    let before = plan(core, &of(None)).await?;
    if fact.shown(&before) {
        return Err(format!("it is so already: {before:?}").into());
    }
    fact.change(engine).await?;
    wait_for("the plan to show it", || async {
        let plan = plan(core, &of(None)).await.ok()?;
        fact.shown(&plan).then_some(())
    })
    .await?;
    let untouched = world(engine).await?;
    // What only an inspect tells of a new container may come a moment later, and changes the plan once more.
    let refused = wait_for("the refusal to hold the plan of now", || async {
        let refused = refused_plan(core, &of(Some(before.hash.clone()))).await;
        let after = plan(core, &of(None)).await.ok()?;
        match &refused {
            Ok(refused) if refused.hash != after.hash => None,
            _ => Some(refused),
        }
    })
    .await??;
    if refused.hash == before.hash || !fact.shown(&refused) {
        return Err(format!("the new plan does not show it: {refused:?}").into());
    }
    match world(engine).await? == untouched {
        true => Ok(()),
        false => Err("something was touched".into()),
    }
}

/// The new plan that comes with the refusal of an old one.
async fn refused_plan<O: Operation<Output = Update>>(
    core: &Core,
    operation: &O,
) -> Result<Plan, Failure> {
    let error = match core.client.call(operation).await {
        Ok(update) => return Err(format!("it was done: {update:?}").into()),
        Err(error) => error.api().cloned().ok_or_else(|| error.to_string())?,
    };
    match error.params.get("plan") {
        Some(plan) if error.code == Code::PlanDrifted => Ok(serde_json::from_value(plan.clone())?),
        _ => Err(format!("it was refused otherwise: {error:?}").into()),
    }
}

#[tokio::test]
async fn a_plan_is_refused_when_any_fact_that_it_shows_has_changed() -> Result<(), Failure> {
    let engine = Engine::start().await?;
    let other = RENAMED_IMAGE.split_once(':').ok_or("an image has a tag")?;
    let tag = TagImageOptions {
        repo: Some(other.0.into()),
        tag: Some(other.1.into()),
    };
    engine.docker().tag_image(BUSYBOX, Some(tag)).await?;
    let core = Core::start(engine.host_address().into()).await?;
    let _agent = core.agent_process(&engine, SERVER).await?;
    each!(Fact::ALL, |fact| async {
        match fact {
            // Who depends on a container is shown where that one is not acted on too.
            Fact::NetworkDependant | Fact::ComposeDependant => {
                drifts(&engine, &core, fact, |plan| StopContainer {
                    plan,
                    ..StopContainer::of(SERVER, "web")
                })
                .await
            }
            Fact::Volumes => {
                drifts(&engine, &core, fact, |plan| DestroyContainer {
                    plan,
                    ..DestroyContainer::of(SERVER, "web")
                })
                .await
            }
            _ => {
                drifts(&engine, &core, fact, |plan| StopAllContainers {
                    plan,
                    ..StopAllContainers::of(SERVER)
                })
                .await
            }
        }
    })
}
