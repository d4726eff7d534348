//! Only what Core has signed is run, and only as it was signed.

use std::{fs, path::PathBuf};

use komodo_acceptance::{native::Site, told::story};
use komodo_api::periphery::ListPeripheryPrograms;
use komodo_testkit::installation::{AGENT_UNIT, AgentProgram, Failure, wait_for};

/// A file that Core keeps of a program.
fn kept(site: &Site, program: AgentProgram, name: &str) -> PathBuf {
    let folder = site.core.directory().join("agents").join(program.version());
    folder.join(std::env::consts::ARCH).join(name)
}

/// Changes the last byte that is no white space.
fn tamper(path: &PathBuf) -> Result<Vec<u8>, Failure> {
    let right = fs::read(path)?;
    let mut wrong = right.clone();
    if let Some(last) = wrong.last_mut() {
        *last ^= 1;
    }
    fs::write(path, wrong)?;
    Ok(right)
}

/// Core does not offer it, and refuses to send it, with the reason.
async fn is_not_served(site: &Site, program: AgentProgram) -> Result<(), Failure> {
    let served = site.core.client.call(&ListPeripheryPrograms {}).await?;
    assert!(served.is_empty(), "{served:?}");
    let before = site.run().await?;
    let refused = site.ask_update(Some(&program.version())).await;
    assert!(refused.is_err(), "it was not refused");
    assert!(before == site.run().await?, "something was touched");
    Ok(())
}

#[tokio::test]
async fn a_program_that_is_not_as_it_was_signed_is_not_served() -> Result<(), Failure> {
    let site = Site::start().await?;
    let good = AgentProgram::Good;
    site.core.add_program(good)?;
    // Other bytes.
    let path = kept(&site, good, "komodo-periphery");
    let right = tamper(&path)?;
    is_not_served(&site, good).await?;
    fs::write(&path, right)?;
    // Another signature.
    let path = kept(&site, good, "program.json");
    let right = fs::read(&path)?;
    let mut told: serde_json::Value = serde_json::from_slice(&right)?;
    let signature = told["signature"].as_str().unwrap_or_default();
    let other = match signature.split_at_checked(1) {
        Some(("A", rest)) => format!("B{rest}"),
        Some((_, rest)) => format!("A{rest}"),
        None => return Err("there is no signature".into()),
    };
    told["signature"] = other.into();
    fs::write(&path, serde_json::to_vec(&told)?)?;
    is_not_served(&site, good).await?;
    fs::write(&path, right)?;
    let served = site.core.client.call(&ListPeripheryPrograms {}).await?;
    assert_eq!(served.len(), 1, "{served:?}");
    Ok(())
}

/// The agent looks at it once more just before it is used.
#[tokio::test]
async fn a_program_that_was_changed_on_the_agents_disk_is_not_run() -> Result<(), Failure> {
    let site = Site::start().await?;
    site.arm("agent", "hand-over.preparing:1:stop")?;
    site.restart().await?;
    let before = site.run().await?;
    let id = site.ask_program(AgentProgram::Good).await?;
    let programs = site.machine.komodo().join("programs");
    let pid = site.machine.property(AGENT_UNIT, "MainPID").await?;
    wait_for("the agent to stop", || async {
        let stat = format!("/proc/{pid}/stat");
        let stat = site.machine.run(&["cat", &stat]).await.ok()?;
        stat.output.contains(") T ").then_some(())
    })
    .await?;
    let mut changed = 0;
    for entry in fs::read_dir(&programs)? {
        let path = entry?.path();
        if path.is_file() {
            tamper(&path)?;
            changed += 1;
        }
    }
    assert_eq!(changed, 1, "one program is there");
    site.machine.run(&["kill", "-CONT", &pid]).await?;
    let update = site.settled(&id).await?;
    assert!(!update.success, "{update:#?}");
    println!("{}", story(&update));
    assert!(before == site.run().await?, "something was touched");
    Ok(())
}
