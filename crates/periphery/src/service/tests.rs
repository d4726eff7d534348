use super::*;
use crate::test_directory::TestDirectory;

#[test]
fn a_service_is_known_by_its_control_group() {
    let is = |cgroup: &str, expected: Option<(&str, bool)>| {
        let expected = expected.map(|(name, user)| (name.to_owned(), user));
        assert_eq!(unit_of(cgroup), expected, "{cgroup}");
    };
    is(
        "0::/system.slice/komodo-periphery.service\n",
        Some(("komodo-periphery.service", false)),
    );
    is(
        "0::/user.slice/user-1000.slice/user@1000.service/app.slice/komodo-periphery.service\n",
        Some(("komodo-periphery.service", true)),
    );
    is(
        "0::/system.slice/a.service/sub\n",
        Some(("a.service", false)),
    );
    is(
        "12:pids:/x.service\n1:name=systemd:/system.slice/a.service\n0::/\n",
        Some(("a.service", false)),
    );
    is(
        "0::/system.slice/docker-aa.scope/system.slice/a.service\n",
        Some(("a.service", false)),
    );
    is("0::/\n", None);
    is("", None);
    is("0::/system.slice/docker-aa.scope\n", None);
    // A terminal of a user, whose systemd is a service itself.
    is(
        "0::/user.slice/user-1000.slice/user@1000.service/app.slice/terminal.scope\n",
        None,
    );
}

#[test]
fn the_program_is_where_it_was_started_from() {
    let is = |link: &str| assert_eq!(own_path(Path::new(link)), "/bin/agent", "{link}");
    is("/bin/agent");
    is("/bin/agent (deleted)");
    is("/bin/agent.komodo-other");
    is("/bin/agent.komodo-other (deleted)");
}

#[test]
fn a_program_in_a_folder_of_others_is_fixed() {
    let folder = TestDirectory::new();
    let program = folder.path().join("agent");
    assert_eq!(cannot_replace(&program), None);
    let gone = folder.path().join("none").join("agent");
    assert!(cannot_replace(&gone).is_some());
    // It is a mount of its own in every process.
    let why = cannot_replace(Path::new("/proc")).unwrap_or_default();
    assert!(!why.is_empty());
}
