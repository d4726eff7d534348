//! What the caller may do with a resource.

use std::sync::Arc;

use komodo_api::{
    Error,
    permission::{GetPermission, PermissionLevelAndSpecifics},
};

use crate::{
    App,
    auth::access,
    dispatch::{Cx, Granted, Handle, Reply},
};

impl Handle<GetPermission> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<GetPermission>,
        cx: &Cx,
    ) -> Result<Reply<PermissionLevelAndSpecifics>, Error> {
        Ok(access(&cx.state, cx.caller()?, &granted.op.target).into())
    }
}
