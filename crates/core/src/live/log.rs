//! The log of a container, followed. Back-pressure goes all the way: while a reader takes nothing, nothing is read from
//! the Engine; and when nobody reads any more, the request there ends.

use std::{convert::Infallible, time::Duration};

use futures_util::StreamExt;
use komodo_agent_api::LogRequest;
use komodo_api::{
    Error, UnixMs,
    container::LOG_TAIL_LINES_MAX,
    live::{LiveMessage, LogLine},
    permission::SpecificPermission,
    resource::ContainerRef,
};
use tokio::time::timeout;

use super::{
    access::require,
    subscription::{End, Subscription},
};
use crate::fleet::unreachable;

/// Bytes of lines in one message, about.
const MESSAGE_BYTES: usize = 32 * 1024;
/// How long a reader may take nothing before its log is ended.
const STALLED: Duration = Duration::from_secs(20);

pub(super) async fn serve(
    to: &Subscription,
    server: &str,
    container: ContainerRef,
    tail: u64,
    since: Option<UnixMs>,
) -> Result<Infallible, End> {
    let (state, account) = to.look()?;
    let not_found = || Error::not_found("server", &server.chars().take(200).collect::<String>());
    let (id, known) = state.server(server).ok_or_else(not_found)?;
    let logs = Some(SpecificPermission::Logs);
    require(&state, &account, id, logs)?;
    let view = to.app.background.fleet.view(id).ok_or_else(not_found)?;
    let agent = match (
        unreachable(&known.name, known.config.enabled, &view),
        to.app.background.fleet.agent(id),
    ) {
        (None, Some(agent)) => agent,
        (Some(error), _) => return Err(error.into()),
        (None, None) => return Err(not_found().into()),
    };
    let request = LogRequest {
        container,
        tail: Some(tail.min(LOG_TAIL_LINES_MAX)),
        since,
        follow: true,
        stream: None,
    };
    let mut desired = to.app.desired.changes();
    let mut lines = agent.log(request).await?;
    loop {
        let chunk = tokio::select! {
            biased;
            changed = desired.changed() => {
                changed.map_err(|_| End::Over)?;
                let (state, account) = to.look()?;
                require(&state, &account, id, logs)?;
                continue;
            }
            chunk = lines.next() => match chunk {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => return Err(agent.error(error).into()),
                None => return Err(End::Over),
            },
        };
        let (state, account) = to.look()?;
        require(&state, &account, id, logs)?;
        for part in parts(chunk) {
            let message = LiveMessage::Lines {
                id: to.id,
                lines: part,
            };
            match timeout(STALLED, to.send(&message)).await {
                Ok(sent) => sent?,
                Err(_) => {
                    drop(lines);
                    to.gap().await?;
                    return Err(End::Over);
                }
            }
        }
    }
}

/// Lines in messages of a moderate size.
fn parts(lines: Vec<LogLine>) -> Vec<Vec<LogLine>> {
    let mut parts = vec![Vec::new()];
    let mut bytes = 0;
    for line in lines {
        let size = line.line.len() + line.time.len();
        if bytes > 0 && bytes + size > MESSAGE_BYTES {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(part) = parts.last_mut() {
            part.push(line);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use komodo_api::live::LogStream;

    use super::*;

    fn line(bytes: usize) -> LogLine {
        LogLine {
            time: String::new(),
            stream: LogStream::Stdout,
            line: "x".repeat(bytes),
        }
    }

    #[test]
    fn lines_are_sent_in_messages_of_a_moderate_size() {
        let sizes = |lines: Vec<LogLine>| parts(lines).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(vec![]), Vec::<usize>::new());
        assert_eq!(sizes(vec![line(10), line(10)]), [2]);
        assert_eq!(
            sizes(vec![line(MESSAGE_BYTES - 1), line(2), line(3)]),
            [1, 2]
        );
        assert_eq!(
            sizes(vec![line(3 * MESSAGE_BYTES), line(1)]),
            [1, 1],
            "a long line goes alone"
        );
    }
}
