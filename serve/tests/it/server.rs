//! A server of the shipped model for a test, and clients: one that speaks HTTP, and a bare socket for what no client would send.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use runtime::Model;
use runtime::engine::EngineOptions;
use runtime::gpu::adapters;
use serde_json::Value;
use serve::{Limits, ModelOptions, Options, Served, Server};
use text::{Devices, Opened, Setup, unwatched};
use ureq::Agent;
use ureq::http::HeaderMap;

/// A template as ChatML's, for a model that has none.
pub const TEMPLATE: &str = "{% for m in messages %}[{{ m.role }}]\n{{ m.content }}\n{% endfor %}[assistant]";

/// The model that comes with the program.
pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shakespeare.gguf")
}

/// Whether a model can be served on a graphics adapter here.
pub fn gpu_is_there() -> bool {
    let there = !adapters().is_empty();
    assert!(there || std::env::var("TERCET_REQUIRE_GPU").as_deref() != Ok("1"), "no graphics adapter");
    if !there {
        eprintln!("skipped: no graphics adapter");
    }
    there
}

/// What a test's server is like.
pub struct Wish {
    pub options: Options,
    pub model: ModelOptions,
    pub template: Option<&'static str>,
}

impl Default for Wish {
    fn default() -> Self {
        let engine = EngineOptions { threads: Some(1), texts: 4, kept: 4, ..EngineOptions::default() };
        Wish {
            options: Options { port: 0, ..Options::default() },
            model: ModelOptions { setup: Setup { engine, ..Setup::default() }, queue: 64 },
            template: None,
        }
    }
}

/// A server, and a client of it.
pub struct Test {
    pub server: Server,
    pub agent: Agent,
    pub key: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// Status, field and code of an error.
    pub fn error(&self) -> (u16, Option<&str>, Option<&str>) {
        let error = &self.body["error"];
        assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()), "{self:?}");
        assert!(error["type"].is_string(), "{self:?}");
        (self.status, error["param"].as_str(), error["code"].as_str())
    }

    /// The text of a choice.
    pub fn text(&self, index: usize) -> &str {
        assert_eq!(self.status, 200, "{self:?}");
        let choice = &self.body["choices"][index];
        choice["text"].as_str().or_else(|| choice["message"]["content"].as_str()).expect("a text")
    }
}

impl Test {
    /// A server of the shipped model.
    pub fn start() -> Test {
        Test::of(Wish::default())
    }

    /// One as it is wished for.
    pub fn of(wish: Wish) -> Test {
        let opened = Opened::open(&file()).unwrap();
        let template = wish.template.map(str::to_owned);
        Test::with(wish, |opened| Opened { chat_template: template.clone(), ..opened }, vec![opened])
    }

    /// One of several models.
    pub fn with(wish: Wish, change: impl Fn(Opened) -> Opened, models: Vec<Opened>) -> Test {
        let devices = Arc::new(Devices::default());
        let start = |opened| {
            Served::start(change(opened), wish.model.clone(), Arc::clone(&devices), &mut unwatched).unwrap()
        };
        let models = models.into_iter().map(start).collect();
        let server = Server::start(&wish.options, models).unwrap();
        let config = Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(Duration::from_secs(60))).build().new_agent();
        Test { server, agent, key: wish.options.keys.first().cloned() }
    }

    /// One of a model of noise, whose texts go on for half a minute if they are let.
    pub fn endless(wish: Wish) -> Test {
        let opened = Opened::open(&file()).unwrap();
        let mut config = opened.model.config().clone();
        config.context = 1 << 16;
        let model = Arc::new(Model::synthetic(&config, opened.model.kernels(), 1).unwrap());
        Test::with(wish, |opened| opened, vec![Opened { model, ..opened }])
    }

    /// The shipped model, to be served.
    pub fn models() -> Vec<Served> {
        let opened = Opened::open(&file()).unwrap();
        let devices = Arc::new(Devices::default());
        vec![Served::start(opened, Wish::default().model, devices, &mut unwatched).unwrap()]
    }

    /// Where a path of it is.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// Posts what is JSON.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string())
    }

    /// Posts anything.
    pub fn post_text(&self, path: &str, body: &str) -> Answer {
        let mut request = self.agent.post(self.url(path));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        answer(request.send(body).unwrap())
    }

    /// Gets.
    pub fn get(&self, path: &str) -> Answer {
        answer(self.agent.get(self.url(path)).call().unwrap())
    }

    /// The pieces of an answer that comes piece by piece, without the end mark, which must be there.
    pub fn pieces(&self, path: &str, body: &Value) -> Vec<Value> {
        let mut pieces = self.pieces_or_error(path, body);
        assert_eq!(pieces.pop(), Some(Value::from("[DONE]")), "{pieces:?}");
        pieces
    }

    /// The pieces of an answer; the end mark is a string.
    pub fn pieces_or_error(&self, path: &str, body: &Value) -> Vec<Value> {
        let mut body = body.clone();
        body["stream"] = true.into();
        let response = self.agent.post(self.url(path)).send(body.to_string()).unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let lines = BufReader::new(response.into_body().into_reader()).lines().map(Result::unwrap);
        let data = lines.filter_map(|line| line.strip_prefix("data: ").map(str::to_owned));
        data.map(|data| serde_json::from_str(&data).unwrap_or(Value::from(data))).collect()
    }

    /// A bare connection.
    pub fn socket(&self) -> TcpStream {
        let socket = TcpStream::connect(self.server.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    }

    /// What comes back to bytes, until the server closes.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut socket = self.socket();
        // It may be told enough before all is sent.
        let _ = socket.write_all(bytes);
        read_all(&mut socket)
    }

    /// A request that is answered piece by piece, as bytes on a socket.
    pub fn begin(&self, path: &str, body: &Value) -> TcpStream {
        let (mut socket, mut body) = (self.socket(), body.clone());
        body["stream"] = true.into();
        let body = body.to_string();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
        socket.write_all(format!("{head}{body}").as_bytes()).unwrap();
        socket
    }

    /// Waits until something is so.
    pub fn until(&self, what: &str, is_so: impl Fn(&Server) -> bool) {
        for _ in 0..2000 {
            if is_so(&self.server) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("never: {what}; {:?}", self.server.requests());
    }

    /// The value of a line of `/metrics`.
    pub fn metric(&self, line: &str) -> f64 {
        let mut request = self.agent.get(self.url("/metrics"));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let text = request.call().unwrap().into_body().read_to_string().unwrap();
        let value = text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{line} in {text}")).parse().unwrap()
    }
}

/// All that a socket gives until it is closed, also by force.
pub fn read_all(socket: &mut TcpStream) -> String {
    let (mut all, mut some) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = socket.read(&mut some) {
        all.extend_from_slice(&some[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Limits that a test need not wait long for.
pub fn short() -> Limits {
    Limits {
        head: Duration::from_millis(400),
        body: Duration::from_millis(400),
        write: Duration::from_millis(600),
        body_bytes: 100_000,
        ..Limits::default()
    }
}

fn answer(response: ureq::http::Response<ureq::Body>) -> Answer {
    let (parts, mut body) = response.into_parts();
    let text = body.read_to_string().unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::from(text));
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}
