//! How requests and servers end: clients that go away, limits that are reached, models that fail, servers that drain.

use std::io::{Read, Write};
use std::sync::Arc;
use std::thread::scope;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use serve::RequestState;
use text::Device;

use crate::server::{Test, Wish, gpu_is_there, read_all};

const PATH: &str = "/v1/completions";

fn long() -> Value {
    json!({ "prompt": "ROMEO:", "max_tokens": 60_000, "temperature": 1, "seed": 1, "ignore_eos": true })
}

/// One text at a time.
fn narrow() -> Wish {
    let mut wish = Wish::default();
    wish.model.setup.engine.texts = 1;
    wish
}

#[test]
fn client_that_goes_away_ends_its_text() {
    let test = Test::endless(Wish::default());
    let mut socket = test.begin(PATH, &long());
    let mut some = [0; 2000];
    assert!(socket.read(&mut some).unwrap() > 0);
    test.until("it writes", |server| server.requests().iter().any(|r| r.written_tokens > 3));
    let written = || test.server.models()[0].running().engine.load().tokens;
    let before = written();
    drop(socket);
    test.until("nobody is served", |server| server.requests().is_empty());
    test.until("the engine is idle", |server| server.models()[0].running().engine.load().running == 0);
    // How soon it is heard depends on how busy the machine is.
    assert!(written() - before < 2000, "{} more", written() - before);

    // The same for one that waits for the whole, and while its prompt is read.
    let (mut socket, mut body) = (test.socket(), long());
    body["prompt"] = json!("Now is the winter of our discontent ".repeat(2000));
    let body = body.to_string();
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    socket.write_all(format!("{head}{body}").as_bytes()).unwrap();
    test.until("it is there", |server| !server.requests().is_empty());
    drop(socket);
    test.until("nobody is served", |server| server.requests().is_empty());
    test.until("the engine is idle", |server| server.models()[0].running().engine.load().running == 0);
}

#[test]
fn request_is_refused_where_too_many_wait() {
    let mut wish = narrow();
    wish.model.queue = 2;
    let test = Test::endless(wish);
    let running = test.begin(PATH, &long());
    test.until("it writes", |server| server.requests().iter().any(|r| r.state == RequestState::Writing));
    let waiting = [test.begin(PATH, &long()), test.begin(PATH, &long())];
    test.until("two wait", |server| {
        server.requests().iter().filter(|r| r.state == RequestState::Waiting).count() == 2
    });
    assert_eq!(test.metric("tercet_requests_deferred{model=\"shakespeare\"}"), 2.0);
    let refused = test.post(PATH, &json!({ "prompt": "A" }));
    assert_eq!(refused.error(), (429, None, Some("queue_full")));
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.body["error"]["type"], "rate_limit_error");
    drop(waiting);
    test.until("one is left", |server| server.requests().len() == 1);
    drop(running);
    // Whoever comes then is served.
    assert_eq!(test.post(PATH, &json!({ "prompt": "A", "max_tokens": 1 })).status, 200);
}

#[test]
fn request_that_takes_too_long_ends_also_while_it_waits() {
    let mut wish = narrow();
    wish.options.limits.request = Duration::from_millis(300);
    let test = Test::endless(wish);
    let long = long();
    scope(|scope| {
        let whole = scope.spawn(|| test.post(PATH, &long));
        test.until("it writes", |server| server.requests().iter().any(|r| r.written_tokens > 0));
        let pieces = test.pieces_or_error(PATH, &long);
        let last = pieces.last().unwrap();
        assert_eq!((&last["error"]["code"], &last["error"]["status"]), (&json!("timeout"), &json!(408)));
        let whole = whole.join().unwrap();
        assert_eq!(whole.error(), (408, None, Some("timeout")));
        assert_eq!(whole.headers["x-should-retry"], "false");
    });
    assert_eq!(test.post(PATH, &json!({ "prompt": "A", "max_tokens": 1 })).status, 200);
}

#[test]
fn request_is_listed_with_its_figures_and_can_be_ended_by_who_runs_the_server() {
    let test = Test::endless(Wish::default());
    let mut socket = test.begin(PATH, &long());
    test.until("its speed is known", |server| {
        server.requests().iter().any(|r| r.written_tokens > 3 && r.written_tokens_per_sec.is_some())
    });
    let info = test.server.requests().remove(0);
    assert_eq!((info.model.as_str(), info.route.as_str(), info.texts), ("shakespeare", PATH, 1));
    assert!(info.prompt_tokens > 0 && info.read_tokens <= info.prompt_tokens);
    assert!(info.first_token_time.is_some_and(|time| time <= info.time));
    assert!(info.written_tokens_per_sec.is_some_and(|rate| rate > 0.0), "{info:?}");
    assert!(!test.server.cancel(info.id + 1) && test.server.cancel(info.id));
    test.until("it is gone", |server| server.requests().is_empty());
    let mut some = [0; 1 << 16];
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains("cancelled") {
        let count = socket.read(&mut some).unwrap();
        assert!(count > 0);
        all.extend_from_slice(&some[..count]);
    }
}

