//! Who the client says it is. Never printed: `Debug` shows the kind only.

use std::fmt;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, InvalidHeaderValue},
};
use komodo_api::live::WsLoginMessage;

/// What the client signs its requests with.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing: only sign-in requests are answered.
    #[default]
    None,
    /// A token from a sign-in.
    Jwt(String),
    /// An API key.
    ApiKey {
        /// `K_…_K`.
        key: String,
        /// `S_…_S`.
        secret: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::None => "None",
            Credentials::Jwt(_) => "Jwt(…)",
            Credentials::ApiKey { .. } => "ApiKey(…)",
        })
    }
}

impl Credentials {
    /// The headers that carry them.
    ///
    /// # Errors
    /// When one of them holds a character that no header may hold.
    pub(crate) fn headers(&self) -> Result<HeaderMap, InvalidHeaderValue> {
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, value: &str| {
            let mut value = HeaderValue::from_str(value)?;
            value.set_sensitive(true);
            headers.insert(name, value);
            Ok(())
        };
        match self {
            Credentials::None => {}
            Credentials::Jwt(jwt) => put(AUTHORIZATION, jwt)?,
            Credentials::ApiKey { key, secret } => {
                put(HeaderName::from_static("x-api-key"), key)?;
                put(HeaderName::from_static("x-api-secret"), secret)?;
            }
        }
        Ok(headers)
    }

    /// The first frame of a websocket; nothing where there is nothing to say.
    pub(crate) fn login(&self) -> Option<WsLoginMessage> {
        match self {
            Credentials::None => None,
            Credentials::Jwt(jwt) => Some(WsLoginMessage::Jwt { jwt: jwt.clone() }),
            Credentials::ApiKey { key, secret } => Some(WsLoginMessage::ApiKeys {
                key: key.clone(),
                secret: secret.clone(),
            }),
        }
    }
}
