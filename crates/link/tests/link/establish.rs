//! Who gets a link and who does not, and that both sides say why.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use komodo_link::{Closed, CoreTimings, EstablishError, Identity, Refusal, agent::LinkState};

use crate::harness::*;

fn keys() -> (Identity, Identity) {
    (Identity::generate().unwrap(), Identity::generate().unwrap())
}

fn refusal_of(outcome: Outcome) -> Refusal {
    match outcome {
        Err(EstablishError::Refused { refusal, .. }) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn known_agent_is_up_after_the_hello() {
    let (core_id, agent_id) = keys();
    let policy = TestPolicy::knowing(&[(agent_id.public_key(), "db-1")]);
    let mut core = TestCore::start(&core_id, &policy, CoreTimings::default()).await;
    let config = config(&agent_id, core_id.public_key(), None);
    let dialler = dialler(core.address, &config);
    let mut agent = TestAgent::start(config, dialler, service());

    let link = core.link().await;
    assert_eq!(link.identity, "db-1");
    assert_eq!(link.hello, "heard {\"you\":\"db-1\"}");
    assert_eq!(link.client.peer().key, agent_id.public_key());
    assert_eq!(link.client.peer().connect_as, "web 1/ä");
    assert!(
        link.client
            .peer()
            .address
            .is_some_and(|address| address.ip().is_loopback())
    );
    match agent.until_up().await {
        LinkState::Up {
            core_key,
            core_address,
            local_address,
            ..
        } => {
            assert_eq!(core_key, core_id.public_key());
            assert_eq!(core_address, Some(core.address));
            assert_eq!(local_address, link.client.peer().address);
        }
        other => panic!("not up: {other:?}"),
    }
    let echo = Request::post("/echo?x=1")
        .body(Full::new(Bytes::from_static(b"over the link")))
        .unwrap();
    let answer = link.client.request_whole(echo, SOON, 1024).await.unwrap();
    assert_eq!(answer.body(), "over the link");
}
