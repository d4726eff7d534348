//! Every script in `tests/scenarios`, against the answers it holds. `UPDATE_EXPECT=1` writes the answers of now.

use std::path::PathBuf;

use expect_test::expect_file;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios")
}

async fn play(name: &str) {
    let path = folder().join(format!("{name}.txt"));
    let held = std::fs::read_to_string(&path).expect("the script is there");
    let script: Vec<&str> = held.lines().filter(|line| !line.starts_with('>')).collect();
    let printed = komodo_scenarios::run(&script.join("\n"))
        .await
        .unwrap_or_else(|error| panic!("{name}: {error:#}"));
    expect_file![path].assert_eq(&printed);
}

macro_rules! scripts {
    ($($name:ident)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $name() {
                play(stringify!($name)).await;
            }
        )*

        #[test]
        fn every_script_is_played() {
            let mut found: Vec<String> = std::fs::read_dir(folder())
                .expect("the folder is there")
                .filter_map(|entry| entry.expect("it can be read").path().file_name()?.to_str().map(str::to_owned))
                .filter_map(|name| name.strip_suffix(".txt").map(str::to_owned))
                .collect();
            found.sort();
            let listed = [$(stringify!($name)),*];
            assert_eq!(found, listed, "add new scripts to the list in this file, by name");
        }
    };
}

scripts! {
    agent_killed
    agent_stopped_outside
    bad_input
    core_restarts
    detach
    engine_away
    flood
    hand_over
    hanging_agent
    labels
    lost_answers
    named
    order
    slow_agent
    stop_all
    truth
}
