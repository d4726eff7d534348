//! Our document and our answers against the contract, where it lies beside the project.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use komodo_api::{Module, operations};
use komodo_core::openapi;
use serde_json::{Map, Value, json};

use crate::harness::Core;

const REMEDY: &str = "run `cargo xtask openapi` and commit openapi/api.json";

fn contract() -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/contract/openapi.json");
    Some(serde_json::from_str(&fs::read_to_string(path).ok()?).expect("the contract is JSON"))
}

#[test]
fn the_committed_document_is_what_the_list_makes() {
    let committed: Value = serde_json::from_str(openapi::document_text()).expect("JSON");
    assert!(committed == openapi::document(), "{REMEDY}");
}

/// Names, required fields, types and values of enums of everything that is built.
#[test]
fn what_is_built_has_the_shape_of_the_contract() {
    let Some(contract) = contract() else { return };
    let ours = openapi::document();
    let mut compare = Compare {
        contract: &contract,
        ours: &ours,
        seen: BTreeSet::new(),
        wrong: Vec::new(),
    };
    let mut compared = 0;
    for spec in operations() {
        let path = format!("{}/{}", spec.module.path(), spec.name);
        let Some(theirs) = contract["paths"].get(&path) else {
            continue;
        };
        compared += 1;
        let own = &ours["paths"][&path];
        for part in [
            "/post/requestBody/content/application~1json/schema",
            "/post/responses/200/content/application~1json/schema",
        ] {
            let side = if part.contains("requestBody") {
                "request"
            } else {
                "answer"
            };
            let at = format!("{} {side}", spec.name);
            compare.schema(
                theirs.pointer(part).unwrap_or(&Value::Null),
                own.pointer(part).unwrap_or(&Value::Null),
                &at,
            );
        }
    }
    let user = "/paths/~1user/get/responses/200/content/application~1json/schema";
    compare.schema(
        &contract.pointer(user).expect("there").clone(),
        &ours.pointer(user).expect("there").clone(),
        "user",
    );
    assert!(
        compare.wrong.is_empty(),
        "{} differences:\n{}",
        compare.wrong.len(),
        compare.wrong.join("\n")
    );
    assert!(
        compared >= 46,
        "only {compared} operations of the contract are built"
    );
}

struct Compare<'a> {
    contract: &'a Value,
    ours: &'a Value,
    seen: BTreeSet<(String, String)>,
    wrong: Vec<String>,
}

/// A schema, resolved and without the many ways to write the same.
#[derive(Debug, Default)]
struct Shape {
    nullable: bool,
    kinds: BTreeSet<String>,
    values: BTreeSet<String>,
    fields: BTreeMap<String, Value>,
    required: BTreeSet<String>,
    items: Option<Value>,
    map: Option<Value>,
    variants: BTreeMap<String, Value>,
    anything: bool,
}

impl Compare<'_> {
    fn schema(&mut self, theirs: &Value, ours: &Value, at: &str) {
        if let (Some(a), Some(b)) = (theirs["$ref"].as_str(), ours["$ref"].as_str())
            && !self.seen.insert((a.to_owned(), b.to_owned()))
        {
            return;
        }
        let (theirs, ours) = (shape(theirs, self.contract), shape(ours, self.ours));
        if theirs.anything || ours.anything {
            return;
        }
        let mut differ = |what: &str, theirs: String, ours: String| {
            if theirs != ours {
                self.wrong
                    .push(format!("{at}: {what}: contract {theirs}, ours {ours}"));
            }
        };
        differ(
            "null",
            theirs.nullable.to_string(),
            ours.nullable.to_string(),
        );
        differ(
            "type",
            format!("{:?}", theirs.kinds),
            format!("{:?}", ours.kinds),
        );
        differ(
            "values",
            format!("{:?}", theirs.values),
            format!("{:?}", ours.values),
        );
        let known: BTreeSet<_> = theirs
            .fields
            .keys()
            .filter(|key| ours.required.contains(*key))
            .collect();
        differ(
            "required",
            format!("{:?}", theirs.required),
            format!("{known:?}"),
        );
        let extra: Vec<_> = ours
            .required
            .iter()
            .filter(|key| !theirs.fields.contains_key(*key))
            .collect();
        differ(
            "additive fields that are required",
            "[]".into(),
            format!("{extra:?}"),
        );
        for (name, field) in &theirs.fields {
            match ours.fields.get(name) {
                Some(own) => self.schema(field, own, &format!("{at}.{name}")),
                None => self.wrong.push(format!("{at}.{name}: missing")),
            }
        }
        for (name, variant) in &theirs.variants {
            match ours.variants.get(name) {
                Some(own) => self.schema(variant, own, &format!("{at}<{name}>")),
                None => self.wrong.push(format!("{at}<{name}>: missing")),
            }
        }
        for name in ours
            .variants
            .keys()
            .filter(|name| !theirs.variants.contains_key(*name))
        {
            self.wrong.push(format!(
                "{at}<{name}>: strict clients break on a new variant"
            ));
        }
        for (what, theirs, ours) in [
            ("[]", &theirs.items, &ours.items),
            ("{}", &theirs.map, &ours.map),
        ] {
            match (theirs, ours) {
                (Some(theirs), Some(ours)) => self.schema(theirs, ours, &format!("{at}{what}")),
                (None, None) => {}
                _ => self.wrong.push(format!(
                    "{at}{what}: contract {}, ours {}",
                    theirs.is_some(),
                    ours.is_some()
                )),
            }
        }
    }
}

