//! The document of the Engine goes in, that of the contract comes out.

use std::{fs, path::Path};

use komodo_api::inspect::Container;
use serde_json::{Value, json};

fn round_trip(document: Value) -> Value {
    let container = Container::from_document(document).expect("a document");
    let written = serde_json::to_value(&container).expect("written");
    let again = Container::from_document(written.clone()).expect("a document");
    assert_eq!(again, container, "what is written reads back as the same");
    written
}

#[test]
fn nulls_become_defaults_and_unknown_fields_go() {
    let written = round_trip(json!({
        "Id": "abc", "Args": null, "Mounts": null, "SomethingNew": 1,
        "State": { "Status": "running", "Health": { "Status": "wobbly", "Log": null } },
        "HostConfig": { "Binds": null, "RestartPolicy": { "Name": "unless-stopped" }, "PortBindings": { "80/tcp": null } },
        "Config": { "ExposedPorts": { "80/tcp": {} }, "Volumes": null, "Env": ["A=b"], "Labels": { "komodo.skip": "" } },
        "NetworkSettings": { "Ports": { "80/tcp": null, "443/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "443" }] } },
    }));
    assert_eq!(written["Args"], json!([]));
    assert_eq!(written["Mounts"], json!([]));
    assert_eq!(written.get("SomethingNew"), None);
    assert_eq!(written["State"]["Health"]["Status"], json!(""));
    assert_eq!(
        written["HostConfig"]["PortBindings"],
        json!({ "80/tcp": [] })
    );
    assert_eq!(
        written["HostConfig"]["RestartPolicy"]["Name"],
        json!("unless-stopped")
    );
    assert_eq!(written["Config"]["ExposedPorts"], json!(["80/tcp"]));
    assert_eq!(written["Config"]["Labels"], json!({ "komodo.skip": "" }));
    assert_eq!(
        written["NetworkSettings"]["Ports"]["443/tcp"][0]["HostPort"],
        json!("443")
    );
}

#[test]
fn one_odd_field_hides_no_other() {
    let written = round_trip(
        json!({ "Id": "abc", "RestartCount": "three", "Created": "2026-11-23T00:00:00Z" }),
    );
    assert_eq!(
        (&written["Id"], &written["RestartCount"]),
        (&json!("abc"), &Value::Null)
    );
    assert_eq!(written["Created"], json!("2026-11-23T00:00:00Z"));
    assert!(Container::from_document(json!([])).is_none());
}

/// Every value of a real answer of the contract survives; runs where the contract is at hand.
#[test]
fn contract_sample_survives_whole() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/contract/samples/InspectContainer.json");
    let Ok(text) = fs::read_to_string(sample) else {
        return;
    };
    let sample: Value = serde_json::from_str(&text).expect("JSON");
    let response = &sample["response"];
    let mut written = round_trip(response.clone());
    // The one thing that we say besides.
    let protected = written
        .as_object_mut()
        .and_then(|it| it.remove("protected"));
    assert_eq!(protected, Some(json!([])));
    assert_same(response, &written, "");
}

fn assert_same(expected: &Value, found: &Value, path: &str) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let missing: Vec<_> = expected
                .keys()
                .filter(|key| !found.contains_key(*key))
                .collect();
            let more: Vec<_> = found
                .keys()
                .filter(|key| !expected.contains_key(*key))
                .collect();
            assert!(
                missing.is_empty() && more.is_empty(),
                "at {path}: missing {missing:?}, more {more:?}"
            );
            for (key, value) in expected {
                assert_same(value, &found[key], &format!("{path}.{key}"));
            }
        }
        _ => assert_eq!(expected, found, "at {path}"),
    }
}
