//! Who may what, as a table; attempts and their count.

use std::{net::IpAddr, sync::Arc};

use komodo_api::{
    Code, Error,
    id::{Id, Oid},
    permission::{
        Permission, PermissionLevel, PermissionLevelAndSpecifics, SpecificPermission, UserTarget,
    },
    resource::{ResourceTarget, ResourceTargetVariant},
    user::UserGroup,
};

use super::{access, password, rate_limit::RateLimiter};
use crate::{
    app::local_user,
    desired::{Account, DesiredState},
    ops::new_server,
    store::Change,
};

use PermissionLevel::{Execute, Read, Write};
use SpecificPermission::{Inspect, Logs, Terminal};

fn id(number: u8) -> Id {
    Id::from_bytes([number; 12])
}

fn server() -> ResourceTarget {
    ResourceTarget::Server(id(1).to_string())
}

fn held(level: PermissionLevel, specific: &[SpecificPermission]) -> PermissionLevelAndSpecifics {
    PermissionLevelAndSpecifics {
        level,
        specific: specific.iter().copied().collect(),
    }
}

/// A server, a user, a group he is in, one he is not in, and one that everybody is in.
struct World {
    state: DesiredState,
    account: Account,
}

const MEMBERS: u8 = 10;
const OTHERS: u8 = 11;
const EVERYONE: u8 = 12;

impl World {
    fn new() -> Self {
        let mut state = DesiredState::default();
        state.apply(&Change::PutServer(
            id(1),
            Arc::new(new_server(id(1), "web".into(), 1)),
        ));
        let account = Account {
            id: id(2),
            user: local_user("ada"),
            password_hash: None,
        };
        let mut world = World { state, account };
        world.group(MEMBERS, |group| group.users = vec![id(2).to_string()]);
        world.group(OTHERS, |group| group.users = vec![id(3).to_string()]);
        world.group(EVERYONE, |group| group.everyone = true);
        world
    }

    fn group(&mut self, number: u8, change: impl FnOnce(&mut UserGroup)) {
        let mut group = self
            .state
            .groups
            .get(&id(number))
            .map(|group| UserGroup::clone(group))
            .unwrap_or_default();
        change(&mut group);
        self.state
            .apply(&Change::PutGroup(id(number), Arc::new(group)));
    }

    fn base(&mut self, base: PermissionLevelAndSpecifics) {
        let mut server = new_server(id(1), "web".into(), 1);
        server.base_permission = base;
        self.state
            .apply(&Change::PutServer(id(1), Arc::new(server)));
    }

    fn grant(
        &mut self,
        number: u8,
        holder: UserTarget,
        target: ResourceTarget,
        what: PermissionLevelAndSpecifics,
    ) {
        let permission = Permission {
            id: Some(Oid(id(number))),
            user_target: holder,
            resource_target: target,
            level: what.level,
            specific: what.specific,
        };
        self.state
            .apply(&Change::PutPermission(id(number), Arc::new(permission)));
    }

    #[track_caller]
    fn check(&self, level: PermissionLevel, specific: &[SpecificPermission]) {
        assert_eq!(
            access(&self.state, &self.account, &server()),
            held(level, specific)
        );
    }
}

fn check(change: impl FnOnce(&mut World), level: PermissionLevel, specific: &[SpecificPermission]) {
    let mut world = World::new();
    change(&mut world);
    world.check(level, specific);
}

#[test]
fn each_source_of_permissions_counts() {
    let user = || UserTarget::User(id(2).to_string());
    let group = |number| UserTarget::UserGroup(id(number).to_string());
    let servers = ResourceTargetVariant::Server;
    check(|_| {}, PermissionLevel::None, &[]);
    check(|world| world.state.transparent_mode = true, Read, &[]);
    check(|world| world.base(held(Execute, &[Logs])), Execute, &[Logs]);
    check(
        |world| {
            drop(
                world
                    .account
                    .user
                    .all
                    .insert(servers, held(Write, &[Inspect])),
            )
        },
        Write,
        &[Inspect],
    );
    check(
        |world| {
            drop(
                world
                    .account
                    .user
                    .all
                    .insert(ResourceTargetVariant::Stack, held(Write, &[])),
            )
        },
        PermissionLevel::None,
        &[],
    );
    check(
        |world| {
            world.group(MEMBERS, |group| {
                drop(group.all.insert(servers, held(Read, &[Logs])))
            })
        },
        Read,
        &[Logs],
    );
    check(
        |world| {
            world.group(EVERYONE, |group| {
                drop(group.all.insert(servers, held(Read, &[])))
            })
        },
        Read,
        &[],
    );
    check(
        |world| {
            world.group(OTHERS, |group| {
                drop(group.all.insert(servers, held(Write, &[Logs])))
            })
        },
        PermissionLevel::None,
        &[],
    );
    check(
        |world| world.grant(20, user(), server(), held(Execute, &[Terminal])),
        Execute,
        &[Terminal],
    );
    check(
        |world| world.grant(20, group(MEMBERS), server(), held(Execute, &[])),
        Execute,
        &[],
    );
    check(
        |world| world.grant(20, group(EVERYONE), server(), held(Read, &[])),
        Read,
        &[],
    );
    check(
        |world| world.grant(20, group(OTHERS), server(), held(Write, &[])),
        PermissionLevel::None,
        &[],
    );
    check(
        |world| {
            world.grant(
                20,
                user(),
                ResourceTarget::Server(id(9).to_string()),
                held(Write, &[]),
            )
        },
        PermissionLevel::None,
        &[],
    );
    check(
        |world| world.account.user.admin = true,
        Write,
        &super::permission::ALL_SPECIFIC,
    );
    check(
        |world| world.account.user.super_admin = true,
        Write,
        &super::permission::ALL_SPECIFIC,
    );
}

