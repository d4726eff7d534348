//! What a user may do with a resource. Pure; [`access`] is the only place that answers it.

use indexmap::IndexSet;
use komodo_api::{
    permission::{PermissionLevel, PermissionLevelAndSpecifics, SpecificPermission, UserTarget},
    resource::{ResourceTarget, ResourceTargetVariant},
    user::UserGroup,
};

use crate::desired::{Account, DesiredState};

/// Every specific permission.
pub const ALL_SPECIFIC: [SpecificPermission; 5] = [
    SpecificPermission::Terminal,
    SpecificPermission::Attach,
    SpecificPermission::Inspect,
    SpecificPermission::Logs,
    SpecificPermission::Processes,
];

/// The highest level, and all specific permissions, that anything gives the user on the target: being an
/// administrator, transparent mode, the resource's base permission, the user's and his groups' permissions on all
/// resources of the kind, and direct grants to the user and his groups. Core itself is for administrators only.
///
/// Whether the account is enabled is not asked here: a disabled one never gets so far.
pub fn access(
    state: &DesiredState,
    account: &Account,
    target: &ResourceTarget,
) -> PermissionLevelAndSpecifics {
    if account.user.admin || account.user.super_admin {
        return PermissionLevelAndSpecifics {
            level: PermissionLevel::Write,
            specific: ALL_SPECIFIC.into_iter().collect(),
        };
    }
    let (kind, id) = target.parts();
    let mut found = PermissionLevelAndSpecifics::default();
    if kind == ResourceTargetVariant::System {
        return found;
    }
    if state.transparent_mode {
        found.level = PermissionLevel::Read;
    }
    if let Some(base) = base_permission(state, kind, id) {
        widen(&mut found, base.level, &base.specific);
    }
    if let Some(all) = account.user.all.get(&kind) {
        widen(&mut found, all.level, &all.specific);
    }
    let account_id = account.id.to_string();
    direct(
        state,
        UserTarget::User(account_id.clone()),
        target,
        &mut found,
    );
    for (group_id, group) in state
        .groups
        .iter()
        .filter(|(_, group)| is_member(group, &account_id))
    {
        if let Some(all) = group.all.get(&kind) {
            widen(&mut found, all.level, &all.specific);
        }
        direct(
            state,
            UserTarget::UserGroup(group_id.to_string()),
            target,
            &mut found,
        );
    }
    found
}

/// Whether a user may see a resource at all.
pub fn may_read(state: &DesiredState, account: &Account, target: &ResourceTarget) -> bool {
    access(state, account, target).level >= PermissionLevel::Read
}

fn is_member(group: &UserGroup, account_id: &str) -> bool {
    group.everyone || group.users.iter().any(|member| member == account_id)
}

fn base_permission<'a>(
    state: &'a DesiredState,
    kind: ResourceTargetVariant,
    id: &str,
) -> Option<&'a PermissionLevelAndSpecifics> {
    match kind {
        ResourceTargetVariant::Server => {
            Some(&state.servers.get(&id.parse().ok()?)?.base_permission)
        }
        _ => None,
    }
}

fn direct(
    state: &DesiredState,
    holder: UserTarget,
    target: &ResourceTarget,
    found: &mut PermissionLevelAndSpecifics,
) {
    let held = state
        .permissions_by_holder
        .get(&holder)
        .and_then(|held| held.get(target));
    if let Some(permission) = held.and_then(|id| state.permissions.get(id)) {
        widen(found, permission.level, &permission.specific);
    }
}

fn widen(
    found: &mut PermissionLevelAndSpecifics,
    level: PermissionLevel,
    specific: &IndexSet<SpecificPermission>,
) {
    found.level = found.level.max(level);
    found.specific.extend(specific);
}
