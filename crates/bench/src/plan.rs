//! Plans: through the API for a real host, and pure for a host that is larger than any.

use std::time::Instant;

use komodo_agent_api::{Container as Observation, ProtectedContainer};
use komodo_api::{
    container::{ContainerAction, Scope},
    engine::ContainerStateStatusEnum,
    plan::PlanOperation,
};
use komodo_plan::{ControlPath, Observed, PlanInput, plan_containers, plan_hash, protected_set};
use komodo_testkit::{
    engine::{Container, Engine},
    installation::{Core, Failure},
};

use crate::report::{Figure, quantile};

const SERVER: &str = "bench";
const CONTAINERS: usize = 50;
const REQUESTS: usize = 1_000;
const MANY: usize = 10_000;
const RUNS: usize = 30;

/// Measures the figures of this group.
pub async fn measure() -> Result<Vec<Figure>, Failure> {
    let mut figures = vec![through_the_api().await?];
    figures.extend(pure()?);
    Ok(figures)
}

async fn through_the_api() -> Result<Figure, Failure> {
    let engine = Engine::start().await?;
    let core = Core::start(engine.host_address().into()).await?;
    for number in 0..CONTAINERS {
        engine
            .run(Container::idle(format!("c{number}")).init())
            .await?;
    }
    let _agent = core.agent_process(&engine, SERVER).await?;
    core.wait_containers(SERVER, "all containers", |list| list.len() == CONTAINERS)
        .await?;
    let ask = PlanOperation {
        operation: "StopAllContainers".into(),
        params: serde_json::from_value(serde_json::json!({ "server": SERVER }))?,
    };
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let begun = Instant::now();
        let plan = core.client.call(&ask).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        if plan.items.len() != CONTAINERS {
            return Err(format!("the plan has {} items", plan.items.len()).into());
        }
    }
    let median = quantile(&times, 0.5);
    Ok(Figure::at_most(
        format!("plan of StopAll of {CONTAINERS} through the API, p99"),
        quantile(&times, 0.99),
        "ms",
        10.0,
        times,
    )
    .note(format!(
        "{REQUESTS} requests one after the other, a real Engine; p50 {median:.3} ms"
    )))
}

fn pure() -> Result<Vec<Figure>, Failure> {
    let (containers, path) = host(MANY);
    let (scope, expected) = (Scope::All, Default::default());
    let (mut planned_ms, mut protected_ms) = (Vec::new(), Vec::new());
    // The first run, in which memory is fetched from the system, warms up.
    for run in 0..=RUNS {
        let begun = Instant::now();
        let protected = protected_set(&containers, &path);
        protected_ms.push(begun.elapsed().as_secs_f64() * 1e3);
        if protected.len() < MANY / 100 {
            return Err(format!("only {} containers are protected", protected.len()).into());
        }
        let took_ms = plan_once(&containers, &protected, &scope, &expected)?;
        if run > 0 {
            planned_ms.push(took_ms);
        }
    }
    Ok(vec![
        Figure::at_most(
            format!("plan of StopAll of {MANY} with its hash, pure, worst"),
            quantile(&planned_ms, 1.0),
            "ms",
            50.0,
            planned_ms,
        )
        .note("compose projects of ten services that depend on each other, one container in a hundred protected"),
        Figure::told(
            format!("protected set of {MANY}, pure, worst"),
            quantile(&protected_ms, 1.0),
            "ms",
            protected_ms,
        ),
    ])
}

fn plan_once(
    containers: &[Observation],
    protected: &[ProtectedContainer],
    scope: &Scope,
    expected: &std::collections::BTreeMap<String, komodo_agent_api::Expected>,
) -> Result<f64, Failure> {
    let input = PlanInput {
        action: ContainerAction::Stop,
        scope,
        exclude: &[],
        time: None,
        lift: komodo_plan::Lift {
            overridden: false,
            detach: false,
        },
        expected,
        bound: false,
        recreate: false,
        probation_s: None,
    };
    let begun = Instant::now();
    let plan = plan_containers(&input, Observed::new(containers, protected))?;
    let hash = plan_hash("StopAllContainers", SERVER, &plan);
    let took = begun.elapsed().as_secs_f64() * 1e3;
    if plan.items.len() != containers.len() || hash.len() != 64 {
        return Err(format!("the plan has {} items", plan.items.len()).into());
    }
    Ok(took)
}

/// A host with compose projects of ten services, each of which needs the one before it.
fn host(containers: usize) -> (Vec<Observation>, ControlPath) {
    let made: Vec<Observation> = (0..containers)
        .map(|at| {
            let (project, service) = (at / 10, at % 10);
            let mut labels = std::collections::BTreeMap::new();
            let mut label = |key: &str, value: String| {
                labels.insert(format!("com.docker.compose.{key}"), value);
            };
            label("project", format!("project-{project}"));
            label("service", format!("service-{service}"));
            if service > 0 {
                label(
                    "depends_on",
                    format!("service-{}:service_started:false", service - 1),
                );
            }
            if at % 100 == 7 {
                labels.insert("komodo.skip".into(), "true".into());
            }
            let network = if service == 9 {
                format!("container:{:064x}", at - 1)
            } else {
                format!("project-{project}_default")
            };
            Observation {
                id: format!("{at:064x}"),
                name: format!("project-{project}-service-{service}-1"),
                image: "registry.example.org/team/app:1.2.3".into(),
                image_id: format!("sha256:{:064x}", at % 50),
                state: ContainerStateStatusEnum::Running,
                network_mode: network,
                volumes: vec![format!("project-{project}_data-{service}")],
                labels,
                ..Observation::default()
            }
        })
        .collect();
    let path = ControlPath {
        own_container: Some(made[0].id.clone()),
        ..ControlPath::default()
    };
    (made, path)
}