#[test]
fn sources_add_up() {
    let mut world = World::new();
    world.state.transparent_mode = true;
    world.base(held(PermissionLevel::None, &[Logs]));
    world.check(Read, &[Logs]);
    world.grant(
        20,
        UserTarget::User(id(2).to_string()),
        server(),
        held(Execute, &[Inspect]),
    );
    world.check(Execute, &[Logs, Inspect]);
    world.group(MEMBERS, |group| {
        drop(
            group
                .all
                .insert(ResourceTargetVariant::Server, held(Read, &[Terminal])),
        )
    });
    world.check(Execute, &[Logs, Inspect, Terminal]);
    world.state.apply(&Change::DeletePermission(id(20)));
    world.check(Read, &[Logs, Terminal]);
}

#[test]
fn core_itself_is_for_administrators() {
    let mut world = World::new();
    world.state.transparent_mode = true;
    assert_eq!(
        access(&world.state, &world.account, &ResourceTarget::system()).level,
        PermissionLevel::None
    );
    world.account.user.admin = true;
    assert_eq!(
        access(&world.state, &world.account, &ResourceTarget::system()).level,
        Write
    );
}

fn wrong() -> Error {
    Error::new(Code::Unauthenticated, "wrong").cause("detail")
}

#[test]
fn attempts_are_counted_in_a_sliding_window() {
    let limiter = RateLimiter::new(3, 15, true);
    let (here, there): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    let texts: Vec<String> = [0, 1000, 2000]
        .map(|at| limiter.failed(here, at, wrong()).error)
        .into();
    assert_eq!(
        texts,
        [2, 1, 0].map(|left| format!("wrong | You have {left} attempts remaining"))
    );
    assert_eq!(
        limiter.check(here, 3000).map_err(|error| error.error),
        Err("Too many attempts | Try again in 12s".into())
    );
    assert_eq!(
        limiter.failed(here, 3000, wrong()).code,
        Code::TooManyAttempts
    );
    assert_eq!(limiter.check(there, 3000), Ok(()));
    // The first attempt leaves the window, and with it one attempt is free again.
    assert_eq!(limiter.check(here, 15_001), Ok(()));
    assert_eq!(
        limiter.failed(here, 15_001, wrong()).error,
        "wrong | You have 0 attempts remaining"
    );
    assert!(limiter.failed(there, 0, wrong()).trace.is_empty());
}

#[test]
fn one_network_of_ipv6_is_one_source() {
    let limiter = RateLimiter::new(1, 15, true);
    let [a, b, c]: [IpAddr; 3] = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
        .map(|text| text.parse().expect("an address"));
    limiter.failed(a, 0, wrong());
    assert!(limiter.check(b, 1).is_err());
    assert!(limiter.check(c, 1).is_ok());
    let mapped: IpAddr = "::ffff:192.0.2.1".parse().expect("an address");
    limiter.failed(mapped, 0, wrong());
    assert!(limiter.check([192, 0, 2, 1].into(), 1).is_err());
}

#[tokio::test]
async fn unknown_names_take_as_long_as_wrong_passwords() {
    let passwords = password::Passwords::default();
    let hash = passwords.hash("right".into()).await.expect("hashed");
    assert!(
        passwords
            .verify("right".into(), Some(hash.clone()))
            .await
            .expect("checked")
    );
    assert!(
        !passwords
            .verify("wrong".into(), Some(hash.clone()))
            .await
            .expect("checked")
    );
    assert!(
        !passwords
            .verify("right".into(), None)
            .await
            .expect("checked")
    );
    // The same work is done: the decoy is a hash of the same settings that can be checked.
    let settings = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
    assert_eq!(settings(password::DECOY), settings(&hash));
    argon2::PasswordHash::new(password::DECOY).expect("the decoy is a hash");
}

#[test]
fn passwords_have_rules() {
    assert!(password::check_rules("long enough", 8).is_ok());
    for bad in ["short", "bell\u{7}bell\u{7}", &"x".repeat(1001)] {
        assert_eq!(
            password::check_rules(bad, 8).expect_err("refused").code,
            Code::Invalid
        );
    }
}