fn shape(schema: &Value, document: &Value) -> Shape {
    let mut shape = Shape::default();
    collect(schema, document, &mut shape);
    shape.anything = shape.kinds.is_empty()
        && shape.values.is_empty()
        && shape.variants.is_empty()
        && shape.fields.is_empty()
        && shape.items.is_none();
    // Whether a set of fields or a free map is called an object is clear from the rest.
    if !shape.fields.is_empty() || shape.map.is_some() || !shape.variants.is_empty() {
        shape.kinds.remove("object");
    }
    if !shape.values.is_empty() {
        shape.kinds.remove("string");
    }
    shape
}

fn collect(schema: &Value, document: &Value, shape: &mut Shape) {
    if let Some(reference) = schema["$ref"].as_str() {
        collect(
            document
                .pointer(reference.trim_start_matches('#'))
                .expect("a reference leads somewhere"),
            document,
            shape,
        );
    }
    // How else a value may be written on input is tested where it is read.
    if schema["x-input-only"] == json!(true) {
        return;
    }
    let list = |value: &Value| match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many
            .iter()
            .filter_map(|one| one.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    };
    for kind in list(&schema["type"]) {
        match kind.as_str() {
            "null" => shape.nullable = true,
            _ => {
                shape.kinds.insert(kind);
            }
        }
    }
    shape.values.extend(list(&schema["enum"]));
    shape.values.extend(list(&schema["const"]));
    shape.required.extend(list(&schema["required"]));
    let none = Map::new();
    for (name, field) in schema["properties"].as_object().unwrap_or(&none) {
        shape.fields.insert(name.clone(), field.clone());
    }
    if let Some(items) = schema.get("items") {
        shape.items = Some(items.clone());
    }
    if let Some(map) = schema
        .get("additionalProperties")
        .filter(|map| map.is_object())
    {
        shape.map = Some(map.clone());
    }
    for alternatives in ["oneOf", "anyOf", "allOf"] {
        for alternative in schema[alternatives].as_array().into_iter().flatten() {
            let tag = alternative
                .pointer("/properties/type/const")
                .or_else(|| alternative.pointer("/properties/type/enum/0"));
            match tag.and_then(Value::as_str) {
                Some(tag) => {
                    shape.variants.insert(tag.to_owned(), alternative.clone());
                }
                None => collect(alternative, document, shape),
            }
        }
    }
}

