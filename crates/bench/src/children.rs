//! `docker compose up` of ten services through the guarded socket of an agent against the Engine's own, interleaved.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use komodo_testkit::{
    engine::{BUSYBOX, Engine},
    installation::{Core, Failure},
};
use tokio::{process::Command, time::timeout};

use crate::report::{Figure, quantile};

const SERVICES: usize = 10;
const PAIRS: usize = 11;
/// Of each side, not counted: the first `up` of an Engine loads what the later ones find.
const WARM_UPS: usize = 1;
const SERVER: &str = "bench";
const COMPOSE_DEADLINE: Duration = Duration::from_secs(120);

/// Measures the figures of this group.
pub async fn measure() -> Result<Vec<Figure>, Failure> {
    let engine = Engine::start().await?;
    let core = Core::start(engine.host_address().into()).await?;
    let agent = core.agent_process(&engine, SERVER).await?;
    let sockets = [
        agent.directory().join("children/docker.sock"),
        engine.socket(),
    ];
    let folder = agent.directory().join("project");
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join("compose.yaml"), compose_file())?;

    let (mut ratios, mut direct) = (Vec::new(), Vec::new());
    for pair in 0..WARM_UPS + PAIRS {
        let mut seconds = [0.0; 2];
        // Who goes first alternates, so that neither side has the warmer cache throughout.
        for side in [pair % 2, 1 - pair % 2] {
            let start = Instant::now();
            compose(&sockets[side], &folder, &["up", "--detach"]).await?;
            seconds[side] = start.elapsed().as_secs_f64();
            compose(&sockets[1], &folder, &["down", "--timeout", "0"]).await?;
        }
        if pair >= WARM_UPS {
            ratios.push(seconds[0] / seconds[1]);
            direct.push(seconds[1]);
        }
    }
    let figure = Figure::at_most(
        format!("compose up of {SERVICES} through the guarded socket, ratio, median"),
        quantile(&ratios, 0.5),
        "",
        1.03,
        ratios,
    );
    let note = format!(
        "{PAIRS} interleaved pairs against the Engine's own socket, which takes {:.2} s in the median",
        quantile(&direct, 0.5)
    );
    Ok(vec![figure.note(note)])
}

fn compose_file() -> String {
    let mut text = String::from("services:\n");
    for number in 0..SERVICES {
        text.push_str(&format!(
            "  s{number}:\n    image: {BUSYBOX}\n    command: sleep 100000\n    init: true\n"
        ));
    }
    text
}

async fn compose(socket: &Path, folder: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let running = Command::new("docker")
        .args(["compose", "--project-name", "bench", "--progress", "quiet"])
        .args(arguments)
        .current_dir(folder)
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .kill_on_drop(true)
        .output();
    let output = timeout(COMPOSE_DEADLINE, running)
        .await
        .map_err(|_| format!("docker compose {arguments:?} does not end"))??;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("docker compose {arguments:?}: {said}").into());
    }
    Ok(())
}
