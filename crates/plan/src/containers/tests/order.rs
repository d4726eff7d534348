//! Order, consequences, the hash, and worlds of thousands.

use std::time::Instant;

use expect_test::expect;

use super::*;

const SHOP: &str = "
    shop-web running project=shop service=web needs=api:service_started:false ports=80
    shop-api running project=shop service=api needs=db:service_healthy:false,cache
    shop-db running project=shop service=db ports=127.0.0.1-5432
    shop-cache running project=shop service=cache
    blog-db running project=blog service=db
    shop-migrate exited project=shop service=db oneoff needs=db
";

#[test]
fn dependants_stop_before_what_they_depend_on_and_start_after_it() {
    check(
        SHOP,
        "stop all",
        expect![[r#"
        blog-db act
        shop-web act dark 0.0.0.0:80/tcp
        shop-api act after shop-web
        shop-cache act after shop-api
        shop-db act after shop-api dark 127.0.0.1:5432/tcp
        shop-migrate skip already
    "#]],
    );
    check(
        &SHOP.replace("running", "exited"),
        "start all",
        expect![[r#"
        blog-db act
        shop-cache act
        shop-db act
        shop-api act after shop-cache,shop-db
        shop-migrate act after shop-db
        shop-web act after shop-api
    "#]],
    );
    check(
        SHOP,
        "restart all",
        expect![[r#"
        blog-db act
        shop-cache act
        shop-db act dark 127.0.0.1:5432/tcp
        shop-api act after shop-cache,shop-db
        shop-web act after shop-api dark 0.0.0.0:80/tcp
        shop-migrate skip not-applicable
    "#]],
    );
    check(
        SHOP,
        "pause all",
        expect![[r#"
        blog-db act
        shop-web act dark 0.0.0.0:80/tcp
        shop-api act after shop-web
        shop-cache act after shop-api
        shop-db act after shop-api dark 127.0.0.1:5432/tcp
        shop-migrate skip not-applicable
    "#]],
    );
    check(
        &SHOP.replace("running", "paused"),
        "unpause all",
        expect![[r#"
        blog-db act
        shop-cache act
        shop-db act
        shop-api act after shop-cache,shop-db
        shop-web act after shop-api
        shop-migrate skip not-applicable
    "#]],
    );
    check(
        &SHOP.replace("running", "exited"),
        "prune all",
        expect![[r#"
        blog-db act
        shop-migrate act
        shop-web act
        shop-api act after shop-web
        shop-cache act after shop-api
        shop-db act after shop-api,shop-migrate
    "#]],
    );
}

#[test]
fn what_goes_on_running_and_feels_it_is_named() {
    check(
        SHOP,
        "stop one shop-db",
        expect![[r#"
        shop-db act hits shop-api dark 127.0.0.1:5432/tcp
    "#]],
    );
    check(
        SHOP,
        "restart one shop-db",
        expect![[r#"
        shop-db act hits shop-api dark 127.0.0.1:5432/tcp
    "#]],
    );
    check(
        SHOP,
        "stop list shop-db shop-api",
        expect![[r#"
        shop-api act hits shop-web
        shop-db act after shop-api dark 127.0.0.1:5432/tcp
    "#]],
    );
    check(
        SHOP,
        "stop all -x shop-web",
        expect![[r#"
        blog-db act
        shop-api act hits shop-web
        shop-cache act after shop-api
        shop-db act after shop-api dark 127.0.0.1:5432/tcp
        shop-migrate skip already
        shop-web skip excluded
    "#]],
    );
    check(
        &SHOP.replace("shop-api running", "shop-api exited"),
        "stop one shop-db",
        expect![[r#"
        shop-db act dark 127.0.0.1:5432/tcp
    "#]],
    );
}

#[test]
fn a_network_that_others_live_in() {
    let torrent = "
        vpn running ports=8080,6881/udp
        torrent running net=vpn
        indexer running net=vpn
        sleeping exited net=vpn
    ";
    check(
        torrent,
        "stop one vpn",
        expect![[r#"
            vpn act hits indexer,torrent dark 0.0.0.0:6881/udp,0.0.0.0:8080/tcp
            ! indexer, torrent will be left without network: they share that of 'vpn'
        "#]],
    );
    check(
        torrent,
        "restart one vpn",
        expect![[r#"
            vpn act hits indexer,torrent dark 0.0.0.0:6881/udp,0.0.0.0:8080/tcp
            ! indexer, torrent will be left without network: they share that of 'vpn'
        "#]],
    );
    check(
        torrent,
        "stop all",
        expect![[r#"
        indexer act
        torrent act
        vpn act after indexer,torrent dark 0.0.0.0:6881/udp,0.0.0.0:8080/tcp
        sleeping skip already
    "#]],
    );
    check(
        torrent,
        "restart all",
        expect![[r#"
        vpn act dark 0.0.0.0:6881/udp,0.0.0.0:8080/tcp
        indexer act after vpn
        torrent act after vpn
        sleeping skip not-applicable
    "#]],
    );
    check(
        torrent,
        "pause one vpn",
        expect![[r#"
        vpn act hits indexer,torrent dark 0.0.0.0:6881/udp,0.0.0.0:8080/tcp
    "#]],
    );
    check(
        &torrent.replace("running", "exited"),
        "start all",
        expect![[r#"
        vpn act
        indexer act after vpn
        sleeping act after vpn
        torrent act after vpn
    "#]],
    );
}

#[test]
fn rings_are_broken_at_their_first() {
    check(
        "
        a running project=p service=a needs=b
        b running project=p service=b needs=c
        c running project=p service=c needs=b
        self running project=p service=self needs=self
        ",
        "start match",
        expect![[r#"
            a skip already
            b skip already
            c skip already
            self skip already
        "#]],
    );
    let ring = "
        a exited project=p service=a needs=b
        b exited project=p service=b needs=c
        c exited project=p service=c needs=b
    ";
    check(
        ring,
        "start all",
        expect![[r#"
        b act
        a act after b
        c act after b
        ! these depend on each other in a ring, which is broken at the first: b, c
    "#]],
    );
    check(
        &ring.replace("exited", "running"),
        "stop all",
        expect![[r#"
        a act
        b act after a
        c act after b
        ! these depend on each other in a ring, which is broken at the first: b, c
    "#]],
    );
}

#[test]
fn deadlines_are_those_of_each_container() {
    let containers = world("fast running timeout=1\nslow running timeout=300\nplain running");
    let plan = plan(&containers, "stop all").unwrap();
    let deadlines: Vec<(&str, u64)> = plan
        .acts()
        .map(|(item, ms)| (item.container.as_str(), ms / 1000))
        .collect();
    assert_eq!(deadlines, [("fast", 21), ("plain", 30), ("slow", 320)]);
}

/// Any one fact that a plan shows, changed, makes another hash; what it does not show does not.
#[test]
fn the_hash_is_over_what_is_shown() {
    let base = "
        periphery running
        vpn running ports=80 image=i project=p service=vpn restart=always
        app running net=vpn
        old exited bytes=5
        labelled running skip=true
    ";
    let hash =
        |text: &str, what: &str| plan_hash("Op", "server", &plan(&world(text), what).unwrap());
    let stop = hash(base, "stop all -x old");
    assert_eq!(stop, hash(base, "stop all -x old"));
    assert_eq!(stop.len(), 64);
    let prune = hash(base, "prune all");
    assert_ne!(stop, prune);
    for (from, to, changes_stop, changes_prune) in [
        ("app running", "app paused", true, true),
        ("app running", "app exited", true, true),
        ("ports=80", "ports=81", true, false),
        ("ports=80", "ports=80/udp", true, false),
        ("image=i", "image=j", true, true),
        ("project=p", "project=q", true, true),
        ("restart=always", "restart=no", true, false),
        ("skip=true", "skip=false", true, true),
        ("skip=true", "skip=1", true, true),
        ("skip=true", "skip=true protect=true", true, true),
        ("net=vpn", "", true, false),
        ("bytes=5", "bytes=6", false, true),
        ("app running net=vpn\n", "\n", true, true),
        ("app running", "app running ip=1.2.3.4", false, false),
        ("app running", "app running started=7", false, false),
    ] {
        let world = base.replace(from, to);
        assert_ne!(world, base);
        assert_eq!(
            stop != hash(&world, "stop all -x old"),
            changes_stop,
            "{from} -> {to}"
        );
        assert_eq!(
            prune != hash(&world, "prune all"),
            changes_prune,
            "{from} -> {to}"
        );
    }
    let same = plan(&world(base), "stop all").unwrap();
    assert_ne!(
        plan_hash("Op", "server", &same),
        plan_hash("Op", "other", &same)
    );
    assert_ne!(
        plan_hash("Op", "server", &same),
        plan_hash("Other", "server", &same)
    );
}

/// Whatever the verb, the form and the world: nobody who protects the branch is acted on in bulk, and every act that
/// takes something away leaves the agent running.
#[test]
fn no_plan_acts_on_what_the_guard_keeps() {
    let mut lines = String::new();
    for state in STATES
        .into_iter()
        .filter(|state| !state.as_str().is_empty())
    {
        for (at, extra) in ["", "skip=true", "protect=true", "skip=true protect=true"]
            .into_iter()
            .enumerate()
        {
            lines += &format!("{}{at} {} {extra}\n", state.as_str(), state.as_str());
        }
    }
    for agent_state in STATES
        .into_iter()
        .filter(|state| !state.as_str().is_empty())
    {
        let containers = world(&format!(
            "{lines}periphery {}\ncoredb running",
            agent_state.as_str()
        ));
        for action in ACTIONS {
            for form in ["all", "match", "list periphery coredb running2 running3"] {
                let plan = plan(
                    &containers,
                    &format!("{} {form}", crate::guard::verb(action)),
                )
                .unwrap();
                for (item, _) in plan.acts() {
                    let strongest = item.protected.first().map(|reason| reason.code);
                    assert!(
                        matches!(strongest, None | Some(ReasonCode::Label)),
                        "{action:?} {form} {item:?}"
                    );
                    assert!(
                        strongest.is_none() || form.starts_with("list"),
                        "{action:?} {form} {item:?}"
                    );
                }
            }
        }
    }
    assert!(PROTECTING.iter().all(|code| code.protects()));
}

#[test]
fn ten_thousand_containers_are_planned_at_once() {
    // Projects of ten in which each service needs the one before; every hundredth container carries the label.
    let mut text = String::new();
    for at in 0..10_000 {
        let (project, service) = (at / 10, at % 10);
        let needs = if service > 0 {
            format!("needs=s{}", service - 1)
        } else {
            String::new()
        };
        let skip = if at % 100 == 7 { "skip=true" } else { "" };
        text += &format!(
            "c{at:05} running project=p{project} service=s{service} {needs} {skip} ports={}\n",
            20_000 + at
        );
    }
    let containers = world(&text);
    let exclude: Vec<String> = (0..1000).map(|at| format!("c{:05}", at * 10)).collect();
    let what = format!("stop all -x {}", exclude.join(" "));
    let began = Instant::now();
    let plan = plan(&containers, &what).unwrap();
    let hash = plan_hash("StopAllContainers", "s", &plan);
    let took = began.elapsed();
    assert_eq!(
        plan.counts,
        PlanCounts {
            act: 8_900,
            protected: 100,
            unchanged: 0,
            excluded: 1_000,
            refused: 0
        }
    );
    assert_eq!(hash.len(), 64);
    // 50 ms is what a release build has to keep; an unoptimized one is about ten times slower.
    let limit_ms = if cfg!(debug_assertions) { 2_000 } else { 50 };
    assert!(took.as_millis() < limit_ms, "took {took:?}");
}

/// Shapes that make a careless graph walk quadratic.
#[test]
fn chains_stars_and_rings_of_thousands_stay_quick() {
    let chain: String = (0..2_000)
        .map(|at| format!("c{at:05} running net=c{:05}\n", at + 1))
        .collect();
    let star: String = (0..2_000)
        .map(|at| format!("s{at:05} running net=hub\n"))
        .collect::<String>()
        + "hub running";
    let rings: String = (0..2_000)
        .map(|at| format!("r{at:05} running net=r{:05}\n", at ^ 1))
        .collect();
    let replicas: String = (0..800)
        .map(|at| {
            format!(
                "m{at:05} running project=p service=s{} needs=s0,s1,s2\n",
                at % 4
            )
        })
        .collect();
    let began = Instant::now();
    for (text, acts) in [
        (chain, 2_000),
        (star, 2_001),
        (rings, 2_000),
        (replicas, 800),
    ] {
        let plan = plan(&world(&text), "stop all").unwrap();
        assert_eq!(plan.counts.act, acts);
        assert!(plan.warnings.len() <= WARNINGS_MAX);
        let mut seen = BTreeSet::new();
        for item in &plan.items {
            assert!(
                item.after.iter().all(|id| seen.contains(id)),
                "what comes before is before"
            );
            seen.insert(item.id.clone());
        }
    }
    assert!(began.elapsed().as_secs() < 10, "took {:?}", began.elapsed());
}
