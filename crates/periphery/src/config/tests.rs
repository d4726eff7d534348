use super::*;
use crate::test_directory::TestDirectory;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn nothing_is_the_defaults() {
    let loaded = load(&[], &environment(&[("PATH", "/bin"), ("HOME", "/root")])).unwrap();
    assert_eq!(
        loaded,
        Loaded {
            config: Config::default(),
            warnings: Vec::new()
        }
    );
}

#[test]
fn the_environment_wins_over_files_and_a_secret_file_over_both() {
    let directory = TestDirectory::new();
    let file = directory.path().join("periphery.config.toml");
    std::fs::write(
        &file,
        "core_address = \"https://file\"\nconnect_as = \"${WHO}\"\nroot_directory = \"/file\"\n\
         stats_polling_rate = \"10-sec\"\nonboarding_key = \"from file\"\n[logging]\nlevel = \"debug\"\nansi = false\n",
    )
    .unwrap();
    let secret = directory.path().join("key");
    std::fs::write(&secret, "from secret\n").unwrap();
    let variables = environment(&[
        ("PERIPHERY_CORE_ADDRESS", "https://one, https://two"),
        ("periphery_root_directory", "/environment"),
        ("PERIPHERY_ONBOARDING_KEY", "from environment"),
        ("PERIPHERY_ONBOARDING_KEY_FILE", secret.to_str().unwrap()),
        ("PERIPHERY_LOGGING_LEVEL", "warn"),
        ("WHO", "web-1"),
    ]);
    for path in [file.clone(), directory.path().into()] {
        let Loaded { config, warnings } = load(&[path], &variables).unwrap();
        assert_eq!(config.core_addresses, ["https://one", "https://two"]);
        assert_eq!(config.root_directory, PathBuf::from("/environment"));
        assert_eq!(config.connect_as, "web-1");
        assert_eq!(config.stats_polling_rate, Timelength::TenSeconds);
        assert_eq!(
            config.onboarding_key.as_ref().unwrap().reveal(),
            "from secret"
        );
        assert_eq!(
            (config.logging.level, config.logging.ansi),
            (LogLevel::Warn, false)
        );
        assert_eq!(
            warnings,
            ["several addresses of Core are given; only the first is used"]
        );
        assert!(
            !format!("{config:?}").contains("secret"),
            "secrets are never shown"
        );
    }
}

#[test]
fn what_is_unknown_or_unused_is_said() {
    let directory = TestDirectory::new();
    let file = directory.path().join("a.toml");
    std::fs::write(
        &file,
        "cor_address = \"x\"\nport = 8120\n[logging]\nlvl = \"info\"\n[secrets]\na = \"b\"\n",
    )
    .unwrap();
    let variables = environment(&[
        ("PERIPHERY_CORE_ADRESS", "x"),
        ("PERIPHERY_SSL_ENABLED", "false"),
    ]);
    let warnings = load(std::slice::from_ref(&file), &variables)
        .unwrap()
        .warnings;
    let said = |text: &str| warnings.iter().any(|warning| warning.contains(text));
    for text in [
        "'cor_address'",
        "'port' is not used",
        "'logging.lvl'",
        "PERIPHERY_CORE_ADRESS",
        "PERIPHERY_SSL_ENABLED is not used",
    ] {
        assert!(said(text), "{text} in {warnings:?}");
    }
}

#[test]
fn a_bad_value_is_an_error_that_names_it() {
    let directory = TestDirectory::new();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let fails = |paths: &[PathBuf], variables: &[(&str, &str)]| {
        load(paths, &environment(variables))
            .unwrap_err()
            .to_string()
    };
    assert!(
        fails(&[], &[("PERIPHERY_CORE_TLS_INSECURE_SKIP_VERIFY", "maybe")])
            .contains("PERIPHERY_CORE_TLS_INSECURE_SKIP_VERIFY must be true or false")
    );
    assert!(fails(&[], &[("PERIPHERY_STATS_POLLING_RATE", "7-sec")]).contains("7-sec"));
    assert!(fails(&[], &[("PERIPHERY_PRIVATE_KEY_FILE", "/nowhere/key")]).contains("/nowhere/key"));
    assert!(
        fails(&[], &[("PERIPHERY_ONBOARDING_KEY_FILE", "/proc/self/mem")])
            .contains("/proc/self/mem"),
        "one that is there must be readable"
    );
    assert!(fails(&[write("bad.toml", "a = ")], &[]).contains("bad.toml is not valid TOML"));
    assert!(fails(&[write("a.yaml", "a: b")], &[]).contains("is not a .toml file"));
    assert!(fails(&["/nowhere".into()], &[]).contains("cannot read /nowhere"));
    assert!(fails(&[write("kind.toml", "connect_as = 5")], &[]).contains("connect_as"));
    assert!(fails(&[], &[("PERIPHERY_LOGGING_LEVEL", "loud")]).contains("loud"));
}

#[test]
fn an_agent_that_has_joined_starts_without_the_file_of_its_onboarding_key() {
    let Loaded { config, warnings } = load(
        &[],
        &environment(&[("PERIPHERY_ONBOARDING_KEY_FILE", "/nowhere/key")]),
    )
    .unwrap();
    assert_eq!(config.onboarding_key, None);
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("/nowhere/key")),
        "{warnings:?}"
    );
}
