//! The program that an agent is to run, sent to it before it is asked to begin: in parts, from where the agent's own copy
//! ends, so that a lost link costs one part and a restart of Core nothing.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use komodo_agent_api::{AgentErrorCode, ProgramPart};
use komodo_api::{UnixMs, container::Scope, periphery::Program, update::Sent};
use komodo_failpoint::failpoint;
use tokio::{sync::watch, time::Instant};

use super::{run::Run, stage::At};
use crate::{fleet::Agent, programs::Programs};

/// Time within which a program has to be there, over all lost links.
const SENDING_MAX: Duration = Duration::from_secs(60 * 60);
/// How often an agent may have taken nothing of what was sent, in a row.
const IN_VAIN_MAX: u32 = 3;
/// What is left at least for what comes after, from when a part has arrived, in milliseconds.
const LEFT_FOR_THE_REST_MS: UnixMs = 15 * 60 * 1000;

/// A program on its way to an agent.
pub(super) struct Sending {
    programs: Arc<Programs>,
    program: Program,
    until: Instant,
    progress: watch::Sender<OnItsWay>,
}

/// How far a program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnItsWay {
    /// It is not on its way: not yet, not any more, or there is none.
    No,
    /// How much of it is there is asked.
    Begun,
    /// So much is there.
    Sent(Sent),
}

/// Why a program is not there.
pub(super) enum NotSent {
    /// It will not be: the agent, or Core itself, refuses.
    Refused(String),
    /// The agent is away, or does not answer.
    Away(String),
}

impl Sending {
    /// Sends what the agent does not have yet; it has all of it then, and found it right.
    pub(super) async fn send(&self, agent: &Agent) -> Result<(), NotSent> {
        let Program { version, bytes, .. } = &self.program;
        let refused = |why: String| {
            let what = format!("nothing was done: the program of version {version}");
            NotSent::Refused(format!("{what} could not be sent: {why}"))
        };
        self.progress.send_replace(OnItsWay::Begun);
        failpoint!("program.sending");
        let open = self.programs.open(&self.program).await;
        let open = open.map_err(|why| refused(why.to_string()))?;
        let mut at = self
            .put(agent, 0, &[])
            .await
            .map_err(|why| why.but(refused))?;
        let mut in_vain = 0;
        while at < *bytes {
            let sent = Sent {
                bytes: at,
                of: *bytes,
            };
            self.progress.send_replace(OnItsWay::Sent(sent));
            if Instant::now() >= self.until {
                let minutes = SENDING_MAX.as_secs() / 60;
                return Err(refused(format!(
                    "{at} of {bytes} bytes within {minutes} min"
                )));
            }
            let part = open.part(at).await;
            let part = part.map_err(|error| refused(error.to_string()))?;
            let there = self
                .put(agent, at, &part)
                .await
                .map_err(|why| why.but(refused))?;
            failpoint!("program.part_sent");
            in_vain = if there > at { 0 } else { in_vain + 1 };
            if in_vain > IN_VAIN_MAX {
                return Err(refused("its agent takes nothing of it".into()));
            }
            at = there;
        }
        if at > *bytes {
            return Err(refused(format!("its agent has {at} bytes of {bytes}")));
        }
        failpoint!("program.sent");
        self.progress.send_replace(OnItsWay::No);
        Ok(())
    }

    /// Sends a part; returns how much is there then.
    async fn put(&self, agent: &Agent, offset: u64, part: &[u8]) -> Result<u64, NotSent> {
        let part = ProgramPart {
            program: self.program.clone(),
            offset,
            part: STANDARD.encode(part),
        };
        match agent.receive_program(part).await {
            Ok(received) => Ok(received.bytes),
            Err(error) => Err(match error.code {
                AgentErrorCode::Link | AgentErrorCode::DeadlineExceeded => {
                    NotSent::Away(error.message)
                }
                _ => NotSent::Refused(error.message),
            }),
        }
    }
}

impl NotSent {
    /// With what it means for the operation, where it is refused.
    fn but(self, refused: impl Fn(String) -> NotSent) -> Self {
        match self {
            NotSent::Refused(why) => refused(why),
            away => away,
        }
    }
}

impl Run {
    /// What has to be sent before the agent is asked to begin, and how far that has come while it is sent.
    pub(super) fn sending(&mut self) -> (Option<Sending>, watch::Receiver<OnItsWay>) {
        let (progress, shown) = watch::channel(OnItsWay::No);
        let Scope::Agent(service) = &self.ordered.operation.scope else {
            return (None, shown);
        };
        let until = *self
            .sent_until
            .get_or_insert_with(|| Instant::now() + SENDING_MAX);
        let sending = service.program.clone().map(|program| Sending {
            programs: Arc::clone(&self.tasks.programs),
            program,
            until,
            progress,
        });
        (sending, shown)
    }

    /// Shows how far it has come.
    pub(super) fn sent(&mut self, now: OnItsWay) {
        let sent = match now {
            OnItsWay::No => return self.is_at(At::Asking),
            OnItsWay::Begun => None,
            OnItsWay::Sent(sent) => Some(sent),
        };
        // Sending is not what its time was for.
        let left = self.tasks.clock.now().saturating_add(LEFT_FOR_THE_REST_MS);
        self.update.deadline = self.update.deadline.map(|deadline| deadline.max(left));
        self.update.sent = sent;
        let begins = self.at != At::Sending;
        self.at = At::Sending;
        if !self.wait_for(None) && begins {
            self.is_at(At::Sending);
        } else {
            self.changed();
        }
    }
}
