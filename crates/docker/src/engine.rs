//! The Engine's API, call by call.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::Method;
use komodo_api::container::{ContainerAction, TerminationSignal};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Endpoint, EngineError, EventStream, Granted, Inspected, Listed, LogOptions, LogReader,
    client::{Client, Deadline},
    event::ACTIONS,
};

/// Time for a call that only reads.
pub const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// Time to list all containers of a large host.
const LIST_DEADLINE: Duration = Duration::from_secs(30);
/// Bytes of a list: 10,000 containers with many labels.
const LIST_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of one document.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Characters of a name or id.
const REFERENCE_CHARS_MAX: usize = 255;

/// The oldest API that is spoken: 1.40. Engine 20.10 has 1.41.
pub(crate) const API_MINOR_MIN: u32 = 40;
/// The newest API that is asked for; newer Engines speak it too.
const API_MINOR_MAX: u32 = 51;
/// The API in which `stop` takes a signal.
const API_MINOR_STOP_SIGNAL: u32 = 42;
/// The API of the first Engine, 25, that is known to read files of a container without mounting its binds in sight of all.
const API_MINOR_FILES_APART: u32 = 44;

/// What the Engine says of its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineVersion {
    /// Version of the Engine.
    pub version: String,
    /// API version in use from now on.
    pub api_version: String,
}

/// What the Engine says of itself and of its host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EngineInfo {
    /// Id of the Engine.
    #[serde(rename = "ID")]
    pub id: String,
    /// Host name.
    pub name: String,
    /// Distribution.
    pub operating_system: String,
    /// Kernel release.
    pub kernel_version: String,
}

/// How an act is carried out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ActOptions {
    /// Signal to stop with; absent is the container's own.
    pub signal: Option<TerminationSignal>,
    /// Seconds to wait for its end before it is killed; absent is the container's own.
    pub time_s: Option<i32>,
    /// Whether whoever asks runs in that container, and would not live to ask for a second step: it is removed in one.
    pub from_within: bool,
}

/// How the Engine took an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It says that it did it.
    Acted,
    /// It says that there was nothing to do.
    NotModified,
}

/// An Engine. Cheap to clone; all clones share the negotiated version.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) client: Client,
    api_minor: Arc<AtomicU32>,
}

impl Engine {
    /// The Engine at an endpoint. Nothing is sent before the first call.
    pub fn new(endpoint: Endpoint) -> Self {
        Engine {
            client: Client::new(endpoint),
            api_minor: Arc::new(AtomicU32::new(41)),
        }
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        self.client.endpoint()
    }

    /// Address at the other end of the last connection, where the endpoint is a TCP port.
    pub fn peer(&self) -> Option<std::net::SocketAddr> {
        self.client.peer()
    }

