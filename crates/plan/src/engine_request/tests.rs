use komodo_agent_api::{Container, ProtectedContainer};
use komodo_api::plan::{Reason, ReasonCode};

use super::*;
use crate::table::{id, world};

fn read(line: &str) -> EngineRequest {
    try_read(line).unwrap()
}

fn try_read(line: &str) -> Result<EngineRequest, BadAddress> {
    let (method, target) = line.split_once(' ').unwrap();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    EngineRequest::read(method, path, query)
}

/// `stop web`, `remove network n`, `nothing`, …
fn shown(change: &EngineChange) -> String {
    match change {
        EngineChange::Nothing => "nothing".into(),
        EngineChange::Container { reference, verb } => {
            format!("{verb:?} {reference}").to_lowercase()
        }
        EngineChange::Disconnect { network } => format!("disconnect from {network}"),
        EngineChange::Remove { kind, reference } => {
            format!("remove {} {reference}", kind.word())
        }
        EngineChange::Prune(pruned, _) => format!("prune {pruned:?}").to_lowercase(),
        EngineChange::Service { reference } => format!("service {reference}"),
        EngineChange::Whole(command) => (*command).to_owned(),
        EngineChange::Unknown => "unknown".into(),
    }
}

#[test]
fn each_request_is_understood() {
    let cases = [
        // Reads, whatever they read.
        ("GET /containers/json?all=1", "nothing"),
        ("GET /v1.41/events", "nothing"),
        ("HEAD /_ping", "nothing"),
        ("GET /containers/web/logs?follow=1", "nothing"),
        ("GET /containers/web/attach/ws", "nothing"),
        // What passes.
        ("POST /v1.41/containers/create?name=web", "nothing"),
        ("POST /build?t=x", "nothing"),
        ("POST /session", "nothing"),
        ("POST /grpc", "nothing"),
        ("POST /images/create?fromImage=alpine", "nothing"),
        ("POST /images/registry.local:5000/a/b:1/push", "nothing"),
        ("POST /images/a/tag?repo=b", "nothing"),
        ("POST /containers/web/exec", "nothing"),
        ("POST /exec/abc/start", "nothing"),
        ("POST /containers/web/attach?stream=1", "nothing"),
        ("POST /containers/web/resize?h=1&w=1", "nothing"),
        ("POST /containers/web/wait?condition=next-exit", "nothing"),
        ("PUT /containers/web/archive?path=/", "nothing"),
        ("POST /networks/n/connect", "nothing"),
        ("POST /volumes/create", "nothing"),
        ("POST /services/create", "nothing"),
        // Containers.
        ("POST /containers/web/start", "start web"),
        ("POST /v1.41/containers/web/stop?t=3", "stop web"),
        ("POST /containers/web/kill?signal=HUP", "kill web"),
        ("POST /containers/web/restart", "restart web"),
        ("POST /containers/web/pause", "pause web"),
        ("POST /containers/web/unpause", "unpause web"),
        ("POST /containers/web/rename?name=x", "rename web"),
        ("POST /containers/web/update", "update web"),
        ("POST /containers/web/checkpoints", "checkpoint web"),
        ("DELETE /containers/web?force=1", "remove web"),
        ("POST /commit?container=web", "commit web"),
        ("POST /commit?container=web&pause=1", "commit web"),
        ("POST /commit?container=web&pause=yes", "commit web"),
        ("POST /commit?container=web&pause=False", "nothing"),
        ("POST /commit?pause=0", "unknown"),
        // The same, written oddly.
        ("POST /v1.41//containers///web//stop/", "stop web"),
        ("POST /containers/%77eb/%73top", "stop web"),
        ("POST /containers%2Fweb%2Fstop", "stop web"),
        ("POST /containers/%2Fweb/stop", "stop web"),
        ("POST /v1/containers/web/stop", "stop web"),
        ("POST /v1.41.9/containers/web/stop", "stop web"),
        ("DELETE /containers/web/", "remove web"),
        // The Engine's router tells small letters from capitals.
        ("POST /Containers/web/stop", "unknown"),
        ("POST /containers/web/Stop", "unknown"),
        ("POST /v1.41/v1.41/containers/web/stop", "unknown"),
        ("POST /containers/stop", "unknown"),
        // Legacy links have slashes in their names.
        ("POST /containers/web/db/stop", "unknown"),
        ("DELETE /containers/web/db?link=1", "unknown"),
        // Objects.
        ("POST /networks/n/disconnect", "disconnect from n"),
        ("DELETE /networks/n", "remove network n"),
        ("DELETE /volumes/v?force=1", "remove volume v"),
        ("DELETE /images/a/b:1?force=1", "remove image a/b:1"),
        ("DELETE /images/sha256:0123", "remove image sha256:0123"),
        ("DELETE /images/", "unknown"),
        // Prunes.
        ("POST /containers/prune", "prune containers"),
        ("POST /networks/prune", "prune networks"),
        ("POST /images/prune", "prune unused"),
        ("POST /volumes/prune", "prune unused"),
        ("POST /build/prune", "prune unused"),
        ("POST /system/prune", "unknown"),
        // Swarm and plugins.
        ("POST /services/s/update?version=3", "service s"),
        ("DELETE /services/s", "service s"),
        ("POST /swarm/leave?force=1", "docker swarm leave"),
        ("POST /swarm/init", "nothing"),
        ("DELETE /nodes/n", "docker node rm"),
        ("POST /nodes/n/update", "docker node update"),
        ("DELETE /plugins/vieux/sshfs:latest", "docker plugin rm"),
        ("POST /plugins/vieux/sshfs/disable", "docker plugin disable"),
        ("POST /plugins/vieux/sshfs/enable", "nothing"),
        ("DELETE /secrets/s", "nothing"),
        // What is not known.
        ("DELETE /whatever/x", "unknown"),
        ("POST /containers/web/freeze", "unknown"),
        ("PATCH /containers/web", "unknown"),
        ("PUT /containers/web", "unknown"),
        ("CONNECT /containers/web/stop", "unknown"),
        ("get /containers/web/json", "unknown"),
        ("DELETE /", "unknown"),
    ];
    for (line, expected) in cases {
        assert_eq!(shown(&read(line).change), expected, "{line}");
    }
}

