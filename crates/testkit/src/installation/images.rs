//! Images of the programs with something wrong in them, each a thin layer on the one that works.

use super::{AGENT_IMAGE, CORE_IMAGE, Failure};
use crate::engine::{Engine, Variant};

/// Where the programs are in their images.
const PROGRAMS: &str = "/usr/local/bin";

/// Folder in a container of [`obedient_agent`] that holds a socket of the Engine and what it is told: one mount for both,
/// because a helper gets only the one that holds the socket.
pub const ENGINE_FOLDER: &str = "/run/engine";

/// What is wrong with an image of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadAgent {
    /// Its program is not there.
    CannotStart,
    /// Its program ends at once.
    EndsAtOnce,
    /// It runs, and looks for Core where there is none.
    CannotReachCore,
    /// It connects, and dies this many seconds later.
    DiesAfter(u32),
}

/// What is wrong with an image of Core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadCore {
    /// Its program is not there.
    CannotStart,
    /// It cannot open its database.
    CannotOpenDatabase,
    /// It brings the database to a version that older ones do not know, and then fails.
    MigratesAndFails,
}

/// Makes an image of the agent with something wrong in it, and returns its name.
///
/// # Errors
/// When it cannot be made.
pub async fn bad_agent(engine: &Engine, bad: BadAgent) -> Result<String, Failure> {
    let run = format!("{PROGRAMS}/komodo-periphery");
    let (tag, variant) = match bad {
        BadAgent::CannotStart => ("cannot-start".into(), Variant::entrypoint(["/nowhere"])),
        BadAgent::EndsAtOnce => (
            "ends-at-once".into(),
            shell("echo 'the new version has a bug'; exit 3"),
        ),
        BadAgent::CannotReachCore => (
            "cannot-reach-core".into(),
            // A port that nobody listens on.
            shell(&format!(
                "export PERIPHERY_CORE_ADDRESS=ws://127.0.0.1:9; exec {run} \"$@\""
            )),
        ),
        BadAgent::DiesAfter(seconds) => (
            format!("dies-after-{seconds}"),
            shell(&format!(
                "mkfifo /tmp/log; {run} \"$@\" >/tmp/log 2>&1 & child=$!; trap 'kill -TERM $child' TERM; \
                 while read -r line; do echo \"$line\"; case \"$line\" in \
                 *'link with core is up'*) {{ sleep {seconds}; kill -KILL $child; }} & ;; esac; done </tmp/log; \
                 wait $child"
            )),
        ),
    };
    let name = format!("komodo-test/periphery:{tag}");
    engine.image_variant(AGENT_IMAGE, &name, variant).await?;
    Ok(name)
}

/// Makes an image of Core with something wrong in it, and returns its name.
///
/// # Errors
/// When it cannot be made.
pub async fn bad_core(engine: &Engine, bad: BadCore) -> Result<String, Failure> {
    let run = format!("exec {PROGRAMS}/komodo-core \"$@\"");
    // Nothing can be made in there, not even by root.
    let no_database = format!("export KOMODO_DATABASE_URI=sqlite:///proc/none/komodo.db; {run}");
    let (tag, variant) = match bad {
        BadCore::CannotStart => ("cannot-start", Variant::entrypoint(["/nowhere"])),
        BadCore::CannotOpenDatabase => ("cannot-open-database", shell(&no_database)),
        BadCore::MigratesAndFails => (
            "migrates-and-fails",
            // Bytes 60 to 63 of an SQLite file are its `user_version`, by which Core tells how far it is migrated.
            shell(&format!(
                "printf '\\000\\000\\000\\143' | \
                 dd of=\"$KOMODO_DATA_DIRECTORY\"/komodo.db bs=1 seek=60 conv=notrunc; {no_database}"
            )),
        ),
    };
    let name = format!("komodo-test/core:{tag}");
    engine.image_variant(CORE_IMAGE, &name, variant).await?;
    Ok(name)
}

/// Makes images of both programs that work, but are others than the usual ones, and returns the name of the one for
/// `base`.
///
/// # Errors
/// When it cannot be made.
pub async fn next_version(engine: &Engine, base: &str) -> Result<String, Failure> {
    let name = format!("{}:next", base.split(':').next().unwrap_or(base));
    let variant = Variant::default().env("KOMODO_TEST_VERSION", "next");
    engine.image_variant(base, &name, variant).await?;
    Ok(name)
}

/// Makes an image of the agent whose program dies or stops where the test says, and returns its name: it takes the first
/// line of the file `failpoint-helper` (as the helper of a hand over) or `failpoint-agent` in [`ENGINE_FOLDER`] for its
/// failpoint, and removes it, so that each is used once. Where it was killed there, the file `killed` gets the line.
///
/// # Errors
/// When it cannot be made.
pub async fn obedient_agent(engine: &Engine) -> Result<String, Failure> {
    let name = "komodo-test/periphery:obedient";
    // The agent runs from where the image has the script too, because a helper is started from the agent's own path. The
    // first process of a container cannot kill itself, so the program is a child of the script.
    let script = format!(
        r#"mv {PROGRAMS}/komodo-periphery /usr/local/program && cat >{PROGRAMS}/obedient <<'END'
#!/bin/sh
case $1 in
hand-over) list={ENGINE_FOLDER}/failpoint-helper program=/usr/local/program ;;
*) list={ENGINE_FOLDER}/failpoint-agent program={PROGRAMS}/komodo-periphery; ln -f /usr/local/program $program ;;
esac
if [ -s $list ]; then
    KOMODO_FAILPOINT=$(head -n 1 $list)
    export KOMODO_FAILPOINT
    sed -i 1d $list
    echo "failpoint $KOMODO_FAILPOINT"
fi
$program "$@" & child=$!
trap 'kill -TERM $child' TERM
wait $child
code=$?
# The wait ends with a signal too, before the program does.
while kill -0 $child 2>/dev/null; do
    wait $child
    code=$?
done
# The test reads that it was there.
if [ $code -eq 137 ] && [ -n "$KOMODO_FAILPOINT" ]; then echo "$KOMODO_FAILPOINT" >>{ENGINE_FOLDER}/killed; fi
exit $code
END
chmod 755 {PROGRAMS}/obedient && cp {PROGRAMS}/obedient {PROGRAMS}/komodo-periphery"#
    );
    let variant = Variant::entrypoint([format!("{PROGRAMS}/obedient")]).script(script);
    engine.image_variant(AGENT_IMAGE, name, variant).await?;
    Ok(name.to_owned())
}

/// A shell in the place of the program, with its arguments.
fn shell(script: &str) -> Variant {
    Variant::entrypoint(["/bin/sh", "-c", script, "sh"])
}
