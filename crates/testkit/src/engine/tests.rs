use super::*;

#[tokio::test]
async fn a_container_runs_stops_and_shows_its_log() {
    let engine = Engine::start().await.unwrap();
    engine
        .run(Container::new("greeter", ["echo", "hello"]))
        .await
        .unwrap();
    assert_eq!(engine.wait_exit("greeter").await.unwrap(), 0);
    assert_eq!(engine.logs("greeter").await.unwrap(), "hello\n");
}
