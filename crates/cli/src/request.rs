//! `km read`, `km write`, `km auth`, `km create`: one request, its answer as it is.

use komodo_api::{Module, Operation, auth::CreateApiKey, onboarding_key::CreateOnboardingKey};
use komodo_client::{Client, Credentials};
use serde_json::Value;

use crate::{
    args::Create,
    derived::{Derived, Verb},
    failure::{Failure, Outcome},
    session::Session,
    table::{self, Format},
};

/// Any request, with the answer as JSON.
///
/// # Errors
/// When a secret is missing, or Core refuses or cannot be reached.
pub async fn request<V: Verb>(
    session: &mut Session,
    operation: &Derived<V>,
    format: Format,
) -> Result<Outcome, Failure> {
    let answer = answer(session, operation).await?;
    match format {
        Format::Json => table::json(&mut session.terminal, &answer)?,
        Format::Table => print(session, operation.operation.name, &answer)?,
    }
    Ok(Outcome::Success)
}

/// `km create`.
///
/// # Errors
/// When Core refuses or cannot be reached.
pub async fn create(session: &mut Session, args: &Create) -> Result<Outcome, Failure> {
    request(session, &args.operation, args.format).await
}

async fn answer<V: Verb>(session: &mut Session, operation: &Derived<V>) -> Result<Value, Failure> {
    let module = operation.operation.module;
    let client = match module {
        Module::AuthLogin => Client::new(session.address()?, Credentials::None)?,
        _ => session.client()?,
    };
    let params = operation.with_secrets(&mut session.terminal)?;
    Ok(client
        .call_by_name(module, operation.operation.name, &params)
        .await?
        .value)
}

/// What is shown only once stands alone on standard output, so that scripts can take it.
fn print(session: &mut Session, operation: &str, answer: &Value) -> Result<(), Failure> {
    let terminal = &mut session.terminal;
    // Read by name and not as a whole type: a field that this km does not expect must not lose the secret.
    let text = |field: &str| answer.get(field).and_then(Value::as_str);
    match operation {
        CreateOnboardingKey::NAME if text("private_key").is_some() => {
            terminal.line(text("private_key").unwrap_or_default())?;
            terminal.note(
                "shown this once; give it to the new server's Periphery as PERIPHERY_ONBOARDING_KEY",
            )?;
        }
        CreateApiKey::NAME if text("secret").is_some() => {
            let (key, secret) = (
                text("key").unwrap_or_default(),
                text("secret").unwrap_or_default(),
            );
            terminal.line(format!("key:    {key}\nsecret: {secret}"))?;
            terminal.note("the secret is shown this once")?;
        }
        _ => table::json(terminal, answer)?,
    }
    Ok(())
}