    /// Asks for its version and speaks the newest API that both know from then on.
    pub async fn negotiate(&self) -> Result<EngineVersion, EngineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Version {
            version: String,
            api_version: String,
        }
        let deadline = Deadline::after(CALL_DEADLINE);
        let answer = self.client.send(Method::GET, "/version", deadline).await?;
        let body = answer.bytes(DOCUMENT_BYTES_MAX, deadline).await?;
        let Version {
            version,
            api_version,
        } = serde_json::from_slice(&body)
            .map_err(|error| EngineError::Malformed("version", error))?;
        let minor = match api_version
            .split_once('.')
            .map(|(major, minor)| (major, minor.parse::<u32>()))
        {
            Some(("1", Ok(minor))) if minor >= API_MINOR_MIN => minor.min(API_MINOR_MAX),
            _ => return Err(EngineError::TooOld(api_version.chars().take(20).collect())),
        };
        self.api_minor.store(minor, Ordering::Relaxed);
        Ok(EngineVersion {
            version,
            api_version: format!("1.{minor}"),
        })
    }

    /// Whether it reads files of a container in a mount namespace apart, as Engines from 25 do. Older ones mount all of
    /// the container's binds once more for each read, and again within each other where one holds the container itself.
    pub fn reads_files_apart(&self) -> bool {
        self.api_minor.load(Ordering::Relaxed) >= API_MINOR_FILES_APART
    }

    /// What it says of itself. A socket proxy may refuse that.
    pub async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.get("info", "/info", DOCUMENT_BYTES_MAX, CALL_DEADLINE)
            .await
    }

    /// Whether it answers at all.
    pub async fn ping(&self, within: Duration) -> Result<(), EngineError> {
        let deadline = Deadline::after(within);
        let answer = self.client.send(Method::GET, "/_ping", deadline).await?;
        answer.bytes(DOCUMENT_BYTES_MAX, deadline).await.map(drop)
    }

    /// Subscribes to what happens to containers and to their networks from now on.
    pub async fn events(&self) -> Result<EventStream, EngineError> {
        let filters = serde_json::json!({ "type": ["container", "network"], "event": ACTIONS });
        let path = format!("/events?filters={}", query_value(&filters.to_string()));
        let answer = self
            .client
            .send(
                Method::GET,
                &self.path(&path),
                Deadline::after(CALL_DEADLINE),
            )
            .await?;
        Ok(EventStream::new(answer))
    }

    /// All containers, in whatever state.
    pub async fn containers(&self) -> Result<Vec<Listed>, EngineError> {
        self.get(
            "list",
            "/containers/json?all=1",
            LIST_BYTES_MAX,
            LIST_DEADLINE,
        )
        .await
    }

    /// Inspects a container.
    pub async fn inspect(&self, container: &str) -> Result<Inspected, EngineError> {
        let path = format!("/containers/{}/json", reference(container)?);
        self.get("inspect", &path, DOCUMENT_BYTES_MAX, CALL_DEADLINE)
            .await
    }

    /// The Engine's own document of a container, as it is.
    pub async fn inspect_document(
        &self,
        container: &str,
    ) -> Result<serde_json::Value, EngineError> {
        let path = format!("/containers/{}/json", reference(container)?);
        self.get("inspect", &path, DOCUMENT_BYTES_MAX, CALL_DEADLINE)
            .await
    }

    /// Lines of a container's log.
    pub async fn logs(
        &self,
        container: &str,
        options: &LogOptions,
    ) -> Result<LogReader, EngineError> {
        let path = format!(
            "/containers/{}/logs?{}",
            reference(container)?,
            options.query()
        );
        let answer = self
            .client
            .send(
                Method::GET,
                &self.path(&path),
                Deadline::after(CALL_DEADLINE),
            )
            .await?;
        Ok(LogReader::new(answer, options))
    }

    /// Carries out what was granted; the only way to change anything. The answer says what the Engine says, which is
    /// not yet what is: observe it.
    pub async fn act(
        &self,
        granted: Granted,
        options: ActOptions,
        within: Duration,
    ) -> Result<Outcome, EngineError> {
        let id = reference(granted.container())?;
        let deadline = Deadline::after(within);
        let time = options
            .time_s
            .map(|seconds| format!("t={seconds}"))
            .unwrap_or_default();
        match granted.action() {
            ContainerAction::Start => {
                self.post(&format!("/containers/{id}/start"), deadline)
                    .await
            }
            ContainerAction::Restart => {
                self.post(&format!("/containers/{id}/restart?{time}"), deadline)
                    .await
            }
            ContainerAction::Pause => {
                self.post(&format!("/containers/{id}/pause"), deadline)
                    .await
            }
            ContainerAction::Unpause => {
                self.post(&format!("/containers/{id}/unpause"), deadline)
                    .await
            }
            ContainerAction::Stop => self.stop(id, options, deadline).await,
            ContainerAction::Destroy if options.from_within => {
                self.call(
                    Method::DELETE,
                    &format!("/containers/{id}?force=1"),
                    deadline,
                )
                .await
            }
            ContainerAction::Destroy => {
                self.stop(id, options, deadline).await?;
                match self.remove(id, deadline).await {
                    // With --rm the Engine removes it by itself.
                    Err(EngineError::Status { status: 404, .. }) => Ok(Outcome::Acted),
                    other => other.map_err(EngineError::after_another),
                }
            }
            ContainerAction::Prune => self.remove(id, deadline).await,
        }
    }

    async fn stop(
        &self,
        id: &str,
        options: ActOptions,
        deadline: Deadline,
    ) -> Result<Outcome, EngineError> {
        let signal = options.signal.map(TerminationSignal::as_str);
        let time = options
            .time_s
            .map(|seconds| format!("t={seconds}"))
            .unwrap_or_default();
        match signal {
            None => {
                self.post(&format!("/containers/{id}/stop?{time}"), deadline)
                    .await
            }
            Some(signal) if self.api_minor.load(Ordering::Relaxed) >= API_MINOR_STOP_SIGNAL => {
                self.post(
                    &format!("/containers/{id}/stop?signal={signal}&{time}"),
                    deadline,
                )
                .await
            }
            // An older Engine ignores the signal of a stop: send it, wait as a stop would, and then stop, which marks
            // the container as stopped by hand and kills what is left.
            Some(signal) => {
                match self
                    .post(&format!("/containers/{id}/kill?signal={signal}"), deadline)
                    .await
                {
                    Err(EngineError::Status { status: 409, .. }) => {
                        return self
                            .post(&format!("/containers/{id}/stop?{time}"), deadline)
                            .await;
                    }
                    other => other?,
                };
                let patience = match options.time_s {
                    Some(seconds) => u64::try_from(seconds).ok(),
                    None => {
                        let inspected = self.inspect(id).await;
                        let inspected = inspected.map_err(EngineError::after_another)?;
                        u64::try_from(inspected.config.stop_timeout.unwrap_or(10)).ok()
                    }
                };
                let waiting = self.wait(id, "not-running", deadline);
                let ended = match patience {
                    Some(seconds) => {
                        tokio::time::timeout(Duration::from_secs(seconds), waiting).await
                    }
                    None => Ok(waiting.await),
                };
                if let Ok(Err(error)) = ended {
                    return Err(error.after_another());
                }
                self.post(&format!("/containers/{id}/stop?t=0"), deadline)
                    .await
                    .map_err(EngineError::after_another)?;
                Ok(Outcome::Acted)
            }
        }
    }

    pub(crate) async fn remove(
        &self,
        id: &str,
        deadline: Deadline,
    ) -> Result<Outcome, EngineError> {
        match self
            .call(Method::DELETE, &format!("/containers/{id}"), deadline)
            .await
        {
            // Somebody else is at it: the Engine itself with --rm, another prune.
            Err(EngineError::Status {
                status: 409,
                message,
            }) if message.contains("already in progress") => self
                .wait(id, "removed", deadline)
                .await
                .map_err(EngineError::after_another),
            other => other,
        }
    }

    async fn wait(
        &self,
        id: &str,
        condition: &str,
        deadline: Deadline,
    ) -> Result<Outcome, EngineError> {
        match self
            .post(
                &format!("/containers/{id}/wait?condition={condition}"),
                deadline,
            )
            .await
        {
            Err(error) if error.is_not_found() => Ok(Outcome::Acted),
            other => other,
        }
    }

    async fn post(&self, path: &str, deadline: Deadline) -> Result<Outcome, EngineError> {
        self.call(Method::POST, path, deadline).await
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        deadline: Deadline,
    ) -> Result<Outcome, EngineError> {
        let answer = self.client.send(method, &self.path(path), deadline).await?;
        let outcome = if answer.status() == 304 {
            Outcome::NotModified
        } else {
            Outcome::Acted
        };
        // A wait answers its head at once and its body at the end.
        answer.bytes(DOCUMENT_BYTES_MAX, deadline).await?;
        Ok(outcome)
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
        bytes_max: usize,
        within: Duration,
    ) -> Result<T, EngineError> {
        let deadline = Deadline::after(within);
        let answer = self
            .client
            .send(Method::GET, &self.path(path), deadline)
            .await?;
        let body = answer.bytes(bytes_max, deadline).await?;
        serde_json::from_slice(&body).map_err(|error| EngineError::Malformed(what, error))
    }

    pub(crate) fn path(&self, path: &str) -> String {
        format!(
            "/v1.{}{}",
            self.api_minor.load(Ordering::Relaxed),
            path.trim_end_matches(['?', '&'])
        )
    }
}

