use std::{path::Path, time::Duration};

use expect_test::{Expect, expect};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    time::Instant,
};

use super::{
    AgentTimings, CoreAddress, backoff::Backoff, load_known_cores, save_known_core,
    watchdog::Watchdog,
};
use crate::{Identity, PublicKey};

#[test]
fn waits_double_to_the_cap_and_are_spread_in_full() {
    let mut backoff = Backoff::new(&AgentTimings::default());
    let ms = |wait: Duration| wait.as_millis();
    let most: Vec<_> = (0..8).map(|_| ms(backoff.next(1.0))).collect();
    assert_eq!(most, [600, 1100, 2100, 4100, 8100, 10_100, 10_100, 10_100]);
    assert_eq!(ms(backoff.next(0.0)), 100);
    assert_eq!(ms(backoff.next(0.5)), 5100);
    for _ in 0..100 {
        backoff.next(1.0);
    }
    assert_eq!(
        ms(backoff.next(1.0)),
        10_100,
        "no overflow after many failures"
    );
    backoff.reset();
    assert_eq!(ms(backoff.next(1.0)), 600);
}

#[test]
fn addresses_as_people_write_them() {
    check(
        "https://core.example.com",
        expect!["https://core.example.com -> wss://core.example.com/link?n"],
    );
    check(
        "core.example.com",
        expect!["https://core.example.com -> wss://core.example.com/link?n"],
    );
    check(
        "core.example.com:9120",
        expect!["https://core.example.com:9120 -> wss://core.example.com:9120/link?n"],
    );
    check(
        " ws://10.0.0.1:9120/ ",
        expect!["http://10.0.0.1:9120 -> ws://10.0.0.1:9120/link?n"],
    );
    check(
        "http://localhost/komodo/",
        expect!["http://localhost/komodo -> ws://localhost/komodo/link?n"],
    );
    check(
        "wss://[2001:db8::1]:443",
        expect!["https://[2001:db8::1] -> wss://[2001:db8::1]/link?n"],
    );
    check(
        "http://[::1]:9120",
        expect!["http://[::1]:9120 -> ws://[::1]:9120/link?n"],
    );
    check(
        "ftp://core",
        expect!["error: core address must start with https://, http://, wss:// or ws://"],
    );
    check(
        "https://user:pw@core",
        expect!["error: core address may not hold a user, a password or a query"],
    );
    check(
        "https://core/?x=1",
        expect!["error: core address may not hold a user, a password or a query"],
    );
    check("", expect!["error: core address is malformed"]);
    check("https://", expect!["error: core address is malformed"]);
    check("two words", expect!["error: core address is malformed"]);
}

fn check(text: &str, expected: Expect) {
    let shown = match text.parse::<CoreAddress>() {
        Ok(address) => format!("{address} -> {}", address.upgrade_uri("n").unwrap()),
        Err(error) => format!("error: {error}"),
    };
    expected.assert_eq(&shown);
}

fn key() -> PublicKey {
    Identity::generate().unwrap().public_key()
}

#[test]
fn known_cores_are_kept_once_each_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("core.pub");
    assert_eq!(load_known_cores(&path).unwrap(), []);
    let (first, second) = (key(), key());
    for key in [&first, &second, &first] {
        save_known_core(&path, key).unwrap();
    }
    assert_eq!(load_known_cores(&path).unwrap(), [first, second]);
    for _ in 0..63 {
        save_known_core(&path, &key()).unwrap();
    }
    let kept = load_known_cores(&path).unwrap();
    assert_eq!((kept.len(), kept[0]), (64, second));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "temporary files are left");
}

#[test]
fn damaged_known_cores_are_an_error_with_the_line_and_are_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("core.pub");
    let text = format!("# mine\n{}  # main\n\nnonsense\n", key());
    std::fs::write(&path, &text).unwrap();
    let error = load_known_cores(&path).unwrap_err().to_string();
    assert!(error.contains("line 4"), "{error}");
    assert!(save_known_core(&path, &key()).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert!(save_known_core(Path::new("/nowhere/at/all"), &key()).is_err());
}

const LIMIT: Duration = Duration::from_secs(40);

#[tokio::test(start_paused = true)]
async fn watchdog_counts_from_the_last_byte() {
    let (near, mut far) = duplex(64);
    let mut watched = Watchdog::new(near, LIMIT);
    let began = Instant::now();
    let talk = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(30)).await;
            far.write_all(b"x").await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    let listen = async {
        for _ in 0..3 {
            watched.read_u8().await.unwrap();
        }
        watched.read_u8().await.unwrap_err()
    };
    let error = tokio::select! {
        error = listen => error,
        () = talk => unreachable!(),
    };
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    let elapsed = began.elapsed();
    assert!(
        elapsed >= Duration::from_secs(130) && elapsed < Duration::from_secs(131),
        "{elapsed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn watchdog_fails_writes_that_are_stuck() {
    let (near, _far) = duplex(64);
    let mut watched = Watchdog::new(near, LIMIT);
    let began = Instant::now();
    let error = watched.write_all(&[0; 1000]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(
        began.elapsed() < LIMIT + Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}
