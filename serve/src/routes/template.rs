//! `POST /apply-template`: a conversation as the model is given it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State as In};
use axum::http::Response;
use serde_json::json;

use super::{blocking, body, json as answer};
use crate::api::{Refusal, chat::turns};
use crate::state::State;

/// The text that the file's template makes.
pub async fn apply(In(state): In<Arc<State>>, request: Request) -> Result<Response<Body>, Refusal> {
    let (parts, body) = request.into_parts();
    let fields = body::fields(body, &parts.headers, &state.limits).await?;
    let (served, turns) = (state.model(&fields)?, turns(&fields)?);
    blocking(move || {
        let pieces = text::chat::preview(served.opened(), &turns);
        let pieces = pieces.map_err(|error| Refusal::of(&error, "messages"))?;
        let prompt: String = pieces.into_iter().map(|(text, _)| text).collect();
        Ok(answer(&json!({ "prompt": prompt })))
    })
    .await
}
