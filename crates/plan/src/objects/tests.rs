use komodo_agent_api::ProtectedContainer;
use komodo_api::plan::{Reason, ReasonCode};

use super::*;
use crate::table::world;

fn protects(container: &Container, codes: &[ReasonCode]) -> ProtectedContainer {
    ProtectedContainer {
        id: container.id.clone(),
        name: container.name.clone(),
        reasons: codes.iter().copied().map(Reason::new).collect(),
    }
}

#[test]
fn what_the_control_path_uses_is_protected_and_what_a_label_uses_is_not() {
    let mut world = world(
        "agent running image=agent:1
         proxy running image=proxy:1
         noted running image=noted:1
         web running image=web:1",
    );
    for container in &mut world {
        container.image_id = format!("sha256:{}", container.name);
        container.networks = vec![format!("{}-net", container.name), "shared".into()];
        container.volumes = vec![format!("{}-data", container.name)];
    }
    let protected = [
        protects(&world[0], &[ReasonCode::Agent, ReasonCode::Label]),
        protects(&world[1], &[ReasonCode::Declared]),
        protects(&world[2], &[ReasonCode::Label]),
    ];
    let containers: Vec<&Container> = world.iter().collect();
    let objects = ProtectedObjects::of(&containers, &protected);
    let user = |kind, name| {
        objects
            .user(kind, name)
            .map(|user| (user.container.as_str(), user.reason.code))
    };
    use ObjectKind::{Image, Network, Volume};
    let agent = Some(("agent", ReasonCode::Agent));
    assert_eq!(user(Image, "sha256:agent"), agent);
    assert_eq!(user(Image, "agent:1"), agent);
    assert_eq!(user(Network, "agent-net"), agent);
    assert_eq!(user(Volume, "agent-data"), agent);
    assert_eq!(
        user(Network, "shared"),
        agent,
        "one of those that use it is named"
    );
    assert_eq!(
        user(Volume, "proxy-data"),
        Some(("proxy", ReasonCode::Declared))
    );
    for (kind, name) in [
        (Volume, "noted-data"),
        (Network, "noted-net"),
        (Image, "web:1"),
        (Network, "agent-data"),
        (Volume, ""),
    ] {
        assert_eq!(user(kind, name), None, "{kind:?} {name}");
    }
    let networks: Vec<&str> = objects.all(Network).map(|(name, _)| name).collect();
    assert_eq!(networks, ["agent-net", "proxy-net", "shared"]);
}
