//! Settings of Core, by the names that existing installations use: `KOMODO_*`, or keys of configuration files.

mod settings;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use komodo_api::stats::Timelength;

pub use settings::{ConfigError, Settings};

const PREFIX: &str = "KOMODO_";
/// Longest probation, in seconds: an old agent is kept stopped for as long.
pub const PROBATION_S_MAX: u32 = 600;

/// How logs are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogForm {
    /// Lines for people.
    #[default]
    Standard,
    /// One JSON object a line.
    Json,
    /// Not at all.
    None,
}

/// Settings of Core.
#[derive(Clone)]
pub struct Config {
    /// Title of the pages.
    pub title: String,
    /// Address under which users reach Core.
    pub host: String,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// Address to listen on.
    pub bind_ip: IpAddr,
    /// Where the database, keys and journals are.
    pub data_directory: PathBuf,
    /// Database file, where it is elsewhere.
    pub database: Option<PathBuf>,
    /// File of Core's own key; absent is `keys/core.key` in the data directory.
    pub private_key: Option<PathBuf>,
    /// Containers that Core cannot live without.
    pub depends_on_containers: Vec<String>,
    /// Seconds that an agent or Core that was handed over is watched before it is confirmed, from 1 to
    /// [`PROBATION_S_MAX`]. Additive.
    pub probation_s: u32,
    /// Time zone of schedules; empty for that of the host.
    pub timezone: String,
    /// Items a page where a list asks for none.
    pub default_pagination_limit: u64,
    /// Whether users may sign in with name and password.
    pub local_auth: bool,
    /// Shortest password, in characters.
    pub min_password_length: usize,
    /// Administrator made on a fresh database.
    pub init_admin_username: Option<String>,
    /// His password; one is made and printed where it is absent.
    pub init_admin_password: Option<String>,
    /// Server that is made at the first start, together with a join string for its agent.
    pub first_server_name: Option<String>,
    /// File that the join string goes to; while it is there, nothing is made. Additive.
    pub first_server_join_path: Option<PathBuf>,
    /// Whether every user may read everything.
    pub transparent_mode: bool,
    /// Whether those who sign up may act at once.
    pub enable_new_users: bool,
    /// Whether nobody can sign up.
    pub disable_user_registration: bool,
    /// Whether only administrators create resources.
    pub disable_non_admin_create: bool,
    /// Secret that tokens are signed with; absent is one kept in the data directory.
    pub jwt_secret: Option<String>,
    /// How long a token is good.
    pub jwt_ttl: Timelength,
    /// Whether failed attempts to sign in are not limited.
    pub auth_rate_limit_disabled: bool,
    /// Failed attempts from one address in a window.
    pub auth_rate_limit_max_attempts: usize,
    /// Length of the window, seconds.
    pub auth_rate_limit_window_seconds: u64,
    /// Addresses of proxies whose `X-Forwarded-For` is believed. Additive.
    pub trusted_proxies: Vec<IpAddr>,
    /// Origins that browsers may call from; `*` is any.
    pub cors_allowed_origins: Vec<String>,
    /// Whether such calls may carry credentials.
    pub cors_allow_credentials: bool,
    /// Header `X-Content-Type-Options`.
    pub x_content_type_options: String,
    /// Header `X-Frame-Options`.
    pub x_frame_options: String,
    /// Header `X-XSS-Protection`.
    pub x_xss_protection: String,
    /// Header `Referrer-Policy`.
    pub referrer_policy: String,
    /// Header `Content-Security-Policy`; empty is our own for the pages.
    pub content_security_policy: String,
    /// Base address of webhooks; empty is `host`.
    pub webhook_base_url: String,
    /// Kept for clients; nothing is polled.
    pub monitoring_interval: Timelength,
    /// Whether the UI offers no changes.
    pub ui_write_disabled: bool,
    /// Whether the UI asks for no confirmation.
    pub disable_confirm_dialog: bool,
    /// Whether the UI does not reconnect its socket.
    pub disable_websocket_reconnect: bool,
    /// Whether TOML is highlighted richly.
    pub enable_fancy_toml: bool,
    /// What is logged: `trace` to `error`, or a filter by module.
    pub log_filter: String,
    /// Settings that are switched on but that this version does not have; said in the log at the start.
    pub not_built: Vec<&'static str>,
    /// How logs are written.
    pub log_form: LogForm,
    /// Whether logs have colours.
    pub log_ansi: bool,
}

