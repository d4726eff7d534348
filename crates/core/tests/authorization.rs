//! Every operation of the list × every role. What must come out follows from `Needs`, so a new operation is covered the
//! moment it is in the list.

use komodo_api::{
    Module, Needs, OperationSpec,
    id::Id,
    operations,
    permission::{PermissionLevel, SpecificPermission},
    resource::ResourceTarget,
};
use komodo_core::openapi;
use serde_json::{Map, Value, json};

use crate::harness::{Answer, Core, Credentials};

const ALL: [SpecificPermission; 5] = [
    SpecificPermission::Terminal,
    SpecificPermission::Attach,
    SpecificPermission::Inspect,
    SpecificPermission::Logs,
    SpecificPermission::Processes,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Anonymous,
    Disabled,
    None,
    Read,
    /// Read, and all specific permissions.
    Inspector,
    Execute,
    Write,
    Admin,
}

const ROLES: [Role; 8] = [
    Role::Anonymous,
    Role::Disabled,
    Role::None,
    Role::Read,
    Role::Inspector,
    Role::Execute,
    Role::Write,
    Role::Admin,
];

impl Role {
    fn level(self) -> PermissionLevel {
        match self {
            Role::Read | Role::Inspector => PermissionLevel::Read,
            Role::Execute => PermissionLevel::Execute,
            Role::Write | Role::Admin => PermissionLevel::Write,
            Role::Anonymous | Role::Disabled | Role::None => PermissionLevel::None,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Whatever the handler answers.
    Runs,
    /// 401 without an account.
    NoCredentials,
    /// 401 with an account that is not enabled.
    NotEnabled,
    /// 403.
    Forbidden,
    /// 404, as if the target did not exist.
    Hidden,
}

fn expected(needs: Needs, role: Role) -> Outcome {
    use Outcome::*;
    match (needs, role) {
        (Needs::Nothing, _) => Runs,
        (_, Role::Anonymous) => NoCredentials,
        (Needs::Account, _) => Runs,
        (_, Role::Disabled) => NotEnabled,
        (_, Role::Admin) | (Needs::User | Needs::Filter(_), _) => Runs,
        (Needs::Admin | Needs::Create(_), _) => Forbidden,
        (Needs::Target(..), Role::None) => Hidden,
        (Needs::Target(level, specific), role) => {
            match role.level() >= level && (specific.is_empty() || role == Role::Inspector) {
                true => Runs,
                false => Forbidden,
            }
        }
    }
}

fn observed(answer: &Answer) -> Outcome {
    let hidden = matches!(
        answer.body["params"]["kind"].as_str(),
        Some("server" | "update" | "alert")
    );
    match answer.code() {
        // A failed login is an answer of the handler.
        "unauthenticated" if answer.error().contains("login") => Outcome::Runs,
        "unauthenticated" => Outcome::NoCredentials,
        "account_disabled" => Outcome::NotEnabled,
        // Signing up where nobody may is an answer of the handler too.
        "forbidden" if answer.error().contains("setup token") => Outcome::Runs,
        "forbidden" => Outcome::Forbidden,
        "not_found" if hidden => Outcome::Hidden,
        _ => Outcome::Runs,
    }
}

struct Case {
    core: Core,
    users: Vec<(Role, Option<Id>)>,
}

impl Case {
    async fn new() -> Self {
        let core = Core::start().await;
        let mut users = Vec::new();
        for role in ROLES {
            let id = match role {
                Role::Anonymous => None,
                Role::Admin => Some(core.admin),
                Role::Disabled => Some(
                    core.user("disabled", |account| account.user.enabled = false)
                        .await,
                ),
                role => Some(core.user(&format!("{role:?}").to_lowercase(), |_| {}).await),
            };
            users.push((role, id));
        }
        Case { core, users }
    }

    fn credentials(&self, role: Role) -> Credentials {
        let user = self
            .users
            .iter()
            .find(|(of, _)| *of == role)
            .and_then(|(_, id)| *id);
        user.map_or_else(Credentials::default, |user| self.core.token(user))
    }

    /// A server that nobody has touched yet, with an Update and an alert on it, on which every role holds what it is named
    /// after.
    async fn target(&self, number: usize) -> Target {
        let server = self.core.server(&format!("target-{number}")).await;
        for (role, user) in &self.users {
            if let (Role::Read | Role::Inspector | Role::Execute | Role::Write, Some(user)) =
                (role, user)
            {
                let specific: &[SpecificPermission] =
                    if *role == Role::Inspector { &ALL } else { &[] };
                self.core.grant(*user, server, role.level(), specific).await;
            }
        }
        let update = self
            .core
            .update(ResourceTarget::Server(server.to_string()))
            .await;
        let alert = self
            .core
            .app
            .background
            .alerts
            .warn_of_update(
                update.as_str(),
                ResourceTarget::Server(server.to_string()),
                "it hangs".into(),
                String::new(),
            )
            .await
            .expect("it is stored")
            .expect("it is new");
        Target {
            server,
            update,
            alert,
        }
    }
}

struct Target {
    server: Id,
    update: Id,
    alert: Id,
}

/// A body that fits the schema of an operation, aimed at a target.
fn body(spec: &OperationSpec, document: &Value, target: &Target, number: usize) -> Value {
    let server = target.server;
    let id = match spec.name {
        "GetUpdate" | "UndoUpdate" | "CancelUpdate" => target.update,
        "GetAlert" => target.alert,
        _ => server,
    };
    let known = json!({
        "server": server, "container": "web", "containers": ["web"], "terms": ["x"], "action": "stop",
        "user_id": server, "public_key": "none such", "key": "K_none_K", "config": {}, "name": format!("new-{number}"),
        "username": format!("user-{number}"), "password": "no password of anybody",
        "image": "periphery:2", "target": { "type": "Server", "id": server },
        "type": "StopAllContainers", "params": { "server": server },
        "id": id,
    });
    let schema = &document["components"]["schemas"][spec.name];
    let no_fields = Map::new();
    let fields = schema["properties"].as_object().unwrap_or(&no_fields);
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for field in &required {
        let field = field.as_str().expect("a name");
        assert!(
            known.get(field).is_some(),
            "{}: this test knows no value for the required field '{field}': add one",
            spec.name
        );
    }
    // What is optional changes who may do it in no case, so only what the operation aims at is sent.
    fields
        .keys()
        .filter(|field| {
            required.contains(&json!(field)) || matches!(field.as_str(), "containers" | "params")
        })
        .map(|field| (field.clone(), known[field].clone()))
        .collect::<Map<_, _>>()
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_by_every_role() {
    let case = Case::new().await;
    let document = openapi::document();
    let mut wrong = Vec::new();
    let mut number = 0;
    for spec in operations() {
        for role in ROLES {
            let want = expected(spec.needs, role);
            number += 1;
            let target = case.target(number).await;
            let server = target.server;
            let params = body(&spec, &document, &target, number);
            let path = format!("{}/{}", spec.module.path(), spec.name);
            let answer = case
                .core
                .post(&path, &case.credentials(role), &params)
                .await;
            let got = observed(&answer);
            if got != want {
                wrong.push(format!(
                    "{path} as {role:?}: {got:?} instead of {want:?}: {}",
                    answer.body
                ));
            }
            if want == Outcome::Runs {
                continue;
            }
            // What is refused in one form is refused in the other, and has changed nothing.
            let enveloped = json!({ "type": spec.name, "params": params });
            let again = case
                .core
                .post(spec.module.path(), &case.credentials(role), &enveloped)
                .await;
            if (again.status, again.code()) != (answer.status, answer.code()) {
                wrong.push(format!(
                    "{path} as {role:?}: the envelope answers {} {}",
                    again.status, again.body
                ));
            }
            if !case
                .core
                .app
                .desired
                .snapshot()
                .servers
                .contains_key(&server)
            {
                wrong.push(format!(
                    "{path} as {role:?}: refused, but the server is gone"
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {number} cases are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(number, operations().len() * ROLES.len());
}

/// Whatever is not there looks the same to everybody who could not read it anyway.
#[tokio::test]
async fn what_may_not_be_read_looks_as_if_it_were_not_there() {
    let core = Core::start().await;
    let server = core.server("secret").await;
    let stranger = core.token(core.user("stranger", |_| {}).await);
    let hidden = core
        .post("/read/GetServer", &stranger, &json!({ "server": "secret" }))
        .await;
    let absent = core
        .post("/read/GetServer", &stranger, &json!({ "server": "absent" }))
        .await;
    hidden.refused(404, "not_found");
    absent.refused(404, "not_found");
    assert_eq!(hidden.error().replace("secret", "absent"), absent.error());
    let by_id = core
        .post("/read/GetServer", &stranger, &json!({ "server": server }))
        .await;
    by_id.refused(404, "not_found");
    let system = core.update(ResourceTarget::system()).await;
    core.post("/read/GetUpdate", &stranger, &json!({ "id": system }))
        .await
        .refused(404, "not_found");
}

/// Nobody gets to know names of requests without an account.
#[tokio::test]
async fn unknown_requests_ask_for_credentials_first() {
    let core = Core::start().await;
    let nobody = Credentials::default();
    for module in [Module::Read, Module::Write, Module::Execute] {
        let path = format!("{}/NoSuchRequest", module.path());
        core.post(&path, &nobody, &json!({}))
            .await
            .refused(401, "unauthenticated");
        core.ask(&path, json!({}))
            .await
            .refused(422, "unprocessable");
    }
}
