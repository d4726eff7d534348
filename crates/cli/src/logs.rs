//! `km logs`.

use std::{io, time::Duration};

use komodo_api::{
    UnixMs,
    container::{GetContainerLog, LOG_TAIL_LINES_MAX},
    live::{LiveMessage, LogLine, LogStream, Topic},
    resource::{ContainerRef, ServerRef},
    update::Log,
};
use komodo_client::{Client, ClientError, Live, OUTAGE_MS_MAX, POLL_MS};
use tokio::time::{Instant, sleep};

use crate::{
    args::{Logs, Since},
    container::find,
    failure::{Failure, Outcome},
    session::Session,
    terminal::Terminal,
};

/// `km logs`.
///
/// # Errors
/// When the container is unknown or ambiguous, or Core refuses or cannot be reached.
pub async fn logs(session: &mut Session, args: &Logs) -> Result<Outcome, Failure> {
    if args.tail > LOG_TAIL_LINES_MAX {
        return Err(Failure::usage(
            format!("--tail {} is more than Core gives", args.tail),
            format!("ask for at most {LOG_TAIL_LINES_MAX} lines"),
        ));
    }
    let client = session.client()?;
    let (server, container) = match &args.target[..] {
        [server, container] => (ServerRef(server.clone()), ContainerRef(container.clone())),
        [container, ..] => {
            let found = find(&client, container, &[]).await?;
            (found.server, found.container)
        }
        [] => return Err(Failure::usage("name a container", "`km ps` lists them")),
    };
    let since = args.since.map(|since| match since {
        Since::Time(time) => time.as_millisecond(),
        Since::Length(length) => {
            let ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
            (session.terminal.now)().saturating_sub(ms)
        }
    });
    match args.follow {
        true => follow(session, &client, server, container, args, since).await,
        false => last_lines(session, &client, server, container, args, since).await,
    }
}

async fn last_lines(
    session: &mut Session,
    client: &Client,
    server: ServerRef,
    container: ContainerRef,
    args: &Logs,
    since: Option<UnixMs>,
) -> Result<Outcome, Failure> {
    // Times are asked for always: they are what puts the two streams in order.
    let tail = if since.is_some() {
        LOG_TAIL_LINES_MAX
    } else {
        args.tail
    };
    let log = client
        .call(&GetContainerLog {
            server,
            container,
            tail,
            timestamps: true,
        })
        .await?;
    let lines = in_order(&log);
    let complete = (lines.len() as u64) < tail;
    let oldest = lines.first().and_then(|line| time_ms(&line.time));
    for line in &lines {
        if since.is_some_and(|since| time_ms(&line.time).is_some_and(|time| time < since)) {
            continue;
        }
        print(&mut session.terminal, line, args.timestamps)?;
    }
    if let (Some(since), Some(oldest), false) = (since, oldest, complete)
        && oldest > since
    {
        session.terminal.note(format!(
            "there are older lines since then; these are the last {tail}"
        ))?;
    }
    match log.success {
        true => Ok(Outcome::Success),
        false => Ok(Outcome::Failed),
    }
}

async fn follow(
    session: &mut Session,
    client: &Client,
    server: ServerRef,
    container: ContainerRef,
    args: &Logs,
    since: Option<UnixMs>,
) -> Result<Outcome, Failure> {
    let mut follower = Follower {
        topic: Topic::ContainerLog {
            server,
            container,
            tail: args.tail,
            since,
        },
        last_time: String::new(),
        timestamps: args.timestamps,
    };
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Ok(Outcome::Interrupted),
        outcome = follower.run(session, client) => outcome,
    }
}

/// A log that is followed, over several connections where one breaks.
struct Follower {
    topic: Topic,
    /// Time of the last line that was printed; empty before the first.
    last_time: String,
    timestamps: bool,
}

impl Follower {
    async fn run(&mut self, session: &mut Session, client: &Client) -> Result<Outcome, Failure> {
        let mut live = client.live().await?;
        loop {
            match self.print(session, &mut live).await {
                Err(Failure::Client(error)) if error.is_transport() => {
                    session
                        .terminal
                        .note("-- the connection was lost; trying again --")?;
                    live = reconnected(client, error).await?;
                    self.resume();
                }
                outcome => return outcome,
            }
        }
    }

