//! Logs of containers: frames of two streams, or the plain bytes of a terminal, made into lines.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use komodo_api::{
    UnixMs,
    live::{LogLine, LogStream},
};
use tokio::time::Instant;

use crate::{client::Answer, error::EngineError};

/// Bytes of a line that are kept; what is longer is cut and says so.
pub const LOG_LINE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of lines that are handed on at once: large enough that a flood of short lines costs little, small enough to
/// share a connection.
const CHUNK_BYTES: usize = 16 * 1024;
/// Lines that come one by one are handed on together at most this often.
const CHUNK_INTERVAL: Duration = Duration::from_millis(10);
/// Bytes that the Engine puts into one message of a longer line.
const MESSAGE_BYTES: usize = 16 * 1024;
const CUT: &str = " … (cut)";

/// Which lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// How many from the end; absent is all.
    pub tail: Option<u64>,
    /// Only from this time on.
    pub since: Option<UnixMs>,
    /// Whether lines to come follow.
    pub follow: bool,
    /// Only one of the streams.
    pub stream: Option<LogStream>,
}

impl LogOptions {
    pub(crate) fn query(&self) -> String {
        let stdout = u8::from(self.stream != Some(LogStream::Stderr));
        let stderr = u8::from(self.stream != Some(LogStream::Stdout));
        let tail = self
            .tail
            .map_or("all".to_owned(), |lines| lines.to_string());
        let mut query = format!(
            "timestamps=1&stdout={stdout}&stderr={stderr}&tail={tail}&follow={}",
            u8::from(self.follow)
        );
        if let Some(since) = self.since.filter(|since| *since > 0) {
            query.push_str(&format!("&since={}.{:03}", since / 1000, since % 1000));
        }
        query
    }
}

/// Lines as the Engine sends them. Nothing is read ahead of the reader; dropping it ends the request.
#[derive(Debug)]
pub struct LogReader {
    answer: Answer,
    decoder: Decoder,
    last_chunk: Option<Instant>,
    follow: bool,
    ended: bool,
}

impl LogReader {
    pub(crate) fn new(answer: Answer, options: &LogOptions) -> Self {
        LogReader {
            answer,
            decoder: Decoder::default(),
            last_chunk: None,
            follow: options.follow,
            ended: false,
        }
    }

    /// The next lines, `None` at the end of the log.
    pub async fn next(&mut self) -> Result<Option<Vec<LogLine>>, EngineError> {
        while !self.ended {
            let part = self.answer.part().await?;
            self.take(part);
            self.take_ready()?;
            if self.decoder.lines.is_empty() {
                continue;
            }
            if let Some(last) = self.last_chunk.filter(|_| self.follow) {
                let _ = tokio::time::timeout_at(last + CHUNK_INTERVAL, self.fill()).await;
            }
            self.last_chunk = Some(Instant::now());
            return Ok(Some(self.decoder.take_lines()));
        }
        Ok(None)
    }

    /// Reads on until a chunk is full; an error shows again at the next read.
    async fn fill(&mut self) {
        while !self.ended && self.decoder.lines_bytes < CHUNK_BYTES {
            match self.answer.part().await {
                Ok(part) => self.take(part),
                Err(_) => self.take(None),
            }
        }
    }

