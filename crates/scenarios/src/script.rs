//! Scripts: a command a line, its printed result below it.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, anyhow, bail, ensure};
use komodo_agent_api::GoodbyeReason;
use komodo_api::{
    Module,
    container::{ContainerAction, ContainerListItem},
    permission::PermissionLevel,
    plan::{Plan, Protected},
    server::ServerListItem,
    update::{self, Update, UpdateStatus},
};
use komodo_sim::{Fault, HelperDies, Image, KillAt, Quirk};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{fleet::Fleet, print};

/// Plays a script and gives what is printed: every line of the script, and below each command its result. A command
/// goes on over indented lines after it.
///
/// # Errors
/// A line that is not understood, or something that a story cannot go on without.
pub async fn run(script: &str) -> anyhow::Result<String> {
    let mut stage = Stage {
        fleet: Fleet::start().await?,
        updates: BTreeMap::new(),
        user: "admin".to_owned(),
    };
    let mut printed = String::new();
    let lines: Vec<&str> = script.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let more = lines[at + 1..]
            .iter()
            .take_while(|line| line.starts_with(' '))
            .count();
        let block = &lines[at + 1..at + 1 + more];
        for line in &lines[at..=at + more] {
            printed += line;
            printed.push('\n');
        }
        if !line.trim().is_empty() && !line.starts_with('#') {
            let words: Vec<&str> = line.split_whitespace().collect();
            let result = stage.play(&words, block).await;
            let result = result.with_context(|| format!("line {}: {line}\n{printed}", at + 1))?;
            for line in result.lines() {
                printed += "> ";
                printed += line;
                printed.push('\n');
            }
        }
        at += 1 + more;
    }
    Ok(printed)
}

struct Stage {
    fleet: Fleet,
    /// Ids of Updates by the name that the script gave them.
    updates: BTreeMap<String, String>,
    user: String,
}

impl Stage {
    async fn play(&mut self, words: &[&str], block: &[&str]) -> anyhow::Result<String> {
        ensure!(
            block.is_empty() || words[0] == "host",
            "only a host has lines below it"
        );
        match *words {
            ["host", name] => {
                let containers: Vec<&str> = block.iter().map(|line| line.trim()).collect();
                self.fleet
                    .add_host(name, name.len() as u64, &containers)
                    .await?;
            }
            ["user", name, level, host] => {
                let level: PermissionLevel =
                    serde_json::from_value(Value::String(level.to_owned()))?;
                self.fleet.add_user(name, level, host).await?;
            }
            ["as", name] => self.user = name.to_owned(),

            ["docker", host, action, container] => {
                return self.docker(host, action, container).await;
            }
            ["exit", host, container, code] => self
                .fleet
                .host(host)?
                .world()
                .exit(container, code.parse()?),
            ["rename", host, container, name] => {
                self.fleet.host(host)?.world().rename(container, name)
            }
            ["quirk", host, container, quirk] => {
                self.fleet
                    .host(host)?
                    .world()
                    .set_quirk(container, quirk_named(quirk)?);
            }
            ["latency", host, action, time] => {
                self.fleet
                    .host(host)?
                    .world()
                    .set_latency(action_named(action)?, time_of(time)?);
            }
            ["engine", host, "away"] => self
                .fleet
                .host(host)?
                .world()
                .engine_away("no such file or directory"),
            ["engine", host, "back"] => self.fleet.host(host)?.world().engine_back(),
            ["flood", host, changes] => self.fleet.host(host)?.world().flood(changes.parse()?),

            ["fault", host, fault] => self
                .fleet
                .host(host)?
                .agent()
                .set_fault(fault_named(fault)?),
            ["image", host, name, does] => {
                self.fleet
                    .host(host)?
                    .host
                    .set_image(name, image_named(does)?);
            }
            ["helper", host, "dies", "before", at] => {
                let dies = HelperDies::Before(at.parse()?);
                self.fleet.host(host)?.host.helper_dies(Some(dies));
            }
            ["helper", host, "dies", "after", at] => {
                let dies = HelperDies::After(at.parse()?);
                self.fleet.host(host)?.host.helper_dies(Some(dies));
            }
            ["disk", host, "full"] => self.fleet.host(host)?.host.set_disk_full(true),
            ["disk", host, "free"] => self.fleet.host(host)?.host.set_disk_full(false),
            ["goodbye", host, action] => {
                let reason = GoodbyeReason::EngineEvent {
                    action: action.to_owned(),
                };
                self.fleet.host(host)?.agent().goodbye(reason);
            }
            ["kill", host] => {
                self.fleet.host(host)?.agent().kill();
                self.fleet
                    .until(host, "it is lost", |view| !view.is_live())
                    .await?;
            }
            ["kill", host, "before", "write", at] => {
                self.fleet
                    .host(host)?
                    .host
                    .kill_at(Some(KillAt::Before(at.parse()?)));
            }
            ["kill", host, "after", "write", at] => {
                self.fleet
                    .host(host)?
                    .host
                    .kill_at(Some(KillAt::After(at.parse()?)));
            }
            ["agent", host, "start"] => {
                self.fleet.host(host)?.host.kill_at(None);
                self.fleet.start_agent(host)?;
                self.fleet.connect(host).await?;
            }
            ["cut", host] => self.fleet.cut(host).await?,
            ["connect", host] => self.fleet.connect(host).await?,
            ["restart", "core"] => {
                self.fleet.restart_core().await?;
                for name in self.fleet.names() {
                    if self.fleet.host(&name)?.agent().is_alive() {
                        self.fleet
                            .until(&name, "it is connected", |view| view.is_live())
                            .await?;
                    }
                }
            }
            ["advance", time] => tokio::time::sleep(time_of(time)?).await,
            ["until", host, "lost"] => {
                self.fleet
                    .until(host, "it is lost", |view| !view.is_live())
                    .await?
            }
            ["until", host, "seen"] => self.fleet.until_seen(host).await?,

            ["plan", name, host, ref options @ ..] => return self.plan(name, host, options).await,
            ["do", name, host, ref options @ ..] => {
                return Ok(self.begin(name, host, options).await?.1);
            }
            ["run", name, host, ref options @ ..] => {
                let (update, printed) = self.begin(name, host, options).await?;
                let Some(update) = update else {
                    return Ok(printed);
                };
                return Ok(print::update(&self.fleet.end(&update).await?));
            }
            ["update", name] => {
                return Ok(print::update(&self.fleet.update(self.named(name)?).await?));
            }
            ["update", name, "waits"] => {
                let waits = |update: &Update| update.waiting_for.is_some();
                return Ok(print::update(
                    &self.fleet.until_update(self.named(name)?, waits).await?,
                ));
            }
            ["update", name, "at", stage] => {
                let stage: update::Stage = serde_json::from_value(json!(stage))?;
                let there = |update: &Update| update.stage == Some(stage);
                return Ok(print::update(
                    &self.fleet.until_update(self.named(name)?, there).await?,
                ));
            }
            ["update", name, "verdicts", count] => {
                let count: usize = count.parse()?;
                let enough = |update: &Update| update.verdicts.len() >= count;
                return Ok(print::update(
                    &self.fleet.until_update(self.named(name)?, enough).await?,
                ));
            }
            ["end", name] => return Ok(print::update(&self.fleet.end(self.named(name)?).await?)),
            ["logs", name] => return Ok(print::logs(&self.fleet.update(self.named(name)?).await?)),
            ["show", host] => return self.show(host).await,
            ["truth", host] => return self.truth(host),
            ["protected", host] => {
                let entries: Result<Vec<Protected>, String> = self
                    .read("ListProtected", json!({ "server": host }))
                    .await?;
                return Ok(
                    entries.map_or_else(|refused| refused, |entries| print::protected(&entries))
                );
            }
            ["read", name, ref params @ ..] => {
                let params = if params.is_empty() {
                    json!({})
                } else {
                    serde_json::from_str(&params.join(" "))?
                };
                let answer: Result<Value, String> = self.read(name, params).await?;
                return Ok(answer.map_or_else(
                    |refused| refused,
                    |answer| print::steady(&answer.to_string()),
                ));
            }
            _ => bail!("there is no such command"),
        }
        Ok(String::new())
    }