impl Config {
    /// Reads the settings from an environment and the files it names.
    pub fn read(
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Config::from_settings(&Settings::read(PREFIX, environment, &["/config"])?)
    }

    /// All defaults, with a data directory and a free port on loopback: for tests and tools.
    pub fn for_directory(data_directory: impl Into<PathBuf>) -> Self {
        let defaults =
            Settings::read(PREFIX, [], &[]).and_then(|settings| Config::from_settings(&settings));
        let defaults = defaults.expect("defaults need neither files nor an environment");
        Config {
            data_directory: data_directory.into(),
            bind_ip: IpAddr::from([127, 0, 0, 1]),
            port: 0,
            ..defaults
        }
    }

    fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        let timelength = "a length of time such as 15-sec, 1-hr or 1-day";
        Ok(Config {
            title: settings.text("title")?.unwrap_or_else(|| "Komodo".into()),
            host: settings
                .text("host")?
                .unwrap_or_else(|| "https://komodo.example.com".into()),
            port: settings.number("port", 9120, "a port from 0 to 65535")?,
            bind_ip: settings
                .number(
                    "bind_ip",
                    BindIp(IpAddr::from([0_u16; 8])),
                    "an IP address, such as 127.0.0.1 or [::]",
                )?
                .0,
            data_directory: settings
                .text("data_directory")?
                .unwrap_or_else(|| "komodo-data".into())
                .into(),
            database: database(settings)?,
            private_key: private_key(settings)?,
            depends_on_containers: settings.list("depends_on_containers")?,
            probation_s: settings
                .number(
                    "probation_seconds",
                    Probation(komodo_agent_api::PROBATION_S_DEFAULT),
                    "a number of seconds from 1 to 600",
                )?
                .0,
            timezone: settings.text_or_empty("timezone")?,
            default_pagination_limit: settings.number(
                "default_pagination_limit",
                50,
                "a whole number",
            )?,
            local_auth: settings.flag("local_auth", true)?,
            min_password_length: settings.number("min_password_length", 1, "a whole number")?,
            init_admin_username: settings
                .text("init_admin_username")?
                .filter(|name| !name.is_empty()),
            init_admin_password: settings.secret("init_admin_password")?,
            first_server_name: settings
                .text("first_server_name")?
                .filter(|name| !name.is_empty()),
            first_server_join_path: settings
                .text("first_server_join_path")?
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            transparent_mode: settings.flag("transparent_mode", false)?,
            enable_new_users: settings.flag("enable_new_users", false)?,
            disable_user_registration: settings.flag("disable_user_registration", false)?
                || settings.flag("disable_local_user_registration", false)?,
            disable_non_admin_create: settings.flag("disable_non_admin_create", false)?,
            jwt_secret: settings.secret("jwt_secret")?,
            jwt_ttl: settings.word("jwt_ttl", Timelength::OneDay, timelength)?,
            auth_rate_limit_disabled: settings.flag("auth_rate_limit_disabled", false)?,
            auth_rate_limit_max_attempts: settings.number(
                "auth_rate_limit_max_attempts",
                5,
                "a whole number",
            )?,
            auth_rate_limit_window_seconds: settings.number(
                "auth_rate_limit_window_seconds",
                15,
                "a number of seconds",
            )?,
            trusted_proxies: settings
                .list("trusted_proxies")?
                .iter()
                .map(|text| {
                    text.parse().map(|BindIp(ip)| ip).map_err(|()| {
                        wrong("KOMODO_TRUSTED_PROXIES", text, "a list of IP addresses")
                    })
                })
                .collect::<Result<_, _>>()?,
            cors_allowed_origins: settings.list("cors_allowed_origins")?,
            cors_allow_credentials: settings.flag("cors_allow_credentials", false)?,
            x_content_type_options: settings
                .text("x_content_type_options")?
                .unwrap_or_else(|| "nosniff".into()),
            x_frame_options: settings
                .text("x_frame_options")?
                .unwrap_or_else(|| "DENY".into()),
            x_xss_protection: settings
                .text("x_xss_protection")?
                .unwrap_or_else(|| "1; mode=block".into()),
            referrer_policy: settings
                .text("referrer_policy")?
                .unwrap_or_else(|| "strict-origin-when-cross-origin".into()),
            content_security_policy: settings.text_or_empty("content_security_policy")?,
            webhook_base_url: settings.text_or_empty("webhook_base_url")?,
            monitoring_interval: settings.word(
                "monitoring_interval",
                Timelength::FifteenSeconds,
                timelength,
            )?,
            ui_write_disabled: settings.flag("ui_write_disabled", false)?,
            disable_confirm_dialog: settings.flag("disable_confirm_dialog", false)?,
            disable_websocket_reconnect: settings.flag("disable_websocket_reconnect", false)?,
            enable_fancy_toml: settings.flag("enable_fancy_toml", false)?,
            not_built: not_built(settings)?,
            log_filter: settings
                .text("logging.level")?
                .unwrap_or_else(|| "info".into()),
            log_form: settings.word(
                "logging.stdio",
                LogForm::Standard,
                "standard, json or none",
            )?,
            log_ansi: settings.flag("logging.ansi", true)?,
        })
    }

    /// Address to listen on.
    pub fn listen(&self) -> SocketAddr {
        SocketAddr::new(self.bind_ip, self.port)
    }

    /// File of Core's own key.
    pub fn private_key_path(&self) -> PathBuf {
        self.private_key
            .clone()
            .unwrap_or_else(|| self.data_directory.join("keys").join("core.key"))
    }
}

