//! `POST /v1/chat/completions`.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State as In};
use axum::http::Response;

use super::answer::{Asked, answer as answer_to};
use super::body;
use super::call::Call;
use crate::api::choices::Shape;
use crate::api::{ChatRequest, Refusal, Stream};
use crate::state::State;

/// Its path.
pub const ROUTE: &str = "/v1/chat/completions";

/// Answers it.
pub async fn answer(
    In(state): In<Arc<State>>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Response<Body>, Refusal> {
    const FIELD: &str = "messages";
    let (parts, body) = request.into_parts();
    let fields = body::fields(body, &parts.headers, &state.limits).await?;
    let served = state.model(&fields)?;
    let settings = super::settings(&served, &fields)?;
    let stream = Stream::read(&fields)?;
    let ChatRequest { turns, begun, max_tokens, log_probs } = ChatRequest::read(&fields)?;
    let asked = Asked {
        shape: Shape::Chat,
        served,
        settings,
        stream,
        max_tokens,
        log_probs,
        echo: false,
        route: ROUTE,
        field: FIELD,
    };
    let ids = move |served: &crate::Served| {
        let opened = served.opened();
        let mut ids = text::chat::prompt_ids(opened, &turns).map_err(|error| Refusal::of(&error, FIELD))?;
        ids.extend(begun.iter().flat_map(|text| opened.tokenizer.encode(text)));
        Ok(vec![ids])
    };
    answer_to(&state, &call, asked, ids).await
}
