//! `POST /v1/chat/completions`. A model that only continues text is given a play, as in the terminal.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State as In};
use axum::http::Response;
use text::{Names, SPEECH_END, chat};

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
    let fields = body::fields(request, &state.limits).await?;
    let served = state.model(&fields)?;
    let mut settings = super::settings(&served, &fields)?;
    let stream = Stream::read(&fields)?;
    let ChatRequest { turns, begun, max_tokens, log_probs } = ChatRequest::read(&fields)?;
    if served.opened().chat_template.is_none() && !settings.endless {
        settings.stops.push(SPEECH_END.to_owned());
    }
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
        let mut ids = match opened.chat_template {
            Some(_) => chat::prompt_ids(opened, &turns).map_err(|error| Refusal::of(&error, FIELD))?,
            None => opened.prompt_ids(&Names::default().script(&turns)),
        };
        ids.extend(begun.iter().flat_map(|text| opened.tokenizer.encode(text)));
        Ok(vec![ids])
    };
    answer_to(&state, &call, asked, ids).await
}
