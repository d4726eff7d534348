//! `km login`: signs in once and stores an API key, so that no password is kept.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use komodo_api::auth::{CreateApiKey, JwtOrTwoFactor, LoginLocalUser};
use komodo_client::{Client, Credentials};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, Value, value};

use crate::{
    args::Login,
    failure::{Failure, Outcome},
    session::Session,
};

/// `km login`.
///
/// # Errors
/// When name or password are missing or wrong, a second factor is asked for, or the file cannot be written.
pub async fn login(
    session: &mut Session,
    args: &Login,
    profile: Option<&str>,
) -> Result<Outcome, Failure> {
    let address = session.address()?.to_owned();
    let anonymous = Client::new(&address, Credentials::None)?;
    let username = match &args.username {
        Some(username) => username.clone(),
        None => given(session.terminal.read("name: ")?, "name")?,
    };
    let password = given(session.terminal.read_secret("password: ")?, "password")?;
    let jwt = match anonymous
        .call(&LoginLocalUser {
            username: username.clone(),
            password,
        })
        .await?
    {
        JwtOrTwoFactor::Jwt(answer) => answer.jwt,
        JwtOrTwoFactor::Passkey(_) | JwtOrTwoFactor::Totp(_) => {
            return Err(Failure::usage(
                "this account asks for a second factor, which km cannot give",
                "create an API key in the web page and set KOMODO_CLI_KEY and KOMODO_CLI_SECRET",
            ));
        }
    };
    let signed_in = Client::new(&address, Credentials::Jwt(jwt))?;
    let name = args.key_name.clone().unwrap_or_else(|| "km".to_owned());
    let key = signed_in.call(&CreateApiKey { name, expires: 0 }).await?;
    let file = session.settings.login_file.clone();
    let login = Stored {
        host: signed_in.address(),
        key: &key.key,
        secret: &key.secret,
    };
    store(&file, profile, &login).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!(
                "signed in, and cannot store the key in {}: {error}",
                file.display()
            ),
        )
    })?;
    let profile = profile
        .map(|name| format!(" as profile '{name}'"))
        .unwrap_or_default();
    session.terminal.note(format!(
        "signed in as {username}; the API key is in {}{profile}",
        file.display()
    ))?;
    Ok(Outcome::Success)
}

fn given(answer: Option<String>, what: &str) -> Result<String, Failure> {
    answer.filter(|answer| !answer.is_empty()).ok_or_else(|| {
        Failure::usage(
            format!("there is no {what}"),
            "type it when asked, or give name (unless --username) and password as lines on standard input",
        )
    })
}

/// What a sign-in leaves in the configuration.
pub struct Stored<'a> {
    /// Address of Core.
    pub host: &'a str,
    /// API key.
    pub key: &'a str,
    /// Its secret.
    pub secret: &'a str,
}

/// Writes a sign-in into a TOML file, at its root or into a profile; all else in it stays, comments too. Only its owner
/// can read the file afterwards.
///
/// # Errors
/// When the file cannot be read, holds something else than TOML, or cannot be written.
pub fn store(file: &Path, profile: Option<&str>, login: &Stored<'_>) -> io::Result<()> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let mut document: DocumentMut = text
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not TOML"))?;
    let table = match profile {
        None => document.as_table_mut(),
        Some(name) => profile_table(&mut document, name)?,
    };
    // A name that is used already stays in use; a second one beside it would contradict it.
    for (names, text) in [
        (["host", "host"], login.host),
        (["cli_key", "key"], login.key),
        (["cli_secret", "secret"], login.secret),
    ] {
        let name = if table.contains_key(names[1]) {
            names[1]
        } else {
            names[0]
        };
        match table.get_mut(name).and_then(Item::as_value_mut) {
            Some(old) => {
                let decor = old.decor().clone();
                *old = Value::from(text);
                *old.decor_mut() = decor;
            }
            None => {
                table.insert(name, value(text));
            }
        }
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    write_private(file, &document.to_string())
}

fn profile_table<'a>(document: &'a mut DocumentMut, name: &str) -> io::Result<&'a mut Table> {
    let profiles = document
        .entry("profile")
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()))
        .as_array_of_tables_mut()
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "'profile' in it is no [[profile]] table",
            )
        })?;
    let is_it = |table: &Table| {
        let text = |key: &str| table.get(key).and_then(Item::as_str);
        text("config_profile").or_else(|| text("name")) == Some(name)
    };
    let known = profiles.iter().position(is_it);
    let index = match known {
        Some(index) => index,
        None => {
            let mut table = Table::new();
            table.insert("config_profile", value(name));
            profiles.push(table);
            profiles.len() - 1
        }
    };
    profiles
        .get_mut(index)
        .ok_or_else(|| io::Error::other("the profile is not there"))
}

/// Beside the file and then in its place, so that a full disk leaves the old one.
fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = file.with_file_name(name);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut handle = options.open(&new)?;
    #[cfg(unix)]
    handle.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    handle.write_all(text.as_bytes())?;
    handle.sync_all()?;
    fs::rename(&new, file)
}
