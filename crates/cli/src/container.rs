//! `km ps`, `km inspect`, and finding a container by name over all servers.

use std::io;

use komodo_api::{
    Error,
    container::{ContainerListItem, ContainerSortBy, InspectContainer, ListAllContainers},
    engine::{ContainerStateStatusEnum, Port, PortTypeEnum},
    resource::{ContainerRef, ServerRef},
    server::ListServers,
};
use komodo_client::{Answer, Client, ClientError};
use serde_json::Value;

use crate::{
    args::{Containers, Inspect},
    failure::{Failure, Outcome},
    session::Session,
    table::{self, Format, Text, toned},
    terminal::{Terminal, Tone},
    words,
};

/// Digits of an id from which on it names a container.
const ID_PREFIX_MIN: usize = 12;

/// `km ps`.
///
/// # Errors
/// When Core refuses or cannot be reached.
pub async fn list(session: &mut Session, args: &Containers) -> Result<Outcome, Failure> {
    let ask = ListAllContainers {
        terms: args.terms.clone(),
        ..everything(&args.servers)
    };
    let client = session.client()?;
    let mut answer = client.ask(&ask).await?;
    known(&client, &args.servers, &answer.value).await?;
    if answer.value.is_empty() && !args.terms.is_empty() {
        return Err(none_named(&client, &args.terms).await?);
    }
    let all = answer.value.len();
    if !args.all {
        answer.value.retain(|container| runs(container.state));
    }
    let hidden = all - answer.value.len();
    show(session, &answer, args.formatted.format)?;
    if hidden > 0 && args.formatted.format == Format::Table {
        let hidden = words::count(u32::try_from(hidden).unwrap_or(u32::MAX), "container");
        session
            .terminal
            .note(format!("{hidden} not running; -a shows all"))?;
    }
    Ok(Outcome::Success)
}

/// `km list containers`.
///
/// # Errors
/// When Core refuses or cannot be reached.
pub async fn list_all(
    session: &mut Session,
    servers: &[String],
    format: Format,
) -> Result<Outcome, Failure> {
    let client = session.client()?;
    let answer = client.ask(&everything(servers)).await?;
    known(&client, servers, &answer.value).await?;
    show(session, &answer, format)?;
    Ok(Outcome::Success)
}

/// `km inspect`.
///
/// # Errors
/// When a container is unknown or ambiguous, or Core refuses or cannot be reached.
pub async fn inspect(session: &mut Session, args: &Inspect) -> Result<Outcome, Failure> {
    let client = session.client()?;
    let mut documents = Vec::new();
    for reference in &args.containers {
        let found = find(&client, reference, &args.servers).await?;
        let ask = InspectContainer {
            server: found.server,
            container: found.container,
        };
        // As Core sends it: a newer Engine says more than this km knows of.
        let document: Value = client.call_raw(&ask).await?;
        if let Some(since) = found.stale_since {
            let ago = words::ago(since, (session.terminal.now)());
            session.terminal.note(format!(
                "{reference}: its server is away; this is what was known {ago}"
            ))?;
        }
        documents.push(document);
    }
    match <[Value; 1]>::try_from(documents) {
        Ok([document]) => table::json(&mut session.terminal, &document)?,
        Err(documents) => table::json(&mut session.terminal, &documents)?,
    }
    Ok(Outcome::Success)
}

/// A container that was found by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its server.
    pub server: ServerRef,
    /// Name of its server.
    pub server_name: String,
    /// Itself.
    pub container: ContainerRef,
    /// Since when the view of its server is out of date.
    pub stale_since: Option<i64>,
}

/// Finds a container by name or id over the servers given, or all.
///
/// # Errors
/// When there is none, or several servers have one.
pub async fn find(client: &Client, reference: &str, servers: &[String]) -> Result<Found, Failure> {
    let containers = client.call(&everything(servers)).await?;
    known(client, servers, &containers).await?;
    choose(reference, &containers)
}

fn choose(reference: &str, containers: &[ContainerListItem]) -> Result<Found, Failure> {
    let by_name: Vec<&ContainerListItem> = containers
        .iter()
        .filter(|container| container.name == reference)
        .collect();
    let found = match by_name.is_empty() && reference.len() >= ID_PREFIX_MIN {
        false => by_name,
        true => containers
            .iter()
            .filter(|container| {
                container
                    .id
                    .as_ref()
                    .is_some_and(|id| id.starts_with(reference))
            })
            .collect(),
    };
    match found[..] {
        [one] => {
            let server = one
                .server_id
                .clone()
                .or_else(|| one.server_name.clone())
                .unwrap_or_default();
            Ok(Found {
                server_name: one.server_name.clone().unwrap_or_else(|| server.clone()),
                server: ServerRef(server),
                container: ContainerRef(one.id.clone().unwrap_or_else(|| one.name.clone())),
                stale_since: one.stale_since,
            })
        }
        [] => Err(not_found("container", reference).into()),
        _ => {
            let mut servers: Vec<&str> = found
                .iter()
                .filter_map(|container| container.server_name.as_deref())
                .collect();
            servers.sort_unstable();
            Err(Failure::usage(
                format!(
                    "there are {} containers '{reference}', on {}",
                    found.len(),
                    servers.join(", ")
                ),
                "name the server, too",
            ))
        }
    }
}