/// Answers of a Core that has something to answer with, checked as a strict client would read them.
#[tokio::test]
async fn answers_fit_the_contract() {
    let Some(contract) = contract() else { return };
    let core = Core::start().await;
    let created = core
        .ask(
            "/write/CreateServer",
            json!({ "name": "web", "config": { "enabled": true } }),
        )
        .await
        .ok();
    let key = core
        .ask("/write/CreateOnboardingKey", json!({ "name": "k" }))
        .await
        .ok()["created"]["public_key"]
        .clone();
    let update = core
        .ask(
            "/write/RenameServer",
            json!({ "id": "web", "name": "web2" }),
        )
        .await
        .ok()["_id"]["$oid"]
        .clone();
    core.ask("/auth/manage/CreateApiKey", json!({ "name": "k" }))
        .await
        .ok();
    let asked = [
        ("/auth/login/GetLoginOptions", json!({})),
        ("/auth/manage/CreateApiKey", json!({ "name": "again" })),
        ("/read/GetVersion", json!({})),
        ("/read/GetCoreInfo", json!({})),
        ("/read/ListServers", json!({})),
        ("/read/ListFullServers", json!({})),
        ("/read/GetServer", json!({ "server": "web2" })),
        ("/read/GetServerState", json!({ "server": "web2" })),
        ("/read/GetServersSummary", json!({})),
        ("/read/GetServerActionState", json!({ "server": "web2" })),
        ("/read/ListContainers", json!({ "server": "web2" })),
        ("/read/ListAllContainers", json!({})),
        ("/read/GetContainersSummary", json!({})),
        ("/read/ListUpdates", json!({})),
        ("/read/GetUpdate", json!({ "id": update })),
        ("/read/ListApiKeys", json!({})),
        ("/read/GetUsername", json!({ "user_id": core.admin })),
        (
            "/read/GetPermission",
            json!({ "target": { "type": "System", "id": "system" } }),
        ),
        ("/read/ListOnboardingKeys", json!({})),
        ("/write/CreateServer", json!({ "name": "db" })),
        (
            "/write/UpdateServer",
            json!({ "id": "db", "config": { "region": "x" } }),
        ),
        ("/write/RenameServer", json!({ "id": "db", "name": "db2" })),
        ("/write/CreateOnboardingKey", json!({ "name": "two" })),
        (
            "/write/UpdateOnboardingKey",
            json!({ "public_key": key, "name": "three" }),
        ),
        ("/write/DeleteOnboardingKey", json!({ "public_key": key })),
        ("/write/DeleteServer", json!({ "id": "db2" })),
    ];
    let mut wrong = Vec::new();
    for (path, params) in asked {
        let answer = core.ask(path, params).await.ok();
        let schema = contract.pointer(&format!(
            "/paths/{}/post/responses/200/content/application~1json/schema",
            path.replace('/', "~1")
        ));
        check(
            &contract,
            schema.expect("it is in the contract"),
            &answer,
            path,
            &mut wrong,
        );
    }
    let user = core
        .send(http::Method::GET, "/user", &core.token(core.admin), &[], "")
        .await
        .ok();
    check(
        &contract,
        &json!({ "$ref": "#/components/schemas/User" }),
        &user,
        "/user",
        &mut wrong,
    );
    let refused = core
        .ask("/read/GetServer", json!({ "server": "none" }))
        .await
        .body;
    check(
        &contract,
        &json!({ "$ref": "#/components/schemas/Serror" }),
        &refused,
        "an error",
        &mut wrong,
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        created["base_permission"],
        json!({ "level": "None", "specific": [] }),
        "an object, which every client reads"
    );
}

fn check(contract: &Value, schema: &Value, answer: &Value, what: &str, wrong: &mut Vec<String>) {
    let mut whole = schema.clone();
    whole["components"] = contract["components"].clone();
    let validator = jsonschema::validator_for(&whole).expect("the contract is a schema");
    wrong.extend(
        validator
            .iter_errors(answer)
            .map(|error| format!("{what}: {error} at {}", error.instance_path())),
    );
}

/// Every name of the contract is either built or on the list of what is not.
#[test]
fn no_operation_of_the_contract_is_forgotten() {
    let Some(contract) = contract() else { return };
    let built: BTreeSet<String> = operations()
        .into_iter()
        .map(|spec| format!("{}/{}", spec.module.path(), spec.name))
        .collect();
    let not_built: BTreeSet<String> = komodo_core::dispatch::NOT_BUILT
        .lines()
        .map(|line| format!("/{line}"))
        .collect();
    let modules = Module::ALL.map(|module| format!("{}/", module.path()));
    for path in contract["paths"].as_object().expect("paths").keys() {
        let is_operation = modules.iter().any(|module| {
            path.strip_prefix(module.as_str())
                .is_some_and(|name| !name.contains('/'))
        });
        if is_operation && !path.starts_with("/auth/login/login") {
            assert!(
                built.contains(path) || not_built.contains(path),
                "{path} is neither built nor in not_built.txt"
            );
        }
    }
}
