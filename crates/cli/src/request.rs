//! `km read`, `km write`, `km auth`, `km create`: one request, its answer as it is.

use std::io;

use komodo_api::{
    Module,
    auth::CreateApiKeyResponse,
    onboarding_key::{CreateOnboardingKey, CreateOnboardingKeyResponse},
};
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
        Format::Table => print(session, operation.operation.name, answer)?,
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
fn print(session: &mut Session, operation: &str, answer: Value) -> Result<(), Failure> {
    let terminal = &mut session.terminal;
    match operation {
        <CreateOnboardingKey as komodo_api::Operation>::NAME => {
            let key: CreateOnboardingKeyResponse =
                serde_json::from_value(answer).map_err(io::Error::other)?;
            terminal.line(&key.private_key)?;
            terminal.note("shown this once; give it to the new server's Periphery as PERIPHERY_ONBOARDING_KEY")?;
        }
        <komodo_api::auth::CreateApiKey as komodo_api::Operation>::NAME => {
            let key: CreateApiKeyResponse =
                serde_json::from_value(answer).map_err(io::Error::other)?;
            terminal.line(format!("key:    {}\nsecret: {}", key.key, key.secret))?;
            terminal.note("the secret is shown this once")?;
        }
        _ => table::json(terminal, &answer)?,
    }
    Ok(())
}
