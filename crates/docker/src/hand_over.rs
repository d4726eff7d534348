//! The calls of a hand over: of the agent, which starts a helper, and of the helper, which acts on what runs the agent or
//! Core. What may be done to which container is settled by the permission; which step comes next is not known here.

use std::time::Duration;

use http::Method;
use komodo_api::plan::Reason;
use komodo_plan::{
    Decision, Form, Lift, guard,
    hand_over::{HELPER_LABEL, HandOverPlan, NEW_LABEL, Recreated},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    CALL_DEADLINE, Engine, EngineError, Inspected, Listed, Outcome, Refused,
    client::{Answer, Deadline, Payload},
    engine::{DOCUMENT_BYTES_MAX, query_value, reference},
};

#[cfg(test)]
mod tests;

/// Bytes of state that are carried from one container to another.
pub const ARCHIVE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes of one line of a pull's progress.
const PROGRESS_LINE_BYTES_MAX: usize = 64 * 1024;

/// Permission to hand over one container, by one plan. It is given by the guard to an agent, and to the helper that an
/// agent has started.
///
/// ```compile_fail
/// fn forged(plan: komodo_plan::hand_over::HandOverPlan) -> komodo_docker::HandOverGrant {
///     komodo_docker::HandOverGrant { plan }
/// }
/// ```
#[derive(Debug)]
pub struct HandOverGrant {
    plan: HandOverPlan,
}

/// What a container is in a hand over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandOverRole {
    /// The one of the plan.
    Old,
    /// The one that replaces it.
    New,
    /// The helper.
    Helper,
}

/// A container that a hand over may act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOverTarget {
    id: String,
    role: HandOverRole,
}

/// A container is no helper of the plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this container is not the helper of operation {0}: it was not started by an agent for it")]
pub struct NotOfHandOver(String);

/// Asks the guard whether the container of a plan, protected for these reasons now, may be handed over.
///
/// # Errors
/// [`Refused`] with the reason; also for a container that may be acted on, which is what is done with it then.
pub fn grant_hand_over(plan: HandOverPlan, protected: &[Reason]) -> Result<HandOverGrant, Refused> {
    use komodo_api::{container::ContainerAction::Restart, plan::ReasonCode};
    match guard(protected, Restart, Form::Named, Lift::default()) {
        Decision::HandOver(_) => Ok(HandOverGrant { plan }),
        Decision::Act | Decision::Detach(_) => Err(Refused::Refuse(Reason::with(
            ReasonCode::NotApplicable,
            "only what runs the agent or Core is handed over",
        ))),
        Decision::Skip(reason) => Err(Refused::Skip(reason)),
        Decision::Refuse(reason) => Err(Refused::Refuse(reason)),
    }
}

impl HandOverGrant {
    /// For the helper itself, whose own container was made by an agent that had the permission.
    ///
    /// # Errors
    /// [`NotOfHandOver`], where `own` is not the helper of the plan.
    pub fn of_helper(plan: HandOverPlan, own: &Inspected) -> Result<Self, NotOfHandOver> {
        let grant = HandOverGrant { plan };
        match grant.target(own) {
            Some(HandOverTarget {
                role: HandOverRole::Helper,
                ..
            }) => Ok(grant),
            _ => Err(NotOfHandOver(grant.plan.operation)),
        }
    }

    /// The plan.
    pub fn plan(&self) -> &HandOverPlan {
        &self.plan
    }

    /// A container that it may act on: that of the plan, and those that were made for it.
    pub fn target(&self, found: &Inspected) -> Option<HandOverTarget> {
        let is_made_for = |label: &str| {
            let value = found.config.labels.get(label);
            value.is_some_and(|operation| *operation == self.plan.operation)
        };
        let role = if found.id == self.plan.container {
            HandOverRole::Old
        } else if is_made_for(HELPER_LABEL) {
            HandOverRole::Helper
        } else if is_made_for(NEW_LABEL) {
            HandOverRole::New
        } else {
            return None;
        };
        Some(HandOverTarget {
            id: found.id.clone(),
            role,
        })
    }

    /// Whether a name is one that a container may be given.
    fn allows_name(&self, role: HandOverRole, name: &str) -> bool {
        name == self.plan.name
            || match role {
                HandOverRole::Old => name == self.plan.old_name(),
                HandOverRole::New => name == self.plan.new_name(),
                HandOverRole::Helper => false,
            }
    }
}

