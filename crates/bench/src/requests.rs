//! Requests per second of a list, with `wrk` from another process on the same two cores.

use std::{fs, net::Ipv4Addr, path::Path, process::Stdio};

use komodo_api::{
    auth::{JwtOrTwoFactor, LoginLocalUser},
    server::{GetServersSummary, ListServers},
};
use komodo_client::{Client, Credentials};
use komodo_testkit::installation::{Core, Failure, program, wait_for};
use tokio::process::Command;

use crate::report::{Figure, quantile};

const SERVERS: usize = 100;
const CONNECTIONS: usize = 16;
const SECONDS: usize = 6;
const REPEATS: usize = 3;
const MUST: f64 = 10_000.0;

/// Measures the figures of this group.
pub async fn measure() -> Result<Vec<Figure>, Failure> {
    let core = Core::start(Ipv4Addr::LOCALHOST.into()).await?;
    let join = core.join_string().await?;
    let _agents = Command::new(program("komodo-sim")?)
        .args([
            "--core",
            &format!("ws://{}", core.address),
            "--agents",
            &SERVERS.to_string(),
        ])
        .env("KOMODO_SIM_ONBOARDING_KEY", join)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    wait_for("all simulated servers", || async {
        core.client
            .call(&GetServersSummary {})
            .await
            .ok()
            .filter(|summary| summary.healthy == SERVERS as i64)
    })
    .await?;
    let page = core.client.call(&ListServers::default()).await?.len();
    let whole = core
        .client
        .call(&ListServers {
            limit: Some(0),
            ..ListServers::default()
        })
        .await?
        .len();
    if whole != SERVERS {
        return Err(format!("{whole} servers are listed, not {SERVERS}").into());
    }

    let (username, password) = core.admin.clone();
    let anonymous = Client::new(&format!("http://{}", core.address), Credentials::None)?;
    let JwtOrTwoFactor::Jwt(token) = anonymous
        .call(&LoginLocalUser { username, password })
        .await?
    else {
        return Err("the administrator has a second factor".into());
    };
    let Credentials::ApiKey { key, secret } = &core.credentials else {
        return Err("no API key".into());
    };
    let mut figures = Vec::new();
    for (name, headers) in [
        ("JWT", vec![("authorization", token.jwt.as_str())]),
        (
            "API key",
            vec![
                ("x-api-key", key.as_str()),
                ("x-api-secret", secret.as_str()),
            ],
        ),
    ] {
        let mut runs = Vec::new();
        for _ in 0..REPEATS {
            runs.push(requests_per_second(core.directory(), core.address, &headers).await?);
        }
        figures.push(
            Figure::at_least(
                format!("ListServers, {SERVERS} servers, {name}"),
                quantile(&runs, 0.5),
                "/s",
                MUST,
                runs,
            )
            .note(format!(
                "wrk, {CONNECTIONS} connections, {SECONDS} s; {page} servers in the default page"
            )),
        );
    }
    Ok(figures)
}

async fn requests_per_second(
    folder: &Path,
    address: std::net::SocketAddr,
    headers: &[(&str, &str)],
) -> Result<f64, Failure> {
    let mut script = String::from(
        "wrk.method = \"POST\"\nwrk.body = '{\"type\":\"ListServers\",\"params\":{}}'\nwrk.headers[\"content-type\"] = \"application/json\"\n",
    );
    for (name, value) in headers {
        script.push_str(&format!("wrk.headers[\"{name}\"] = \"{value}\"\n"));
    }
    // In a file, so that no credential is seen in the list of processes.
    let path = folder.join("wrk.lua");
    fs::write(&path, script)?;
    let output = Command::new("wrk")
        .args([
            "-t1",
            &format!("-c{CONNECTIONS}"),
            &format!("-d{SECONDS}s"),
            "-s",
        ])
        .arg(&path)
        .arg(format!("http://{address}/read"))
        .output()
        .await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err(format!("some requests failed:\n{text}").into());
    }
    text.lines()
        .find_map(|line| line.trim().strip_prefix("Requests/sec:"))
        .and_then(|value| value.trim().parse().ok())
        .ok_or_else(|| format!("wrk printed no figure:\n{text}").into())
}
