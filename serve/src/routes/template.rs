//! `POST /apply-template`: a conversation as the model is given it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State as In};
use axum::http::Response;
use serde_json::json;
use text::{Names, chat};

use super::{body, json as answer};
use crate::api::{Refusal, chat::turns};
use crate::blocking::blocking;
use crate::state::State;

/// The text that the file's template makes, or the play of a model without one.
pub async fn apply(In(state): In<Arc<State>>, request: Request) -> Result<Response<Body>, Refusal> {
    let fields = body::fields(request, &state.limits).await?;
    let (served, turns) = (state.model(&fields)?, turns(&fields)?);
    blocking(move || {
        let prompt: String = match served.opened().chat_template {
            Some(_) => {
                let pieces = chat::preview(served.opened(), &turns);
                let pieces = pieces.map_err(|error| Refusal::of(&error, "messages"))?;
                pieces.into_iter().map(|(text, _)| text).collect()
            }
            None => Names::default().script(&turns),
        };
        Ok(answer(&json!({ "prompt": prompt })))
    })
    .await
}
