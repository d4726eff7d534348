//! Core itself.

use std::sync::Arc;

use komodo_api::{
    Error,
    core::{API_VERSION, GetCoreInfo, GetCoreInfoResponse, GetVersion, GetVersionResponse},
};

use crate::{
    App,
    dispatch::{Cx, Granted, Handle, Reply},
};

impl Handle<GetVersion> for App {
    async fn handle(
        self: &Arc<Self>,
        _: Granted<GetVersion>,
        _: &Cx,
    ) -> Result<Reply<GetVersionResponse>, Error> {
        Ok(GetVersionResponse {
            version: API_VERSION.into(),
            implementation: env!("CARGO_PKG_VERSION").into(),
        }
        .into())
    }
}

impl Handle<GetCoreInfo> for App {
    async fn handle(
        self: &Arc<Self>,
        _: Granted<GetCoreInfo>,
        _: &Cx,
    ) -> Result<Reply<GetCoreInfoResponse>, Error> {
        let config = &self.config;
        let webhook_base_url = match config.webhook_base_url.as_str() {
            "" => &config.host,
            own => own,
        };
        Ok(GetCoreInfoResponse {
            title: config.title.clone(),
            monitoring_interval: config.monitoring_interval,
            webhook_base_url: webhook_base_url.into(),
            transparent_mode: config.transparent_mode,
            ui_write_disabled: config.ui_write_disabled,
            disable_non_admin_create: config.disable_non_admin_create,
            disable_confirm_dialog: config.disable_confirm_dialog,
            disable_websocket_reconnect: config.disable_websocket_reconnect,
            enable_fancy_toml: config.enable_fancy_toml,
            timezone: config.timezone.clone(),
            public_key: self.identity.public_key().to_string(),
            default_pagination_limit: config.default_pagination_limit,
        }
        .into())
    }
}