    /// Takes what is there without waiting, until a chunk is full.
    fn take_ready(&mut self) -> Result<(), EngineError> {
        while !self.ended && self.decoder.lines_bytes < CHUNK_BYTES {
            match self.answer.part().now_or_never() {
                Some(part) => self.take(part?),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    fn take(&mut self, part: Option<Bytes>) {
        match part {
            Some(part) => self.decoder.push(&part),
            None => {
                self.ended = true;
                self.decoder.finish();
            }
        }
    }
}

/// How the bytes are to be read. The first byte tells: a frame begins with 0, 1 or 2; a terminal's line begins with
/// the digit of the time that is always asked for.
#[derive(Debug, Default, PartialEq)]
enum Form {
    #[default]
    Unknown,
    Framed(Frame),
    Terminal,
}

#[derive(Debug, Default, PartialEq)]
struct Frame {
    header: Vec<u8>,
    left: usize,
}

/// A line that is being put together.
#[derive(Debug, Default)]
struct Partial {
    time: String,
    text: Vec<u8>,
    /// The message that is being read: the time and a piece of the line.
    message: Vec<u8>,
    cut: bool,
}

/// From bytes to lines; bounded whatever the bytes are.
#[derive(Debug, Default)]
struct Decoder {
    form: Form,
    stdout: Partial,
    stderr: Partial,
    lines: Vec<LogLine>,
    lines_bytes: usize,
}

impl Decoder {
    fn take_lines(&mut self) -> Vec<LogLine> {
        self.lines_bytes = 0;
        std::mem::take(&mut self.lines)
    }

    fn push(&mut self, mut bytes: &[u8]) {
        while let Some(first) = bytes.first() {
            match &mut self.form {
                Form::Unknown if *first <= 2 => self.form = Form::Framed(Frame::default()),
                Form::Unknown => self.form = Form::Terminal,
                Form::Terminal => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let piece = end.map_or(bytes, |end| &bytes[..=end]);
                    bytes = &bytes[piece.len()..];
                    self.stdout.extend(piece);
                    if end.is_some() {
                        self.end_message(LogStream::Stdout);
                    }
                }
                Form::Framed(frame) if frame.left == 0 => {
                    let missing = (8 - frame.header.len()).min(bytes.len());
                    frame.header.extend_from_slice(&bytes[..missing]);
                    bytes = &bytes[missing..];
                    if let [_, _, _, _, a, b, c, d] = frame.header[..] {
                        frame.left = u32::from_be_bytes([a, b, c, d]) as usize;
                        if frame.left == 0 {
                            frame.header.clear();
                        }
                    }
                }
                Form::Framed(frame) => {
                    let piece = &bytes[..frame.left.min(bytes.len())];
                    bytes = &bytes[piece.len()..];
                    frame.left -= piece.len();
                    let stream = match frame.header[0] {
                        2 => LogStream::Stderr,
                        _ => LogStream::Stdout,
                    };
                    let ended = frame.left == 0;
                    if ended {
                        frame.header.clear();
                    }
                    self.partial(stream).extend(piece);
                    if ended {
                        self.end_message(stream);
                    }
                }
            }
        }
    }

    /// The log has ended; what has no line end is a line.
    fn finish(&mut self) {
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            self.end_message(stream);
            if !self.partial(stream).text.is_empty() {
                self.end_line(stream);
            }
        }
    }

    fn partial(&mut self, stream: LogStream) -> &mut Partial {
        match stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        }
    }

    /// A message is the time, a blank, and a line or, without a line end, a piece of one.
    fn end_message(&mut self, stream: LogStream) {
        let terminal = self.form == Form::Terminal;
        let partial = self.partial(stream);
        let message = std::mem::take(&mut partial.message);
        if message.is_empty() {
            return;
        }
        let (time, text) = split_time(&message);
        if partial.text.is_empty() && !partial.cut {
            partial.time = time.to_owned();
        }
        let mut pieces = text.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let partial = self.partial(stream);
            if terminal {
                partial.append_terminal(piece);
            } else {
                partial.append(piece);
            }
            if pieces.peek().is_some() {
                self.end_line(stream);
                self.partial(stream).time = time.to_owned();
            }
        }
    }

    fn end_line(&mut self, stream: LogStream) {
        let partial = self.partial(stream);
        let mut text = std::mem::take(&mut partial.text);
        if text.last() == Some(&b'\r') {
            text.pop();
        }
        let mut line = String::from_utf8_lossy(&text).into_owned();
        if std::mem::take(&mut partial.cut) {
            line.push_str(CUT);
        }
        let time = partial.time.clone();
        self.lines_bytes += time.len() + line.len();
        self.lines.push(LogLine { time, stream, line });
    }
}

impl Partial {
    fn extend(&mut self, piece: &[u8]) {
        let room = (LOG_LINE_BYTES_MAX + 64).saturating_sub(self.message.len());
        if piece.len() <= room {
            self.message.extend_from_slice(piece);
            return;
        }
        self.cut = true;
        self.message.extend_from_slice(&piece[..room]);
        // The end of the line is what the next one depends on.
        if piece.last() == Some(&b'\n') {
            self.message.push(b'\n');
        }
    }