#[test]
fn client_that_does_not_read_holds_up_nobody() {
    let mut wish = Wish::default();
    wish.options.limits.write = Duration::from_millis(700);
    let test = Test::of(wish);
    // Every token with many others: more than sockets hold.
    let mut body = long();
    (body["logprobs"], body["n"]) = (json!(20), json!(100));
    let slow = test.begin(PATH, &body);
    test.until("it writes", |server| server.requests().iter().any(|r| r.written_tokens > 20));
    assert_eq!(test.post(PATH, &json!({ "prompt": "A", "max_tokens": 20 })).status, 200);
    // It is let go of, long before it would be through.
    let most = std::cell::Cell::new(0);
    test.until("it is gone", |server| {
        let written = server.requests().iter().map(|r| r.written_tokens).max();
        most.set(written.unwrap_or(0).max(most.get()));
        server.requests().is_empty()
    });
    assert!(most.get() < 30_000, "{}", most.get());
    drop(slow);
}

#[test]
fn model_that_fails_ends_the_stream_with_an_error_and_is_started_anew() {
    let test = Test::endless(Wish::default());
    let expected =
        test.post(PATH, &json!({ "prompt": "ROMEO:", "max_tokens": 8, "temperature": 0 })).text(0).to_owned();
    let broken = test.server.models()[0].running();
    scope(|scope| {
        let (streamed, whole) =
            (scope.spawn(|| test.pieces_or_error(PATH, &long())), scope.spawn(|| test.post(PATH, &long())));
        test.until("both write", |server| {
            server.requests().iter().filter(|r| r.written_tokens > 2).count() == 2
        });
        broken.engine.stop();
        let pieces = streamed.join().unwrap();
        assert!(pieces.len() > 2 && pieces[0]["choices"][0]["text"].is_string());
        let error = &pieces.last().unwrap()["error"];
        assert_eq!((&error["code"], &error["status"]), (&json!("server_error"), &json!(500)));
        assert_eq!(whole.join().unwrap().error(), (500, None, Some("server_error")));
    });
    let again = test.post(PATH, &json!({ "prompt": "ROMEO:", "max_tokens": 8, "temperature": 0 }));
    assert_eq!(again.text(0), expected);
    assert!(test.metric("tercet_restarts_total") >= 1.0);
    // One that failed while nobody asked is started by the next request.
    test.server.models()[0].running().engine.stop();
    assert_eq!(
        test.post(PATH, &json!({ "prompt": "ROMEO:", "max_tokens": 8, "temperature": 0 })).text(0),
        expected
    );
}

/// Where a device is lost the processor writes on: nobody notices but who asks for `/props`.
#[test]
fn device_that_is_lost_leaves_texts_to_the_processor() {
    let mut wish = Wish::default();
    wish.model.setup.device = Device::Gpu;
    let ask = json!({ "prompt": "ROMEO:", "max_tokens": 120, "temperature": 0, "ignore_eos": true });
    let expected = Test::start().post(PATH, &ask).text(0).to_owned();
    if !gpu_is_there() {
        return;
    }
    let test = Test::of(wish);
    let running = test.server.models()[0].running();
    let gpu = Arc::clone(running.engine.gpu().expect("it runs there").gpu());
    scope(|scope| {
        let streamed = scope.spawn(|| test.pieces(PATH, &ask));
        test.until("it writes", |server| server.requests().iter().any(|r| r.written_tokens > 5));
        gpu.destroy();
        let pieces = streamed.join().unwrap();
        let text: String = pieces.iter().filter_map(|piece| piece["choices"][0]["text"].as_str()).collect();
        assert_eq!(text, expected);
    });
    assert!(test.get("/props").body["fault"].as_str().is_some_and(|fault| fault.starts_with("the GPU ")));
    assert_eq!(test.post(PATH, &ask).text(0), expected);
}

#[test]
fn server_drains_what_it_has_and_takes_no_more() {
    let test = Test::endless(narrow());
    // A connection from before, which asks once more.
    assert_eq!(test.get("/health").status, 200);
    let running = test.begin(PATH, &json!({ "prompt": "ROMEO:", "max_tokens": 2000, "temperature": 0 }));
    test.until("it writes", |server| server.requests().iter().any(|r| r.written_tokens > 0));
    let waiting = test.begin(PATH, &json!({ "prompt": "JULIET:", "max_tokens": 5, "temperature": 0 }));
    test.until("both are there", |server| server.requests().len() == 2);
    test.server.drain();
    let ended = |mut socket| read_all(&mut socket).contains("data: [DONE]");
    assert!(ended(running) && ended(waiting));
    test.server.wait();
    assert!(std::net::TcpStream::connect(test.server.address()).is_err());
}

#[test]
fn server_ends_at_once_when_it_is_told_to() {
    let test = Test::endless(narrow());
    let mut running = test.begin(PATH, &long());
    test.until("it writes", |server| server.requests().iter().any(|r| r.written_tokens > 0));
    test.server.drain();
    let start = Instant::now();
    test.server.stop();
    test.server.wait();
    assert!(start.elapsed() < Duration::from_secs(3));
    assert!(!read_all(&mut running).contains("[DONE]"));
}
