//! Lines of the journal: a checksum, a blank, a document. Pure.

use komodo_agent_api::{AgentOperation, OperationEvent, OperationEventBody};
use serde::{Deserialize, Serialize};

/// Digits of the checksum: enough to tell a torn or damaged line.
const CHECKSUM_DIGITS: usize = 16;

/// What a file of the journal holds, the operation first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Operation(AgentOperation),
    Event(OperationEvent),
}

/// A file of the journal, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The operation.
    pub operation: AgentOperation,
    /// Its events, without a gap from 1.
    pub events: Vec<OperationEvent>,
    /// Bytes that hold them; what comes after is torn.
    pub bytes: u64,
}

impl Recorded {
    /// Whether the operation has ended.
    pub fn has_ended(&self) -> bool {
        matches!(self.events.last(), Some(event) if matches!(event.body, OperationEventBody::Ended { .. }))
    }
}

pub(super) fn operation_line(operation: &AgentOperation) -> Vec<u8> {
    line(&Record::Operation(operation.clone()))
}

pub(super) fn event_line(event: &OperationEvent) -> Vec<u8> {
    line(&Record::Event(event.clone()))
}

fn line(record: &Record) -> Vec<u8> {
    let document = serde_json::to_vec(record).expect("records have string keys only");
    let mut line = checksum(&document).into_bytes();
    line.push(b' ');
    line.extend_from_slice(&document);
    line.push(b'\n');
    line
}

fn checksum(document: &[u8]) -> String {
    blake3::hash(document).to_hex()[..CHECKSUM_DIGITS].to_owned()
}

/// Reads a file as far as it is whole: what was torn by a crash was never acted on. `None` where not even the operation
/// is there.
pub(super) fn read(bytes: &[u8]) -> Option<Recorded> {
    let mut operation = None;
    let mut events: Vec<OperationEvent> = Vec::new();
    let mut whole = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(record) = read_line(line) else { break };
        match (record, &operation) {
            (Record::Operation(found), None) => operation = Some(found),
            (Record::Event(event), Some(_)) if event.seq == events.len() as u64 + 1 => {
                events.push(event)
            }
            _ => break,
        }
        whole += line.len() as u64;
    }
    Some(Recorded {
        operation: operation?,
        events,
        bytes: whole,
    })
}

fn read_line(line: &[u8]) -> Option<Record> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, document) = line.split_at_checked(CHECKSUM_DIGITS)?;
    let document = document.strip_prefix(b" ")?;
    if checksum(document).as_bytes() != sum {
        return None;
    }
    serde_json::from_slice(document).ok()
}
