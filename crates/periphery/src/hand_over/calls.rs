//! What a hand over asks of the Engine, each with its deadline; what may be asked is for the permission to say.

use std::time::Duration;

use bytes::Bytes;
use komodo_agent_api::OperationEventBody;
use komodo_docker::{Engine, EngineError, HandOverGrant, HandOverTarget, Inspected};
use komodo_plan::hand_over::{HandOverPlan, Recreated, recreated};
use serde_json::Value;

/// Bytes of the journal of one operation on one container.
const JOURNAL_FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Time to make a container.
const CREATE_DEADLINE: Duration = Duration::from_secs(60);
/// Time to set up a container and start its process.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// Time that a stop takes beyond what the container is given.
const STOP_MARGIN: Duration = Duration::from_secs(30);
/// What a container is given that says nothing itself, seconds.
const STOP_TIMEOUT_S_DEFAULT: i64 = 10;
/// What it is given at most, seconds.
const STOP_TIMEOUT_S_MAX: u64 = 3_600;
/// Time to remove what a container wrote.
const REMOVE_DEADLINE: Duration = Duration::from_secs(120);
/// Time to carry state from one container to another.
const CARRY_DEADLINE: Duration = Duration::from_secs(120);
/// Time to pull an image.
const PULL_DEADLINE: Duration = Duration::from_secs(600);

/// The calls of one hand over.
#[derive(Debug)]
pub(crate) struct Calls {
    engine: Engine,
    grant: HandOverGrant,
}

