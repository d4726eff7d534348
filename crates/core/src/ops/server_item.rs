//! The list item of a server, from what is desired and what is observed; written once per change.

use std::sync::Arc;

use crate::{
    fleet::{ListItemJson, ServerView},
    tasks::skew,
};
use bytes::Bytes;
use komodo_api::{
    Code, Error,
    resource::ResourceTargetVariant,
    server::{
        Server, ServerAgent, ServerAgentService, ServerListItem, ServerListItemInfo,
        ServerReasonCode,
    },
};

/// The list item of a server.
pub(crate) fn server_item(server: &Server, view: &ServerView) -> ServerListItem {
    let config = &server.config;
    let (state, reason) = view.state(config.enabled);
    let host = view.host.as_deref();
    let agent = view.agent.as_deref();
    let err = reason.as_ref().map(|reason| {
        let code = match reason.code {
            ServerReasonCode::Docker => Code::EngineUnreachable,
            _ => Code::ServerUnreachable,
        };
        Error::new(code, reason.why.clone())
    });
    ServerListItem {
        id: view.server.to_string(),
        resource_type: ResourceTargetVariant::Server,
        name: server.name.clone(),
        template: server.template,
        tags: server.tags.clone(),
        info: ServerListItemInfo {
            state,
            err,
            stats: view.stats.as_deref().map(Into::into),
            alerting_thresholds: config.into(),
            core_count: host.and_then(|host| host.core_count),
            logical_core_count: host.and_then(|host| host.logical_core_count),
            region: config.region.clone(),
            address: filled(&config.address),
            external_address: filled(&config.external_address),
            public_ip: None,
            send_unreachable_alerts: config.send_unreachable_alerts,
            send_cpu_alerts: config.send_cpu_alerts,
            send_mem_alerts: config.send_mem_alerts,
            send_disk_alerts: config.send_disk_alerts,
            send_version_mismatch_alerts: config.send_version_mismatch_alerts,
            version: agent.map(|agent| agent.version.clone()),
            public_key: filled(&server.info.public_key),
            attempted_public_key: filled(&server.info.attempted_public_key),
            terminals_disabled: agent.is_some_and(|agent| agent.terminals_disabled),
            container_terminals_disabled: agent
                .is_some_and(|agent| agent.container_terminals_disabled),
            reason,
            last_seen: view.last_contact,
            containers: view.counts(),
            boot_ts: host.and_then(|host| host.boot_ts),
            agent: agent_of(view),
        },
    }
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The agent of a server beside this Core.
fn agent_of(view: &ServerView) -> Option<ServerAgent> {
    let agent = view.agent.as_deref()?;
    let (skew, why) = skew(view).unzip();
    Some(ServerAgent {
        version: agent.version.clone(),
        level: view.level,
        in_container: agent.container.is_some(),
        service: agent.unit.as_ref().map(|unit| ServerAgentService {
            unit: unit.name.clone(),
            user: unit.user,
            sha256: unit.sha256.clone(),
            fixed: unit.fixed.clone(),
        }),
        architecture: filled(&agent.architecture),
        skew,
        why,
    })
}

/// The list item as JSON, written once for a view and a server value.
pub(crate) fn server_item_json(server: &Arc<Server>, view: &ServerView) -> Bytes {
    if let Some(item) = &*view.list_item.load()
        && Arc::ptr_eq(&item.server, server)
    {
        return item.json.clone();
    }
    let json = serde_json::to_vec(&server_item(server, view))
        .expect("text, numbers and lists can always be written as JSON");
    let item = Arc::new(ListItemJson {
        server: Arc::clone(server),
        json: json.into(),
    });
    view.list_item.store(Some(Arc::clone(&item)));
    item.json.clone()
}
