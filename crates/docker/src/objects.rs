//! Which object a reference means, asked of the Engine, so that it is the same as the one it would act on.

use komodo_plan::{ObjectKind, Resolved};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::{CALL_DEADLINE, Engine, EngineError, engine::DOCUMENT_BYTES_MAX};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Object {
    id: String,
    name: String,
}

impl Engine {
    /// The image, network or volume that a reference means; `None` where there is none.
    pub async fn identify(
        &self,
        kind: ObjectKind,
        reference: &str,
    ) -> Result<Option<Resolved>, EngineError> {
        // An image's slashes divide; everything else in a reference is text.
        let encoded: Vec<String> = reference
            .split('/')
            .map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string())
            .collect();
        let reference = encoded.join("/");
        let path = match kind {
            ObjectKind::Image => format!("/images/{reference}/json"),
            ObjectKind::Network => format!("/networks/{reference}"),
            ObjectKind::Volume => format!("/volumes/{reference}"),
        };
        let found: Result<Object, _> = self
            .get("inspect", &path, DOCUMENT_BYTES_MAX, CALL_DEADLINE)
            .await;
        match found {
            Ok(Object { id, name }) if id.is_empty() => Ok(Some(Resolved {
                id: name.clone(),
                name,
            })),
            Ok(Object { id, name }) => Ok(Some(Resolved { id, name })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Names of the networks that carry a label with a value.
    pub async fn networks_labelled(
        &self,
        label: &str,
        value: &str,
    ) -> Result<Vec<String>, EngineError> {
        let filters = serde_json::json!({ "label": [format!("{label}={value}")] }).to_string();
        let path = format!(
            "/networks?filters={}",
            utf8_percent_encode(&filters, NON_ALPHANUMERIC)
        );
        let found: Option<Vec<Object>> = self
            .get("list", &path, DOCUMENT_BYTES_MAX, CALL_DEADLINE)
            .await?;
        Ok(found
            .unwrap_or_default()
            .into_iter()
            .map(|network| network.name)
            .collect())
    }
}
