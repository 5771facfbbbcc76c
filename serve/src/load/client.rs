//! Clients of one server: they ask as a [`Plan`] says, each over connections of its own, and take times.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::address::Address;
use super::asked::{Answering, Asked, words_of};
use super::error::{Error, Result};
use super::events::Events;
use super::plan::{Arrivals, Plan};
use super::words::words;

/// Most bytes of an answer that comes whole.
const BODY_BYTES_MAX: usize = 4 << 20;
/// How long a server may take to say which models it has.
const GREETING: Duration = Duration::from_secs(30);
/// Between two looks at whether to stop.
const LOOK: Duration = Duration::from_millis(20);
/// Words from which the length of a word in tokens is taken; few, because some contexts are short.
const SAMPLE: usize = 24;

type Http = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Clients of the server at one address.
pub struct Client {
    runtime: Runtime,
    asking: Asking,
}

/// What each request needs.
#[derive(Clone)]
struct Asking {
    http: Http,
    address: Arc<Address>,
    key: Option<HeaderValue>,
}

/// What is written down of a request before it is sent.
#[derive(Clone, Debug)]
struct Question {
    path: &'static str,
    body: Bytes,
    timeout: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.asking.address).finish_non_exhaustive()
    }
}

impl Client {
    /// Of the server at `address`, which may ask for a key. Nothing is sent yet.
    ///
    /// # Errors
    /// A key that no header can hold; no thread, no sockets.
    pub fn new(address: Address, key: Option<&str>) -> Result<Client> {
        let bearer = |key: &str| {
            let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| Error::Key)?;
            value.set_sensitive(true);
            Ok(value)
        };
        let key = key.map(bearer).transpose()?;
        // One thread: what is measured may be on this machine, and needs the others.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Sockets)?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(usize::MAX)
            .build(connector);
        Ok(Client { runtime, asking: Asking { http, address: Arc::new(address), key } })
    }

    /// Names of the models that the server has.
    ///
    /// # Errors
    /// No server of this API there, or none that lets us in.
    pub fn models(&self) -> Result<Vec<String>> {
        let failed =
            |problem| Error::Server { address: self.asking.address.of("models").to_string(), problem };
        let asked = async {
            let answer = tokio::time::timeout(GREETING, self.asking.get("models")).await;
            answer.unwrap_or_else(|_| Err(format!("it said nothing for {} s", GREETING.as_secs())))
        };
        let body = self.runtime.block_on(asked).map_err(failed)?;
        let names: Vec<String> = body["data"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|model| model["id"].as_str().map(str::to_owned))
            .collect();
        if names.is_empty() {
            return Err(failed("it names no models, so it is none of this API".into()));
        }
        Ok(names)
    }

    /// Tokens of a word, on average, as the model's tokenizer cuts them. It asks for one token, which also wakes what sleeps.
    ///
    /// # Errors
    /// A server that does not answer, or does not count.
    pub fn tokens_per_word(&self, plan: &Plan) -> Result<f64> {
        let question = Question::new(plan, &words(plan.seed, SAMPLE), 1);
        let asked = self.runtime.block_on(self.asking.clone().ask(question, Instant::now()));
        let failed = |problem| Error::Server { address: self.asking.address.to_string(), problem };
        match asked {
            Asked { problem: Some(problem), .. } => Err(failed(problem)),
            Asked { prompt_tokens: 0, .. } => Err(failed(
                "it does not count a prompt's tokens, so prompts cannot be made as long as asked".into(),
            )),
            Asked { prompt_tokens, .. } => Ok(prompt_tokens as f64 / SAMPLE as f64),
        }
    }

    /// Asks as planned, with prompts of words as long as [`tokens_per_word`](Self::tokens_per_word) says, and hands on each request
    /// when it has ended. Stops when told, and drops what is still being answered.
    pub fn run(&self, plan: &Plan, tokens_per_word: f64, cancel: &AtomicBool, mut each: impl FnMut(Asked)) {
        let mut questions: VecDeque<Question> = (0..plan.requests)
            .map(|i| Question::new(plan, &prompt(plan, tokens_per_word, i as u64), plan.answer_tokens))
            .collect();
        let mut arrivals: VecDeque<Duration> = match plan.arrivals {
            Arrivals::Streams(_) => VecDeque::new(),
            Arrivals::PerSecond(rate) => at_random(rate, plan.requests, plan.seed).into(),
        };
        self.runtime.block_on(async {
            let (start, mut asked) = (Instant::now(), JoinSet::new());
            let mut looks = tokio::time::interval(LOOK);
            loop {
                let room = match plan.arrivals {
                    Arrivals::Streams(streams) => streams.get() - asked.len(),
                    Arrivals::PerSecond(_) => 0,
                };
                for question in questions.drain(..room.min(questions.len())) {
                    asked.spawn(self.asking.clone().ask(question, Instant::now()));
                }
                let next = arrivals.front().map(|&after| start + after);
                if questions.is_empty() && asked.is_empty() {
                    return;
                }
                tokio::select! {
                    Some(done) = asked.join_next() => each(done.expect("a client has nothing to panic of")),
                    () = until(next), if next.is_some() => {
                        arrivals.pop_front();
                        // It counts from when it was to come, however late this thread is.
                        if let (Some(question), Some(began)) = (questions.pop_front(), next) {
                            asked.spawn(self.asking.clone().ask(question, began));
                        }
                    }
                    _ = looks.tick() => if cancel.load(Ordering::Relaxed) { return; },
                }
            }
        });
    }
}