impl Calls {
    pub(crate) fn new(engine: Engine, grant: HandOverGrant) -> Self {
        Calls { engine, grant }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    fn plan(&self) -> &HandOverPlan {
        self.grant.plan()
    }

    /// Whether all that the plan needs is let through to the Engine.
    pub(crate) async fn probe(&self) -> Result<(), EngineError> {
        self.engine.probe_hand_over(&self.grant).await
    }

    /// Pulls the image where the Engine does not have it.
    pub(crate) async fn have_image(&self, image: &str) -> Result<(), EngineError> {
        if self.engine.image_document(image).await?.is_some() {
            return Ok(());
        }
        tracing::info!(image, "the image is pulled");
        let tell = |line: &str| tracing::debug!(image, "{line}");
        self.engine
            .pull(&self.grant, image, PULL_DEADLINE, tell)
            .await
    }

    /// What makes the new container, from what the old one is now.
    pub(crate) async fn recreated(&self) -> Result<Recreated, EngineError> {
        let plan = self.plan();
        let old = self.engine.inspect_document(&plan.container).await?;
        let of = old["Image"].as_str().unwrap_or_default();
        let had = self.engine.image_document(of).await?;
        let image = plan.replace.as_ref().map_or("", |replace| &replace.image);
        let had = had.unwrap_or(Value::Null);
        let mut new = recreated(&old, &had, image, &plan.operation)
            .map_err(|error| refused(&error.to_string()))?;
        if let Some(document) = self.engine.image_document(image).await?
            && let Some(id) = document["Id"].as_str()
        {
            new.note_image_id(&old, id);
        }
        Ok(new)
    }

    pub(crate) async fn create_new(&self) -> Result<String, EngineError> {
        let new = self.recreated().await?;
        self.engine
            .create_new(&self.grant, &new, CREATE_DEADLINE)
            .await
    }

    /// Puts the new container into all networks of the old one.
    pub(crate) async fn connect(&self, id: &str) -> Result<(), EngineError> {
        let new = self.recreated().await?;
        let (target, found) = self.found(id).await?;
        self.engine
            .connect_missing(&target, &found, &new, CREATE_DEADLINE)
            .await
    }

    pub(crate) async fn create_helper(&self, helper: &Recreated) -> Result<(), EngineError> {
        let body = helper.body.clone();
        let made = self
            .engine
            .create_helper(&self.grant, body, CREATE_DEADLINE);
        let id = made.await?;
        let (target, found) = self.found(&id).await?;
        self.engine
            .connect_missing(&target, &found, helper, CREATE_DEADLINE)
            .await
    }

    /// Lets the Engine not start it by itself.
    pub(crate) async fn keep_stopped(&self, id: &str) -> Result<(), EngineError> {
        self.restart_policy(id, &Value::Null).await
    }

    pub(crate) async fn restart_policy(&self, id: &str, policy: &Value) -> Result<(), EngineError> {
        let (target, _) = self.found(id).await?;
        self.engine.set_restart_policy(&target, policy).await
    }

    pub(crate) async fn start(&self, id: &str) -> Result<(), EngineError> {
        let (target, _) = self.found(id).await?;
        let started = self.engine.start_target(&target, START_DEADLINE).await;
        started.map(drop)
    }

    /// Stops one; `time_s` is how long it is given, absent is its own.
    pub(crate) async fn stop(&self, id: &str, time_s: Option<i64>) -> Result<(), EngineError> {
        let (target, found) = self.found(id).await?;
        let given = time_s.or(found.config.stop_timeout);
        let given = u64::try_from(given.unwrap_or(STOP_TIMEOUT_S_DEFAULT));
        let given = given.map_or(STOP_TIMEOUT_S_MAX, |given| given.min(STOP_TIMEOUT_S_MAX));
        let within = Duration::from_secs(given) + STOP_MARGIN;
        let stopped = self.engine.stop_target(&target, time_s, within).await;
        stopped.map(drop)
    }

    /// Tells the helper that what it did is confirmed.
    pub(crate) async fn tell_confirmed(&self) -> Result<(), EngineError> {
        let (target, _) = self.found(&self.plan().helper_name()).await?;
        self.engine.tell_confirmed(&target).await
    }

    pub(crate) async fn rename(&self, id: &str, name: &str) -> Result<(), EngineError> {
        let (target, _) = self.found(id).await?;
        let renamed = self.engine.rename_target(&self.grant, &target, name).await;
        renamed.map(drop)
    }

    /// Removes one that does not run. One that is gone already is as good.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), EngineError> {
        match self.found(id).await {
            Ok((target, _)) => self.engine.remove_target(&target, REMOVE_DEADLINE).await,
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Copies what is at these paths of one to the same places of another.
    pub(crate) async fn carry(
        &self,
        from: &str,
        to: &str,
        paths: &[String],
    ) -> Result<(), EngineError> {
        if paths.is_empty() {
            return Ok(());
        }
        let (from, _) = self.found(from).await?;
        let (to, _) = self.found(to).await?;
        for path in paths {
            self.engine.carry(&from, &to, path, CARRY_DEADLINE).await?;
        }
        Ok(())
    }

    async fn found(&self, id: &str) -> Result<(HandOverTarget, Inspected), EngineError> {
        let found = self.engine.inspect(id).await?;
        match self.grant.target(&found) {
            Some(target) => Ok((target, found)),
            None => Err(refused(&format!(
                "the container '{}' is none of this hand over",
                found.name.trim_start_matches('/')
            ))),
        }
    }
}

/// Not the Engine's words, but as good as.
fn refused(message: &str) -> EngineError {
    EngineError::Status {
        status: 409,
        message: message.to_owned(),
    }
}

/// The journal's file in a container; `None` where it is not there.
pub(crate) async fn journal_file(
    engine: &Engine,
    container: &str,
    path: &str,
) -> Result<Option<Bytes>, EngineError> {
    engine
        .read_file(container, path, JOURNAL_FILE_BYTES_MAX)
        .await
}

/// Whether a file of a journal holds the confirmation.
pub(crate) fn is_confirmed(file: &[u8]) -> bool {
    let recorded = komodo_journal::read_recorded(file);
    recorded.is_some_and(|recorded| {
        let mut events = recorded.events.iter();
        events.any(|event| event.body == OperationEventBody::Confirmed)
    })
}
