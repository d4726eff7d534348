//! What a plan that was looked at binds beyond what Core has seen since.

use std::time::Duration;

use komodo_sim::{Fault, parse_container};
use serde_json::json;

use super::harness::{Core, verdicts};

#[tokio::test(start_paused = true)]
async fn a_plan_binds_what_core_has_not_seen_yet() {
    let mut core = Core::start().await;
    let host = core
        .host("alpha", &["a", "b", "old exited", "gone exited"])
        .await;
    let params = json!({ "server": "alpha" });
    let look = json!({ "type": "StopAllContainers", "params": params });
    let plan = core.read("PlanOperation", look).await;
    host.agent.set_fault(Fault::Slow(Duration::from_millis(1)));
    host.world
        .create(parse_container("new").expect("a container"));
    host.world.start("old").expect("it starts");
    let bound = json!({ "server": "alpha", "plan": plan["hash"] });
    let begun = core.execute("StopAllContainers", bound).await;
    let ended = core.end(&begun.expect("it is as Core saw it")).await;
    assert_eq!(
        verdicts(&ended),
        "a done, b done, gone unchanged (Already), new skipped (ChangedSince), old skipped (ChangedSince)"
    );
    assert_eq!(
        host.states(),
        "a exited, b exited, gone exited, new running, old running"
    );
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_an_empty_server_binds_too() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &[]).await;
    let params = json!({ "server": "alpha" });
    let look = json!({ "type": "StopAllContainers", "params": params });
    let plan = core.read("PlanOperation", look).await;
    assert_eq!(plan["items"], json!([]));
    host.agent.set_fault(Fault::Slow(Duration::from_millis(1)));
    host.world
        .create(parse_container("new").expect("a container"));
    let bound = json!({ "server": "alpha", "plan": plan["hash"] });
    let begun = core.execute("StopAllContainers", bound).await;
    let ended = core.end(&begun.expect("it is as Core saw it")).await;
    assert_eq!(verdicts(&ended), "new skipped (ChangedSince)");
    assert_eq!(host.states(), "new running");
}
