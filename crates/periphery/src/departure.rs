//! The agent goes on purpose: whoever lets it go waits until Core has been told, and the program that holds the link
//! ends it in order, since a container that is paused or removed gets no time to. What is done to the container is not
//! decided here.

use std::time::Duration;

use komodo_agent_api::GoodbyeReason;
use tokio::{sync::watch, time::timeout};

/// Time that the end of the link may take.
const LEAVE_DEADLINE: Duration = Duration::from_secs(6);

/// How far the agent has gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Here,
    Leaving(GoodbyeReason),
    Left,
}

/// Shared by those who let the agent go, and by the program that ends the link.
#[derive(Debug, Clone, Default)]
pub struct Departure {
    stage: watch::Sender<Stage>,
}

impl Departure {
    /// Lets the program end the link, and waits until it has, for a bounded time. Whether there is a program that does.
    pub(crate) async fn leave(&self, reason: GoodbyeReason) -> bool {
        self.stage.send_replace(Stage::Leaving(reason));
        if self.stage.receiver_count() == 0 {
            return false;
        }
        let mut stage = self.stage.subscribe();
        let left = stage.wait_for(|stage| matches!(stage, Stage::Left));
        if timeout(LEAVE_DEADLINE, left).await.is_err() {
            tracing::warn!("the link did not end in time");
        }
        true
    }

    /// It did not go after all, or is back.
    pub(crate) fn stay(&self) {
        self.stage.send_replace(Stage::Here);
    }

    /// For the program: it is there, and will end the link.
    pub fn attend(&self) -> Attendant {
        Attendant {
            stage: self.stage.subscribe(),
            departure: self.clone(),
        }
    }
}

/// The program's end of a [`Departure`].
#[derive(Debug)]
pub struct Attendant {
    stage: watch::Receiver<Stage>,
    departure: Departure,
}

impl Attendant {
    /// Waits until the agent is to go, and tells why.
    pub async fn leaving(&mut self) -> GoodbyeReason {
        loop {
            if let Stage::Leaving(reason) = &*self.stage.borrow_and_update() {
                return reason.clone();
            }
            if self.stage.changed().await.is_err() {
                // Cannot be: we hold a sender ourselves.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The link has ended.
    pub fn left(&self) {
        self.departure.stage.send_if_modified(|stage| {
            let leaving = matches!(stage, Stage::Leaving(_));
            if leaving {
                *stage = Stage::Left;
            }
            leaving
        });
    }

    /// Waits until the agent is to be linked again.
    pub async fn staying(&mut self) {
        // We hold a sender ourselves.
        let _ = self.stage.wait_for(|stage| *stage == Stage::Here).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detached() -> GoodbyeReason {
        GoodbyeReason::Detached {
            by: "ann".into(),
            bring_back: "docker start agent".into(),
        }
    }

    #[tokio::test]
    async fn whoever_lets_it_go_waits_for_the_end_of_the_link() {
        let departure = Departure::default();
        let mut attendant = departure.attend();
        let mut ended = false;
        let program = async {
            assert_eq!(attendant.leaving().await, detached());
            ended = true;
            attendant.left();
            attendant.staying().await;
        };
        let asking = async {
            assert!(departure.leave(detached()).await);
            departure.stay();
        };
        tokio::join!(program, asking);
        assert!(ended);
    }

    #[tokio::test]
    async fn without_a_program_nobody_waits() {
        assert!(!Departure::default().leave(detached()).await);
    }
}
