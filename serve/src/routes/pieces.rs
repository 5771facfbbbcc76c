//! An answer that goes out piece by piece, as server-sent events: what OpenAI's clients expect, in their order, and comments while nothing
//! else is to be told, so that nobody on the way thinks the connection dead.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use serde_json::{Value, json};

use super::answer::Answer;
use crate::api::{Refusal, Stream};
use crate::texts::{Out, Writing};

/// A comment goes out where nothing else has for so long.
const QUIET: Duration = Duration::from_secs(10);

struct Pieces {
    writing: Writing,
    answer: Answer,
    options: Stream,
    ready: VecDeque<Event>,
    over: bool,
}

/// The answer that texts on their way become.
pub fn pieces(writing: Writing, answer: Answer, options: Stream) -> Response<Body> {
    let mut pieces = Pieces { writing, answer, options, ready: VecDeque::new(), over: false };
    let first: Vec<_> = (0..pieces.answer.texts()).filter_map(|i| pieces.answer.head.first(i)).collect();
    first.into_iter().for_each(|choice| pieces.chunk(vec![choice]));
    let mut response =
        Sse::new(pieces).keep_alive(KeepAlive::new().interval(QUIET).text("waiting")).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would otherwise hand on many pieces at once.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

impl Pieces {
    fn take(&mut self, index: usize, out: Out) {
        if let Out::Read { done, total } = out {
            self.ready.push_back(Event::default().comment(format!("prompt {done} of {total}")));
            return;
        }
        let (certain, ending) = match self.answer.take(index, out) {
            Ok(taken) => taken,
            Err(refusal) => return self.fail(&refusal),
        };
        if let Some(choice) = self.answer.head.piece(index, &certain, &self.answer.tokenizer) {
            self.chunk(vec![choice]);
        }
        let Some(ending) = ending else { return };
        let last = self.answer.head.last(index, &ending);
        if !self.answer.is_whole() {
            return self.chunk(vec![last]);
        }
        let timings = self.answer.usage.timings();
        let mut chunk = self.answer.head.chunk(vec![last], self.options.usage);
        chunk["timings"] = timings.clone();
        self.send(&chunk);
        if self.options.usage {
            let mut chunk = self.answer.head.chunk(Vec::new(), true);
            chunk["usage"] = self.answer.usage.body();
            chunk["timings"] = timings;
            self.send(&chunk);
        }
        self.ready.push_back(Event::default().data("[DONE]"));
        self.over = true;
    }

    fn chunk(&mut self, choices: Vec<Value>) {
        let chunk = self.answer.head.chunk(choices, self.options.usage);
        self.send(&chunk);
    }

    fn send(&mut self, value: &Value) {
        self.ready.push_back(Event::default().data(value.to_string()));
    }

    /// What broke, where clients look for it once an answer has begun. Nothing follows, and the other texts end.
    fn fail(&mut self, refusal: &Refusal) {
        let mut body = refusal.body();
        body["error"]["status"] = json!(refusal.status().as_u16());
        self.send(&body);
        self.over = true;
    }
}

impl tokio_stream::Stream for Pieces {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            if self.over {
                return Poll::Ready(None);
            }
            match ready!(self.writing.poll_next(task)) {
                Some((index, out)) => self.take(index, out),
                None => self.fail(&Refusal::fault("the text broke off")),
            }
        }
    }
}
