//! Which containers are meant: by name, by id, in a list, by a query, and which are left out.

use expect_test::expect;

use super::*;

#[test]
fn by_name() {
    check(
        HOST,
        "stop one web",
        expect![[r#"
        web act dark 0.0.0.0:8080/tcp,[::]:8080/tcp comes-back
    "#]],
    );
    check(
        HOST,
        "stop one labelled",
        expect![[r#"
        labelled act
    "#]],
    );
    check(
        HOST,
        "stop one periphery",
        expect![[r#"
        periphery refuse agent
    "#]],
    );
    check(
        HOST,
        "stop one periphery override",
        expect![[r#"
        periphery refuse agent
    "#]],
    );
    check(
        HOST,
        "stop one declared",
        expect![[r#"
        declared refuse declared
    "#]],
    );
    check(
        HOST,
        "stop one declared override",
        expect![[r#"
        declared act
    "#]],
    );
    check(
        HOST,
        "stop one coredb override",
        expect![[r#"
        coredb act
    "#]],
    );
    check(
        HOST,
        "start one periphery",
        expect![[r#"
        periphery skip already
    "#]],
    );
    check(
        HOST,
        "stop one job",
        expect![[r#"
        job skip already
    "#]],
    );
    check(
        HOST,
        "restart one job",
        expect![[r#"
        job act
    "#]],
    );
    check(
        HOST,
        "stop one nobody",
        expect![[r#"
        error: there is no container 'nobody' on this server
    "#]],
    );
    check(
        HOST,
        "stop one /web",
        expect![[r#"
        web act dark 0.0.0.0:8080/tcp,[::]:8080/tcp comes-back
    "#]],
    );
}

#[test]
fn by_id_and_its_beginning() {
    let long = "a".repeat(62);
    let mut containers = world("one running\ntwo running\nabcdefabcdef running");
    containers[0].id = format!("{long}01");
    containers[1].id = format!("{long}02");
    let names = |reference: &str| match plan(&containers, &format!("stop one {reference}")) {
        Ok(plan) => plan.items[0].container.clone(),
        Err(error) => error.to_string(),
    };
    assert_eq!(names(&format!("{long}02")), "two");
    assert_eq!(
        names("aaaaaaaaaaa"),
        "there is no container 'aaaaaaaaaaa' on this server"
    );
    assert_eq!(
        names("aaaaaaaaaaaa"),
        "'aaaaaaaaaaaa' fits several containers: one, two"
    );
    // A name wins over the beginning of an id.
    assert_eq!(names("abcdefabcdef"), "abcdefabcdef");
    let unclear = plan(&containers, "stop all -x aaaaaaaaaaaa").unwrap();
    assert_eq!(
        unclear.counts.excluded, 2,
        "when in doubt more is left out, not less"
    );
}

#[test]
fn a_list_of_names() {
    check(
        HOST,
        "stop list web labelled declared periphery job web nobody",
        expect![[r#"
        declared skip declared
        periphery skip agent
        labelled act
        web act dark 0.0.0.0:8080/tcp,[::]:8080/tcp comes-back
        job skip already
        nobody skip gone
    "#]],
    );
    check(
        HOST,
        "stop list",
        expect![[r#"
        error: no containers are named: give `containers` or a `query`
    "#]],
    );
    check(
        HOST,
        "stop list nobody",
        expect![[r#"
        nobody skip gone
    "#]],
    );
}

#[test]
fn excluded_by_name_or_id() {
    check(
        HOST,
        "stop all -x web loop nobody",
        expect![[r#"
        coredb skip core-dependency
        declared skip declared
        labelled skip label
        labelled-old skip label
        periphery skip agent
        ice act
        corpse skip already
        fresh skip already
        going skip not-applicable
        job skip already
        loop skip excluded
        web skip excluded
        ! there is no container 'nobody' to exclude
    "#]],
    );
    check(
        HOST,
        &format!("pause all -x {} {}", id("web"), &id("loop")[..12]),
        expect![[r#"
        coredb skip core-dependency
        declared skip declared
        labelled skip label
        labelled-old skip label
        periphery skip agent
        corpse skip not-applicable
        fresh skip not-applicable
        going skip not-applicable
        ice skip already
        job skip not-applicable
        loop skip excluded
        web skip excluded
    "#]],
    );
    // What is protected is said to be, also where the caller left it out.
    check(
        HOST,
        "stop list labelled periphery -x labelled periphery",
        expect![[r#"
        periphery skip agent
        labelled skip excluded
    "#]],
    );
}

#[test]
fn a_query_needs_all_its_conditions() {
    let containers = "
        shop-web running image=reg.example:5000/nginx:1.27 project=shop label=tier:front
        shop-db running image=postgres@sha256:abc project=shop
        blog-web exited image=nginx project=blog label=tier:front
        Shop-Cron running image=cron:2 label=tier:back
    ";
    for (query, expected) in [
        ("match term=shop", "Shop-Cron shop-db shop-web"),
        ("match term=SHOP term=web", "shop-web"),
        ("match state=exited state=paused", "blog-web"),
        ("match image=nginx", "blog-web"),
        ("match image=reg.example:5000/nginx", "shop-web"),
        ("match image=reg.example:5000/nginx:1.27", "shop-web"),
        ("match image=reg.example", ""),
        ("match image=postgres", "shop-db"),
        ("match image=cron:1", ""),
        (
            "match project=shop project=blog",
            "blog-web shop-db shop-web",
        ),
        ("match label=tier", "Shop-Cron blog-web shop-web"),
        ("match label=tier=front project=shop", "shop-web"),
        ("match label=tier=", ""),
        ("match", "Shop-Cron blog-web shop-db shop-web"),
        ("match term=nothing", ""),
    ] {
        let plan = plan(&world(containers), &format!("destroy {query}")).unwrap();
        let names: Vec<&str> = plan
            .items
            .iter()
            .map(|item| item.container.as_str())
            .collect();
        assert_eq!(names.join(" "), expected, "{query}");
    }
}
