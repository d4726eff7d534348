//! Typed calls.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use komodo_api::{Module, Operation, UnixMs, update::Update, user::User};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    credentials::Credentials, error::ClientError, http::Http, live::Live, watch::UpdateWatch,
};

/// Time to the end of one call, unless [`Client::with_deadline`] says otherwise.
pub const CALL_MS_MAX: u64 = 60_000;

/// A client of one Core. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) http: Http,
    pub(crate) credentials: Credentials,
    headers: HeaderMap,
    deadline: Duration,
}

/// An answer with what Core says about it in headers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    /// The body.
    pub value: T,
    /// Time of the view that it rests on, where Core says it.
    pub as_of: Option<UnixMs>,
    /// How many items there are in all, where the answer is a page.
    pub total: Option<u64>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.http.address())
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the Core at an address (`http://localhost:9120`, a path prefix is kept). Connects at the first call.
    ///
    /// # Errors
    /// When the address is none, or the credentials cannot be sent in a header.
    pub fn new(address: &str, credentials: Credentials) -> Result<Self, ClientError> {
        let http = Http::new(address)?;
        let headers = credentials.headers().map_err(ClientError::Credentials)?;
        Ok(Client {
            http,
            credentials,
            headers,
            deadline: Duration::from_millis(CALL_MS_MAX),
        })
    }

    /// The same client with another deadline for each call.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The address, without a slash at the end.
    pub fn address(&self) -> &str {
        self.http.address()
    }

    /// Runs an operation.
    ///
    /// # Errors
    /// [`ClientError::Api`] when Core refuses, else what kept the answer from arriving.
    pub async fn call<O: Operation>(&self, operation: &O) -> Result<O::Output, ClientError> {
        Ok(self.ask(operation).await?.value)
    }

    /// Runs an operation and returns what Core says about the answer with it.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn ask<O: Operation>(&self, operation: &O) -> Result<Answer<O::Output>, ClientError> {
        let body = serde_json::to_vec(operation).map_err(ClientError::Request)?;
        self.post(O::MODULE, O::NAME, body).await
    }

    /// Runs an operation by name, with parameters that are checked by Core alone.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_by_name<T: DeserializeOwned>(
        &self,
        module: Module,
        name: &str,
        params: &Map<String, Value>,
    ) -> Result<Answer<T>, ClientError> {
        let body = serde_json::to_vec(params).map_err(ClientError::Request)?;
        self.post(module, name, body).await
    }

    /// Runs an operation and returns the answer as it was sent, with what this client does not know of.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_raw<O: Operation>(&self, operation: &O) -> Result<Value, ClientError> {
        let body = serde_json::to_vec(operation).map_err(ClientError::Request)?;
        Ok(self.post(O::MODULE, O::NAME, body).await?.value)
    }

    /// The user whose credentials these are.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn user(&self) -> Result<User, ClientError> {
        Ok(self.request("/user", None).await?.value)
    }

    /// Runs an operation and waits for its end. `on_change` sees the Update at first and after each change.
    ///
    /// Dropping the future leaves the operation running.
    ///
    /// # Errors
    /// As [`Client::call`]; once the operation runs, as [`UpdateWatch::next`].
    pub async fn execute_and_wait<O: Operation<Output = Update>>(
        &self,
        operation: &O,
        mut on_change: impl FnMut(&Update),
    ) -> Result<Update, ClientError> {
        let mut last = self.call(operation).await?;
        on_change(&last);
        if last.status == komodo_api::update::UpdateStatus::Complete {
            return Ok(last);
        }
        let id = last.id.ok_or(ClientError::NoUpdate)?;
        let mut watch = self.watch_update(id.0.as_str());
        while let Some(update) = watch.next().await? {
            on_change(&update);
            last = update;
        }
        Ok(last)
    }

    /// Watches an Update to its end.
    pub fn watch_update(&self, id: &str) -> UpdateWatch {
        UpdateWatch::new(self.clone(), id.to_owned())
    }

    /// Opens the live feed.
    ///
    /// # Errors
    /// [`ClientError::NoLiveFeed`] where Core has none, [`ClientError::LiveLogin`] where it refuses the credentials,
    /// else what kept the connection from coming about.
    pub async fn live(&self) -> Result<Live, ClientError> {
        Live::open(&self.http, &self.credentials).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        module: Module,
        name: &str,
        body: Vec<u8>,
    ) -> Result<Answer<T>, ClientError> {
        self.request(&format!("{}/{name}", module.path()), Some(body.into()))
            .await
    }

    async fn request<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Answer<T>, ClientError> {
        let response = self
            .http
            .send(path, &self.headers, body, self.deadline)
            .await?;
        // Existing clients of this API take nothing but 200 as success, and a page of a proxy may be any other 2xx.
        if response.status != StatusCode::OK {
            return Err(ClientError::from_body(
                self.address(),
                response.status,
                &response.body,
            ));
        }
        let value =
            serde_json::from_slice(&response.body).map_err(|source| ClientError::Answer {
                address: self.address().to_owned(),
                status: response.status,
                source,
            })?;
        Ok(Answer {
            value,
            as_of: time(&response.headers, "x-as-of"),
            total: number(&response.headers, "x-total-count"),
        })
    }
}

fn number<T: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// A time as unix ms or as RFC 3339.
fn time(headers: &HeaderMap, name: &str) -> Option<UnixMs> {
    number::<UnixMs>(headers, name)
        .or_else(|| Some(number::<jiff::Timestamp>(headers, name)?.as_millisecond()))
}
