use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use komodo_agent_api::{AgentError, AgentErrorCode};

use super::Frames;
use crate::wire::FRAME_BYTES_MAX;

fn next(frames: &mut Frames<String>) -> Option<Option<Bytes>> {
    frames
        .next()
        .now_or_never()
        .map(|frame| frame.map(|frame| frame.expect("never fails")))
}

#[test]
fn ready_lines_share_a_frame_and_none_waits_for_company() {
    let ready = stream::iter(["a", "b"]).map(|item| Ok(item.to_owned()));
    let mut frames = Frames::new(ready.chain(stream::pending()).boxed());
    let frame = next(&mut frames)
        .expect("two lines are ready")
        .expect("the stream goes on");
    assert_eq!(frame, "{\"item\":\"a\"}\n{\"item\":\"b\"}\n");
    assert_eq!(next(&mut frames), None);
    assert_eq!(frames.ready.capacity(), 0, "an idle stream keeps a buffer");
}

#[test]
fn no_frame_is_over_the_limit_and_nothing_is_lost() {
    let long = "x".repeat(FRAME_BYTES_MAX * 3);
    let items: Vec<_> = (0..2000)
        .map(|n| Ok(n.to_string()))
        .chain([Ok(long.clone())])
        .collect();
    let mut frames = Frames::new(stream::iter(items).boxed());
    let mut text = Vec::new();
    while let Some(frame) = next(&mut frames).expect("all is ready") {
        assert!(frame.len() <= FRAME_BYTES_MAX, "{}", frame.len());
        text.extend_from_slice(&frame);
    }
    let text = String::from_utf8(text).expect("JSON");
    assert_eq!(text.lines().count(), 2001);
    assert_eq!(text.lines().nth(1999), Some("{\"item\":\"1999\"}"));
    assert!(text.ends_with(&format!("{{\"item\":\"{long}\"}}\n")));
}

#[test]
fn an_error_is_the_last_line() {
    let items = vec![
        Ok("a".to_owned()),
        Err(AgentError::new(AgentErrorCode::EngineUnreachable, "gone")),
        Ok("never sent".to_owned()),
    ];
    let mut frames = Frames::new(stream::iter(items).boxed());
    let frame = next(&mut frames).flatten().expect("a frame");
    assert_eq!(
        frame,
        "{\"item\":\"a\"}\n{\"error\":{\"code\":\"engine_unreachable\",\"message\":\"gone\"}}\n"
    );
    assert_eq!(next(&mut frames), Some(None));
}
