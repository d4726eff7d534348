//! `openapi/api.json`, from the list of operations.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;

const PATH: &str = "openapi/api.json";

/// Writes the document.
pub fn write(root: &Path) -> Result<Vec<String>> {
    let file = root.join(PATH);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&file, text()?).with_context(|| format!("cannot write {PATH}"))?;
    Ok(Vec::new())
}

/// Complains where the document is not what the list makes.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let committed = fs::read_to_string(root.join(PATH)).unwrap_or_default();
    Ok(match committed == text()? {
        true => Vec::new(),
        false => vec![format!(
            "{PATH} is not what the list of operations makes: run cargo xtask openapi and commit it"
        )],
    })
}

fn text() -> Result<String> {
    let mut text = serde_json::to_string_pretty(&sorted(komodo_core::openapi::document()))?;
    text.push('\n');
    Ok(text)
}

/// With keys in order, whichever features of the JSON library the rest of the workspace turns on.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let keys: BTreeMap<String, Value> = object.into_iter().collect();
            Value::Object(
                keys.into_iter()
                    .map(|(key, value)| (key, sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
