//! `GET /`: the page for people, and the files that it is made of. It is a client like any other, in the browser that asks for it: all that
//! it may do there is told to the browser with it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::state::State;

/// Where the files are. Nobody needs a key for them: the page is what asks for one.
pub const FILES_AT: &str = "/page/";

/// Scripts, styles and fonts of ours and nothing of anybody's; whatever a model writes, it can load nothing, run nothing and lead nowhere by
/// itself. Scripts cannot even make elements of strings (`trusted-types`).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; img-src data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

macro_rules! files {
    ($($path:literal),* $(,)?) => { &[$((file_name($path), include_bytes!(concat!("../../", $path)))),*] };
}

/// The files by name. The fonts are the app's own.
const FILES: &[(&str, &[u8])] = files![
    "page/index.html",
    "page/theme.css",
    "page/frame.css",
    "page/text.css",
    "page/theme.js",
    "page/app.js",
    "page/asking.js",
    "page/bar.js",
    "page/blocks.js",
    "page/conversation.js",
    "page/conversation_view.js",
    "page/dialogs.js",
    "page/dom.js",
    "page/events.js",
    "page/growing.js",
    "page/history.js",
    "page/inline.js",
    "page/menu.js",
    "page/notebook_view.js",
    "page/notices.js",
    "page/panel.js",
    "page/rendered.js",
    "page/server.js",
    "page/session.js",
    "page/settings.js",
    "page/status.js",
    "page/store.js",
    "page/tokens.js",
    "page/tokens_view.js",
    "page/tree.js",
    "page/trouble.js",
    "page/trouble_view.js",
    "page/turn.js",
    "page/versions.js",
    "page/writing.js",
    "../gui/assets/fonts/sans.otf",
    "../gui/assets/fonts/sans_strong.otf",
    "../gui/assets/fonts/mono.ttf",
];

/// What stands behind the last `/`.
const fn file_name(path: &'static str) -> &'static str {
    let mut start = path.len();
    while path.as_bytes()[start - 1] != b'/' {
        start -= 1;
    }
    path.split_at(start).1
}

/// The page and its files.
pub fn routes() -> Router<Arc<State>> {
    FILES.iter().fold(Router::new(), |router, &(name, bytes)| {
        let path = if name == "index.html" { "/".to_owned() } else { format!("{FILES_AT}{name}") };
        // Whoever has the same bytes already need not have them again.
        let tag = format!("\"{}\"", &blake3::hash(bytes).to_hex()[..16]);
        router.route(&path, get(move |headers: HeaderMap| async move { file(name, bytes, &tag, &headers) }))
    })
}

fn file(name: &str, bytes: &'static [u8], tag: &str, asked: &HeaderMap) -> Response<Body> {
    let known = asked.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    // A proxy that compresses marks the tag as weak.
    let same =
        known.is_some_and(|tags| tags.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
    let mut response =
        if same { StatusCode::NOT_MODIFIED.into_response() } else { Body::from(bytes).into_response() };
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, kind(name));
    // A page of another version than the server's would not understand it.
    set(header::CACHE_CONTROL, "no-cache");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::REFERRER_POLICY, "no-referrer");
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("otf") => "font/otf",
        Some("ttf") => "font/ttf",
        _ => "application/octet-stream",
    }
}