impl HandOverTarget {
    /// Id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is.
    pub fn role(&self) -> HandOverRole {
        self.role
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: String,
}

impl Engine {
    /// Makes the container that replaces the old one, not started, under its temporary name and with the restart policy
    /// that the old one had; its id. It is in the network of the body only: see [`Engine::connect_missing`].
    pub async fn create_new(
        &self,
        grant: &HandOverGrant,
        new: &Recreated,
        within: Duration,
    ) -> Result<String, EngineError> {
        let mut body = new.body.clone();
        if let Some(replace) = &grant.plan.replace {
            // The old one's own may say `no` by now.
            body["HostConfig"]["RestartPolicy"] = replace.restart_policy.clone();
        }
        body["Labels"][NEW_LABEL] = grant.plan.operation.as_str().into();
        self.create(&grant.plan.new_name(), &body, within).await
    }

    /// Makes the helper, not started; its id. It bears the plan's label and name, whatever the body says.
    pub async fn create_helper(
        &self,
        grant: &HandOverGrant,
        mut body: Value,
        within: Duration,
    ) -> Result<String, EngineError> {
        body["Labels"][HELPER_LABEL] = grant.plan.operation.as_str().into();
        self.create(&grant.plan.helper_name(), &body, within).await
    }

    async fn create(
        &self,
        name: &str,
        body: &Value,
        within: Duration,
    ) -> Result<String, EngineError> {
        let deadline = Deadline::after(within);
        let path = format!("/containers/create?name={}", query_value(name));
        let answer = self.document(Method::POST, &path, body, deadline).await?;
        let body = answer.bytes(DOCUMENT_BYTES_MAX, deadline).await?;
        let Created { id } = serde_json::from_slice(&body)
            .map_err(|error| EngineError::Malformed("create", error))?;
        Ok(id)
    }

    /// Connects the new container to those of its networks that it is not in yet. `found` is what it is now.
    pub async fn connect_missing(
        &self,
        target: &HandOverTarget,
        found: &Inspected,
        new: &Recreated,
        within: Duration,
    ) -> Result<(), EngineError> {
        let deadline = Deadline::after(within);
        for (network, endpoint) in &new.networks {
            if found.network_settings.networks.contains_key(network) {
                continue;
            }
            let path = format!("/networks/{}/connect", query_value(network));
            let body = json!({ "Container": target.id, "EndpointConfig": endpoint });
            let answer = self.document(Method::POST, &path, &body, deadline).await?;
            answer.bytes(DOCUMENT_BYTES_MAX, deadline).await?;
        }
        Ok(())
    }

    /// Starts one.
    pub async fn start_target(
        &self,
        target: &HandOverTarget,
        within: Duration,
    ) -> Result<Outcome, EngineError> {
        let path = format!("/containers/{}/start", reference(&target.id)?);
        self.call(Method::POST, &path, Deadline::after(within))
            .await
    }

    /// Stops one; `time_s` is how long it is given, absent is its own.
    pub async fn stop_target(
        &self,
        target: &HandOverTarget,
        time_s: Option<i64>,
        within: Duration,
    ) -> Result<Outcome, EngineError> {
        let time = time_s.map_or_else(String::new, |seconds| format!("?t={seconds}"));
        let path = format!("/containers/{}/stop{time}", reference(&target.id)?);
        self.call(Method::POST, &path, Deadline::after(within))
            .await
    }

    /// Tells the helper that what it did is confirmed, by `SIGUSR1`.
    ///
    /// # Errors
    /// [`EngineError::BadReference`] where it is no helper.
    pub async fn tell_confirmed(&self, target: &HandOverTarget) -> Result<(), EngineError> {
        if target.role != HandOverRole::Helper {
            return Err(EngineError::BadReference(target.id.clone()));
        }
        let path = format!("/containers/{}/kill?signal=USR1", reference(&target.id)?);
        let deadline = Deadline::after(CALL_DEADLINE);
        self.call(Method::POST, &path, deadline).await.map(drop)
    }

