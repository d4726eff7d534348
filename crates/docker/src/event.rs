//! The Engine's own events.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf, BytesMut};
use serde::Deserialize;

use crate::{client::Answer, error::EngineError};

/// Bytes of one event at most; it carries all labels of a container.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Actions that are asked for: all that change what is shown. Those of `exec`, which a health check causes three times
/// a run, never leave the Engine.
pub(crate) const ACTIONS: &[&str] = &[
    "create",
    "start",
    "restart",
    "kill",
    "die",
    "stop",
    "pause",
    "unpause",
    "destroy",
    "rename",
    "update",
    "health_status",
    "connect",
    "disconnect",
];

/// One event of the Engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct EngineEvent {
    /// Kind of the object: `container` or `network`.
    #[serde(rename = "Type", default)]
    pub kind: String,
    /// What happened.
    #[serde(rename = "Action", default)]
    pub action: String,
    /// To what.
    #[serde(rename = "Actor", default)]
    pub actor: Actor,
    /// When, by the Engine's clock, unix nanoseconds.
    #[serde(rename = "timeNano", default)]
    pub time_ns: i64,
}

/// The object of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Actor {
    /// Its id.
    #[serde(rename = "ID", default)]
    pub id: String,
    /// For a container its labels, and `name`, `image` and what the action has to say.
    #[serde(rename = "Attributes", default)]
    pub attributes: BTreeMap<String, String>,
}

impl EngineEvent {
    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.actor.attributes.get(name).map(String::as_str)
    }
}

/// Events as the Engine sends them. Dropping it ends the request.
#[derive(Debug)]
pub struct EventStream {
    answer: Answer,
    buffer: BytesMut,
    ready: VecDeque<EngineEvent>,
}

impl EventStream {
    pub(crate) fn new(answer: Answer) -> Self {
        EventStream {
            answer,
            buffer: BytesMut::new(),
            ready: VecDeque::new(),
        }
    }

    /// The next event, `None` when the Engine ends the stream. Safe to drop and call again.
    pub async fn next(&mut self) -> Result<Option<EngineEvent>, EngineError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(part) = self.answer.part().await? else {
                return Ok(None);
            };
            self.buffer.extend_from_slice(&part);
            take_events(&mut self.buffer, &mut self.ready);
            if self.buffer.len() > EVENT_BYTES_MAX {
                return Err(EngineError::TooLarge(EVENT_BYTES_MAX));
            }
        }
    }
}

/// Moves whole events out of the buffer. The Engine writes documents one after the other, with or without a line end.
fn take_events(buffer: &mut BytesMut, ready: &mut VecDeque<EngineEvent>) {
    loop {
        let mut documents =
            serde_json::Deserializer::from_slice(buffer).into_iter::<serde_json::Value>();
        let next = documents.next();
        let used = documents.byte_offset();
        match next {
            Some(Ok(document)) => {
                match serde_json::from_value(document) {
                    Ok(event) => ready.push_back(event),
                    Err(error) => {
                        tracing::warn!(%error, "an event of the Engine is not understood, and left out")
                    }
                }
                buffer.advance(used);
            }
            Some(Err(error)) if error.is_eof() => return,
            Some(Err(error)) => {
                tracing::warn!(%error, "the Engine sent something that is not an event; looking for the next line");
                match buffer.iter().position(|byte| *byte == b'\n') {
                    Some(end) => buffer.advance(end + 1),
                    None => return,
                }
            }
            None => {
                buffer.clear();
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parts: &[&str]) -> Vec<String> {
        let (mut buffer, mut ready) = (BytesMut::new(), VecDeque::new());
        for part in parts {
            buffer.extend_from_slice(part.as_bytes());
            take_events(&mut buffer, &mut ready);
        }
        ready
            .into_iter()
            .map(|event| format!("{} {} {}", event.action, event.actor.id, event.time_ns))
            .collect()
    }

    #[test]
    fn events_are_found_however_they_are_cut() {
        let whole = r#"{"Type":"container","Action":"die","Actor":{"ID":"a","Attributes":{"exitCode":"0"}},"timeNano":7}"#;
        assert_eq!(check(&[whole]), ["die a 7"]);
        assert_eq!(
            check(&[&whole[..20], &whole[20..], "\n", whole]),
            ["die a 7", "die a 7"]
        );
        assert_eq!(
            check(&[&format!("{whole}{whole}\n{}", &whole[..50])]),
            ["die a 7", "die a 7"]
        );
    }

    #[test]
    fn what_is_no_event_is_left_out_and_the_next_is_found() {
        assert_eq!(
            check(&["nonsense\n{\"Action\":\"stop\",\"timeNano\":1}\n"]),
            ["stop  1"]
        );
        assert_eq!(
            check(&["{\"Action\":5}\n{\"Action\":\"stop\",\"timeNano\":1}\n"]),
            ["stop  1"]
        );
    }
}
