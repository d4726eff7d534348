//! The OpenAPI document of the public API, made from the list of operations.
//!
//! Shaped like the documents that clients of the API are generated from: the path form of each operation, one envelope
//! per module, all types as components.

use komodo_api::{Error, Module, Needs, OperationSpec, core::API_VERSION, operations, user::User};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

const COMPONENTS: &str = "/components/schemas";

/// The document as it is served: the committed one, which a test compares with what the list makes.
pub fn document_text() -> &'static str {
    include_str!("../../../openapi/api.json")
}

/// The document that the list of operations makes.
pub fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = COMPONENTS.into();
    let mut generator = settings.into_generator();
    let specs = operations();
    let mut paths = Map::new();
    for spec in &specs {
        paths.insert(
            format!("{}/{}", spec.module.path(), spec.name),
            operation(spec, &mut generator),
        );
    }
    for module in Module::ALL {
        let names: Vec<&str> = specs
            .iter()
            .filter(|spec| spec.module == module)
            .map(|spec| spec.name)
            .collect();
        paths.insert(module.path().into(), envelope(module, &names));
    }
    paths.insert(
        "/user".into(),
        get(
            "get_user",
            "The caller's own account.",
            &reference::<User>(&mut generator),
        ),
    );
    reference::<Error>(&mut generator);
    for (path, id, text) in [
        ("/version", "version", "The version of the public API."),
        ("/health", "health", "Whether Core works."),
    ] {
        paths.insert(path.into(), json!({ "get": {
            "operationId": id, "summary": text, "security": [], "responses": { "200": { "description": "" } },
        } }));
    }
    let schemas = Value::Object(generator.take_definitions(true));
    rename(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Komodo", "version": API_VERSION, "license": { "name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later" },
        },
        "security": [{ "jwt": [] }, { "api-key": [], "api-secret": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "jwt": { "type": "apiKey", "in": "header", "name": "Authorization" },
                "api-key": { "type": "apiKey", "in": "header", "name": "X-Api-Key" },
                "api-secret": { "type": "apiKey", "in": "header", "name": "X-Api-Secret" },
            },
            "schemas": schemas,
        },
    }))
}

fn reference<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

fn operation(spec: &OperationSpec, generator: &mut SchemaGenerator) -> Value {
    let request = (spec.request_schema)(generator).to_value();
    let output = (spec.output_schema)(generator).to_value();
    // The text of an operation is the doc comment of its type.
    let name = (spec.request_schema_name)();
    let text = generator
        .definitions()
        .get(&*name)
        .and_then(|schema| schema.get("description"))
        .cloned();
    let mut operation = json!({
        "operationId": format!("{}_{}", module_id(spec.module), snake_case(spec.name)),
        "requestBody": { "required": true, "content": { "application/json": { "schema": request } } },
        "responses": responses(&output),
        "x-permission": permission(spec.needs),
    });
    let fields = operation
        .as_object_mut()
        .expect("it was written as an object above");
    if let Some(text) = text {
        fields.insert("summary".into(), text);
    }
    if !spec.aliases.is_empty() {
        fields.insert("x-aliases".into(), json!(spec.aliases));
    }
    if matches!(spec.needs, Needs::Nothing) {
        fields.insert("security".into(), json!([]));
    }
    json!({ "post": operation })
}

fn envelope(module: Module, names: &[&str]) -> Value {
    let body = json!({
        "type": "object",
        "required": ["type", "params"],
        "properties": { "type": { "type": "string", "enum": names }, "params": { "type": "object" } },
    });
    let mut operation = json!({
        "operationId": format!("{}_envelope", module_id(module)),
        "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
        "responses": { "200": { "description": "" }, "default": default_response() },
    });
    if module == Module::AuthLogin {
        operation["security"] = json!([]);
    }
    json!({ "post": operation })
}

fn get(id: &str, text: &str, output: &Value) -> Value {
    json!({ "get": { "operationId": id, "summary": text, "responses": responses(output) } })
}

fn responses(output: &Value) -> Value {
    json!({
        "200": { "description": "", "content": { "application/json": { "schema": output } } },
        "default": default_response(),
    })
}

fn default_response() -> Value {
    json!({ "description": "", "content": { "application/json": { "schema": { "$ref": format!("#{COMPONENTS}/Serror") } } } })
}

fn module_id(module: Module) -> String {
    module.path().trim_start_matches('/').replace('/', "_")
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}

fn permission(needs: Needs) -> String {
    match needs {
        Needs::Nothing => "none".into(),
        Needs::Account => "jwt|api-key (user need not be enabled)".into(),
        Needs::User => "user".into(),
        Needs::Filter(kind) => format!("filter: {kind:?} Read"),
        Needs::Admin => "admin".into(),
        Needs::Create(kind) => format!("create {kind:?}"),
        Needs::Target(level, specific) => {
            let specific: String = specific.iter().map(|one| format!("+{one:?}")).collect();
            format!("{level:?}{specific}")
        }
    }
}

/// Gives generic types the names that clients know: a `Resource` of `ServerConfig` is a `Server`.
fn rename(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(key, value)| (component_name(&key).unwrap_or(key), rename(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(rename).collect()),
        Value::String(text) => {
            let prefix = format!("#{COMPONENTS}/");
            let renamed = text.strip_prefix(&prefix).and_then(component_name);
            Value::String(renamed.map_or(text, |name| format!("{prefix}{name}")))
        }
        other => other,
    }
}

fn component_name(name: &str) -> Option<String> {
    if let Some(rest) = name.strip_prefix("Resource_for_") {
        return Some(rest.split_once("Config_and_")?.0.to_owned());
    }
    if let Some(rest) = name.strip_prefix("ResourceListItem_for_") {
        return Some(format!("{}ListItem", rest.strip_suffix("ListItemInfo")?));
    }
    let rest = name.strip_prefix("ResourceQuery_for_")?;
    Some(format!("{}Query", rest.strip_suffix("QuerySpecifics")?))
}
