//! The OpenAPI document of the public API, made from the list of operations.

use komodo_api::{Error, Module, Needs, OperationSpec, core::API_VERSION, operations, user::User};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The document as it is served: the committed one, which a test compares with what the list makes.
pub fn document_text() -> &'static str {
    include_str!("../../../openapi/api.json")
}

/// The document, made anew. Types are described as they are read: a field that may be missing is not required.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let error = generator.subschema_for::<Error>().to_value();
    let user = generator.subschema_for::<User>().to_value();
    let mut paths = Map::new();
    for operation in operations() {
        let path = format!("{}/{}", operation.module.path(), operation.name);
        paths.insert(path, json!({ "post": post(&operation, &mut generator, &error) }));
    }
    paths.insert("/user".into(), get("user", "Gets the user whose credentials these are.", "application/json", &user));
    let text = json!({ "type": "string" });
    paths.insert("/version".into(), get("version", "Gets the version of the public API.", "text/plain", &text));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Komodo",
            "version": API_VERSION,
            "description": "The public API of Komodo Core. Every request is also taken as \
                `POST /read` (`/write`, `/execute`, `/auth/login`, `/auth/manage`) with the body `{\"type\": name, \"params\": {…}}`.",
            "license": { "name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later" },
        },
        "security": [{ "jwt": [] }, { "api-key": [], "api-secret": [] }],
        "tags": Module::ALL.map(|module| json!({ "name": tag(module) })),
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "jwt": { "type": "apiKey", "in": "header", "name": "Authorization" },
                "api-key": { "type": "apiKey", "in": "header", "name": "X-Api-Key" },
                "api-secret": { "type": "apiKey", "in": "header", "name": "X-Api-Secret" },
            },
        },
    })
}

fn post(operation: &OperationSpec, generator: &mut SchemaGenerator, error: &Value) -> Value {
    let request = (operation.request_schema)(generator).to_value();
    let name = (operation.request_schema_name)();
    let description = generator.definitions().get(name.as_ref()).and_then(|schema| schema.get("description")).cloned();
    let mut post = json!({
        "operationId": format!("{}_{}", snake(tag(operation.module)), snake(operation.name)),
        "tags": [tag(operation.module)],
        "description": description.unwrap_or_default(),
        "requestBody": { "required": true, "content": { "application/json": { "schema": request } } },
        "responses": {
            "200": {
                "description": "The answer.",
                "content": { "application/json": { "schema": (operation.output_schema)(generator).to_value() } },
            },
            "default": {
                "description": "What is wrong and what to do about it.",
                "content": { "application/json": { "schema": error } },
            },
        },
        "x-permission": permission(operation.needs),
    });
    if operation.needs == Needs::Nothing {
        post["security"] = json!([]);
    }
    if !operation.aliases.is_empty() {
        post["x-aliases"] = json!(operation.aliases);
    }
    post
}

fn get(id: &str, description: &str, content_type: &str, schema: &Value) -> Value {
    let mut content = Map::new();
    content.insert(content_type.to_owned(), json!({ "schema": schema }));
    json!({
        "get": {
            "operationId": id,
            "description": description,
            "responses": { "200": { "description": "The answer.", "content": content } },
        },
    })
}

fn tag(module: Module) -> &'static str {
    module.path().trim_start_matches('/')
}

/// What the caller must hold, in words.
fn permission(needs: Needs) -> String {
    match needs {
        Needs::Nothing => "none".into(),
        Needs::Account => "credentials".into(),
        Needs::User => "user".into(),
        Needs::Filter(kind) => format!("filter: {kind:?} Read"),
        Needs::Admin => "admin".into(),
        Needs::Create(kind) => format!("create {kind:?}"),
        Needs::Target(level, specific) => {
            std::iter::once(format!("{level:?}")).chain(specific.iter().map(|one| format!("{one:?}"))).collect::<Vec<_>>().join(" + ")
        }
    }
}

/// `StopAllContainers` as `stop_all_containers`, `auth/login` as `auth_login`.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        match character {
            '/' => snake.push('_'),
            other => snake.extend(other.to_lowercase()),
        }
    }
    snake
}