async fn until(when: Option<Instant>) {
    if let Some(when) = when {
        tokio::time::sleep_until(when.into()).await;
    }
}

/// When each of so many requests comes, `rate` a second on average: intervals of an exponential distribution.
fn at_random(rate: f64, requests: usize, seed: u64) -> Vec<Duration> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut now = 0.0;
    let mut next = || {
        now -= (1.0 - rng.random::<f64>()).ln() / rate;
        Duration::from_secs_f64(now)
    };
    (0..requests).map(|_| next()).collect()
}

/// The words of a plan's `index`th request.
fn prompt(plan: &Plan, tokens_per_word: f64, index: u64) -> String {
    let count = |tokens: usize| (tokens as f64 / tokens_per_word).round() as usize;
    let shared = count(plan.shared_tokens.min(plan.prompt_tokens));
    let own = count(plan.prompt_tokens).saturating_sub(shared);
    // Seeds of requests lie beside the seed of what they share, which is the sample's too.
    let parts = [words(plan.seed, shared), words(plan.seed.wrapping_add(1 + index), own)];
    parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
}

impl Question {
    fn new(plan: &Plan, prompt: &str, tokens: usize) -> Question {
        let mut body = json!({
            "model": plan.model,
            "stream": true,
            "stream_options": { "include_usage": true },
            "temperature": 0,
            "max_tokens": tokens,
            // Not OpenAI's, but known to those that serve open models.
            "ignore_eos": true,
        });
        let path = if plan.chat {
            body["messages"] = json!([{ "role": "user", "content": prompt }]);
            "chat/completions"
        } else {
            body["prompt"] = prompt.into();
            "completions"
        };
        Question { path, body: body.to_string().into(), timeout: plan.timeout }
    }
}

