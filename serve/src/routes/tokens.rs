//! `POST /tokenize`, `POST /detokenize` and `GET /tokenizer_info`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State as In};
use axum::http::Response;
use serde_json::{Value, json};

use super::{body, json as answer};
use crate::api::Refusal;
use crate::api::tokens::{TokenizeRequest, detokenize as ids_of};
use crate::blocking::blocking;
use crate::state::State;

/// The ids of a text.
pub async fn tokenize(In(state): In<Arc<State>>, request: Request) -> Result<Response<Body>, Refusal> {
    let fields = body::fields(request, &state.limits).await?;
    let served = state.model(&fields)?;
    let asked = TokenizeRequest::read(&fields)?;
    blocking(move || {
        let tokenizer = &served.opened().tokenizer;
        let mut ids = if asked.special {
            tokenizer.encode_with_special(&asked.text)
        } else {
            tokenizer.encode(&asked.text)
        };
        if let Some(bos) = tokenizer.bos().filter(|_| asked.begin && tokenizer.add_bos()) {
            ids.insert(0, bos);
        }
        let piece = |id: &u32| {
            let bytes = tokenizer.token_bytes(*id);
            let text = std::str::from_utf8(bytes).map_or_else(|_| json!(bytes), |text| json!(text));
            json!({ "id": id, "piece": text })
        };
        let count = ids.len();
        let tokens: Value =
            if asked.pieces { ids.iter().map(piece).collect::<Vec<_>>().into() } else { ids.into() };
        let context = served.running().engine.context();
        Ok(answer(&json!({ "tokens": tokens, "count": count, "max_model_len": context })))
    })
    .await
}

/// The text of ids.
pub async fn detokenize(In(state): In<Arc<State>>, request: Request) -> Result<Response<Body>, Refusal> {
    let fields = body::fields(request, &state.limits).await?;
    let served = state.model(&fields)?;
    let ids = ids_of(&fields, served.opened().model.config().vocab)?;
    let text = served.opened().tokenizer.decode(&ids);
    Ok(answer(&json!({ "content": text, "prompt": text })))
}

/// The names that clients write templates with.
pub async fn info(In(state): In<Arc<State>>) -> Response<Body> {
    let opened = state.models[0].opened();
    let name = |id: Option<u32>| id.map(|id| opened.tokenizer.token_name(id));
    answer(&json!({
        "bos_token": name(opened.tokenizer.bos()),
        "eos_token": name(opened.tokenizer.eos()),
        "pad_token": null,
        "add_bos_token": opened.tokenizer.add_bos(),
        "chat_template": opened.chat_template,
    }))
}
