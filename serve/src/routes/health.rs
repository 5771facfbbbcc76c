//! `GET /health`, for balancers and people, and `GET /metrics`, for Prometheus.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State as In;
use axum::http::{HeaderValue, Response, header};
use serde_json::json;

use super::json as answer;
use crate::api::Refusal;
use crate::state::State;

/// Whether it takes requests.
pub async fn health(In(state): In<Arc<State>>) -> Result<Response<Body>, Refusal> {
    if state.is_serving() { Ok(answer(&json!({ "status": "ok" }))) } else { Err(Refusal::draining()) }
}

/// Its counters.
pub async fn metrics(In(state): In<Arc<State>>) -> Response<Body> {
    let mut response = Response::new(Body::from(state.metrics.text(&state.models)));
    let of_prometheus = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, of_prometheus);
    response
}