impl Asking {
    /// Asks and takes times. Whatever goes wrong is in what comes of it.
    async fn ask(self, question: Question, began: Instant) -> Asked {
        let mut answering = Answering::begin(began);
        let timeout = question.timeout;
        match tokio::time::timeout(timeout, self.answer(question, &mut answering)).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => answering.failed(problem),
            Err(_) => answering.failed(format!("it was not answered within {} s", timeout.as_secs_f64())),
        }
        answering.end(Instant::now())
    }

    async fn answer(&self, question: Question, answering: &mut Answering) -> std::result::Result<(), String> {
        let answer = self.send(Method::POST, self.address.of(question.path), question.body).await?;
        let (head, mut body) = answer.into_parts();
        if head.status != StatusCode::OK {
            let body = whole(body).await?;
            return Err(refused(head.status, &body));
        }
        let mut events = Events::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| formats::sentence(&error))?;
            if let Ok(bytes) = frame.into_data() {
                let now = Instant::now();
                events.take(&bytes, |data| answering.event(data, now))?;
            }
            if answering.is_done() {
                break;
            }
        }
        // To its end, or the connection is not used again.
        while body.frame().await.is_some_and(|frame| frame.is_ok()) {}
        Ok(())
    }

    async fn get(&self, path: &str) -> std::result::Result<Value, String> {
        let (head, body) = self.send(Method::GET, self.address.of(path), Bytes::new()).await?.into_parts();
        let body = whole(body).await?;
        if head.status != StatusCode::OK {
            return Err(refused(head.status, &body));
        }
        serde_json::from_slice(&body).map_err(|_| "it answered with something that is no JSON".into())
    }

    async fn send(
        &self,
        method: Method,
        uri: Uri,
        body: Bytes,
    ) -> std::result::Result<Response<Incoming>, String> {
        let mut request = Request::builder().method(method).uri(uri).header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        let request = request.body(Full::new(body)).expect("its parts are a request's");
        // A connection that was kept may be closed as this is sent. Nothing has been answered, so it is sent again, as all clients do.
        let answer = match self.http.request(request.clone()).await {
            Err(error) if was_closed(&error) => self.http.request(request).await,
            answer => answer,
        };
        answer.map_err(|error| formats::sentence(&error))
    }
}

/// Whether a connection ended before anything of an answer came.
fn was_closed(error: &hyper_util::client::legacy::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let closed = error.downcast_ref().is_some_and(hyper::Error::is_incomplete_message);
        let reset = error.downcast_ref().is_some_and(|error: &std::io::Error| {
            [BrokenPipe, ConnectionAborted, ConnectionReset].contains(&error.kind())
        });
        if closed || reset {
            return true;
        }
        cause = error.source();
    }
    false
}

/// A body that comes whole.
async fn whole(body: Incoming) -> std::result::Result<Bytes, String> {
    let collected = Limited::new(body, BODY_BYTES_MAX).collect().await;
    collected.map(|body| body.to_bytes()).map_err(|error| formats::sentence(error.as_ref()))
}

/// What a server that refuses says.
fn refused(status: StatusCode, body: &[u8]) -> String {
    let said = serde_json::from_slice::<Value>(body).ok();
    match said.as_ref().and_then(|said| said.get("error")) {
        Some(error) => format!("status {}: {}", status.as_u16(), words_of(error)),
        None => format!("status {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_come_as_often_as_asked() {
        let times = at_random(50.0, 10_000, 7);
        assert!(times.is_sorted());
        let seconds = times.last().unwrap().as_secs_f64();
        assert!((180.0..220.0).contains(&seconds), "10,000 at 50 a second took {seconds} s");
        assert_eq!(times, at_random(50.0, 10_000, 7));
    }

    #[test]
    fn prompts_share_what_they_should_and_no_more() {
        let plan = |shared_tokens| Plan {
            model: "a".into(),
            chat: false,
            arrivals: Arrivals::PerSecond(1.0),
            requests: 2,
            prompt_tokens: 60,
            shared_tokens,
            answer_tokens: 1,
            seed: 5,
            timeout: Duration::from_secs(1),
        };
        let of = |shared, index| -> Vec<String> {
            prompt(&plan(shared), 1.5, index).split(' ').map(str::to_owned).collect()
        };
        let common = |a: &[String], b: &[String]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let (a, b) = (of(30, 0), of(30, 1));
        assert_eq!((a.len(), b.len()), (40, 40));
        assert!((20..25).contains(&common(&a, &b)), "{a:?} {b:?}");
        assert!(common(&of(0, 0), &of(0, 1)) < 5);
        assert_eq!(common(&of(60, 0), &of(60, 1)), 40);
    }
}
