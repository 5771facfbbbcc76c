//! What is asked by which path, and what every request goes through: its id, who may ask, how it was answered.

mod answer;
mod body;
mod call;
mod chat;
mod completions;
mod health;
mod models;
mod page;
mod pieces;
mod template;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State as In};
use axum::http::{HeaderValue, Method, Response, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::Value;

use crate::api::{ErrorCode, Fields, Refusal, Settings};
use crate::guard::Guard;
use crate::state::State;
use crate::texts::{Outcome, Served};

use call::Call;
pub use page::FILES_AT;

/// All paths.
pub fn router(state: Arc<State>) -> Router {
    Router::new()
        .route(chat::ROUTE, post(chat::answer))
        .route(completions::ROUTE, post(completions::answer))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*name}", get(models::one))
        .route("/health", get(health::health))
        .route("/v1/health", get(health::health))
        .route("/metrics", get(health::metrics))
        .route("/props", get(models::props))
        .route("/tokenize", post(tokens::tokenize))
        .route("/detokenize", post(tokens::detokenize))
        .route("/tokenizer_info", get(tokens::info))
        .route("/apply-template", post(template::apply))
        .merge(page::routes())
        .fallback(|method: Method, uri: Uri| async move { Refusal::no_route(method.as_str(), uri.path()) })
        .method_not_allowed_fallback(|method: Method, uri: Uri| async move {
            Refusal::no_method(method.as_str(), uri.path())
        })
        .layer(from_fn_with_state(Arc::clone(&state), around))
        .with_state(state)
}

async fn around(In(state): In<Arc<State>>, mut request: Request, next: Next) -> Response<Body> {
    let call = Call::of(&request);
    request.extensions_mut().insert(call.clone());
    let origin = request.headers().get(header::ORIGIN).cloned();
    // Whoever frames a request in two ways means something else by what comes behind it.
    let last = request.headers().contains_key(header::TRANSFER_ENCODING);
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let asked = matched.clone().unwrap_or_else(|| formats::shown(request.uri().path()));
    let (mut response, allowed) = match state.guard.check(&request) {
        Ok(None) => (next.run(request).await, true),
        Ok(Some(response)) => (response, true),
        Err(refusal) => {
            // A page that may ask is to see what is wrong with its key.
            let allowed = refusal.status() == axum::http::StatusCode::UNAUTHORIZED;
            (refusal.into_response(), allowed)
        }
    };
    state.metrics.answered(matched.as_deref().unwrap_or("other"), response.status());
    if let Some(ErrorCode(code)) = response.extensions_mut().remove().filter(|_| !call.is_listed()) {
        let outcome = Outcome::Refused { status: response.status().as_u16(), code };
        state.registry.turned_away(call.about(asked), outcome);
    }
    Guard::open_to(origin.as_ref().filter(|_| allowed), &mut response);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(call.id()) {
        headers.insert("x-request-id", id);
    }
    if last {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// How a text of this model is to be written, as a request has it.
///
/// # Errors
/// As [`Settings::read`].
pub fn settings(served: &Served, fields: &Fields) -> Result<Settings, Refusal> {
    let (opened, context) = (served.opened(), served.running().engine.context());
    Settings::read(fields, opened.sampling, context, opened.model.config().vocab)
}

/// A value as an answer.
pub fn json(value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