#[test]
fn an_address_that_means_different_things_to_different_readers_is_refused() {
    for (line, expected) in [
        ("POST /containers/x/../agent/stop", BadAddress::Misleading),
        (
            "POST /containers/x/%2e%2e/agent/stop",
            BadAddress::Misleading,
        ),
        ("POST /containers/./agent/stop", BadAddress::Misleading),
        ("POST /containers/agent%00/stop", BadAddress::Misleading),
        ("POST /containers/agent%0a/stop", BadAddress::Misleading),
        ("POST /containers/agent%/stop", BadAddress::Malformed),
        ("POST /containers/agent%2/stop", BadAddress::Malformed),
        ("POST /containers/agent%zz/stop", BadAddress::Malformed),
        ("POST /containers/%ff/stop", BadAddress::Malformed),
        ("POST containers/agent/stop", BadAddress::Malformed),
        ("OPTIONS *", BadAddress::Malformed),
    ] {
        assert_eq!(try_read(line).unwrap_err(), expected, "{line}");
    }
    let long = format!("POST /containers/{}/stop", "a".repeat(5000));
    assert_eq!(try_read(&long).unwrap_err(), BadAddress::Long);
}

#[test]
fn what_is_sent_is_what_was_judged() {
    let sent = |line: &str, id: Option<&str>| {
        let request = read(line);
        let query = line.split_once('?').map(|(_, query)| query);
        match request.query(query, id) {
            Some(query) => format!("{}?{query}", request.path(id)),
            None => request.path(id),
        }
    };
    for (line, id, expected) in [
        (
            "POST /v1.41//containers/%77eb/stop?t=3",
            Some("0123"),
            "/v1.41/containers/0123/stop?t=3",
        ),
        (
            "DELETE /containers/web?force=1",
            Some("0123"),
            "/containers/0123?force=1",
        ),
        ("DELETE /networks/my%20net", None, "/networks/my%20net"),
        (
            "DELETE /v1.41/images/a/b:1",
            Some("sha256:00"),
            "/v1.41/images/a/b:1",
        ),
        (
            "POST /commit?container=web&repo=x%2Fy&container=agent",
            Some("0123"),
            "/commit?repo=x%2Fy&container=0123",
        ),
        ("POST /images/a%2Fb/push", None, "/images/a/b/push"),
        (
            "POST /containers/web/rename?name=other",
            Some("0123"),
            "/containers/0123/rename?name=other",
        ),
    ] {
        assert_eq!(sent(line, id), expected, "{line}");
    }
}