    /// What somebody does on the host; an agent that runs in a container starts with it.
    async fn docker(
        &mut self,
        host: &str,
        action: &str,
        container: &str,
    ) -> anyhow::Result<String> {
        let done = self
            .fleet
            .host(host)?
            .world()
            .docker(action_named(action)?, container);
        if let Err(why) = done {
            return Ok(format!("docker: {why}"));
        }
        if container == "periphery" {
            match action {
                "start" => {
                    self.fleet.start_agent(host)?;
                    self.fleet.connect(host).await?;
                }
                "stop" | "destroy" => {
                    self.fleet
                        .until(host, "it is lost", |view| !view.is_live())
                        .await?
                }
                _ => {}
            }
        }
        Ok(String::new())
    }

    fn named(&self, name: &str) -> anyhow::Result<&str> {
        let id = self.updates.get(name.trim_start_matches('#'));
        id.map(String::as_str)
            .with_context(|| format!("there is no Update {name}"))
    }

    async fn read<T: DeserializeOwned>(
        &self,
        name: &str,
        params: Value,
    ) -> anyhow::Result<Result<T, String>> {
        match self
            .fleet
            .ask(&self.user, Module::Read, name, &params)
            .await
        {
            Ok(answer) => {
                Ok(Ok(serde_json::from_value(answer)
                    .with_context(|| format!("the answer to {name}"))?))
            }
            Err(refused) => Ok(Err(print::error(&refused))),
        }
    }

    async fn plan(&self, name: &str, host: &str, options: &[&str]) -> anyhow::Result<String> {
        let (_, params) = params_of(host, options)?;
        let plan: Result<Plan, String> = self
            .read("PlanOperation", json!({ "type": name, "params": params }))
            .await?;
        Ok(plan.map_or_else(|refused| refused, |plan| print::plan(&plan)))
    }

