//! What a client is told instead of an answer, in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

/// Seconds after which who was turned away may try again.
const RETRY_SECONDS: u64 = 1;

/// Why a request has no answer.
#[derive(Clone, Debug)]
pub struct Refusal {
    status: StatusCode,
    kind: &'static str,
    message: String,
    /// The field that it is about.
    param: Option<String>,
    code: Option<&'static str>,
    /// Whether it is worth trying again, and after how many seconds.
    retry: Option<u64>,
}

/// The code of a refusal, if it has one.
#[derive(Clone, Copy, Debug)]
pub struct ErrorCode(pub Option<&'static str>);

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, kind, message: message.into(), param: None, code: None, retry: None }
    }

    fn code(self, code: &'static str) -> Refusal {
        Refusal { code: Some(code), ..self }
    }

    /// What is sent cannot be understood as a whole.
    pub fn malformed(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, INVALID, message)
    }

    /// A field has a value that it cannot have.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Refusal {
        Refusal { param: Some(field.into()), ..Refusal::malformed(message).code("invalid_value") }
    }

    /// A field asks for what this server does not do.
    pub fn unsupported(field: impl Into<String>, message: impl Into<String>) -> Refusal {
        Refusal { param: Some(field.into()), ..Refusal::malformed(message).code("unsupported_value") }
    }

    /// A text has more tokens than the model sees.
    pub fn too_long(field: &str, tokens: usize, context: usize) -> Refusal {
        let message = format!("this is {tokens} tokens; the model sees {context} at a time, answer included");
        let refusal = Refusal::malformed(message).code("context_length_exceeded");
        Refusal { param: Some(field.to_owned()), ..refusal }
    }

    /// No model is called that.
    pub fn no_model(name: &str, there: &str) -> Refusal {
        let name = formats::shown(name);
        let message = format!("the model `{name}` does not exist here; there is {there}");
        let refusal = Refusal::new(StatusCode::NOT_FOUND, INVALID, message).code("model_not_found");
        Refusal { param: Some("model".to_owned()), ..refusal }
    }

    /// Nothing is there.
    pub fn no_route(method: &str, path: &str) -> Refusal {
        let message = format!("there is no {} {} here", formats::shown(method), formats::shown(path));
        Refusal::new(StatusCode::NOT_FOUND, INVALID, message).code("unknown_url")
    }

    /// Something is there, for another method.
    pub fn no_method(method: &str, path: &str) -> Refusal {
        let message = format!("{} does not take {}", formats::shown(path), formats::shown(method));
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, INVALID, message).code("method_not_allowed")
    }

    /// No key, or none of ours.
    pub fn no_key(given: bool) -> Refusal {
        let message = if given {
            "this is not a key of this server; send `Authorization: Bearer KEY`"
        } else {
            "this server asks for a key; send `Authorization: Bearer KEY`"
        };
        Refusal::new(StatusCode::UNAUTHORIZED, INVALID, message).code("invalid_api_key")
    }

    /// Somebody who may not ask, whatever is asked.
    pub fn forbidden(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, INVALID, message)
    }

    /// A body beyond what is read.
    pub fn too_large(most: usize) -> Refusal {
        let message = format!("a request's body may have {most} bytes; this one has more");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, INVALID, message).code("request_too_large")
    }

    /// A body that does not come.
    pub fn too_slow(most: Duration) -> Refusal {
        let message = format!("the body did not come within {} s", most.as_secs_f64());
        Refusal::new(StatusCode::REQUEST_TIMEOUT, INVALID, message).code("request_timeout")
    }

    /// No place left to wait in.
    pub fn busy(waiting: usize) -> Refusal {
        let message = format!("{waiting} requests are waiting, and no more may; try again soon");
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
        Refusal { retry: Some(RETRY_SECONDS), ..refusal.code("queue_full") }
    }

    /// The server is about to end.
    pub fn draining() -> Refusal {
        let message = "this server is shutting down; ask another, or try again soon";
        let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, message);
        Refusal { retry: Some(RETRY_SECONDS), ..refusal.code("shutting_down") }
    }

    /// All connections are in use.
    pub fn no_connection() -> Refusal {
        let message = "all connections of this server are in use; try again soon";
        let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, message);
        Refusal { retry: Some(RETRY_SECONDS), ..refusal.code("too_many_connections") }
    }

    /// It took longer than a request may.
    pub fn timed_out(most: Duration) -> Refusal {
        let message = format!("this took longer than the {} s that a request may", most.as_secs_f64());
        Refusal::new(StatusCode::REQUEST_TIMEOUT, SERVER, message).code("timeout")
    }

    /// Whoever runs the server ended it.
    pub fn cancelled() -> Refusal {
        let message = "whoever runs this server ended the request";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, message).code("cancelled")
    }

    /// A fault of ours.
    pub fn fault(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, SERVER, message).code("server_error")
    }

    /// What broke while a text was written; `field` held its prompt.
    pub fn of(error: &text::Error, field: &str) -> Refusal {
        use runtime::Error as E;
        let words = formats::sentence(error);
        match error {
            text::Error::Template { .. } => Refusal::invalid(field, words),
            text::Error::Model(E::PromptTooLong { tokens, context }) => {
                Refusal::too_long(field, *tokens, *context)
            }
            text::Error::Model(E::PromptEmpty | E::Token { .. }) => Refusal::invalid(field, words),
            text::Error::Model(E::Sampling { name, .. }) => Refusal::invalid(name.replace(' ', "_"), words),
            text::Error::Model(E::KvFull { .. }) => {
                let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, words);
                refusal.code("out_of_memory")
            }
            _ => Refusal::fault(words),
        }
    }

    /// The status that it has where nothing was sent yet.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What clients read as its code; an answer that tells of it carries it along.
    pub fn error_code(&self) -> ErrorCode {
        ErrorCode(self.code)
    }

    /// As clients read it.
    pub fn body(&self) -> Value {
        let Refusal { kind, message, param, code, .. } = self;
        json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
    }
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let body = Body::from(self.body().to_string());
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self.error_code());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self.retry {
            Some(seconds) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            // OpenAI's clients try some statuses again by themselves; this tells them that it would be in vain.
            None => {
                headers.insert("x-should-retry", HeaderValue::from_static("false"));
            }
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
