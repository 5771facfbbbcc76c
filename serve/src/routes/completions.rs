//! `POST /v1/completions`.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State as In};
use axum::http::Response;

use super::answer::{Asked, answer as answer_to};
use super::body;
use super::call::Call;
use crate::api::choices::Shape;
use crate::api::completion::Prompt;
use crate::api::{CompletionRequest, Refusal, Stream};
use crate::state::State;

/// Its path.
pub const ROUTE: &str = "/v1/completions";

/// Answers it.
pub async fn answer(
    In(state): In<Arc<State>>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Response<Body>, Refusal> {
    let fields = body::fields(request, &state.limits).await?;
    let served = state.model(&fields)?;
    let settings = super::settings(&served, &fields)?;
    let stream = Stream::read(&fields)?;
    let vocab = served.opened().model.config().vocab;
    let CompletionRequest { prompts, max_tokens, echo, log_probs } =
        CompletionRequest::read(&fields, settings.answers, vocab)?;
    let asked = Asked {
        shape: Shape::Completion,
        served,
        settings,
        stream,
        max_tokens: Some(max_tokens),
        log_probs,
        echo,
        route: ROUTE,
        field: "prompt",
    };
    let ids = move |served: &crate::Served| {
        let ids = |prompt: &Prompt| match prompt {
            Prompt::Text(text) => served.opened().prompt_ids(text),
            Prompt::Ids(ids) => ids.clone(),
        };
        Ok(prompts.iter().map(ids).collect())
    };
    answer_to(&state, &call, asked, ids).await
}
