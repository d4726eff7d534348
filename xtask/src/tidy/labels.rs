//! Everything in the repository that starts an agent in a container gives it the label that keeps bulk operations of any
//! tool away from it: compose files, `docker run` lines and images, in files, guides and the web page.

use serde_yaml_ng::Value;

use super::File;

/// The label.
pub const LABEL: &str = "komodo.skip";
/// What an agent is called in commands and files.
const AGENT: &str = "periphery";
/// Lines that a command in a source file goes on for at most.
const COMMAND_LINES_MAX: usize = 30;
/// What starts a container, and what makes an image.
const COMMANDS: [&str; 6] = [
    "docker run",
    "docker create",
    "docker container run",
    "podman run",
    "nerdctl run",
    "docker import",
];
/// Endings of files that are searched.
const ENDINGS: [&str; 12] = [
    ".md", ".mdx", ".sh", ".ts", ".tsx", ".rs", ".yml", ".yaml", ".service", ".html", ".txt",
    ".json",
];

/// Complaints about agents that are started without the label.
pub fn check(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        // This crate holds examples of what is wrong; the contract of operations speaks of the label as such.
        if file.path.starts_with("xtask/") || file.path.starts_with("openapi/") {
            continue;
        }
        complaints.extend(
            of_file(file)
                .into_iter()
                .map(|complaint| format!("{}{complaint}", file.path)),
        );
    }
    complaints
}

/// How many places of a file start an agent, labelled or not.
#[cfg(test)]
pub fn count(file: &File) -> usize {
    commands(file).len() + services(file).len()
}

/// Complaints about one file; each starts with a line number or a colon.
pub fn of_file(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    for (line, command) in commands(file) {
        if !command.contains(LABEL) {
            complaints.push(format!(":{line}: starts an agent without --label {LABEL}"));
        }
    }
    for (name, labelled) in services(file) {
        if !labelled {
            complaints.push(format!(
                ": the service '{name}' is an agent without the label {LABEL}"
            ));
        }
    }
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if name.contains("Dockerfile") && mentions_agent(&file.text) && !file.text.contains(LABEL) {
        complaints.push(format!(
            ": makes an image of the agent without LABEL {LABEL}"
        ));
    }
    complaints
}

fn mentions_agent(text: &str) -> bool {
    text.to_lowercase().contains(AGENT)
}

/// Commands that start an agent, each with the number of its first line.
fn commands(file: &File) -> Vec<(usize, String)> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let script = file.text.starts_with("#!");
    if !script
        && !name.contains("Dockerfile")
        && !ENDINGS.iter().any(|ending| name.ends_with(ending))
    {
        return Vec::new();
    }
    let source = [".ts", ".tsx", ".rs"]
        .iter()
        .any(|ending| name.ends_with(ending));
    let lines: Vec<&str> = file.text.lines().collect();
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some(start) = COMMANDS
            .iter()
            .filter_map(|command| line.find(command))
            .min()
        else {
            continue;
        };
        let mut command = line[start..].to_owned();
        for next in lines[number + 1..].iter().take(COMMAND_LINES_MAX) {
            let ended = match source {
                // A list of strings, or a template: up to the end of the statement.
                true => {
                    command.trim_end().ends_with(';')
                        || command.trim_end().ends_with(')') && !command.contains('[')
                }
                false => !command.trim_end().ends_with('\\'),
            };
            if ended {
                break;
            }
            command.push('\n');
            command.push_str(next);
        }
        // Prose that speaks of the command has no image behind it.
        if mentions_agent(&command) && is_command(&command) {
            found.push((number + 1, command));
        }
    }
    found
}

/// Whether options follow, as in a command; prose goes on in words.
fn is_command(command: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().collect();
    words
        .iter()
        .skip(2)
        .any(|word| word.trim_start_matches(['"', '\'', '`']).starts_with('-'))
}

/// Services of compose files (and of compose files inside guides) that are agents: name, and whether they are labelled.
fn services(file: &File) -> Vec<(String, bool)> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let documents: Vec<String> = if name.ends_with(".yml") || name.ends_with(".yaml") {
        vec![file.text.clone()]
    } else if name.ends_with(".md") {
        yaml_blocks(&file.text)
    } else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for document in documents
        .iter()
        .filter(|document| document.contains("services:"))
    {
        let Ok(compose) = serde_yaml_ng::from_str::<Value>(document) else {
            found.push(("(a compose file that is not YAML)".to_owned(), false));
            continue;
        };
        for (name, service) in compose
            .get("services")
            .and_then(Value::as_mapping)
            .into_iter()
            .flatten()
        {
            let name = name.as_str().unwrap_or_default();
            if is_agent(name, service) {
                found.push((name.to_owned(), is_labelled(service)));
            }
        }
    }
    found
}

fn is_agent(name: &str, service: &Value) -> bool {
    let parts = ["image", "build", "command", "entrypoint", "container_name"];
    let text = |part: &str| {
        service
            .get(part)
            .and_then(|part| serde_yaml_ng::to_string(part).ok())
    };
    mentions_agent(name)
        || parts
            .into_iter()
            .filter_map(text)
            .any(|text| mentions_agent(&text))
}

fn is_labelled(service: &Value) -> bool {
    match service.get("labels") {
        Some(Value::Sequence(labels)) => labels.iter().filter_map(Value::as_str).any(|label| {
            let (name, value) = label.split_once('=').unwrap_or((label, ""));
            name == LABEL && value != "false"
        }),
        Some(Value::Mapping(labels)) => labels.iter().any(|(name, value)| {
            name.as_str() == Some(LABEL)
                && value.as_str() != Some("false")
                && value.as_bool() != Some(false)
        }),
        _ => false,
    }
}

fn yaml_blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        match (&mut block, fence) {
            (None, true) if line.contains("yaml") || line.contains("yml") => {
                block = Some(String::new())
            }
            (Some(lines), false) => {
                lines.push_str(line);
                lines.push('\n');
            }
            (Some(_), true) => blocks.extend(block.take()),
            _ => {}
        }
    }
    blocks
}
