//! Forwards TCP connections: what a tunnel, a reverse proxy or a socket proxy does for the agent, in a container of a
//! test. `komodo-forward LISTEN TARGET`, the target `HOST:PORT` or `unix:/path`.

use std::{io, process::ExitCode, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixStream},
    task::JoinSet,
    time::timeout,
};

/// Time to reach the target.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Connections at the same time.
const CONNECTIONS_MAX: usize = 256;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, target] = &arguments[..] else {
        eprintln!("usage: komodo-forward LISTEN TARGET");
        return ExitCode::from(2);
    };
    match forward(listen, target).await {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn forward(listen: &str, target: &str) -> io::Result<std::convert::Infallible> {
    let listener = TcpListener::bind(listen).await?;
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await?;
        while connections.try_join_next().is_some() {}
        if connections.len() < CONNECTIONS_MAX {
            connections.spawn(pass(client, target.to_owned()));
        }
    }
}

/// Whatever goes wrong ends the one connection; the client sees that it ended.
async fn pass(client: TcpStream, target: String) {
    let passed = match target.strip_prefix("unix:") {
        Some(path) => join(client, UnixStream::connect(path)).await,
        None => join(client, TcpStream::connect(&target)).await,
    };
    if let Err(error) = passed {
        eprintln!("{target}: {error}");
    }
}

async fn join<S: AsyncRead + AsyncWrite + Unpin>(
    mut client: TcpStream,
    connecting: impl Future<Output = io::Result<S>>,
) -> io::Result<()> {
    let mut server = timeout(CONNECT_DEADLINE, connecting).await??;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