impl fmt::Debug for Config {
    /// The settings that help to understand a log; no secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen())
            .field("data_directory", &self.data_directory)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// Seconds of a probation.
struct Probation(u32);

impl std::str::FromStr for Probation {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.parse() {
            Ok(seconds @ 1..=PROBATION_S_MAX) => Ok(Probation(seconds)),
            _ => Err(()),
        }
    }
}

/// An address with or without the brackets that existing configurations put around one of IPv6.
struct BindIp(IpAddr);

impl std::str::FromStr for BindIp {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        text.trim()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .map(BindIp)
            .map_err(|_| ())
    }
}

fn database(settings: &Settings) -> Result<Option<PathBuf>, ConfigError> {
    let Some(uri) = settings.text("database.uri")?.filter(|uri| !uri.is_empty()) else {
        return Ok(None);
    };
    match uri.strip_prefix("sqlite:") {
        Some(path) if !path.trim_start_matches("//").is_empty() => {
            // Both `sqlite:komodo.db` and `sqlite:///var/lib/komodo.db` are in use.
            Ok(Some(path.strip_prefix("//").unwrap_or(path).into()))
        }
        _ => {
            let scheme = uri.split(':').next().unwrap_or_default();
            Err(wrong(
                "KOMODO_DATABASE_URI",
                &format!("{scheme}:…"),
                "sqlite:PATH; other databases are not supported, and none has to be set up",
            ))
        }
    }
}

/// What existing configurations may switch on and would miss. Where doing without would be dangerous, that is an error.
fn not_built(settings: &Settings) -> Result<Vec<&'static str>, ConfigError> {
    if settings.flag("ssl_enabled", false)? {
        let remedy = "false: this version serves no TLS of its own; put a reverse proxy before it";
        return Err(wrong("KOMODO_SSL_ENABLED", "true", remedy));
    }
    let mut found = Vec::new();
    for key in [
        "oidc_enabled",
        "google_oauth.enabled",
        "github_oauth.enabled",
        "reporting_enabled",
    ] {
        if settings.flag(key, false)? {
            found.push(key);
        }
    }
    for key in [
        "first_server_address",
        "database.username",
        "ui_path",
        "logging.otlp_endpoint",
    ] {
        if settings.text(key)?.is_some_and(|text| !text.is_empty()) {
            found.push(key);
        }
    }
    Ok(found)
}

fn private_key(settings: &Settings) -> Result<Option<PathBuf>, ConfigError> {
    match settings.text("private_key")?.filter(|key| !key.is_empty()) {
        None => Ok(None),
        Some(key) => match key.strip_prefix("file:") {
            Some(path) => Ok(Some(path.into())),
            None => Err(wrong(
                "KOMODO_PRIVATE_KEY",
                "a key",
                "file:PATH, so that the key itself is in no environment",
            )),
        },
    }
}

fn wrong(source: &str, found: &str, expected: &str) -> ConfigError {
    ConfigError::Value {
        source_name: source.into(),
        found: found.into(),
        expected: expected.into(),
    }
}
