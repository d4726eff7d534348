//! Users, as others see them.

use std::sync::Arc;

use komodo_api::{
    Error,
    id::Id,
    user::{GetUsername, GetUsernameResponse, UserConfig},
};

use crate::{
    App,
    dispatch::{Cx, Granted, Handle, Reply},
};

/// Names of the system operators, whose ids count from zero.
const SYSTEM_OPERATORS: [&str; 9] = [
    "System",
    "Procedure",
    "Action",
    "Git Webhook",
    "Auto Redeploy",
    "Resource Sync",
    "Stack Wizard",
    "Build Manager",
    "Repo Manager",
];

impl Handle<GetUsername> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<GetUsername>,
        cx: &Cx,
    ) -> Result<Reply<GetUsernameResponse>, Error> {
        let reference = &granted.op.user_id;
        let unknown = || Error::not_found("user", &reference.chars().take(100).collect::<String>());
        let id: Id = reference.parse().map_err(|_| unknown())?;
        let system = SYSTEM_OPERATORS
            .iter()
            .zip(0..)
            .find(|(_, number)| Id::system(*number) == id);
        if let Some((name, _)) = system {
            return Ok(GetUsernameResponse {
                username: (*name).into(),
                avatar: None,
            }
            .into());
        }
        let account = cx.state.accounts.get(&id).ok_or_else(unknown)?;
        let avatar = match &account.user.config {
            UserConfig::Google { avatar, .. } | UserConfig::Github { avatar, .. } => {
                Some(avatar.clone())
            }
            _ => None,
        };
        Ok(GetUsernameResponse {
            username: account.user.username.clone(),
            avatar,
        }
        .into())
    }
}
