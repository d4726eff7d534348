//! `/ws/update`: a list item of each Update that changes, as clients of the contract know it.

use std::{net::IpAddr, sync::Arc};

use hyper::upgrade::OnUpgrade;
use komodo_api::Error;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::{
    access::may_see,
    socket::{Frame, PING, Socket},
    updates,
};
use crate::App;

/// Pings in a row that a client may leave unanswered.
const PINGS_LOST_MAX: u32 = 3;

pub(super) async fn serve(app: Arc<App>, upgrade: OnUpgrade, peer: IpAddr, end: CancellationToken) {
    let login = tokio::select! {
        biased;
        () = end.cancelled() => return,
        login = Socket::login(&app, upgrade, peer) => login,
    };
    let Some((mut socket, login)) = login else {
        return;
    };
    let mut revisions = app.background.tasks.feed().watch();
    let mut rev = *revisions.borrow_and_update();
    let mut ping = interval_at(Instant::now() + PING, PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    loop {
        tokio::select! {
            biased;
            () = end.cancelled() => break,
            frame = socket.receive() => match frame {
                Frame::Text(_) | Frame::Pong => unanswered = 0,
                Frame::End => return,
            },
            _ = ping.tick() => {
                unanswered += 1;
                if let Err(error) = login.account(&app, &app.desired.snapshot()) {
                    let _ = socket.send_text(invalid_user(&error)).await;
                    break;
                }
                if unanswered > PINGS_LOST_MAX || socket.ping().await.is_none() {
                    return;
                }
            }
            changed = revisions.changed() => {
                if changed.is_err() {
                    break;
                }
                let newest = *revisions.borrow_and_update();
                let state = app.desired.snapshot();
                let account = match login.account(&app, &state) {
                    Ok(account) => account,
                    Err(error) => {
                        if socket.send_text(invalid_user(&error)).await.is_some() {
                            break;
                        }
                        return;
                    }
                };
                let texts = match app.background.tasks.feed().after(rev) {
                    Some(changes) => changes
                        .iter()
                        .filter(|change| may_see(&state, &account, &change.what.target))
                        .map(|change| change.what.json.get().to_owned())
                        .collect(),
                    // It was too slow: the newest of each, once more.
                    None => updates::newest(&app, &account).await.unwrap_or_default(),
                };
                rev = newest;
                if socket.send_all(texts).await.is_none() {
                    return;
                }
            }
        }
    }
    socket.close().await;
}

/// What clients of the contract are told before they are sent away.
fn invalid_user(error: &Error) -> String {
    serde_json::json!({ "type": "INVALID_USER", "msg": error.error }).to_string()
}