const WORLD: &str = "agent running image=agent:1
     proxy running image=proxy:1
     noted running image=noted:1 skip=true
     old exited image=old:1 skip=true
     done exited image=done:1
     web running image=web:1";

struct Host {
    containers: Vec<Container>,
    protected: Vec<ProtectedContainer>,
}

fn host() -> Host {
    let mut containers = world(WORLD);
    for container in &mut containers {
        container.image_id = format!("sha256:{}", container.name);
        container.networks = vec![format!("{}-net", container.name), "bridge".into()];
        container.volumes = vec![format!("{}-data", container.name)];
    }
    let protected = [
        ("agent", ReasonCode::Agent),
        ("proxy", ReasonCode::Declared),
        ("noted", ReasonCode::Label),
        ("old", ReasonCode::Label),
    ];
    let protected = protected
        .into_iter()
        .map(|(name, code)| ProtectedContainer {
            id: id(name),
            name: name.into(),
            reasons: vec![Reason::new(code)],
        })
        .collect();
    Host {
        containers,
        protected,
    }
}

impl Host {
    fn judge(&self, line: &str, named: Resolved) -> Result<(), EngineRefusal> {
        let containers: Vec<&Container> = self.containers.iter().collect();
        let facts = Facts {
            containers: &containers,
            protected: &self.protected,
        };
        judge(&read(line).change, &named, facts)
    }
}

fn named(name: &str) -> Resolved {
    Resolved {
        id: id(name),
        name: name.into(),
    }
}

fn object(id: &str, name: &str) -> Resolved {
    Resolved {
        id: id.into(),
        name: name.into(),
    }
}