/// Core lists nothing for a server that it does not know, which reads as one without containers. Asks only about those
/// that the list does not show to exist.
async fn known(
    client: &Client,
    servers: &[String],
    listed: &[ContainerListItem],
) -> Result<(), Failure> {
    let is = |given: &str, name: &str, id: &str| given == name || given.eq_ignore_ascii_case(id);
    let shown = |given: &&String| {
        listed.iter().any(|container| {
            let name = container.server_name.as_deref().unwrap_or_default();
            is(
                given,
                name,
                container.server_id.as_deref().unwrap_or_default(),
            )
        })
    };
    let doubtful: Vec<&String> = servers.iter().filter(|given| !shown(given)).collect();
    if doubtful.is_empty() {
        return Ok(());
    }
    let existing = client.call(&all_servers()).await?;
    let unknown = doubtful.into_iter().find(|given| {
        !existing
            .iter()
            .any(|server| is(given, &server.name, &server.id))
    });
    match unknown {
        Some(unknown) => Err(Failure::Refused {
            error: not_found("server", unknown),
            hint: "`km ls` lists the servers",
        }),
        None => Ok(()),
    }
}

/// Why nothing is listed for a word, which may have been meant as a server's name.
async fn none_named(client: &Client, terms: &[String]) -> Result<Failure, ClientError> {
    let existing = client.call(&all_servers()).await?;
    let hint = match existing.iter().any(|server| terms.contains(&server.name)) {
        true => "that is the name of a server; `km ps -s SERVER` lists its containers",
        false => "`km ps -a` lists all containers, `km ls` the servers",
    };
    Ok(Failure::Refused {
        error: not_found("container", &terms.join(" ")),
        hint,
    })
}

fn not_found(kind: &'static str, name: &str) -> ClientError {
    let error = Error::not_found(kind, name);
    ClientError::Api {
        status: error.status(),
        error: Box::new(error),
    }
}

fn all_servers() -> ListServers {
    ListServers {
        limit: Some(0),
        ..ListServers::default()
    }
}

fn everything(servers: &[String]) -> ListAllContainers {
    ListAllContainers {
        servers: servers.to_vec(),
        limit: Some(0),
        sort_by: ContainerSortBy::Server,
        ..ListAllContainers::default()
    }
}

fn runs(state: ContainerStateStatusEnum) -> bool {
    use ContainerStateStatusEnum::*;
    match state {
        Running | Restarting | Stopping | Removing | Paused | Empty => true,
        Created | Exited | Dead => false,
    }
}

fn show(
    session: &mut Session,
    answer: &Answer<Vec<ContainerListItem>>,
    format: Format,
) -> Result<(), Failure> {
    match format {
        Format::Json => table::json(&mut session.terminal, &answer.value)?,
        Format::Table => print(&mut session.terminal, &answer.value)?,
    }
    Ok(())
}

/// Prints containers, and says which of them are out of date.
///
/// # Errors
/// When it cannot be written.
pub fn print(terminal: &mut Terminal, containers: &[ContainerListItem]) -> io::Result<()> {
    if containers.is_empty() {
        return terminal.note("no containers");
    }
    let now = (terminal.now)();
    let rows: Vec<_> = containers
        .iter()
        .map(|container| {
            let mut status = container.status.clone().unwrap_or_default();
            if let Some(since) = container.stale_since {
                status = format!("{status} (as of {})", words::ago(since, now))
                    .trim_start()
                    .to_owned();
            }
            let state = match container.state {
                ContainerStateStatusEnum::Empty => "unknown",
                state => state.as_str(),
            };
            let protected: Vec<String> = container.protected.iter().map(reason_word).collect();
            [
                toned(Tone::Strong, container.name.clone()),
                container.server_name.as_deref().unwrap_or("-").into(),
                toned(tone(container), state),
                status.into(),
                container.image.as_deref().unwrap_or("-").into(),
                ports(&container.ports).into(),
                Text::from(protected.join(", ")),
            ]
        })
        .collect();
    table::print(
        terminal,
        [
            "CONTAINER",
            "SERVER",
            "STATE",
            "STATUS",
            "IMAGE",
            "PORTS",
            "PROTECTED",
        ],
        rows,
    )?;
    let mut away: Vec<(&str, i64)> = containers
        .iter()
        .filter_map(|container| Some((container.server_name.as_deref()?, container.stale_since?)))
        .collect();
    away.sort_unstable();
    away.dedup_by_key(|(server, _)| *server);
    for (server, since) in away {
        let ago = words::ago(since, now);
        terminal.note(format!(
            "{server} is away: its containers are shown as they were {ago}"
        ))?;
    }
    Ok(())
}

/// The stable code of a reason, as the API writes it.
pub fn reason_word(reason: &komodo_api::plan::Reason) -> String {
    serde_json::to_value(reason.code)
        .ok()
        .and_then(|code| Some(code.as_str()?.to_owned()))
        .unwrap_or_default()
}

fn tone(container: &ContainerListItem) -> Tone {
    use ContainerStateStatusEnum::*;
    match container.state {
        _ if container.stale_since.is_some() => Tone::Faint,
        Running if container.health.as_deref() == Some("unhealthy") => Tone::Bad,
        Running => Tone::Good,
        Restarting | Stopping | Removing | Paused | Empty => Tone::Warn,
        Created | Exited => Tone::Faint,
        Dead => Tone::Bad,
    }
}

/// Published ports, each once, as `docker ps` writes them.
fn ports(ports: &[Port]) -> String {
    let mut texts: Vec<String> = ports
        .iter()
        .filter_map(|port| {
            let public = port.public_port?;
            let protocol = match port.typ {
                PortTypeEnum::Udp => "/udp",
                PortTypeEnum::Sctp => "/sctp",
                PortTypeEnum::Tcp | PortTypeEnum::Empty => "",
            };
            Some(format!("{public}->{}{protocol}", port.private_port))
        })
        .collect();
    texts.sort();
    texts.dedup();
    texts.join(", ")
}