    /// Begins an operation, under the name that the script gives it; answers its Update, and what is printed of it.
    async fn begin(
        &mut self,
        name: &str,
        host: &str,
        options: &[&str],
    ) -> anyhow::Result<(Option<String>, String)> {
        let (given, mut params) = params_of(host, options)?;
        for value in params.values_mut() {
            if let Some(name) = value.as_str().filter(|text| text.starts_with('#')) {
                *value = json!(self.named(name)?);
            }
        }
        let answer = self
            .fleet
            .ask(&self.user, Module::Execute, name, &Value::Object(params))
            .await;
        match answer {
            Err(refused) => Ok((None, print::error(&refused))),
            Ok(update) => {
                let update: Update = serde_json::from_value(update).context("it is no Update")?;
                let id = update.id.context("the Update has no id")?.0.to_string();
                if let Some(given) = given {
                    self.updates.insert(given, id.clone());
                }
                let status = match update.status {
                    UpdateStatus::Complete => "ended at once",
                    UpdateStatus::InProgress | UpdateStatus::Queued => "begun",
                };
                Ok((Some(id), format!("{status}\n")))
            }
        }
    }

    async fn show(&self, host: &str) -> anyhow::Result<String> {
        let servers: Result<Vec<ServerListItem>, String> =
            self.read("ListServers", json!({})).await?;
        let servers = match servers {
            Ok(servers) => servers,
            Err(refused) => return Ok(refused),
        };
        let Some(server) = servers.into_iter().find(|server| server.name == host) else {
            return Ok(format!("{host}: not listed\n"));
        };
        let containers: Result<Vec<ContainerListItem>, String> = self
            .read("ListContainers", json!({ "server": host }))
            .await?;
        Ok(containers.map_or_else(
            |refused| refused,
            |containers| print::server(&server, &containers),
        ))
    }

    fn truth(&self, host: &str) -> anyhow::Result<String> {
        let host = self.fleet.host(host)?;
        let mut rows: Vec<String> = host
            .world()
            .containers()
            .iter()
            .map(|container| format!("  {} {}", container.name, container.state.as_str()))
            .collect();
        rows.sort();
        let agent = if host.agent().is_alive() {
            "the agent runs"
        } else {
            "the agent does not run"
        };
        Ok(format!("Engine, {agent}:\n{}\n", rows.join("\n")))
    }
}

/// `#name` is what the script calls the Update; `key=value` are parameters, lists with commas.
fn params_of(host: &str, options: &[&str]) -> anyhow::Result<(Option<String>, Map<String, Value>)> {
    let mut params = Map::from_iter([("server".to_owned(), json!(host))]);
    let mut given = None;
    for option in options {
        if let Some(name) = option.strip_prefix('#') {
            given = Some(name.to_owned());
            continue;
        }
        let (key, value) = option
            .split_once('=')
            .with_context(|| format!("'{option}' is no parameter"))?;
        let value = match key {
            "containers" | "exclude" => json!(value.split(',').collect::<Vec<_>>()),
            "query" => serde_json::from_str(value)?,
            "time" => json!(value.parse::<i32>()?),
            "detach" => json!(value.parse::<bool>()?),
            "recreate" if value == "same" => json!({}),
            "recreate" => json!({ "image": value }),
            _ => json!(value),
        };
        params.insert(key.to_owned(), value);
    }
    Ok((given, params))
}

fn action_named(name: &str) -> anyhow::Result<ContainerAction> {
    serde_json::from_value(Value::String(name.to_owned()))
        .with_context(|| format!("there is no action '{name}'"))
}

fn quirk_named(name: &str) -> anyhow::Result<Quirk> {
    Ok(match name {
        "none" => Quirk::None,
        "fails-to-stop" => Quirk::FailsToStop,
        "hangs" => Quirk::Hangs,
        "vanishes" => Quirk::Vanishes,
        "loses-answer" => Quirk::LosesAnswer,
        "ignores" => Quirk::Ignores,
        "exits" => Quirk::ExitsAtStart(1),
        other => bail!("there is no quirk '{other}'"),
    })
}

fn image_named(name: &str) -> anyhow::Result<Image> {
    Ok(match name {
        "good" => Image::Good,
        "absent" => Image::Absent,
        "cannot-start" => Image::CannotStart,
        "never-connects" => Image::NeverConnects,
        other => match other.strip_prefix("dies-after-") {
            Some(time) => Image::DiesAfter(time_of(time)?),
            None => bail!("there is no image '{other}'"),
        },
    })
}

fn fault_named(name: &str) -> anyhow::Result<Fault> {
    Ok(match name {
        "none" => Fault::None,
        "hangs" => Fault::Hang,
        "slow" => Fault::BYTE_A_SECOND,
        "loses-answers" => Fault::LosesAnswers,
        other => bail!("there is no fault '{other}'"),
    })
}

/// `500ms`, `5s`, `3m`, `2h`, `8d`.
fn time_of(text: &str) -> anyhow::Result<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits
        .parse()
        .map_err(|_| anyhow!("'{text}' is no length of time"))?;
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        other => bail!("there is no unit '{other}'"),
    };
    Ok(Duration::from_millis(number.saturating_mul(unit_ms)))
}
