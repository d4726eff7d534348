use std::fs;

use super::*;

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn error(pairs: &[(&str, &str)]) -> String {
    Config::read(env(pairs))
        .expect_err("must be refused")
        .to_string()
}

#[test]
fn without_anything_the_defaults_hold() {
    let config = Config::read(env(&[("KOMODO_CONFIG_PATHS", "")])).expect("defaults");
    assert_eq!(config.listen().to_string(), "[::]:9120");
    assert_eq!(config.default_pagination_limit, 50);
    assert_eq!(config.jwt_ttl, Timelength::OneDay);
    assert!(config.database.is_none());
}

#[test]
fn environment_beats_files_and_file_variants_beat_both() {
    let directory = tempfile::tempdir().expect("a directory");
    let toml = directory.path().join("core.config.toml");
    fs::write(
        &toml,
        "title = 'from file'\nport = 1\njwt_ttl = '1-hr'\n[logging]\nstdio = 'json'\n",
    )
    .expect("written");
    let json = directory.path().join("later.config.json");
    fs::write(
        &json,
        r#"{"jwt_ttl": "2-hr", "cors_allowed_origins": ["a", "b"]}"#,
    )
    .expect("written");
    let secret = directory.path().join("secret");
    fs::write(&secret, "from a file\n").expect("written");
    let config = Config::read(env(&[
        (
            "KOMODO_CONFIG_PATHS",
            directory.path().to_str().expect("UTF-8"),
        ),
        ("komodo_port", "2"),
        ("KOMODO_JWT_SECRET", "from the environment"),
        ("KOMODO_JWT_SECRET_FILE", secret.to_str().expect("UTF-8")),
    ]))
    .expect("good");
    assert_eq!(config.title, "from file");
    assert_eq!(config.port, 2);
    assert_eq!(config.jwt_ttl, Timelength::TwoHours);
    assert_eq!(config.log_form, LogForm::Json);
    assert_eq!(config.cors_allowed_origins, ["a", "b"]);
    assert_eq!(config.jwt_secret.as_deref(), Some("from a file"));
    assert!(!format!("{config:?}").contains("from a file"));
}

#[test]
fn mistakes_name_their_place_and_the_remedy() {
    assert_eq!(
        error(&[("KOMODO_PORT", "http")]),
        "KOMODO_PORT is \"http\", but must be a port from 0 to 65535"
    );
    assert_eq!(
        error(&[("KOMODO_JWT_TTL", "1 day")]),
        "KOMODO_JWT_TTL is \"1 day\", but must be a length of time such as 15-sec, 1-hr or 1-day"
    );
    assert!(
        error(&[("KOMODO_DATABASE_URI", "mongodb://user:secret@host")])
            .contains("must be sqlite:PATH")
    );
    assert!(!error(&[("KOMODO_DATABASE_URI", "mongodb://user:secret@host")]).contains("secret"));
    assert!(
        error(&[("KOMODO_CONFIG_PATHS", "/nowhere/at/all.toml")]).contains("/nowhere/at/all.toml")
    );
    assert!(error(&[("KOMODO_JWT_SECRET_FILE", "/nowhere")]).contains("KOMODO_JWT_SECRET_FILE"));
    for none in ["0", "601", "-1", "30s"] {
        assert!(error(&[("KOMODO_PROBATION_SECONDS", none)]).contains("from 1 to 600"));
    }
}

#[test]
fn database_is_a_path() {
    let at = |uri| {
        Config::read(env(&[("KOMODO_DATABASE_URI", uri)]))
            .expect("good")
            .database
    };
    assert_eq!(at("sqlite:a/b.db"), Some("a/b.db".into()));
    assert_eq!(at("sqlite:///a/b.db"), Some("/a/b.db".into()));
}

#[test]
fn what_is_not_built_is_said() {
    let config = Config::read(env(&[
        ("KOMODO_OIDC_ENABLED", "true"),
        ("KOMODO_UI_PATH", "/app/ui"),
    ]))
    .expect("good");
    assert_eq!(config.not_built, ["oidc_enabled", "ui_path"]);
    assert!(error(&[("KOMODO_SSL_ENABLED", "true")]).contains("reverse proxy"));
}
