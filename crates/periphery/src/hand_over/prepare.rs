//! What comes before a hand over: its plan, and whether it can work, while nothing has been touched.

use std::path::Path;

use komodo_agent_api::{AgentOperation, Container};
use komodo_api::{plan::Reason, update::Run};
use komodo_docker::{Engine, EngineError, Refused, grant_hand_over};
use komodo_plan::hand_over::{HandOverPlan, JournalPlace, Recreated, Replace, carried};
use serde_json::Value;

use super::{
    body::{OwnProgram, further_networks, helper_body},
    calls::{Calls, journal_file},
    kept::Kept,
};
use crate::{clock, redact::redact};

/// What a container is given to stop where it says nothing itself, seconds.
const STOP_TIMEOUT_S_DEFAULT: i64 = 10;
const STOP_TIMEOUT_S_MAX: i64 = 3_600;
/// Time to start, and to reach Core, at least and at most, ms; in between it is twice the probation.
const START_MS: (i64, i64) = (15_000, 60_000);

/// What is to be handed over.
pub(crate) struct Order<'a> {
    pub(crate) operation: &'a AgentOperation,
    /// Id of the agent's own container.
    pub(crate) own: Option<String>,
    /// The container.
    pub(crate) target: &'a Container,
    /// Why it is protected.
    pub(crate) protected: &'a [Reason],
    /// The run that it is in.
    pub(crate) run: Run,
    /// Seconds that it is watched before it is confirmed.
    pub(crate) probation_s: u32,
}

/// What can begin.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) plan: HandOverPlan,
    /// What makes the helper.
    pub(crate) helper: Recreated,
    pub(crate) calls: Calls,
}

/// Prepares a hand over; nothing is changed but that an image may be pulled.
///
/// # Errors
/// Why it cannot work, and what to do about it, for people.
pub(crate) async fn prepare(
    engine: &Engine,
    kept: &Kept,
    order: Order<'_>,
) -> Result<Prepared, String> {
    let Order {
        operation,
        own,
        target,
        protected,
        run,
        probation_s,
    } = order;
    if let Some(other) = kept.other_plan(&operation.id) {
        return Err(format!(
            "another hand over is under way on this server (operation {other}); wait for its end"
        ));
    }
    if target.auto_remove {
        return Err(format!(
            "'{0}' was started with --rm: the Engine removes it when it stops, and nothing could be put back; start it \
             without --rm, or run `docker restart {0}` on the host",
            target.name
        ));
    }
    if run.started_at.is_none() {
        return Err("the Engine does not tell since when it runs".to_owned());
    }
    let own = own.ok_or_else(|| {
        format!(
            "this agent runs in no container that it knows, and so has no image for the helper that would do it; run \
             `docker restart {}` on the host",
            target.name
        )
    })?;
    let is_own = target.id == own;
    let path = kept
        .root()
        .join("journal")
        .join(format!("{}.jsonl", operation.id));
    let path = path.to_string_lossy().into_owned();
    let own_document = inspect(engine, &own).await?;
    can_be_read(engine, &own_document)?;
    is_readable(engine, &own, &path).await?;
    let document = match is_own {
        true => own_document,
        false => inspect(engine, &target.id).await?,
    };
    can_be_read(engine, &document)?;
    let replace = match &operation.recreate {
        None => None,
        Some(recreate) => {
            let asked = recreate.image.as_deref().filter(|image| !image.is_empty());
            let image = asked.unwrap_or(&target.image).to_owned();
            let paths = match is_own {
                true => carried(&document, &kept.state()),
                false => carried(&document, &core_paths(&document)),
            };
            Some(Replace {
                image,
                restart_policy: document["HostConfig"]["RestartPolicy"].clone(),
                carry: paths,
            })
        }
    };
    let stop_s = operation
        .time
        .map(i64::from)
        .or(target.stop_timeout_s)
        .unwrap_or(STOP_TIMEOUT_S_DEFAULT);
    let stop_s = match stop_s < 0 {
        true => STOP_TIMEOUT_S_MAX,
        false => stop_s.min(STOP_TIMEOUT_S_MAX),
    };
    let probation_ms = i64::from(probation_s) * 1000;
    let start_ms = (probation_ms * 2).clamp(START_MS.0, START_MS.1);
    let draft = HandOverPlan {
        operation: operation.id.clone(),
        container: target.id.clone(),
        name: target.name.clone(),
        run,
        stop_timeout_s: operation.time.map(i64::from),
        replace,
        journal: JournalPlace {
            container: (!is_own).then(|| own.clone()),
            path,
        },
        until: 0,
    };
    let granted = |plan: &HandOverPlan| {
        let grant = grant_hand_over(plan.clone(), protected).map_err(|refused| match refused {
            Refused::Skip(reason) | Refused::Refuse(reason) | Refused::HandOver(reason) => {
                reason.sentence()
            }
        })?;
        Ok::<_, String>(Calls::new(engine.clone(), grant))
    };
    let calls = granted(&draft)?;
    let told = |error: EngineError| redact(&error.chain());
    calls.probe().await.map_err(told)?;
    if let Some(replace) = &draft.replace {
        let had = calls.have_image(&replace.image).await;
        had.map_err(|error| format!("the image {}: {}", replace.image, told(error)))?;
        // Whether there can be one is known before anything is touched.
        calls.recreated().await.map_err(told)?;
    }
    // From here on, since a pull takes its time.
    let plan = HandOverPlan {
        until: clock::now_ms() + stop_s * 1000 + start_ms + probation_ms,
        ..draft
    };
    Ok(Prepared {
        helper: helper(engine, Some(&own), &plan, true).await?,
        calls: granted(&plan)?,
        plan,
    })
}

