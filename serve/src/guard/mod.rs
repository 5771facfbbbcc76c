//! Who may ask at all: by the name that the server is called, the page that asks, and the key. Nothing of a request is looked at before.

mod host;
mod keys;
mod origin;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};

use crate::api::Refusal;
use crate::routes::FILES_AT;
use host::Hosts;
pub use keys::Keys;
pub use origin::{Origins, check as check_origin};

/// The rules of a server.
#[derive(Debug)]
pub struct Guard {
    pub hosts: Hosts,
    pub origins: Origins,
    pub keys: Keys,
}

/// What may be asked without a key: whether it lives, and the page that then asks for the key.
const OPEN: [&str; 3] = ["/health", "/v1/health", "/"];

/// Whether it is one of those, or a file of the page.
fn is_open(path: &str) -> bool {
    OPEN.contains(&path) || path.starts_with(FILES_AT)
}

impl Guard {
    /// The rules: names beside localhost and addresses, origins beside those of this machine, keys.
    pub fn new(names: &[String], origins: &[String], keys: Keys) -> Guard {
        // A page that was led here by a false name has no key.
        let hosts = if keys.are_asked() { Hosts::any() } else { Hosts::new(names) };
        Guard { hosts, origins: Origins::new(origins), keys }
    }

    /// Lets a request through, or says why not. A browser's question whether a page may ask has its answer here.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, request: &Request<Body>) -> Result<Option<Response<Body>>, Refusal> {
        let headers = request.headers();
        let host = self.hosts.check(request)?;
        self.origins.check(headers, host)?;
        if request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return Ok(Some(preflight(headers)));
        }
        if !is_open(request.uri().path()) {
            self.keys.check(headers)?;
        }
        Ok(None)
    }

    /// Has a browser show an answer to the page that asked, which was let through.
    pub fn open_to(origin: Option<&HeaderValue>, response: &mut Response<Body>) {
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            let exposed = HeaderValue::from_static("x-request-id, retry-after");
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}

/// The answer to a page that may ask.
fn preflight(asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    // Whatever a client of OpenAI's sends along: none of it lets anybody in but the key itself.
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    if asked.contains_key("access-control-request-private-network") {
        let allow = HeaderName::from_static("access-control-allow-private-network");
        headers.insert(allow, HeaderValue::from_static("true"));
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}
