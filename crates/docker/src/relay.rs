//! What a child process asks of the Engine, sent on as it is once it was judged. Bodies stream both ways and hold each
//! other up; streams that leave HTTP (attach, exec, the sessions of a build) come back to be copied raw.
//!
//! An answer has no deadline here: `wait` and `events` last as long as the child does, and end with it, because a
//! connection of its own ends with whoever reads it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use komodo_plan::{EngineRefusal, EngineRequest, Facts, Resolved, judge};

use crate::{Engine, EngineError, client::Connection};

/// Headers that belong to one connection and not to the request.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::EXPECT,
];
const KEEP_ALIVE: &str = "keep-alive";
/// A body of this type could say something else than the query that was judged.
const FORM: &str = "application/x-www-form-urlencoded";

/// Permission to send one request of a child, in the words in which it was judged. Only [`passage`] makes one.
///
/// ```compile_fail
/// let forged = komodo_docker::Passage { method: http::Method::DELETE, target: "/containers/agent".into() };
/// ```
#[derive(Debug)]
#[must_use = "a request that is not sent changes nothing"]
pub struct Passage {
    method: Method,
    target: String,
}

/// Asks whether a request of a child may pass. `named` is what its reference means, as the Engine has it.
///
/// # Errors
/// [`EngineRefusal`] with the words for the child.
pub fn passage(
    method: &Method,
    (path, query): (&str, Option<&str>),
    request: &EngineRequest,
    named: Option<&Resolved>,
    facts: Facts<'_>,
) -> Result<Passage, EngineRefusal> {
    let nobody = Resolved::default();
    judge(&request.change, named.unwrap_or(&nobody), facts)?;
    let id = named.map(|named| named.id.as_str());
    let path = match request.is_read() {
        true => path.to_owned(),
        false => request.path(id),
    };
    let target = match request.query(query, id) {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    Ok(Passage {
        method: method.clone(),
        target,
    })
}

/// What the Engine answered.
#[derive(Debug)]
pub struct Relayed {
    /// The answer, to be sent on as it is.
    pub response: Response<RelayedBody>,
    /// Where the Engine leaves HTTP: its end of the stream.
    pub upgrade: Option<OnUpgrade>,
}

/// The body of an answer; dropping it ends the request at the Engine.
#[derive(Debug)]
pub struct RelayedBody {
    body: Incoming,
    _connection: Connection,
}

impl Body for RelayedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Engine {
    /// Sends what may pass, and answers as soon as the Engine has begun to.
    ///
    /// # Errors
    /// [`EngineError`] where there is no answer; whatever the Engine answers is none.
    pub async fn relay<B>(
        &self,
        passage: Passage,
        headers: HeaderMap,
        body: B,
    ) -> Result<Relayed, EngineError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let io = TokioIo::new(self.client.open().await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io)
            .await
            .map_err(EngineError::Broken)?;
        let connection = Connection::drive(connection.with_upgrades());
        let read = matches!(passage.method, Method::GET | Method::HEAD);
        let mut request = Request::builder()
            .method(passage.method)
            .uri(&passage.target)
            .body(body)
            .map_err(|_| EngineError::BadReference(passage.target.chars().take(80).collect()))?;
        *request.headers_mut() = for_next_hop(headers);
        if !read && is_form(request.headers()) {
            request.headers_mut().remove(header::CONTENT_TYPE);
        }
        let host = header::HeaderValue::from_static("docker");
        request.headers_mut().insert(header::HOST, host);
        let mut response = sender
            .send_request(request)
            .await
            .map_err(EngineError::Broken)?;
        let upgrade = (response.status() == StatusCode::SWITCHING_PROTOCOLS)
            .then(|| hyper::upgrade::on(&mut response));
        let (mut head, body) = response.into_parts();
        head.headers = for_next_hop(head.headers);
        let body = RelayedBody {
            body,
            _connection: connection,
        };
        Ok(Relayed {
            response: Response::from_parts(head, body),
            upgrade,
        })
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with(FORM))
}

/// The headers without those of the connection; the wish to leave HTTP is handed on.
fn for_next_hop(mut headers: HeaderMap) -> HeaderMap {
    let upgrade = headers
        .get(header::UPGRADE)
        .cloned()
        .filter(|_| wants_upgrade(&headers));
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    headers.remove(KEEP_ALIVE);
    headers.remove(header::UPGRADE);
    if let Some(upgrade) = upgrade {
        headers.insert(header::UPGRADE, upgrade);
        let connection = header::HeaderValue::from_static("Upgrade");
        headers.insert(header::CONNECTION, connection);
    }
    headers
}

fn wants_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("upgrade"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn headers_of_one_connection_stay_on_it() {
        let sent = for_next_hop(headers(&[
            ("connection", "close, X-Hop"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "tcp"),
            ("expect", "100-continue"),
            ("x-hop", "1"),
            ("x-registry-auth", "abc"),
        ]));
        assert_eq!(sent, headers(&[("x-registry-auth", "abc")]));
        let sent = for_next_hop(headers(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "tcp"),
        ]));
        assert_eq!(
            sent,
            headers(&[("connection", "Upgrade"), ("upgrade", "tcp")])
        );
    }

    #[test]
    fn a_body_that_could_outvote_the_query_is_known() {
        for form in [
            "application/x-www-form-urlencoded",
            " Application/X-WWW-Form-Urlencoded; charset=utf-8",
        ] {
            assert!(is_form(&headers(&[("content-type", form)])), "{form}");
        }
        assert!(!is_form(&headers(&[("content-type", "application/json")])));
    }

    #[test]
    fn what_is_refused_gets_no_passage() {
        let request = EngineRequest::read("DELETE", "/whatever", None).unwrap();
        let facts = Facts {
            containers: &[],
            protected: &[],
        };
        let refused = passage(&Method::DELETE, ("/whatever", None), &request, None, facts);
        assert!(refused.is_err());
    }
}