/// What makes the helper of a plan, from the agent's own container.
///
/// # Errors
/// Why there can be none, for people.
pub(crate) async fn helper(
    engine: &Engine,
    own: Option<&str>,
    plan: &HandOverPlan,
    first: bool,
) -> Result<Recreated, String> {
    let own = own.ok_or("this agent runs in no container that it knows")?;
    let document = inspect(engine, own).await?;
    // One that goes on where another died at a point is not to die there too.
    let program = OwnProgram::read(first).map_err(|error| error.to_string())?;
    let body = helper_body(&document, &program, engine.endpoint(), plan)?;
    let image = document["Image"].as_str().unwrap_or_default();
    match engine.image_document(image).await {
        Ok(Some(_)) => Ok(Recreated {
            networks: further_networks(&document, engine.endpoint()),
            body,
        }),
        Ok(None) => Err(format!(
            "the image of the agent ({}) is not on this host any more, so no helper can be made from it; pull it",
            document["Config"]["Image"].as_str().unwrap_or(image)
        )),
        Err(error) => Err(told("the image of the agent", &error)),
    }
}

/// Whether the Engine comes to no harm when it is asked for files of a container again and again.
fn can_be_read(engine: &Engine, document: &Value) -> Result<(), String> {
    match holds_itself(document) {
        Some((source, target)) if !engine.reads_files_apart() => {
            let name = document["Name"].as_str().unwrap_or_default();
            let name = name.trim_start_matches('/');
            Err(format!(
                "'{name}' mounts {source} at {target}, which holds the Engine's own data: an Engine before version 25 \
                 cannot read files of such a container again and again without harm; start it without that mount, \
                 update the Engine, or run `docker restart {name}` on the host"
            ))
        }
        _ => Ok(()),
    }
}

/// The mount of a container that holds its own root, as source and target.
fn holds_itself(document: &Value) -> Option<(&str, &str)> {
    let root = Path::new(document["GraphDriver"]["Data"]["MergedDir"].as_str()?);
    document["Mounts"].as_array()?.iter().find_map(|mount| {
        let source = mount["Source"].as_str()?;
        let holds = !source.is_empty() && root.starts_with(source);
        holds.then_some((source, mount["Destination"].as_str().unwrap_or_default()))
    })
}

/// Whether a helper will be able to read the journal.
async fn is_readable(engine: &Engine, own: &str, path: &str) -> Result<(), String> {
    match journal_file(engine, own, path).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(format!(
            "the Engine does not find the journal ({path}) in the agent's container; is it on a tmpfs?"
        )),
        Err(error) => Err(told("the journal in the agent's container", &error)),
    }
}

async fn inspect(engine: &Engine, id: &str) -> Result<Value, String> {
    let document = engine.inspect_document(id).await;
    document.map_err(|error| told("the container", &error))
}

fn told(what: &str, error: &EngineError) -> String {
    format!("{what} cannot be looked at: {}", redact(&error.chain()))
}

/// Where Core keeps its state, by the variables that it was started with.
fn core_paths(document: &Value) -> Vec<String> {
    let variables = document["Config"]["Env"].as_array().into_iter().flatten();
    let mut folder = None;
    for variable in variables.filter_map(Value::as_str) {
        if let Some((name, value)) = variable.split_once('=')
            && name.eq_ignore_ascii_case("KOMODO_DATA_DIRECTORY")
        {
            folder = Some(value);
        }
    }
    let folder = Path::new(folder.unwrap_or("komodo-data"));
    let working = document["Config"]["WorkingDir"].as_str().unwrap_or("/");
    let working = if working.is_empty() { "/" } else { working };
    vec![
        Path::new(working)
            .join(folder)
            .to_string_lossy()
            .into_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mount_that_holds_the_container_itself_is_found() {
        let found = |source: &str| {
            let document = json!({
                "GraphDriver": { "Data": { "MergedDir": "/var/lib/docker/overlay2/abc/merged" } },
                "Mounts": [{ "Source": "/etc/komodo", "Destination": "/x" }, { "Source": source, "Destination": "/y" }],
            });
            holds_itself(&document).map(|(_, target)| target.to_owned())
        };
        for source in [
            "/",
            "/var/lib",
            "/var/lib/docker",
            "/var/lib/docker/overlay2",
        ] {
            assert_eq!(found(source).as_deref(), Some("/y"), "{source}");
        }
        for source in [
            "",
            "/var/lib/docker-data",
            "/var/lib/docker/volumes/v/_data",
            "/proc",
        ] {
            assert_eq!(found(source), None, "{source}");
        }
        let no_driver = json!({ "Mounts": [{ "Source": "/", "Destination": "/y" }] });
        assert_eq!(holds_itself(&no_driver), None);
    }

    #[test]
    fn the_state_of_core_is_where_its_variables_say() {
        let core = |config: Value| core_paths(&json!({ "Config": config }));
        let variable = json!({ "Env": ["KOMODO_DATA_DIRECTORY=/data"], "WorkingDir": "/srv" });
        assert_eq!(core(variable), ["/data"]);
        assert_eq!(core(json!({ "WorkingDir": "/srv" })), ["/srv/komodo-data"]);
        assert_eq!(core(json!({ "Env": null })), ["/komodo-data"]);
    }
}
