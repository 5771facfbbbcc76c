//! The page that a browser asks for. Pages of this machine may ask, the server's own among them, and those that were named; others may
//! not, not even where a browser would ask first and only hide the answer.

use axum::http::{HeaderMap, Uri, header};

use super::host::{is_local, is_loopback};
use crate::api::Refusal;
use crate::error::{Error, Result};

/// Origins of pages that may ask.
#[derive(Debug)]
pub struct Origins {
    any: bool,
    named: Vec<String>,
}

/// Refuses an origin that no browser would send.
///
/// # Errors
/// [`Error::Origin`].
pub fn check(origin: &str) -> Result<()> {
    let plain = |uri: &Uri| {
        uri.scheme().is_some() && uri.authority().is_some() && uri.path() == "/" && uri.query().is_none()
    };
    let ok = origin == "*" || (!origin.ends_with('/') && origin.parse().is_ok_and(|uri| plain(&uri)));
    if ok { Ok(()) } else { Err(Error::Origin { found: formats::shown(origin) }) }
}

impl Origins {
    /// Those of this machine, and these; all if `*` is among them.
    pub fn new(origins: &[String]) -> Origins {
        let named = origins.iter().map(|origin| origin.to_ascii_lowercase()).collect();
        Origins { any: origins.iter().any(|origin| origin == "*"), named }
    }

    /// Lets a request of a page through, or one that is of no page, to a server called `host`.
    ///
    /// # Errors
    /// Another page.
    pub fn check(&self, headers: &HeaderMap, host: &str) -> std::result::Result<(), Refusal> {
        let Some(origin) = headers.get(header::ORIGIN).filter(|_| !self.any) else { return Ok(()) };
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let of_page = origin.split_once("://").map(|(_, rest)| rest);
        let own = of_page == Some(&host.to_ascii_lowercase());
        let uri = origin.parse::<Uri>().ok();
        let name = uri.as_ref().and_then(Uri::host).unwrap_or_default();
        let of_web = matches!(uri.as_ref().and_then(Uri::scheme_str), Some("http" | "https"));
        let local = of_web && (is_local(name) || is_loopback(name));
        if own || local || self.named.contains(&origin) {
            return Ok(());
        }
        Err(Refusal::forbidden(format!(
            "pages of {} may not ask here; start the server with --cors to let them",
            formats::shown(&origin)
        )))
    }
}
