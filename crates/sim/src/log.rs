//! The log of a container: lines with a time, read from a place on, as slowly as the reader likes.

use std::{collections::VecDeque, sync::Arc};

use komodo_api::live::{LogLine, LogStream};
use tokio::sync::watch;

/// Lines that are kept; older ones go.
pub(crate) const LINES_MAX: usize = 20_000;
/// Lines in one chunk at most.
pub(crate) const CHUNK_LINES_MAX: usize = 256;

#[derive(Debug)]
pub(crate) struct Log {
    /// Place of the first line that is still there.
    first: u64,
    lines: VecDeque<(i64, LogLine)>,
    /// Turns when lines come or the container ends.
    pub(crate) changed: watch::Sender<()>,
    /// One more owner than there are readers.
    pub(crate) readers: Arc<()>,
}

impl Default for Log {
    fn default() -> Self {
        Log {
            first: 0,
            lines: VecDeque::new(),
            changed: watch::Sender::new(()),
            readers: Arc::new(()),
        }
    }
}

impl Log {
    pub(crate) fn write(&mut self, ns: i64, stream: LogStream, line: &str) {
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
            self.first += 1;
        }
        let line = LogLine {
            time: crate::clock::rfc3339(ns),
            stream,
            line: line.to_owned(),
        };
        self.lines.push_back((ns, line));
        self.changed.send_replace(());
    }

    /// Place behind the last line.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    /// Place from which the last `tail` lines come.
    pub(crate) fn tail(&self, tail: Option<u64>) -> u64 {
        match tail {
            Some(tail) => self.end().saturating_sub(tail).max(self.first),
            None => self.first,
        }
    }

    /// Up to a chunk of the lines in `from..until` that are wanted, and the place from which to go on.
    pub(crate) fn read(
        &self,
        from: u64,
        until: u64,
        wanted: impl Fn(i64, &LogLine) -> bool,
    ) -> (Vec<LogLine>, u64) {
        let mut place = from.max(self.first);
        let mut chunk = Vec::new();
        while place < until.min(self.end()) && chunk.len() < CHUNK_LINES_MAX {
            let at = usize::try_from(place - self.first).unwrap_or(usize::MAX);
            if let Some((ns, line)) = self.lines.get(at)
                && wanted(*ns, line)
            {
                chunk.push(line.clone());
            }
            place += 1;
        }
        (chunk, place)
    }
}