/// A name or id that can be part of a path: the characters that the Engine allows in names, and no others.
pub(crate) fn reference(text: &str) -> Result<&str, EngineError> {
    let name = text.strip_prefix('/').unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let valid = name.len() <= REFERENCE_CHARS_MAX
        && name
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
        && name.bytes().all(plain);
    if valid {
        Ok(name)
    } else {
        Err(EngineError::BadReference(text.chars().take(80).collect()))
    }
}

/// A value of a query, percent-encoded.
pub(crate) fn query_value(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(
        String::with_capacity(text.len() * 2),
        |mut encoded, byte| {
            if byte.is_ascii_alphanumeric() {
                encoded.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
            encoded
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_name_reaches_a_path() {
        for good in ["web", "/web", "a.b_c-1", &"f".repeat(64)] {
            assert!(reference(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "..",
            ".",
            "a/b",
            "a?b",
            "a b",
            "-a",
            "ü",
            "a%2e",
            "a\r\nb",
            &"f".repeat(300),
        ] {
            assert!(reference(bad).is_err(), "{bad}");
        }
    }

    /// Whoever asked must look what became of it, and not say that nothing was done.
    #[tokio::test]
    async fn an_engine_that_goes_between_two_requests_of_an_act_may_have_acted() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let name = format!("komodo-docker-halfway-{}.sock", std::process::id());
        let socket = std::env::temp_dir().join(name);
        let listener = tokio::net::UnixListener::bind(&socket).expect("it binds");
        let engine = Engine::new(Endpoint::Unix(socket.clone()));
        let granted = crate::grant(
            "web",
            ContainerAction::Destroy,
            komodo_plan::Form::Named,
            komodo_plan::Lift::default(),
            &[],
        )
        .expect("nothing protects it");
        let stopped_and_gone = async {
            let (mut caller, _) = listener.accept().await.expect("it is asked");
            let length = caller.read(&mut [0; 1024]).await.expect("it is asked");
            assert!(length > 0);
            drop(listener);
            std::fs::remove_file(&socket).expect("it is there");
            caller
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .await
                .expect("it listens");
        };
        let acting = engine.act(granted, ActOptions::default(), CALL_DEADLINE);
        let (acted, ()) = tokio::join!(acting, stopped_and_gone);
        let error = acted.expect_err("it was not removed");
        assert!(!error.never_sent() && error.is_unreachable(), "{error}");
    }

    #[test]
    fn query_values_are_encoded() {
        assert_eq!(
            query_value(r#"{"a":["b c"]}"#),
            "%7B%22a%22%3A%5B%22b%20c%22%5D%7D"
        );
    }
}
