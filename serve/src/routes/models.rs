//! `GET /v1/models`, `GET /v1/models/NAME`, and `GET /props`, which tells more of one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State as In};
use axum::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::json as answer;
use crate::api::Refusal;
use crate::state::State;
use crate::texts::Served;

/// All that are served.
pub async fn list(In(state): In<Arc<State>>) -> Response<Body> {
    let models: Vec<Value> = state.models.iter().map(|served| model(served)).collect();
    answer(&json!({ "object": "list", "data": models }))
}

/// One of them.
pub async fn one(
    In(state): In<Arc<State>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response<Body>, Refusal> {
    let Path(name) = name.map_err(|why| Refusal::malformed(why.body_text()))?;
    Ok(answer(&model(&*state.model_called(&name)?)))
}

/// The model that `/props` is asked about.
#[derive(Debug, Deserialize)]
pub struct Which {
    model: Option<String>,
}

/// How one is served: what its page wants to know.
pub async fn props(
    In(state): In<Arc<State>>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response<Body>, Refusal> {
    let Query(which) = which.map_err(|why| Refusal::malformed(why.body_text()))?;
    let served = match &which.model {
        Some(name) => state.model_called(name)?,
        None => Arc::clone(&state.models[0]),
    };
    let (opened, running) = (served.opened(), served.running());
    let s = &opened.sampling;
    let name = |id: Option<u32>| id.map(|id| opened.tokenizer.token_name(id));
    let device = running.engine.gpu().map_or("cpu".to_owned(), |model| model.gpu().info().name.clone());
    Ok(answer(&json!({
        "default_generation_settings": {
            "n_ctx": running.engine.context(),
            "params": {
                "temperature": s.temperature,
                "top_k": s.top_k,
                "top_p": s.top_p,
                "min_p": s.min_p,
                "repeat_penalty": s.repetition_penalty,
                "repeat_last_n": s.repetition_window,
                "presence_penalty": s.presence_penalty,
                "frequency_penalty": s.frequency_penalty,
            },
        },
        "total_slots": served.options().setup.engine.texts,
        "model_alias": served.name(),
        "model_name": opened.name,
        "device": device,
        "fault": running.engine.fault(),
        "chat_template": opened.chat_template,
        "bos_token": name(opened.tokenizer.bos()),
        "eos_token": name(opened.tokenizer.eos()),
        "build_info": concat!("tercet ", env!("CARGO_PKG_VERSION")),
    })))
}

fn model(served: &Served) -> Value {
    let config = served.opened().model.config();
    json!({
        "id": served.name(),
        "object": "model",
        "created": served.created(),
        "owned_by": "tercet",
        "meta": {
            "n_vocab": config.vocab,
            "n_ctx": served.running().engine.context(),
            "n_ctx_train": config.context,
            "n_embd": config.width,
            "chat": served.opened().chat_template.is_some(),
        },
    })
}