    fn append(&mut self, piece: &[u8]) {
        let room = LOG_LINE_BYTES_MAX.saturating_sub(self.text.len());
        self.cut |= piece.len() > room;
        self.text.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// On a terminal the messages of a long line come without frames, each with its time.
    fn append_terminal(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while rest.len() > MESSAGE_BYTES {
            let (message, next) = rest.split_at(MESSAGE_BYTES);
            let (time, after) = split_time(next);
            if time.is_empty() {
                break;
            }
            self.append(message);
            rest = after;
        }
        self.append(rest);
    }
}

/// The time before a line (`2026-11-23T07:00:00.000000000Z `), and the rest.
fn split_time(message: &[u8]) -> (&str, &[u8]) {
    const TIME_CHARS_MAX: usize = 40;
    let none = ("", message);
    let window = &message[..message.len().min(TIME_CHARS_MAX)];
    let Some(end) = window.iter().position(|byte| *byte == b' ') else {
        return none;
    };
    match std::str::from_utf8(&window[..end]) {
        Ok(time)
            if time.len() >= 20 && time.as_bytes()[4] == b'-' && time.as_bytes()[10] == b'T' =>
        {
            (time, &message[end + 1..])
        }
        _ => none,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T1: &str = "2026-11-23T07:00:00.000000001Z";
    const T2: &str = "2026-11-23T07:00:00.000000002Z";

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let mut frame = vec![stream, 0, 0, 0];
        frame.extend_from_slice(&(text.len() as u32).to_be_bytes());
        frame.extend_from_slice(text.as_bytes());
        frame
    }

    /// Decodes, cut at every size, and shows the lines.
    fn check(bytes: &[u8]) -> Vec<String> {
        let mut shown: Option<Vec<String>> = None;
        for size in [1, 3, 7, 64, 4096, usize::MAX] {
            let mut decoder = Decoder::default();
            for part in bytes.chunks(size.min(bytes.len().max(1))) {
                decoder.push(part);
            }
            decoder.finish();
            let lines: Vec<_> = decoder
                .lines
                .iter()
                .map(|line| {
                    format!(
                        "{}{:?} {}",
                        line.time.trim_start_matches(&T1[..28]),
                        line.stream,
                        line.line
                    )
                })
                .collect();
            if let Some(shown) = &shown {
                assert_eq!(shown, &lines, "cut at {size}");
            }
            shown = Some(lines);
        }
        shown.unwrap()
    }

    #[test]
    fn both_streams_are_told_apart() {
        let bytes = [
            frame(1, &format!("{T1} out\n")),
            frame(2, &format!("{T2} err\r\n")),
        ]
        .concat();
        assert_eq!(check(&bytes), ["1ZStdout out", "2ZStderr err"]);
    }

    #[test]
    fn a_line_in_several_messages_is_one_line_with_the_first_time() {
        let bytes = [
            frame(1, &format!("{T1} aaa")),
            frame(2, &format!("{T1} between\n")),
            frame(1, &format!("{T2} bbb\n")),
            frame(1, &format!("{T2} \n")),
            frame(1, &format!("{T2} no end")),
        ]
        .concat();
        assert_eq!(
            check(&bytes),
            [
                "1ZStderr between",
                "1ZStdout aaabbb",
                "2ZStdout ",
                "2ZStdout no end"
            ]
        );
    }

    #[test]
    fn a_terminal_has_lines_without_frames() {
        assert_eq!(
            check(format!("{T1} one\r\n{T2} two").as_bytes()),
            ["1ZStdout one", "2ZStdout two"]
        );
        let long = format!("{T1} {}{T2} b\r\n", "a".repeat(MESSAGE_BYTES));
        assert_eq!(
            check(long.as_bytes()),
            [format!("1ZStdout {}b", "a".repeat(MESSAGE_BYTES))]
        );
    }

    #[test]
    fn a_line_without_end_does_not_grow_and_the_next_is_whole() {
        let mut bytes = Vec::new();
        for _ in 0..20 {
            bytes.extend(frame(1, &format!("{T1} {}", "x".repeat(10_000))));
        }
        bytes.extend(frame(1, &format!("{T1} end\n")));
        bytes.extend(frame(1, &format!("{T2} next\n")));
        let lines = check(&bytes);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].ends_with(CUT) && lines[0].len() < LOG_LINE_BYTES_MAX + 100);
        assert_eq!(lines[1], "2ZStdout next");
    }

    #[test]
    fn odd_bytes_do_no_harm() {
        assert_eq!(check(&frame(1, "no time\n")), ["Stdout no time"]);
        assert_eq!(check(b""), Vec::<String>::new());
        check(&[1, 0, 0, 0, 255, 255, 255, 255, b'x']);
        check(&[1, 0, 0]);
        check(&[frame(1, ""), frame(0, "a\n"), vec![9, 9, 9]].concat());
        let mut broken = format!("{T1} ").into_bytes();
        broken.extend([0xff, 0xfe, b'\n']);
        assert_eq!(check(&broken), ["1ZStdout \u{fffd}\u{fffd}"]);
    }
}
