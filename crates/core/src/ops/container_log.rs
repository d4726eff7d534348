//! Logs of containers, read to their end: the last lines, or those that contain some terms.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::StreamExt;
use komodo_agent_api::LogRequest;
use komodo_api::{
    Code, Error, UnixMs,
    container::{GetContainerLog, LOG_TAIL_LINES_MAX, SearchCombinator, SearchContainerLog},
    live::{LogLine, LogStream},
    resource::ContainerRef,
    update::Log,
};
use tokio::time::{Instant, timeout_at};

use super::container::view;
use crate::{
    App,
    dispatch::{Cx, Granted, Handle, Reply},
    fleet::{Agent, unreachable},
};

/// Bytes of one log at most; of more, the newest are kept.
const LOG_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Lines that one search looks at, at most: the newest of a log.
const SEARCHED_LINES_MAX: u64 = 100_000;
/// Terms of one search.
const TERMS_MAX: usize = 100;
/// How long reading one log may take.
const READ: Duration = Duration::from_secs(20);

impl Handle<GetContainerLog> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<GetContainerLog>,
        _: &Cx,
    ) -> Result<Reply<Log>, Error> {
        let (id, server) = granted.server()?;
        let agent = agent(self, id, &server.name, server.config.enabled)?;
        let GetContainerLog {
            container,
            tail,
            timestamps,
            ..
        } = &granted.op;
        let tail = (*tail).min(LOG_TAIL_LINES_MAX);
        let start = self.clock.now();
        let lines = read(&agent, container, tail, |_| true).await?;
        let command = format!(
            "docker logs --tail {tail}{} -- {container}",
            flag(*timestamps)
        );
        Ok(log(
            "Get container log",
            command,
            lines,
            *timestamps,
            start,
            self.clock.now(),
        )
        .into())
    }
}

impl Handle<SearchContainerLog> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<SearchContainerLog>,
        _: &Cx,
    ) -> Result<Reply<Log>, Error> {
        let (id, server) = granted.server()?;
        let agent = agent(self, id, &server.name, server.config.enabled)?;
        let SearchContainerLog {
            container,
            terms,
            combinator,
            invert,
            timestamps,
            ..
        } = &granted.op;
        if terms.len() > TERMS_MAX {
            return Err(Error::invalid(format!(
                "at most {TERMS_MAX} terms can be searched for"
            )));
        }
        let start = self.clock.now();
        let lines = read(&agent, container, SEARCHED_LINES_MAX, |line| {
            matches(line, terms, *combinator, *invert)
        })
        .await?;
        let joint = match combinator {
            SearchCombinator::Or => " or ",
            SearchCombinator::And => " and ",
        };
        let not = if *invert { "not " } else { "" };
        let command = format!(
            "docker logs --tail {SEARCHED_LINES_MAX}{} -- {container}, lines {not}with {}",
            flag(*timestamps),
            terms.join(joint)
        );
        Ok(log(
            "Search container log",
            command,
            lines,
            *timestamps,
            start,
            self.clock.now(),
        )
        .into())
    }
}

fn agent(
    app: &App,
    id: komodo_api::id::Id,
    name: &str,
    enabled: bool,
) -> Result<Arc<Agent>, Error> {
    let view = view(app, id)?;
    match (
        unreachable(name, enabled, &view),
        app.background.fleet.agent(id),
    ) {
        (None, Some(agent)) => Ok(agent),
        (Some(error), _) => Err(error),
        (None, None) => Err(Error::new(
            Code::ServerUnreachable,
            format!("server '{name}' has just disconnected"),
        )),
    }
}

const fn flag(timestamps: bool) -> &'static str {
    if timestamps { " --timestamps" } else { "" }
}

fn matches(line: &str, terms: &[String], combinator: SearchCombinator, invert: bool) -> bool {
    let found = match combinator {
        SearchCombinator::Or => terms.iter().any(|term| line.contains(term.as_str())),
        SearchCombinator::And => terms.iter().all(|term| line.contains(term.as_str())),
    };
    found != invert
}

/// The newest lines that are wanted.
async fn read(
    agent: &Agent,
    container: &ContainerRef,
    tail: u64,
    wanted: impl Fn(&str) -> bool,
) -> Result<VecDeque<LogLine>, Error> {
    let until = Instant::now() + READ;
    let request = LogRequest {
        container: container.clone(),
        tail: Some(tail),
        since: None,
        follow: false,
        stream: None,
    };
    let mut chunks = agent.log(request).await?;
    let (mut lines, mut bytes) = (VecDeque::new(), 0);
    loop {
        let chunk = timeout_at(until, chunks.next()).await.map_err(|_| {
            Error::new(
                Code::DeadlineExceeded,
                format!(
                    "the log could not be read within {} s; ask for fewer lines",
                    READ.as_secs()
                ),
            )
        })?;
        let Some(chunk) = chunk else { return Ok(lines) };
        for line in chunk.map_err(|error| agent.error(error))? {
            if !wanted(&line.line) {
                continue;
            }
            bytes += size(&line);
            lines.push_back(line);
            while bytes > LOG_BYTES_MAX {
                let Some(oldest) = lines.pop_front() else {
                    break;
                };
                bytes -= size(&oldest);
            }
        }
    }
}

fn size(line: &LogLine) -> usize {
    line.time.len() + line.line.len() + 2
}

fn log(
    stage: &str,
    command: String,
    lines: VecDeque<LogLine>,
    timestamps: bool,
    start: UnixMs,
    end: UnixMs,
) -> Log {
    let (mut stdout, mut stderr) = (String::new(), String::new());
    for line in lines {
        let out = match line.stream {
            LogStream::Stdout => &mut stdout,
            LogStream::Stderr => &mut stderr,
        };
        if timestamps && !line.time.is_empty() {
            out.push_str(&line.time);
            out.push(' ');
        }
        out.push_str(&line.line);
        out.push('\n');
    }
    Log {
        stage: stage.to_owned(),
        command,
        stdout,
        stderr,
        success: true,
        start_ts: start,
        end_ts: end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(terms: &[&str], combinator: SearchCombinator, invert: bool) -> Vec<&'static str> {
        let terms: Vec<String> = terms.iter().map(|term| (*term).to_owned()).collect();
        ["get a", "get b", "put a"]
            .into_iter()
            .filter(|line| matches(line, &terms, combinator, invert))
            .collect()
    }

    #[test]
    fn terms_combine_and_invert() {
        use SearchCombinator::{And, Or};
        assert_eq!(check(&["put", "b"], Or, false), ["get b", "put a"]);
        assert_eq!(check(&["get", "a"], And, false), ["get a"]);
        assert_eq!(check(&["get", "a"], And, true), ["get b", "put a"]);
        assert_eq!(check(&[], Or, false), Vec::<&str>::new());
        assert_eq!(check(&[], And, false), ["get a", "get b", "put a"]);
    }

    #[test]
    fn streams_are_kept_apart_and_times_are_shown_where_asked() {
        let line = |stream, line: &str| LogLine {
            time: "2026-11-23T05:28:05Z".into(),
            stream,
            line: line.into(),
        };
        let lines: VecDeque<_> = [
            line(LogStream::Stdout, "out"),
            line(LogStream::Stderr, "err"),
        ]
        .into();
        let plain = log("s", "c".into(), lines.clone(), false, 1, 2);
        assert_eq!(
            (plain.stdout.as_str(), plain.stderr.as_str(), plain.success),
            ("out\n", "err\n", true)
        );
        assert_eq!(
            log("s", "c".into(), lines, true, 1, 2).stdout,
            "2026-11-23T05:28:05Z out\n"
        );
    }
}
