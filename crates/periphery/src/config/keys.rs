//! The keys, each with its kind. The name in the environment is `PERIPHERY_` and the key in capitals.

/// How the text of an environment variable is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bool,
    /// Separated by commas.
    List,
    Number,
    /// Not to be set by the environment.
    Table,
}

/// A key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// As in a file; `logging.level` is `level` of the table `logging`.
    pub(super) name: &'static str,
    /// Another name for the same, in files and, in capitals, in the environment.
    pub(super) alias: Option<&'static str>,
    pub(super) kind: Kind,
    /// Whether `<NAME>_FILE` is read.
    pub(super) from_file: bool,
    /// Whether this build does something with it.
    pub(super) used: bool,
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        alias: None,
        kind,
        from_file: false,
        used: true,
    }
}

impl Key {
    const fn or(self, alias: &'static str) -> Key {
        Key {
            alias: Some(alias),
            ..self
        }
    }

    const fn secret(self) -> Key {
        Key {
            from_file: true,
            ..self
        }
    }

    const fn unused(self) -> Key {
        Key {
            used: false,
            ..self
        }
    }
}

/// All keys.
pub(super) const KEYS: &[Key] = &[
    key("private_key", Kind::Text).secret(),
    key("onboarding_key", Kind::Text).secret(),
    key("core_public_keys", Kind::List).or("core_public_key"),
    key("passkeys", Kind::List).secret().unused(),
    key("core_addresses", Kind::List).or("core_address"),
    key("core_tls_insecure_skip_verify", Kind::Bool),
    key("connect_as", Kind::Text),
    key("server_enabled", Kind::Bool).unused(),
    key("port", Kind::Number).unused(),
    key("bind_ip", Kind::Text).unused(),
    key("allowed_ips", Kind::List).unused(),
    key("ssl_enabled", Kind::Bool).unused(),
    key("ssl_key_file", Kind::Text).unused(),
    key("ssl_cert_file", Kind::Text).unused(),
    key("root_directory", Kind::Text),
    key("repo_dir", Kind::Text).unused(),
    key("stack_dir", Kind::Text).unused(),
    key("build_dir", Kind::Text).unused(),
    key("default_terminal_command", Kind::Text).unused(),
    key("disable_terminals", Kind::Bool).unused(),
    key("disable_container_terminals", Kind::Bool)
        .or("disable_container_exec")
        .unused(),
    key("stats_polling_rate", Kind::Text),
    key("container_stats_polling_rate", Kind::Text).unused(),
    key("legacy_compose_cli", Kind::Bool).unused(),
    key("logging.level", Kind::Text),
    key("logging.stdio", Kind::Text),
    key("logging.pretty", Kind::Bool).unused(),
    key("logging.location", Kind::Bool),
    key("logging.ansi", Kind::Bool),
    key("logging.timestamps", Kind::Bool),
    key("logging.otlp_endpoint", Kind::Text).unused(),
    key("logging.opentelemetry_service_name", Kind::Text).unused(),
    key("logging.opentelemetry_scope_name", Kind::Text).unused(),
    key("pretty_startup_config", Kind::Bool).unused(),
    key("include_disk_mounts", Kind::List),
    key("exclude_disk_mounts", Kind::List),
    key("secrets", Kind::Table).unused(),
    key("git_providers", Kind::Table)
        .or("git_provider")
        .unused(),
    key("image_registries", Kind::Table)
        .or("image_registry")
        .unused(),
];

/// Variables that say where files are, and how they are merged.
pub(super) const ABOUT_FILES: &[&str] = &[
    "CONFIG_PATHS",
    "CONFIG_PATH",
    "CONFIG_KEYWORDS",
    "CONFIG_KEYWORD",
    "MERGE_NESTED_CONFIG",
    "EXTEND_CONFIG_ARRAYS",
];
