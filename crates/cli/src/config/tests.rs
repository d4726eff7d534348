//! Settings from files, environment and profiles, case by case.

use std::fs;

use super::*;

/// A folder of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("km-config-{}-{number}", std::process::id()));
        for (name, text) in files {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// `host key secret profile` of the settings, or the error.
fn check(files: &[(&str, &str)], env: &[(&str, &str)], profile: Option<&str>) -> String {
    let folder = Folder::with(files);
    let mut environment = environment(env);
    environment
        .entry("KOMODO_CLI_CONFIG_PATHS".into())
        .or_insert_with(|| folder.0.display().to_string());
    let given = Given {
        profile: profile.map(str::to_owned),
        ..Given::default()
    };
    match load(&given, &environment) {
        Ok(settings) => format!(
            "{} {} {} {}",
            settings.host,
            settings.cli_key.unwrap_or_else(|| "-".into()),
            settings
                .cli_secret
                .map_or_else(|| "-".into(), |secret| secret.0),
            settings.profile.unwrap_or_else(|| "-".into())
        ),
        Err(error) => error
            .to_string()
            .replace(&folder.0.display().to_string(), ""),
    }
}

const FILE: &str = r#"
host = "http://root"
cli_key = "root-key"
cli_secret = "root-secret"

[[profile]]
name = "home"
aliases = ["h"]
host = "http://home"
key = "home-key"

[[profile]]
config_profile = "work"
host = "http://work"
secret = "work-secret"
"#;

#[test]
fn stronger_sources_win() {
    let file: &[(&str, &str)] = &[("komodo.cli.toml", FILE)];
    let env: &[(&str, &str)] = &[
        ("KOMODO_CLI_HOST", "http://env"),
        ("KOMODO_CLI_KEY", "env-key"),
    ];
    assert_eq!(check(file, &[], None), "http://root root-key root-secret -");
    assert_eq!(check(file, env, None), "http://env env-key root-secret -");
    assert_eq!(
        check(file, &[], Some("home")),
        "http://home home-key root-secret home"
    );
    assert_eq!(
        check(file, &[], Some("h")),
        "http://home home-key root-secret home"
    );
    assert_eq!(
        check(file, env, Some("work")),
        "http://work env-key work-secret work"
    );
    assert_eq!(
        check(file, &[("KOMODO_CLI_DEFAULT_PROFILE", "work")], None),
        "http://work root-key work-secret work"
    );
    assert_eq!(
        check(
            file,
            &[("KOMODO_HOST", "http://b"), ("KOMODO_CLI_HOST", "http://a")],
            None
        ),
        "http://a root-key root-secret -"
    );
    assert_eq!(
        check(file, &[("KOMODO_CLI_HOST", "")], None),
        "http://root root-key root-secret -"
    );
    assert_eq!(
        check(
            &[],
            &[
                ("KOMODO_ADDRESS", "http://c"),
                ("KOMODO_API_KEY", "k"),
                ("KOMODO_API_SECRET", "s")
            ],
            None
        ),
        "http://c k s -"
    );
}

#[test]
fn a_default_profile_of_a_file_gives_way_to_the_environment() {
    let text = format!("default_profile = \"home\"\n{FILE}");
    let file: &[(&str, &str)] = &[("komodo.cli.toml", &text)];
    assert_eq!(
        check(file, &[], None),
        "http://home home-key root-secret home"
    );
    assert_eq!(
        check(file, &[("KOMODO_HOST", "http://env")], None),
        "http://env home-key root-secret home"
    );
}

#[test]
fn files_of_all_forms_merge_and_later_ones_win() {
    let files: &[(&str, &str)] = &[
        (
            "a.komodo.cli.json",
            r#"{ "host": "http://json", "key": "json-key", "profile": [{ "name": "one", "host": "http://one" }] }"#,
        ),
        (
            "b.komodo.cli.yaml",
            "host: http://yaml\nprofile:\n- config_profile: two\n  host: http://two\n",
        ),
        ("other.toml", "host = 'http://other'"),
    ];
    assert_eq!(check(files, &[], None), "http://yaml json-key - -");
    assert_eq!(check(files, &[], Some("one")), "http://one json-key - one");
    assert_eq!(check(files, &[], Some("two")), "http://two json-key - two");
    let replacing = [("KOMODO_CLI_EXTEND_CONFIG_ARRAYS", "false")];
    assert_eq!(
        check(files, &replacing, Some("one")),
        "there is no profile 'one'; there is two"
    );
    assert_eq!(
        check(
            files,
            &[("KOMODO_CLI_CONFIG_KEYWORDS", "*.yaml,other*")],
            None
        ),
        "http://other - - -"
    );
}

#[test]
fn an_include_file_adds_folders_and_files() {
    let files: &[(&str, &str)] = &[
        ("komodo.cli.toml", "host = 'http://here'"),
        (".kminclude", "more # a folder\n\nfar/secrets.toml\n"),
        ("more/komodo.cli.toml", "host = 'http://more'"),
        ("far/secrets.toml", "cli_secret = 'far'"),
    ];
    assert_eq!(check(files, &[], None), "http://more - far -");
}

#[test]
fn variables_in_files_are_replaced() {
    let files: &[(&str, &str)] = &[(
        "komodo.cli.toml",
        "host = 'http://${WHERE}:${port}'\ncli_key = '$plain'",
    )];
    assert_eq!(
        check(
            files,
            &[("WHERE", "${NAME}"), ("NAME", "n"), ("PORT", "1")],
            None
        ),
        "http://n:1 $plain - -"
    );
    assert_eq!(
        check(files, &[("PORT", "1")], None),
        "the configuration refers to ${WHERE}, which is not set"
    );
}

#[test]
fn what_is_wrong_is_said_without_the_secret_beside_it() {
    let broken: &[(&str, &str)] = &[(
        "komodo.cli.toml",
        "host = 'http://a'\ncli_secret = 'S_hidden'x\n",
    )];
    let error = check(broken, &[], None);
    assert!(
        error.starts_with("cannot read /komodo.cli.toml: line 2 is not TOML"),
        "{error}"
    );
    assert!(!error.contains("hidden"), "{error}");
    let broken: &[(&str, &str)] = &[("komodo.cli.json", r#"{ "cli_secret": S_hidden }"#)];
    assert_eq!(
        check(broken, &[], None),
        "cannot read /komodo.cli.json: line 1 column 17 is not JSON"
    );
    assert_eq!(
        check(&[("komodo.cli.toml", FILE)], &[], Some("x")),
        "there is no profile 'x'; there is home, work"
    );
}

#[test]
fn a_file_named_on_the_command_line_must_be_there() {
    let given = Given {
        paths: vec![PathBuf::from("/does/not/exist.toml")],
        ..Given::default()
    };
    let error = load(&given, &Environment::new()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot read /does/not/exist.toml: "),
        "{error}"
    );
    let known = environment(&[("KOMODO_CLI_CONFIG_PATHS", "/does/not/exist")]);
    assert!(load(&Given::default(), &known).is_ok());
}

#[test]
fn settings_are_shown_without_secrets() {
    let settings = Settings {
        cli_secret: Some(Secret("S_hidden".into())),
        ..Settings::default()
    };
    let shown = format!("{settings:?} {}", serde_json::to_string(&settings).unwrap());
    assert!(!shown.contains("hidden"), "{shown}");
}

#[test]
fn patterns_match_whole_names() {
    for (pattern, name, expected) in [
        ("*komodo.cli*.*", "komodo.cli.toml", true),
        ("*komodo.cli*.*", "my-komodo.cli.home.yaml", true),
        ("*komodo.cli*.*", "komodo.clitoml", false),
        ("?.toml", "a.toml", true),
        ("?.toml", "ab.toml", false),
    ] {
        assert_eq!(files::matches(pattern, name), expected, "{pattern} {name}");
    }
}

mod login {
    use super::*;
    use crate::login::{Stored, store};

    #[test]
    fn a_sign_in_is_stored_and_read_back_and_all_else_stays() {
        let folder = Folder::with(&[(
            "komodo.cli.toml",
            "# mine\nhost = 'http://old' # why\ntable_borders = 'all'\n",
        )]);
        let file = folder.0.join("komodo.cli.toml");
        store(
            &file,
            None,
            &Stored {
                host: "http://new",
                key: "k1",
                secret: "s1",
            },
        )
        .unwrap();
        store(
            &file,
            Some("home"),
            &Stored {
                host: "http://home",
                key: "k2",
                secret: "s2",
            },
        )
        .unwrap();
        store(
            &file,
            Some("home"),
            &Stored {
                host: "http://home",
                key: "k3",
                secret: "s3",
            },
        )
        .unwrap();
        let read = |profile: Option<&str>| {
            let given = Given {
                paths: vec![folder.0.clone()],
                profile: profile.map(str::to_owned),
                ..Given::default()
            };
            let settings = load(&given, &Environment::new()).unwrap();
            (
                settings.host,
                settings.cli_key.unwrap(),
                settings.cli_secret.unwrap().0,
                settings.table_borders,
            )
        };
        assert_eq!(
            read(None),
            ("http://new".into(), "k1".into(), "s1".into(), Borders::All)
        );
        assert_eq!(
            read(Some("home")),
            ("http://home".into(), "k3".into(), "s3".into(), Borders::All)
        );
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# mine\n"), "{text}");
        assert_eq!(text.matches("[[profile]]").count(), 1, "{text}");
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_a_stored_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::with(&[("komodo.cli.toml", "")]);
        let file = folder.0.join("komodo.cli.toml");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        store(
            &file,
            None,
            &Stored {
                host: "h",
                key: "k",
                secret: "s",
            },
        )
        .unwrap();
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
