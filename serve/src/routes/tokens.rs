//! `POST /tokenize`, `POST /detokenize` and `GET /tokenizer_info`.

use std::convert::Infallible;
use std::iter::once;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State as In};
use axum::http::Response;
use formats::tokenizer::Tokenizer;
use serde_json::{Value, json};
use tokio_stream::StreamExt;

use super::{body, json as answer};
use crate::api::Refusal;
use crate::api::tokens::{TokenizeRequest, detokenize as ids_of};
use crate::blocking::blocking;
use crate::state::State;

/// Tokens that are made text at once.
const AT_A_TIME: usize = 256;

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
        let context = served.running().engine.context();
        Ok(Tokens { tokenizer: Arc::clone(tokenizer), ids, pieces: asked.pieces }.answer(context))
    })
    .await
}

/// Ids that are told. As text they take many times what was sent, so no more of them is text at a time than a client takes.
struct Tokens {
    tokenizer: Arc<Tokenizer>,
    ids: Vec<u32>,
    /// Each with what it stands for.
    pieces: bool,
}

impl Tokens {
    fn answer(self, context: usize) -> Response<Body> {
        let end = format!("],\"count\":{},\"max_model_len\":{context}}}", self.ids.len());
        let starts = (0..self.ids.len()).step_by(AT_A_TIME);
        let all = once("{\"tokens\":[".to_owned())
            .chain(starts.map(move |start| self.part(start)))
            .chain(once(end));
        let mut response = answer(&Value::Null);
        let parts = tokio_stream::iter(all).then(|part| async {
            // Others have their turn between two of them.
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(part)
        });
        *response.body_mut() = Body::from_stream(parts);
        response
    }

    /// Those from `start` on, as text.
    fn part(&self, start: usize) -> String {
        let ids = self.ids[start..].iter().take(AT_A_TIME);
        let told = ids.map(|&id| {
            if !self.pieces {
                return id.to_string();
            }
            let bytes = self.tokenizer.token_bytes(id);
            let piece = std::str::from_utf8(bytes).map_or_else(|_| json!(bytes), |text| json!(text));
            json!({ "id": id, "piece": piece }).to_string()
        });
        let told: Vec<String> = told.collect();
        format!("{}{}", if start == 0 { "" } else { "," }, told.join(","))
    }
}

/// The text of ids.
pub async fn detokenize(In(state): In<Arc<State>>, request: Request) -> Result<Response<Body>, Refusal> {
    let fields = body::fields(request, &state.limits).await?;
    let served = state.model(&fields)?;
    blocking(move || {
        let ids = ids_of(&fields, served.opened().model.config().vocab)?;
        let text = served.opened().tokenizer.decode(&ids);
        Ok(answer(&json!({ "content": text, "prompt": text })))
    })
    .await
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