/// Which of agent, proxy, noted and web a request about each may reach.
fn reaches(line: &str) -> String {
    let host = host();
    let all = ["agent", "proxy", "noted", "web"];
    let reached = all
        .into_iter()
        .filter(|name| host.judge(&line.replace('X', name), named(name)).is_ok());
    reached.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_container_of_the_control_path_is_refused_and_one_with_only_a_label_is_not() {
    for line in [
        "POST /containers/X/stop",
        "POST /containers/X/kill?signal=HUP",
        "POST /containers/X/pause",
        "POST /containers/X/restart",
        "POST /containers/X/rename?name=y",
        "POST /containers/X/update",
        "POST /containers/X/checkpoints",
        "DELETE /containers/X?force=1",
        "POST /networks/n/disconnect",
        "POST /commit?container=X",
    ] {
        assert_eq!(reaches(line), "noted web", "{line}");
    }
    for line in [
        "POST /containers/X/start",
        "POST /containers/X/unpause",
        "POST /containers/X/exec",
        "POST /containers/X/attach",
        "POST /containers/X/resize",
        "PUT /containers/X/archive",
        "POST /commit?container=X&pause=0",
    ] {
        assert_eq!(reaches(line), "agent proxy noted web", "{line}");
    }
}

#[test]
fn a_refusal_names_the_container_the_reason_and_the_way() {
    let refusal = |line: &str, resolved| host().judge(line, resolved).unwrap_err().message;
    assert_eq!(
        refusal("POST /containers/x/stop", named("agent")),
        "'agent' is protected (agent): it runs the agent; without it the server could not be controlled. \
         If you mean it, run `docker stop agent` on the host."
    );
    assert_eq!(
        refusal("DELETE /networks/n", object("0f", "agent-net")),
        "network 'agent-net' is protected (agent): 'agent' uses it, and it runs the agent; without it the server could \
         not be controlled. If you mean it, run `docker network rm agent-net` on the host."
    );
    let unknown = host()
        .judge("DELETE /whatever", Resolved::default())
        .unwrap_err();
    assert!(unknown.reason.is_none() && unknown.message.contains("on the host"));
}

#[test]
fn what_the_control_path_uses_cannot_be_removed() {
    let host = host();
    for (line, resolved, refused) in [
        ("DELETE /networks/x", object("0f", "agent-net"), true),
        ("DELETE /networks/x", object("0f", "proxy-net"), true),
        ("DELETE /networks/x", object("0f", "noted-net"), false),
        ("DELETE /networks/x", object("0f", "web-net"), false),
        ("DELETE /volumes/x", object("agent-data", ""), true),
        ("DELETE /volumes/x", object("noted-data", ""), false),
        ("DELETE /images/x", object("sha256:agent", ""), true),
        ("DELETE /images/x", object("sha256:web", ""), false),
        // A volume that is called as a network of the agent is not it.
        ("DELETE /volumes/x", object("agent-net", ""), false),
    ] {
        let judged = host.judge(line, resolved.clone());
        assert_eq!(judged.is_err(), refused, "{line} {resolved:?}");
    }
}

#[test]
fn a_prune_that_takes_what_is_protected_is_refused() {
    let filters = |json: &str| {
        let encoded: String = json.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("POST /containers/prune?filters={encoded}")
    };
    let host = host();
    let refused = |line: &str| host.judge(line, Resolved::default()).is_err();
    assert!(refused("POST /containers/prune"));
    assert!(!refused(&filters(r#"{"label!":["komodo.skip"]}"#)));
    assert!(!refused(&filters(r#"{"label!":{"komodo.skip":true}}"#)));
    assert!(!refused(&filters(r#"{"label":["mine"]}"#)));
    assert!(refused(&filters(r#"{"label":["komodo.skip"]}"#)));
    assert!(
        refused(&filters(r#"{"label!":["komodo.skip","other"]}"#)),
        "the Engine spares what has all of them"
    );
    assert!(refused(&filters(r#"{"until":["24h"]}"#)));
    assert!(refused(&filters("not json")));

    assert!(
        refused("POST /networks/prune"),
        "the network of a stopped container that is protected goes"
    );
    for line in ["images", "volumes", "build"] {
        assert!(!refused(&format!("POST /{line}/prune")), "{line}");
    }

    let mut host = self::host();
    host.containers.retain(|container| container.name != "old");
    for line in ["POST /containers/prune", "POST /networks/prune"] {
        assert!(host.judge(line, Resolved::default()).is_ok(), "{line}");
    }
}

#[test]
fn what_reaches_past_containers_is_refused_where_a_control_path_is() {
    let mut host = host();
    let refused = |host: &Host, line: &str| host.judge(line, Resolved::default()).is_err();
    for line in [
        "POST /swarm/leave",
        "DELETE /plugins/p",
        "POST /nodes/n/update",
    ] {
        assert!(refused(&host, line), "{line}");
    }
    assert!(!refused(&host, "DELETE /services/komodo"));
    let agent = &mut host.containers[0].labels;
    agent.insert("com.docker.swarm.service.name".into(), "komodo".into());
    agent.insert("com.docker.swarm.service.id".into(), "abcdef".into());
    for line in [
        "DELETE /services/komodo",
        "POST /services/abcdef/update",
        "DELETE /services/abc",
    ] {
        assert!(refused(&host, line), "{line}");
    }
    assert!(!refused(&host, "DELETE /services/other"));
    host.protected
        .retain(|entry| entry.reasons[0].code == ReasonCode::Label);
    assert!(!refused(&host, "POST /swarm/leave"));
}
