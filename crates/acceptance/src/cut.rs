//! The network between an agent and Core, cut in the network namespace of the test's own Engine, in which the agent
//! runs: the kernel drops or refuses its packets there, and nothing else on the machine notices.

use std::{net::SocketAddr, process::Command};

use komodo_testkit::{engine::Engine, installation::Failure};

/// How packets between the agent and Core end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// They are lost, as with a pulled cable: both sides notice when nobody answers.
    Lost,
    /// They are answered with a reset, as by a firewall: whoever sends notices at once.
    Reset,
}

impl Cut {
    /// Cuts. Lasts until [`heal`].
    ///
    /// # Errors
    /// When the rules cannot be made.
    pub fn strike(self, engine: &Engine, core: SocketAddr) -> Result<(), Failure> {
        let (host, port) = (core.ip().to_string(), core.port().to_string());
        let out = ["OUTPUT", "-d", &host, "-p", "tcp", "--dport", &port];
        let into = ["INPUT", "-s", &host, "-p", "tcp", "--sport", &port];
        for rule in [out, into] {
            let mut arguments = vec!["-I"];
            arguments.extend(rule);
            match self {
                Cut::Lost => arguments.extend(["-j", "DROP"]),
                // What refuses must itself get through.
                Cut::Reset => arguments.extend([
                    "!",
                    "--tcp-flags",
                    "RST",
                    "RST",
                    "-j",
                    "REJECT",
                    "--reject-with",
                    "tcp-reset",
                ]),
            }
            iptables(engine, &arguments)?;
        }
        Ok(())
    }
}

/// Lets all packets pass again.
///
/// # Errors
/// When the rules cannot be removed.
pub fn heal(engine: &Engine) -> Result<(), Failure> {
    iptables(engine, &["-F", "INPUT"])?;
    iptables(engine, &["-F", "OUTPUT"])
}

fn iptables(engine: &Engine, arguments: &[&str]) -> Result<(), Failure> {
    let within = engine
        .namespace_process()
        .ok_or("the Engine has no process")?;
    let output = Command::new("nsenter")
        .arg(format!("--net=/proc/{within}/ns/net"))
        .args(["iptables", "-w"])
        .args(arguments)
        .output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "iptables {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into()),
    }
}
