//! What every command has: settings, terminal, and a client when it needs one.

use komodo_client::{Client, Credentials};

use crate::{config::Settings, failure::Failure, terminal::Terminal};

/// The run of one command.
pub struct Session {
    /// What `km` works with.
    pub settings: Settings,
    /// Where it prints and asks.
    pub terminal: Terminal,
}

impl Session {
    /// A client of the Core that the settings name.
    ///
    /// # Errors
    /// When they name none, or no API key.
    pub fn client(&self) -> Result<Client, Failure> {
        let (Some(key), Some(secret)) = (&self.settings.cli_key, &self.settings.cli_secret) else {
            let what = match self.settings.host.is_empty() {
                true => "no Core is configured".to_owned(),
                false => format!("there is no API key for {}", self.settings.host),
            };
            return Err(Failure::usage(what, LOGIN_HINT));
        };
        let credentials = Credentials::ApiKey {
            key: key.clone(),
            secret: secret.0.clone(),
        };
        Ok(Client::new(self.address()?, credentials)?)
    }

    /// The address of Core.
    ///
    /// # Errors
    /// When the settings name none.
    pub fn address(&self) -> Result<&str, Failure> {
        match self.settings.host.as_str() {
            "" => Err(Failure::usage("no Core is configured", LOGIN_HINT)),
            host => Ok(host),
        }
    }
}

const LOGIN_HINT: &str = "`km login http://localhost:9120` signs in and stores a key; or set KOMODO_CLI_HOST, \
KOMODO_CLI_KEY and KOMODO_CLI_SECRET";