    /// Goes on behind the last line that was printed.
    fn resume(&mut self) {
        if let Topic::ContainerLog { tail, since, .. } = &mut self.topic {
            match time_ms(&self.last_time) {
                Some(time) => (*tail, *since) = (LOG_TAIL_LINES_MAX, Some(time)),
                None => *tail = 0,
            }
        }
    }

    async fn print(&mut self, session: &mut Session, live: &mut Live) -> Result<Outcome, Failure> {
        live.subscribe(self.topic.clone()).await?;
        let printed_before = self.last_time.clone();
        loop {
            match live.next().await? {
                LiveMessage::Lines { lines, .. } => {
                    for line in &lines {
                        if !line.time.is_empty() && line.time <= printed_before {
                            continue;
                        }
                        print(&mut session.terminal, line, self.timestamps)?;
                        self.last_time.clone_from(&line.time);
                    }
                    session.terminal.out.flush()?;
                }
                LiveMessage::Gap { .. } => {
                    session.terminal.note(
                        "-- some lines were left out: they came faster than they could be shown --",
                    )?;
                }
                LiveMessage::Error { error, .. } => {
                    return Err(ClientError::Api {
                        status: error.status(),
                        error: Box::new(error),
                    }
                    .into());
                }
                LiveMessage::End { .. } => {
                    session.terminal.note("-- the log has ended --")?;
                    return Ok(Outcome::Success);
                }
                LiveMessage::Snapshot { .. }
                | LiveMessage::Delta { .. }
                | LiveMessage::Heartbeat { .. } => {}
            }
        }
    }
}

/// A new connection, or the reason why there was none for long.
async fn reconnected(client: &Client, mut why: ClientError) -> Result<Live, Failure> {
    let lost = Instant::now();
    while lost.elapsed() < Duration::from_millis(OUTAGE_MS_MAX) {
        sleep(Duration::from_millis(POLL_MS)).await;
        match client.live().await {
            Ok(live) => return Ok(live),
            Err(error) if error.is_transport() => why = error,
            Err(error) => return Err(error.into()),
        }
    }
    Err(why.into())
}

/// Standard output to standard output and standard error to standard error, as the container wrote them.
fn print(terminal: &mut Terminal, line: &LogLine, timestamps: bool) -> io::Result<()> {
    let text = match timestamps && !line.time.is_empty() {
        true => format!("{} {}", line.time, line.line),
        false => line.line.clone(),
    };
    match line.stream {
        LogStream::Stdout => terminal.line(text),
        LogStream::Stderr => terminal.note(text),
    }
}

/// The lines of both streams in the order of their times.
fn in_order(log: &Log) -> Vec<LogLine> {
    let lines = |text: &str, stream| -> Vec<LogLine> {
        text.lines()
            .map(|line| {
                let (time, rest) = match line.split_once(' ') {
                    Some((time, rest)) if time_ms(time).is_some() => (time, rest),
                    _ => match time_ms(line) {
                        Some(_) => (line, ""),
                        None => ("", line),
                    },
                };
                LogLine {
                    time: time.to_owned(),
                    stream,
                    line: rest.to_owned(),
                }
            })
            .collect()
    };
    let mut all = lines(&log.stdout, LogStream::Stdout);
    all.extend(lines(&log.stderr, LogStream::Stderr));
    // A stable sort: lines of one stream keep their order. The Engine writes all times in one length and zone.
    all.sort_by(|a, b| a.time.cmp(&b.time));
    all
}

fn time_ms(text: &str) -> Option<UnixMs> {
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_come_in_the_order_of_their_times() {
        let log = Log {
            stdout: "2026-01-01T00:00:01.000000000Z first\n2026-01-01T00:00:03.000000000Z third\n"
                .into(),
            stderr: "2026-01-01T00:00:02.000000000Z second\n2026-01-01T00:00:04.000000000Z\n"
                .into(),
            success: true,
            ..Log::default()
        };
        let lines: Vec<_> = in_order(&log)
            .into_iter()
            .map(|line| (line.stream, line.line))
            .collect();
        assert_eq!(
            lines,
            [
                (LogStream::Stdout, "first".to_owned()),
                (LogStream::Stderr, "second".to_owned()),
                (LogStream::Stdout, "third".to_owned()),
                (LogStream::Stderr, String::new()),
            ]
        );
    }

    #[test]
    fn lines_without_a_time_keep_all_their_text() {
        let log = Log {
            stdout: "no time here\n".into(),
            ..Log::default()
        };
        assert_eq!(in_order(&log)[0].line, "no time here");
    }
}
