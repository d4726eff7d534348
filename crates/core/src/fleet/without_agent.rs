//! What changes the view of a server while no agent tells: what its owner wants, what others try, what an agent that went
//! on purpose leaves behind.

use std::time::Duration;

use komodo_agent_api::GoodbyeReason;
use komodo_api::UnixMs;
use komodo_plan::LinkState;
use tokio::time::Instant;

use super::{Changes, session::Session};

/// How long it is believed that a helper brings an agent back that does not come.
const HELPER_TAKES_MAX: Duration = Duration::from_secs(15 * 60);

/// Whether an agent goes because it was asked to.
pub(super) const fn on_purpose(reason: &GoodbyeReason) -> bool {
    matches!(
        reason,
        GoodbyeReason::Detached { .. } | GoodbyeReason::HandedOver { .. }
    )
}

impl Session {
    /// What the agent announced in another way than by a goodbye, and its link has ended since.
    pub(super) fn detached(&mut self, reason: GoodbyeReason) {
        let LinkState::Lost {
            goodbye: goodbye @ None,
            ..
        } = &mut self.view.link
        else {
            return;
        };
        *goodbye = Some(reason);
        self.believe_helper();
        self.publish(Changes {
            reset: true,
            ..Changes::default()
        });
        self.save();
    }

    /// A helper that does not bring the agent back is believed only for so long.
    pub(super) fn believe_helper(&mut self) {
        let handed_over = matches!(
            &self.view.link,
            LinkState::Lost {
                goodbye: Some(GoodbyeReason::HandedOver { .. }),
                ..
            }
        );
        self.helper_until = handed_over.then(|| Instant::now() + HELPER_TAKES_MAX);
    }

    /// No helper takes that long.
    pub(super) fn helper_failed(&mut self) {
        self.helper_until = None;
        if let LinkState::Lost { goodbye, .. } = &mut self.view.link {
            *goodbye = None;
            self.view.lost_why = Some("its helper did not bring it back".into());
            self.publish(Changes::default());
            self.save();
        }
    }

    pub(super) fn key_refused(&mut self, key: String, at: UnixMs) {
        if self.slot.server.load().public_key().is_empty() {
            // It has none that this could be another than; it only was not let in.
            return;
        }
        let since = match &self.view.link {
            LinkState::Up { .. } => return,
            LinkState::Never => None,
            LinkState::Lost { since, .. } => Some(*since),
            LinkState::KeyRefused { since, public_key } if *public_key != key => *since,
            LinkState::KeyRefused { .. } => return,
        };
        tracing::warn!(
            server.name = self.slot.server.load().name(),
            key,
            at,
            "an agent with another key was refused"
        );
        self.view.link = LinkState::KeyRefused {
            since,
            public_key: key,
        };
        self.publish(Changes::default());
    }

    pub(super) fn server_changed(&mut self) {
        let server = self.slot.server.load_full();
        let now = self.fleet.clock.now();
        if let LinkState::KeyRefused { since, public_key } = &self.view.link
            && (server.public_key().is_empty() || server.public_key() == public_key)
        {
            self.view.link = match since {
                Some(since) => LinkState::Lost {
                    since: *since,
                    goodbye: None,
                },
                None => LinkState::Never,
            };
        }
        if !server.enabled() && self.view.is_live() {
            self.view.stale_since = Some(now);
        }
        // Its name is part of every container's list item.
        self.publish(Changes {
            reset: true,
            ..Changes::default()
        });
    }
}
