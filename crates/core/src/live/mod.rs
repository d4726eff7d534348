//! Feeds to browsers and scripts over websockets: snapshots and deltas instead of polling.
//!
//! A feed is a bounded `ring`; its readers catch up from it, each at its own pace, and a slow one gets a new snapshot
//! instead of holding anybody up. Before each message the account and its rights are looked at again.

mod access;
mod alerts;
mod containers;
mod items;
mod log;
pub(crate) mod ring;
mod servers;
mod session;
mod socket;
mod subscription;
mod updates;
mod ws_update;

use std::{net::IpAddr, sync::Arc};

use axum::body::Body;
use http::{Request, Response};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::App;
pub(crate) use containers::list_item as container_list_item;
pub use items::ItemsFeed;
pub use servers::ServersFeed;
pub(crate) use updates::Eyes;

/// Websockets of clients that may be open at the same time.
const SOCKETS_MAX: usize = 4096;

/// The websockets of clients that are open.
#[derive(Debug, Default)]
pub struct Sockets {
    open: TaskTracker,
    end: CancellationToken,
}

impl Sockets {
    /// Answers `GET /ws/update`.
    pub fn ws_update(
        &self,
        app: &Arc<App>,
        request: Request<Body>,
        peer: IpAddr,
    ) -> Response<Body> {
        let (app, end) = (Arc::clone(app), self.end.clone());
        self.serve(request, |upgrade| async move {
            ws_update::serve(app, upgrade, peer, end).await
        })
    }

    /// Answers `GET /ws/live`.
    pub fn ws_live(&self, app: &Arc<App>, request: Request<Body>, peer: IpAddr) -> Response<Body> {
        let (app, end) = (Arc::clone(app), self.end.clone());
        self.serve(request, |upgrade| async move {
            session::serve(app, upgrade, peer, end).await
        })
    }

    fn serve<F: Future<Output = ()> + Send + 'static>(
        &self,
        mut request: Request<Body>,
        serve: impl FnOnce(hyper::upgrade::OnUpgrade) -> F,
    ) -> Response<Body> {
        if self.end.is_cancelled() || self.open.len() >= SOCKETS_MAX {
            return socket::refused(
                http::StatusCode::SERVICE_UNAVAILABLE,
                "too many websockets are open, try again later",
            );
        }
        match socket::upgrade(&mut request) {
            Ok((response, upgrade)) => {
                self.open.spawn(serve(upgrade));
                response
            }
            Err(response) => *response,
        }
    }

    /// Closes all sockets and waits until they are.
    pub async fn shut_down(&self) {
        self.end.cancel();
        self.open.close();
        self.open.wait().await;
    }
}

#[cfg(test)]
pub(crate) mod test {
    //! A subscription without a socket.

    use std::sync::Arc;

    use komodo_api::{id::Id, live::Topic};
    use tokio::sync::mpsc;

    use super::{access::Login, subscription::Subscription};
    use crate::App;

    pub(crate) async fn subscription(
        app: Arc<App>,
        user: Id,
        id: u32,
        out: mpsc::Sender<String>,
        topic: Topic,
        after: Option<u64>,
    ) {
        until(app, Login::of(user), id, out, topic, after).await;
    }

    /// As [`subscription`], of somebody whose token is good until a time.
    pub(crate) async fn expiring(
        app: Arc<App>,
        user: Id,
        good_until: komodo_api::UnixMs,
        out: mpsc::Sender<String>,
        topic: Topic,
    ) {
        until(app, Login::until(user, good_until), 1, out, topic, None).await;
    }

    async fn until(
        app: Arc<App>,
        login: Login,
        id: u32,
        out: mpsc::Sender<String>,
        topic: Topic,
        after: Option<u64>,
    ) {
        Subscription {
            app,
            login,
            id,
            out,
        }
        .run(topic, after)
        .await;
    }
}