    /// Removes one that does not run; its volumes stay. One that is gone already is as good.
    pub async fn remove_target(
        &self,
        target: &HandOverTarget,
        within: Duration,
    ) -> Result<(), EngineError> {
        match self
            .remove(reference(&target.id)?, Deadline::after(within))
            .await
        {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives one a name of the plan.
    ///
    /// # Errors
    /// [`EngineError::BadReference`] where the name is not one that it may have.
    pub async fn rename_target(
        &self,
        grant: &HandOverGrant,
        target: &HandOverTarget,
        name: &str,
    ) -> Result<Outcome, EngineError> {
        if !grant.allows_name(target.role, name) {
            return Err(EngineError::BadReference(name.chars().take(80).collect()));
        }
        let id = reference(&target.id)?;
        let path = format!("/containers/{id}/rename?name={}", query_value(name));
        let deadline = Deadline::after(CALL_DEADLINE);
        self.call(Method::POST, &path, deadline).await
    }

    /// Sets the restart policy of one, as the Engine writes it; null is `no`.
    pub async fn set_restart_policy(
        &self,
        target: &HandOverTarget,
        policy: &Value,
    ) -> Result<(), EngineError> {
        let deadline = Deadline::after(CALL_DEADLINE);
        let policy = match policy {
            Value::Null => json!({ "Name": "no" }),
            policy => policy.clone(),
        };
        let path = format!("/containers/{}/update", reference(&target.id)?);
        let body = json!({ "RestartPolicy": policy });
        let answer = self.document(Method::POST, &path, &body, deadline).await?;
        answer.bytes(DOCUMENT_BYTES_MAX, deadline).await.map(drop)
    }

    /// Copies a file or directory with all that is in it from one container to the same place in another, at most
    /// [`ARCHIVE_BYTES_MAX`]. Both may be stopped. `false` where there is nothing at that path.
    pub async fn carry(
        &self,
        from: &HandOverTarget,
        to: &HandOverTarget,
        path: &str,
        within: Duration,
    ) -> Result<bool, EngineError> {
        let deadline = Deadline::after(within);
        let path = path.trim_end_matches('/');
        let into = match path.rsplit_once('/') {
            Some((parent, name)) if !name.is_empty() => match parent {
                "" => "/",
                parent => parent,
            },
            _ => return Err(EngineError::BadReference(path.chars().take(80).collect())),
        };
        let archive = |target: &HandOverTarget, path: &str| -> Result<String, EngineError> {
            let id = reference(&target.id)?;
            let path = query_value(path);
            Ok(self.path(&format!("/containers/{id}/archive?path={path}")))
        };
        let packed = match self
            .client
            .send(Method::GET, &archive(from, path)?, deadline)
            .await
        {
            Ok(packed) => packed,
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(error),
        };
        let payload = Payload::archive(packed, ARCHIVE_BYTES_MAX);
        let unpacked = self
            .client
            .send_with(Method::PUT, &archive(to, into)?, Some(payload), deadline)
            .await?;
        unpacked.bytes(DOCUMENT_BYTES_MAX, deadline).await?;
        Ok(true)
    }

    /// The Engine's document of an image; `None` where it does not have it.
    pub async fn image_document(&self, image: &str) -> Result<Option<Value>, EngineError> {
        let path = format!("/images/{}/json", query_value(image));
        match self
            .get("image", &path, DOCUMENT_BYTES_MAX, CALL_DEADLINE)
            .await
        {
            Ok(document) => Ok(Some(document)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Pulls an image by its name, without credentials, and tells how it gets on. Dropping the future ends it.
    ///
    /// # Errors
    /// [`EngineError::Pull`] with the Engine's words; [`EngineError::BadReference`] for an id, which nobody serves.
    pub async fn pull(
        &self,
        _grant: &HandOverGrant,
        image: &str,
        within: Duration,
        mut progress: impl FnMut(&str),
    ) -> Result<(), EngineError> {
        #[derive(Deserialize)]
        struct Progress {
            #[serde(default)]
            id: String,
            #[serde(default)]
            status: String,
            #[serde(default)]
            error: Option<String>,
        }
        let deadline = Deadline::after(within);
        let (name, tag) = name_and_tag(image)
            .ok_or_else(|| EngineError::BadReference(image.chars().take(80).collect()))?;
        let path = format!(
            "/images/create?fromImage={}&tag={}",
            query_value(name),
            query_value(tag)
        );
        let mut answer = self
            .client
            .send(Method::POST, &self.path(&path), deadline)
            .await?;
        let mut line = Vec::new();
        let mut tell = |line: &[u8]| -> Result<(), EngineError> {
            if line.iter().all(u8::is_ascii_whitespace) {
                return Ok(());
            }
            let told: Progress = serde_json::from_slice(line)
                .map_err(|error| EngineError::Malformed("pull", error))?;
            if let Some(error) = told.error {
                return Err(EngineError::Pull(error.chars().take(1000).collect()));
            }
            match told.id.as_str() {
                "" => progress(&told.status),
                id => progress(&format!("{id}: {}", told.status)),
            }
            Ok(())
        };
        deadline
            .run(async {
                while let Some(part) = answer.part().await? {
                    for byte in part {
                        if byte == b'\n' {
                            tell(&line)?;
                            line.clear();
                        } else if line.len() < PROGRESS_LINE_BYTES_MAX {
                            line.push(byte);
                        } else {
                            return Err(EngineError::TooLarge(PROGRESS_LINE_BYTES_MAX));
                        }
                    }
                }
                tell(&line)
            })
            .await
    }

    /// Containers that bear a label with a value, in whatever state.
    pub async fn containers_labelled(
        &self,
        label: &str,
        value: &str,
    ) -> Result<Vec<Listed>, EngineError> {
        let filters = json!({ "label": [format!("{label}={value}")] }).to_string();
        let path = format!("/containers/json?all=1&filters={}", query_value(&filters));
        self.get("list", &path, DOCUMENT_BYTES_MAX, CALL_DEADLINE)
            .await
    }

    /// Whether everything that a plan needs is let through, asked so that nothing changes: a container that is not there
    /// is renamed, and one without a configuration is made. Nothing else tells what a socket proxy forbids.
    ///
    /// # Errors
    /// [`EngineError::Barred`] with the first call that is not let through.
    pub async fn probe_hand_over(&self, grant: &HandOverGrant) -> Result<(), EngineError> {
        let nobody = format!("{}-probe", grant.plan.helper_name());
        let old = reference(&grant.plan.container)?;
        let on_nobody = |verb: &str| format!("/containers/{nobody}/{verb}");
        let mut asked = vec![
            (
                Method::POST,
                "/containers/create".to_owned(),
                "create containers",
            ),
            (Method::POST, on_nobody("start"), "start containers"),
            (Method::POST, on_nobody("stop"), "stop containers"),
            (Method::POST, on_nobody("update"), "update containers"),
            (
                Method::GET,
                format!("/containers/{nobody}/archive?path=%2F"),
                "read files in containers",
            ),
            (
                Method::GET,
                format!("/containers/{old}/json"),
                "inspect containers",
            ),
        ];
        if grant.plan.replace.is_some() {
            asked.push((
                Method::POST,
                on_nobody("rename?name=x"),
                "rename containers",
            ));
            asked.push((
                Method::DELETE,
                format!("/containers/{nobody}"),
                "remove containers",
            ));
        }
        for (method, path, what) in asked {
            let deadline = Deadline::after(CALL_DEADLINE);
            let posts = method == Method::POST;
            // An empty document: one that is not there would be refused for its type first.
            let payload = (posts && path.ends_with("create")).then(|| Payload::json(&json!({})));
            let payload = match path.ends_with("update") {
                true => Some(Payload::json(&json!({ "RestartPolicy": { "Name": "no" } }))),
                false => payload,
            };
            let path = self.path(&path);
            match self
                .client
                .send_with(method, &path, payload, deadline)
                .await
            {
                Ok(answer) => _ = answer.bytes(DOCUMENT_BYTES_MAX, deadline).await?,
                // The Engine's own: nothing of that name, nothing to make.
                Err(EngineError::Status {
                    status: 400 | 404 | 500,
                    ..
                }) => {}
                Err(EngineError::Status { message, .. }) => {
                    return Err(EngineError::Barred { what, message });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn document(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        deadline: Deadline,
    ) -> Result<Answer, EngineError> {
        let payload = Some(Payload::json(body));
        self.client
            .send_with(method, &self.path(path), payload, deadline)
            .await
    }
}

/// An image's name, and its tag or digest; `None` for an id.
fn name_and_tag(image: &str) -> Option<(&str, &str)> {
    const DIGEST: &str = "sha256:";
    let is_hex = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if image.is_empty() || image.starts_with(DIGEST) || is_hex(image) {
        return None;
    }
    if let Some((name, digest)) = image.split_once('@') {
        let (name, _) = without_tag(name);
        return Some((name, digest));
    }
    let (name, tag) = without_tag(image);
    Some((name, tag.unwrap_or("latest")))
}

/// A colon before the last slash belongs to the port of a registry.
fn without_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (name, None),
    }
}
