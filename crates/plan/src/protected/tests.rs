use expect_test::{Expect, expect};

use super::*;
use crate::table::{id, world};

fn check(containers: &str, path: ControlPath, expect: Expect) {
    let mut containers = world(containers);
    let mut printed = String::new();
    for entry in protected_set(&containers, &path) {
        assert_eq!(entry.id, id(&entry.name));
        let reasons: Vec<String> = entry
            .reasons
            .iter()
            .map(|reason| {
                let code = serde_json::to_value(reason.code).unwrap();
                let detail = reason
                    .detail
                    .as_ref()
                    .map(|detail| format!(" ({detail})"))
                    .unwrap_or_default();
                format!("{}{detail}", code.as_str().unwrap())
            })
            .collect();
        printed += &format!("{}: {}\n", entry.name, reasons.join(", "));
    }
    let forwards = protected_set(&containers, &path);
    containers.reverse();
    assert_eq!(
        forwards,
        protected_set(&containers, &path),
        "the order of the list must not matter"
    );
    expect.assert_eq(&printed);
}

fn agent(name: &str) -> ControlPath {
    ControlPath {
        own_container: Some(id(name)),
        ..ControlPath::default()
    }
}

#[test]
fn labels_protect_by_exact_rules() {
    check(
        "
        yes running skip=true
        empty running skip=
        zero running skip=0
        no running skip=no
        upper running skip=False
        spaced exited skip=false,
        off running skip=false
        none running
        declared running protect=true
        declared-upper running protect=True
        declared-empty running protect=
        both running protect=true skip=true
        only-declared running protect=true skip=false
        ",
        ControlPath::default(),
        expect![[r#"
            both: declared (komodo.protect=true), label (komodo.skip=true)
            declared: declared (komodo.protect=true)
            empty: label (komodo.skip)
            no: label (komodo.skip=no)
            only-declared: declared (komodo.protect=true)
            spaced: label (komodo.skip=false,)
            upper: label (komodo.skip=False)
            yes: label (komodo.skip=true)
            zero: label (komodo.skip=0)
        "#]],
    );
}

#[test]
fn the_agent_is_known_by_id_and_never_by_name() {
    check(
        "periphery running\nrenamed running\nkomodo-periphery running",
        agent("renamed"),
        expect![[r#"
        renamed: agent
    "#]],
    );
    check(
        "periphery running\nkomodo-core running",
        ControlPath::default(),
        expect![[""]],
    );
}

#[test]
fn komodo_skip_false_turns_only_its_own_reason_off() {
    check(
        "periphery running skip=false net=vpn\nvpn running skip=false",
        agent("periphery"),
        expect![[r#"
        periphery: agent
        vpn: agent-dependency (periphery uses its network)
    "#]],
    );
}

#[test]
fn all_agents_on_the_engine_are_protected() {
    let path = ControlPath {
        own_container: Some(id("one")),
        agents_on_engine: vec![id("one"), id("two"), id("elsewhere")],
        ..ControlPath::default()
    };
    check(
        "one running\ntwo running net=sidecar\nsidecar running\nthree running",
        path,
        expect![[r#"
        one: agent
        sidecar: agent-dependency (two uses its network)
        two: agent (of another server on this Engine)
    "#]],
    );
}

/// What another server's agent needs is spared; what that stands on in turn was found and told by that agent.
#[test]
fn what_agents_of_other_servers_depend_on_is_protected() {
    let needed = |container: &str| DependedOn {
        container: id(container),
        server: "beta".into(),
    };
    let path = ControlPath {
        depended_on: ["tunnel", "vpn", "one", "elsewhere"].map(needed).into(),
        ..agent("one")
    };
    let containers = "one running net=vpn\nvpn running\ntunnel running net=base\nbase running";
    check(
        containers,
        path.clone(),
        expect![[r#"
            one: agent
            tunnel: agent-dependency (needed by the agent of beta)
            vpn: agent-dependency (one uses its network)
        "#]],
    );
    // It tells on only what it found by itself, and so nothing keeps itself alive between two agents.
    let set = protected_set(&world(containers), &path);
    assert_eq!(own_dependencies(&set), [id("vpn")]);
    let alone = ControlPath {
        own_container: None,
        ..path
    };
    let set = protected_set(&world(containers), &alone);
    assert_eq!(set.len(), 3);
    assert_eq!(own_dependencies(&set), Vec::<String>::new());
    let many: String = (0..OWN_DEPENDENCIES_MAX)
        .map(|at| format!("behind-{at} running net=proxy\n"))
        .collect();
    let path = ControlPath {
        core_peer: Some("172.18.0.5:443".parse().unwrap()),
        ..ControlPath::default()
    };
    let set = protected_set(&world(&format!("{many}proxy running ip=172.18.0.5")), &path);
    assert_eq!(set.len(), OWN_DEPENDENCIES_MAX + 1);
    assert_eq!(own_dependencies(&set).len(), OWN_DEPENDENCIES_MAX);
}

/// In `network_mode: container:vpn` Core finds the files of `vpn` mounted, and names that.
#[test]
fn who_shares_the_network_of_what_core_names_may_be_core() {
    let path = ControlPath {
        core_container: Some(id("vpn")),
        ..ControlPath::default()
    };
    check(
        "komodo running net=vpn\nvpn running\nother running",
        path,
        expect![[r#"
        komodo: core-dependency (shares its network with Core, or is Core)
        vpn: core
    "#]],
    );
}

#[test]
fn who_shares_a_network_depends_on_its_owner() {
    check(
        "periphery running net=vpn\nvpn running net=base\nbase running\nother running net=vpn",
        agent("periphery"),
        expect![[r#"
            base: agent-dependency (vpn uses its network)
            periphery: agent
            vpn: agent-dependency (periphery uses its network)
        "#]],
    );
    // A ring, and an owner that is gone.
    check(
        "periphery running net=a\na running net=b\nb running net=a",
        agent("periphery"),
        expect![[r#"
            a: agent-dependency (periphery uses its network)
            b: agent-dependency (a uses its network)
            periphery: agent
        "#]],
    );
    check(
        "periphery running net=periphery",
        agent("periphery"),
        expect![[r#"
        periphery: agent
    "#]],
    );
    check(
        "periphery running net=gone",
        agent("periphery"),
        expect![[r#"
        periphery: agent
    "#]],
    );
}

#[test]
fn core_and_what_it_needs() {
    let path = ControlPath {
        core_container: Some(id("core")),
        core_depends_on: vec!["db".into(), id("proxy"), "not-here".into(), "/slash".into()],
        ..ControlPath::default()
    };
    check(
        "core running net=gluetun\ndb running\ndb-2 running\nproxy running\nslash exited\ngluetun running",
        path,
        expect![[r#"
        core: core
        db: core-dependency (named in KOMODO_DEPENDS_ON_CONTAINERS)
        gluetun: core-dependency (core uses its network)
        proxy: core-dependency (named in KOMODO_DEPENDS_ON_CONTAINERS)
        slash: core-dependency (named in KOMODO_DEPENDS_ON_CONTAINERS)
    "#]],
    );
}

#[test]
fn the_socket_proxy_by_name_service_address_and_port() {
    for (host, expected) in [
        ("proxy", "proxy"),
        ("proxy:2375", "proxy"),
        ("docker-proxy:2375", "proxy"),
        ("172.18.0.5", "proxy"),
        ("172.18.0.5:2375", "proxy"),
        ("127.0.0.1:2375", "published"),
        ("localhost:2375", "published"),
        ("localhost", "published"),
        ("192.168.1.10:2375", "published"),
        ("192.168.1.99:2375", ""),
        ("127.0.0.1:2376", ""),
        ("prox", ""),
        ("elsewhere.example:2375", ""),
        ("[fd00::5]:2375", "proxy"),
    ] {
        let path = ControlPath {
            socket_proxy: Some(host.into()),
            host_addresses: vec!["192.168.1.10".parse().unwrap()],
            ..ControlPath::default()
        };
        let containers = world(
            "proxy running service=docker-proxy ip=172.18.0.5 ip=fd00::5 ports=/
             published running ip=172.18.0.6 ports=2375
             web running ip=172.18.0.7 ports=80",
        );
        let set = protected_set(&containers, &path);
        let names: Vec<&str> = set.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names.join(" "), expected, "{host}");
        assert!(
            set.iter()
                .all(|entry| entry.reasons[0].code == ReasonCode::AgentDependency)
        );
    }
}

#[test]
fn what_answers_for_core() {
    for (peer, expected) in [
        ("172.18.0.5:443", "traefik"),
        ("[::ffff:172.18.0.5]:443", "traefik"),
        ("127.0.0.1:443", "traefik"),
        ("192.168.1.10:443", "traefik"),
        ("127.0.0.1:8443", "tunnel"),
        ("10.9.9.9:443", ""),
        ("192.168.1.10:8443", ""),
        ("127.0.0.1:9120", "core"),
        ("172.18.0.9:9120", "core"),
    ] {
        let path = ControlPath {
            core_peer: Some(peer.parse().unwrap()),
            core_container: Some(id("core")),
            host_addresses: vec!["192.168.1.10".parse().unwrap()],
            ..ControlPath::default()
        };
        let containers = world(
            "traefik running ip=172.18.0.5 ports=443,::-443
             tunnel running ip=172.18.0.6 ports=127.0.0.1-8443
             core running ip=172.18.0.9 ports=9120",
        );
        let set = protected_set(&containers, &path);
        let found = set.iter().filter(|entry| {
            entry
                .reasons
                .iter()
                .any(|it| it.code == ReasonCode::AgentDependency)
        });
        let mut found: Vec<&str> = found.map(|entry| entry.name.as_str()).collect();
        // Core at the other end is protected as Core, and not once more as what leads to it.
        let core = set.iter().find(|entry| entry.name == "core").unwrap();
        assert_eq!(core.reasons, [Reason::new(ReasonCode::Core)]);
        if found.is_empty() && expected == "core" {
            found.push("core");
        }
        assert_eq!(found.join(" "), expected, "{peer}");
    }
}

#[test]
fn who_lives_in_the_namespaces_of_another_depends_on_it() {
    check(
        "periphery running pid=init ipc=shm\ninit running net=base\nshm running\nbase running\nother running pid=periphery",
        agent("periphery"),
        expect![[r#"
            base: agent-dependency (init uses its network)
            init: agent-dependency (periphery uses its PID namespace)
            periphery: agent
            shm: agent-dependency (periphery uses its IPC namespace)
        "#]],
    );
}

#[test]
fn what_the_proxy_stands_on_is_needed_too() {
    let path = ControlPath {
        core_peer: Some("172.18.0.5:443".parse().unwrap()),
        ..agent("periphery")
    };
    check(
        "periphery running ip=172.18.0.2
         vpn running ip=172.18.0.5
         tunnel running net=vpn pid=helper
         helper running ip=172.18.0.7
         web running ip=172.18.0.8",
        path,
        expect![[r#"
            helper: agent-dependency (tunnel uses its PID namespace)
            periphery: agent
            tunnel: agent-dependency (the agent reaches Core through it)
            vpn: agent-dependency (the agent reaches Core through it)
        "#]],
    );
}

/// Inside a container loopback is its own network: what the host publishes does not answer there, a sidecar does.
#[test]
fn loopback_is_the_network_of_the_agents_own_container() {
    let world = "
        periphery running ip=172.18.0.2
        sidecar running net=periphery
        traefik running ip=172.18.0.5 ports=8443";
    let path = ControlPath {
        core_peer: Some("127.0.0.1:8443".parse().unwrap()),
        host_addresses: vec!["172.18.0.2".parse().unwrap()],
        ..agent("periphery")
    };
    check(
        world,
        path.clone(),
        expect![[r#"
        periphery: agent
        sidecar: agent-dependency (the agent reaches Core through it)
    "#]],
    );
    check(
        &world.replace("ip=172.18.0.2", "hostnet"),
        path.clone(),
        expect![[r#"
            periphery: agent
            traefik: agent-dependency (the agent reaches Core through it)
        "#]],
    );
    // The agent joins the network of the proxy, which is then the proxy for the Engine.
    let path = ControlPath {
        core_peer: None,
        socket_proxy: Some("localhost:2375".into()),
        engine_peer: Some("127.0.0.1:2375".parse().unwrap()),
        ..path
    };
    check(
        "periphery running net=docker-proxy
         docker-proxy running ip=172.18.0.3
         published running ip=172.18.0.5 ports=2375",
        path,
        expect![[r#"
            docker-proxy: agent-dependency (the agent reaches the Engine through it)
            periphery: agent
        "#]],
    );
}

/// The name in `DOCKER_HOST` may be an alias that only the network knows; the address tells.
#[test]
fn the_socket_proxy_is_what_the_connection_leads_to() {
    let world = "
        periphery running ip=172.18.0.2
        proxy running ip=172.18.0.3 service=socket-proxy project=one
        other running ip=172.18.0.4 service=socket-proxy project=two";
    let mut path = ControlPath {
        socket_proxy: Some("docker.alias:2375".into()),
        engine_peer: Some("172.18.0.3:2375".parse().unwrap()),
        ..agent("periphery")
    };
    check(
        world,
        path.clone(),
        expect![[r#"
        periphery: agent
        proxy: agent-dependency (the agent reaches the Engine through it)
    "#]],
    );
    path.socket_proxy = Some("socket-proxy:2375".into());
    check(
        world,
        path.clone(),
        expect![[r#"
        periphery: agent
        proxy: agent-dependency (the agent reaches the Engine through it)
    "#]],
    );
    // Without an address, whatever has the name.
    path.engine_peer = None;
    check(
        world,
        path,
        expect![[r#"
        other: agent-dependency (the agent reaches the Engine through it)
        periphery: agent
        proxy: agent-dependency (the agent reaches the Engine through it)
    "#]],
    );
}

/// Core answers itself: the containers that share its network lead nowhere else.
#[test]
fn what_lives_in_the_network_of_core_is_not_the_way_to_it() {
    let path = ControlPath {
        core_peer: Some("172.18.0.9:9120".parse().unwrap()),
        core_container: Some(id("core")),
        ..ControlPath::default()
    };
    check(
        "core running ip=172.18.0.9\nexporter running net=core",
        path,
        expect![[r#"
            core: core
            exporter: core-dependency (shares its network with Core, or is Core)
        "#]],
    );
}

#[test]
fn helpers_at_work_and_watchdogs_are_part_of_the_control_path() {
    let hosts = [
        // A helper that has ended, or that was not started, protects nothing any more.
        "
        periphery running skip=true
        helper running label=komodo.hand-over:op skip=true
        periphery.komodo-old exited
        db.komodo-older exited
        watchdog running label=komodo.watchdog:true
        stopped-watchdog exited label=komodo.watchdog:
        no-watchdog running label=komodo.watchdog:false
        ",
        "
        periphery running
        helper exited label=komodo.hand-over:op
        periphery.komodo-old exited
        periphery.komodo-new created
        ",
        "
        core running
        helper restarting label=komodo.hand-over:op net=tunnel
        core.komodo-new created
        tunnel running
        ",
    ];
    let own = agent("periphery");
    check(
        hosts[0],
        own.clone(),
        expect![[r#"
        helper: agent-dependency (it hands over the agent or Core), label (komodo.skip=true)
        periphery: agent, label (komodo.skip=true)
        periphery.komodo-old: agent-dependency (it is part of a hand over that is not confirmed yet)
        stopped-watchdog: agent-dependency (the watchdog brings the agent back)
        watchdog: agent-dependency (the watchdog brings the agent back)
    "#]],
    );
    check(
        hosts[1],
        own.clone(),
        expect![[r#"
        periphery: agent
    "#]],
    );
    check(
        hosts[2],
        own.clone(),
        expect![[r#"
        core.komodo-new: agent-dependency (it is part of a hand over that is not confirmed yet)
        helper: agent-dependency (it hands over the agent or Core)
        tunnel: agent-dependency (helper uses its network)
    "#]],
    );
    // Each agent sees them by itself.
    let containers = world(hosts[0]);
    assert_eq!(own_dependencies(&protected_set(&containers, &own)), [""; 0]);
}

/// In a hand over the agent itself may be called what the old one is called.
#[test]
fn the_agent_is_the_agent_under_any_name() {
    check(
        "
        periphery.komodo-old running
        helper running label=komodo.hand-over:op
        ",
        agent("periphery.komodo-old"),
        expect![[r#"
            helper: agent-dependency (it hands over the agent or Core)
            periphery.komodo-old: agent
        "#]],
    );
}
