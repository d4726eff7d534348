//! Everything in the repository that starts an agent or Core in a container gives it the label that keeps bulk operations
//! of any tool away from it: compose files, `docker run` lines and images, in files, guides and the web page.

use serde_yaml_ng::Value;

use super::File;

/// The label.
pub const LABEL: &str = "komodo.skip";
/// The label by which a watchdog is known, and its command.
const WATCHDOG: &str = "komodo.watchdog";
const WATCHDOG_COMMAND: &str = "watchdog";
/// What an agent and Core are called in commands and files.
const OURS: [&str; 2] = ["periphery", "komodo-core"];
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

/// Complaints about containers of ours that are started without the label.
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

/// How many places of a file start a container of ours, or make an image for one, labelled or not.
#[cfg(test)]
pub fn count(file: &File) -> usize {
    commands(file).len() + services(file).len() + usize::from(makes_image(file))
}

/// Complaints about one file; each starts with a line number or a colon.
pub fn of_file(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    for (line, command) in commands(file) {
        if !command_has(&command, LABEL) {
            complaints.push(format!(
                ":{line}: starts an agent or Core without --label {LABEL}=true"
            ));
        }
        let words: Vec<&str> = command.split_whitespace().collect();
        if words.contains(&WATCHDOG_COMMAND) && !command_has(&command, WATCHDOG) {
            complaints.push(format!(
                ":{line}: starts a watchdog without --label {WATCHDOG}=true"
            ));
        }
    }
    for service in services(file) {
        let mut missing = Vec::from_iter((!service.labelled).then_some(LABEL));
        missing.extend((service.watchdog == Some(false)).then_some(WATCHDOG));
        complaints.extend(missing.into_iter().map(|label| {
            format!(
                ": the service '{}' is ours and has not the label {label}",
                service.name
            )
        }));
    }
    if makes_image(file) && !image_is_labelled(&file.text) {
        complaints.push(format!(
            ": makes an image of the agent or of Core without LABEL {LABEL}=true"
        ));
    }
    complaints
}

fn mentions_ours(text: &str) -> bool {
    let text = text.to_lowercase();
    OURS.iter().any(|name| text.contains(name))
}

/// Whether a command names a label, and with no value that takes it back.
fn command_has(command: &str, label: &str) -> bool {
    command.match_indices(label).any(|(at, _)| {
        let after = command[at + label.len()..].trim_start_matches(['"', '\'']);
        let whole = !after.starts_with(|next: char| next.is_alphanumeric() || "._-".contains(next));
        let value = after.strip_prefix('=').unwrap_or_default();
        whole && !value.trim_start_matches(['"', '\'']).starts_with("false")
    })
}

fn makes_image(file: &File) -> bool {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    name.contains("Dockerfile") && mentions_ours(&file.text)
}

/// Whether an instruction of a Dockerfile sets the label; a comment does not.
fn image_is_labelled(text: &str) -> bool {
    let mut instruction = "";
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .any(|line| {
            if line.starts_with(|first: char| first.is_ascii_alphabetic()) {
                instruction = line.split_whitespace().next().unwrap_or_default();
            }
            instruction.eq_ignore_ascii_case("label") && command_has(line, LABEL)
        })
}

/// Commands that start a container of ours, each with the number of its first line.
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
        // What a comment says is said in its line.
        let goes_on = match source && line.trim_start().starts_with("//") {
            true => 0,
            false => COMMAND_LINES_MAX,
        };
        for next in lines[number + 1..].iter().take(goes_on) {
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
        if mentions_ours(&command) && is_command(&command) {
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

/// A service that runs one of our programs.
struct Service {
    name: String,
    labelled: bool,
    /// Whether it has the label of a watchdog, where it is one.
    watchdog: Option<bool>,
}

/// Services of compose files, and of compose files inside guides, that run our programs.
fn services(file: &File) -> Vec<Service> {
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
            found.push(Service {
                name: "(a compose file that is not YAML)".to_owned(),
                labelled: false,
                watchdog: None,
            });
            continue;
        };
        for (name, service) in compose
            .get("services")
            .and_then(Value::as_mapping)
            .into_iter()
            .flatten()
        {
            let name = name.as_str().unwrap_or_default();
            if is_ours(name, service) {
                let watchdog = text_of(service, "command")
                    .is_some_and(|command| command.contains(WATCHDOG_COMMAND));
                found.push(Service {
                    name: name.to_owned(),
                    labelled: has_label(service, LABEL),
                    watchdog: watchdog.then(|| has_label(service, WATCHDOG)),
                });
            }
        }
    }
    found
}

fn text_of(service: &Value, part: &str) -> Option<String> {
    serde_yaml_ng::to_string(service.get(part)?).ok()
}

fn is_ours(name: &str, service: &Value) -> bool {
    let parts = ["image", "build", "command", "entrypoint", "container_name"];
    mentions_ours(name)
        || parts
            .into_iter()
            .filter_map(|part| text_of(service, part))
            .any(|text| mentions_ours(&text))
}

fn has_label(service: &Value, wanted: &str) -> bool {
    match service.get("labels") {
        Some(Value::Sequence(labels)) => labels.iter().filter_map(Value::as_str).any(|label| {
            let (name, value) = label.split_once('=').unwrap_or((label, ""));
            name == wanted && value != "false"
        }),
        Some(Value::Mapping(labels)) => labels.iter().any(|(name, value)| {
            name.as_str() == Some(wanted)
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
