//! Links that die, are cut, or look dead and are not; and that agents come back by themselves.

use std::{
    future::pending,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{body::Body, routing::get};
use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http_body_util::{BodyExt, Empty};
use komodo_link::{
    Closed, CoreTimings, Identity,
    agent::{AgentTimings, LinkState},
};
use tokio::{sync::Notify, time::Instant};

use crate::{harness::*, relay::*};

fn get_request(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).body(Empty::new()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn half_open_link_is_found_dead_by_both_ends_in_time() {
    let weather = Arc::new(Weather::default());
    let mut pair = MemoryPair::start_with(
        service(),
        &weather,
        CoreTimings::default(),
        AgentTimings::default(),
    )
    .await;
    let broken = Instant::now();
    weather.swallow();
    assert_eq!(
        pair.link.client.closed().await,
        Closed::Silent {
            after: Duration::from_secs(10)
        }
    );
    let found = broken.elapsed().as_secs_f64();
    // The last ping may have been answered just before: up to 18 s to the next one, 10 s for its answer.
    assert!(
        (10.0..=28.1).contains(&found),
        "core noticed after {found} s"
    );

    let said = pair.agent.until_waiting("core was silent for 40s").await;
    let found = broken.elapsed().as_secs_f64();
    // The last byte from Core came at most 18 s before the break.
    assert!(
        (21.9..=40.1).contains(&found),
        "agent noticed after {found} s: {said}"
    );
    weather.pass();
    let again = soon("a new link", pair.outcomes.recv())
        .await
        .unwrap()
        .unwrap();
    pair.agent.until_up().await;
    assert!(again.client.ping(SOON).await.is_ok());
}

#[tokio::test]
async fn half_open_link_over_a_real_socket_is_replaced() {
    let (core_id, agent_id) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let policy = TestPolicy::knowing(&[(agent_id.public_key(), "one")]);
    let timings = CoreTimings {
        keep_alive_interval: Duration::from_millis(100),
        keep_alive_timeout: Duration::from_millis(200),
        ..CoreTimings::default()
    };
    let mut core = TestCore::start(&core_id, &policy, timings).await;
    let weather = Arc::new(Weather::default());
    let relay = TcpRelay::start(core.address, &weather).await;
    let mut config = config(&agent_id, core_id.public_key(), None);
    config.timings.read_silence = Duration::from_millis(600);
    let mut agent = TestAgent::start(config.clone(), dialler(relay.address, &config), service());
    let link = core.link().await;
    agent.until_up().await;
    weather.swallow();
    let reason = soon("core notices", link.client.closed()).await;
    assert_eq!(
        reason,
        Closed::Silent {
            after: Duration::from_millis(200)
        }
    );
    agent
        .until("the agent notices", |state| !state.is_up())
        .await;
    weather.pass();
    agent.until_up().await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_cuts_idle_connections_does_not_cut_a_link() {
    let weather = Arc::new(Weather {
        idle_cut: Some(Duration::from_secs(60)),
        ..Weather::default()
    });
    let pair = MemoryPair::start_with(
        service(),
        &weather,
        CoreTimings::default(),
        AgentTimings::default(),
    )
    .await;
    let hour = tokio::time::timeout(Duration::from_secs(3600), pair.link.client.closed()).await;
    assert!(hour.is_err(), "{hour:?}");

    let no_pings = CoreTimings {
        keep_alive_interval: Duration::from_secs(100_000),
        ..CoreTimings::default()
    };
    let patient = AgentTimings {
        read_silence: Duration::from_secs(100_000),
        ..AgentTimings::default()
    };
    let silent = MemoryPair::start_with(service(), &weather, no_pings, patient).await;
    let began = Instant::now();
    silent.link.client.closed().await;
    assert!(
        began.elapsed() < Duration::from_secs(61),
        "the relay of this test does not cut"
    );
}

#[tokio::test(start_paused = true)]
async fn pings_of_links_that_began_together_spread_out() {
    let weathers: Vec<_> = (0..20).map(|_| Arc::new(Weather::default())).collect();
    let mut pairs = Vec::new();
    for weather in &weathers {
        pairs.push(MemoryPair::start(service(), weather).await);
    }
    let began = Instant::now();
    for weather in &weathers {
        weather.to_agent.lock().unwrap().clear();
    }
    tokio::time::sleep(Duration::from_secs(19)).await;
    let firsts: Vec<f64> = weathers
        .iter()
        .map(|weather| (weather.to_agent.lock().unwrap()[0] - began).as_secs_f64())
        .collect();
    let (least, most) = firsts
        .iter()
        .fold((f64::MAX, 0.0_f64), |(least, most), &at| {
            (least.min(at), most.max(at))
        });
    assert!(least >= 11.0 && most <= 18.1, "{firsts:?}");
    assert!(most - least > 1.0, "all pings fall together: {firsts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_line_full_of_data_is_not_a_dead_one() {
    // 64 KiB/s towards Core: the pong stands in line behind seconds of data.
    let slow = Some((8 * 1024, Duration::from_millis(125)));
    let weather = Arc::new(Weather {
        slow_to_core: slow,
        ..Weather::default()
    });
    let flood = service().route(
        "/flood",
        get(async || {
            Body::from_stream(stream::repeat_with(|| {
                Ok::<_, std::io::Error>(Bytes::from(vec![7; 16 * 1024]))
            }))
        }),
    );
    let timings = CoreTimings {
        keep_alive_timeout: Duration::from_secs(1),
        ..CoreTimings::default()
    };
    let pair = MemoryPair::start_with(flood, &weather, timings, AgentTimings::default()).await;
    let mut body = pair
        .link
        .client
        .request(get_request("/flood"), SOON)
        .await
        .unwrap()
        .into_body();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(120) {
        body.frame().await.unwrap().unwrap();
    }
    assert_eq!(pair.link.client.is_closed(), None);
    let alive = pair.link.client.ping(Duration::from_secs(1)).await;
    assert!(alive.is_ok(), "{alive:?}");
}

#[tokio::test]
async fn agent_comes_back_after_core_restarts() {
    let (core_id, agent_id) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let policy = TestPolicy::knowing(&[(agent_id.public_key(), "one")]);
    let mut core = TestCore::start(&core_id, &policy, CoreTimings::default()).await;
    let address = core.address;
    let config = config(&agent_id, core_id.public_key(), None);
    let mut agent = TestAgent::start(config.clone(), dialler(address, &config), service());
    let link = core.link().await;
    agent.until_up().await;
    core.stop().await;
    drop(link);
    agent
        .until("the link is lost", |state| !state.is_up())
        .await;
    agent.until_waiting("cannot reach core").await;
    let mut core = TestCore::start_at(address, &core_id, &policy, CoreTimings::default()).await;
    let link = core.link().await;
    agent.until_up().await;
    assert!(link.client.ping(SOON).await.is_ok());
}

#[tokio::test]
async fn orderly_close_by_core_is_a_lost_link_for_the_agent_too() {
    let mut pair = Pair::start(service()).await;
    pair.agent.until_up().await;
    pair.link.client.close();
    assert_eq!(
        soon("the end", pair.link.client.closed()).await,
        Closed::ByCore
    );
    pair.agent.until_waiting("core closed the link").await;
    let again = pair.core.link().await;
    pair.agent.until_up().await;
    assert!(again.client.ping(SOON).await.is_ok());
}

#[tokio::test]
async fn link_ends_with_its_last_handle() {
    let mut pair = Pair::start(service()).await;
    pair.agent.until_up().await;
    let copy = pair.link.client.clone();
    drop(pair.link);
    assert!(copy.ping(SOON).await.is_ok());
    drop(copy);
    pair.agent
        .until("the link is lost", |state| !state.is_up())
        .await;
}

#[tokio::test]
async fn agent_says_goodbye_lets_short_work_end_and_stops_the_rest() {
    let (started, finish, dropped) = (
        Arc::new(Notify::new()),
        Arc::new(Notify::new()),
        Arc::new(Notify::new()),
    );
    let router = {
        let (started, finish, dropped) = (
            Arc::clone(&started),
            Arc::clone(&finish),
            Arc::clone(&dropped),
        );
        let second_started = Arc::clone(&started);
        service()
            .route(
                "/short",
                get(async move || {
                    started.notify_one();
                    finish.notified().await;
                    "done"
                }),
            )
            .route(
                "/endless",
                get(async move || {
                    let _guard = NotifyOnDrop(dropped);
                    second_started.notify_one();
                    pending::<()>().await;
                }),
            )
    };
    let mut pair = Pair::start(router).await;
    let client = pair.link.client.clone();
    let short = client.request_whole(get_request("/short"), SOON, 100);
    let endless = client.request_whole(get_request("/endless"), SOON, 100);
    let stop = async {
        soon("first request", started.notified()).await;
        soon("second request", started.notified()).await;
        pair.agent.cancel.cancel();
        finish.notify_one();
        soon("the endless request is dropped", dropped.notified()).await;
    };
    let (short, endless, ()) = tokio::join!(short, endless, stop);
    assert_eq!(short.unwrap().body(), "done");
    assert!(endless.is_err());
    assert_eq!(soon("the end", client.closed()).await, Closed::ByAgent);
    pair.agent
        .until("stopped", |state| matches!(state, LinkState::Stopped))
        .await;
    soon("the agent returns", pair.agent.tasks.join_all()).await;
}

#[tokio::test]
async fn agent_that_is_told_to_stop_while_it_dials_stops_at_once() {
    let (core_id, agent_id) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    // Accepts connections and never says a word.
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(&agent_id, core_id.public_key(), None);
    let agent = TestAgent::start(
        config.clone(),
        dialler(deaf.local_addr().unwrap(), &config),
        service(),
    );
    let _connection = soon("a dial", deaf.accept()).await.unwrap();
    agent.cancel.cancel();
    tokio::time::timeout(Duration::from_secs(3), agent.tasks.join_all())
        .await
        .expect("stops at once");
}

#[tokio::test(start_paused = true)]
async fn ping_tells_life_from_silence() {
    let weather = Arc::new(Weather::default());
    let pair = MemoryPair::start(service(), &weather).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let silent = pair.link.client.silent_for();
    assert!(
        silent <= Duration::from_secs(18),
        "{silent:?} on a link that is pinged"
    );
    assert!(pair.link.client.ping(Duration::from_secs(2)).await.is_ok());
    weather.swallow();
    let began = Instant::now();
    let silent = pair.link.client.ping(Duration::from_secs(2)).await;
    assert!(silent.is_err());
    assert_eq!(began.elapsed().as_secs(), 2);
    assert_eq!(pair.link.client.silent_for().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn agent_keeps_trying_with_waits_that_grow_to_the_cap_and_start_anew_after_a_good_session() {
    let weather = Arc::new(Weather::default());
    let mut pair = MemoryPair::start_with(
        service(),
        &weather,
        CoreTimings::default(),
        AgentTimings::default(),
    )
    .await;
    // Up for less than the reset: each loss counts as a failure in a row.
    for _ in 0..12 {
        weather.cut.notify_waiters();
        pair.agent
            .until("lost", |state| matches!(state, LinkState::Waiting { .. }))
            .await;
        pair.agent.until_up().await;
    }
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        weather.cut.notify_waiters();
        longest = longest.max(next_wait(&mut pair.agent).await);
        pair.agent.until_up().await;
    }
    assert!(
        longest > Duration::from_secs(3) && longest <= Duration::from_millis(10_100),
        "{longest:?}"
    );
    tokio::time::sleep(Duration::from_secs(11)).await;
    weather.cut.notify_waiters();
    let first = next_wait(&mut pair.agent).await;
    assert!(first <= Duration::from_millis(600), "{first:?}");
    assert!(weather.connections.load(Ordering::SeqCst) >= 33);
}

async fn next_wait(agent: &mut TestAgent) -> Duration {
    match agent
        .until("lost", |state| matches!(state, LinkState::Waiting { .. }))
        .await
    {
        LinkState::Waiting { next_attempt, .. } => next_attempt - Instant::now(),
        other => panic!("{other:?}"),
    }
}

/// A router of the test's own is kept alive by the agent, so this says when a handler is gone.
struct NotifyOnDrop(Arc<Notify>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test(start_paused = true)]
async fn many_who_ask_at_once_do_not_make_a_link_look_dead() {
    let pair = MemoryPair::start(service(), &Arc::new(Weather::default())).await;
    let pings = (0..100).map(|_| pair.link.client.ping(Duration::from_secs(2)));
    for ping in futures_util::future::join_all(pings).await {
        assert!(ping.is_ok(), "{ping:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn cut_connection_is_named_as_that_on_both_sides() {
    let weather = Arc::new(Weather::default());
    let silence = || Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let mut pair = MemoryPair::start_with(
        service().route("/silent", get(async move || silence())),
        &weather,
        CoreTimings::default(),
        AgentTimings::default(),
    )
    .await;
    weather.cut.notify_waiters();
    let cause = "the connection ended without a goodbye".to_owned();
    let closed = soon("the end", pair.link.client.closed()).await;
    assert_eq!(closed, Closed::Lost { cause });
    pair.agent.until_waiting("without a goodbye").await;
    let again = soon("a new link", pair.outcomes.recv())
        .await
        .unwrap()
        .unwrap();
    pair.agent.until_up().await;

    // With a request under way.
    let silent = again
        .client
        .request(get_request("/silent"), SOON)
        .await
        .unwrap();
    weather.cut.notify_waiters();
    let said = pair.agent.until_waiting("without a goodbye").await;
    assert!(!said.contains("docs.rs"), "{said}");
    let ended = soon("the end", silent.into_body().frame()).await;
    assert!(ended.unwrap().is_err(), "a cut answer looks whole");
}
