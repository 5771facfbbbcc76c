//! What whoever runs a server sees of its requests: who asks what, how far it is, how it ended, and nothing of the words; and the lines with
//! which others ask.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use serve::{Error, Example, Options, Outcome, RequestInfo, RequestKind, RequestState, Server, Totals};

use crate::server::{TEMPLATE, Test, Wish};

const CHAT: &str = "/v1/chat/completions";
const COMPLETION: &str = "/v1/completions";

/// How the last request ended, once so many have.
fn last(test: &Test, ended: usize) -> (RequestInfo, Outcome) {
    // A client has its answer a moment before its request is at its end.
    test.until("it has ended", |server| server.ended().len() == ended);
    let info = test.server.ended().remove(0);
    match info.state {
        RequestState::Ended(outcome) => (info, outcome),
        state => panic!("{state:?} has ended"),
    }
}

#[test]
fn listing_tells_what_was_asked_and_how_it_ended() {
    let test = Test::of(Wish { template: Some(TEMPLATE), ..Wish::default() });
    let secret = "xyzzy plugh";
    test.post(CHAT, &json!({ "messages": [{ "role": "user", "content": secret }], "max_tokens": 3 }));
    let (info, outcome) = last(&test, 1);
    assert_eq!((info.kind, info.route.as_str(), outcome), (RequestKind::Chat, CHAT, Outcome::Answered));
    assert_eq!(info.client, Some("127.0.0.1".parse().unwrap()));
    assert_eq!((info.texts, info.written_tokens, info.read_tokens), (1, 3, info.prompt_tokens));
    assert!(info.came.elapsed() >= info.time && info.time > Duration::ZERO);

    let body = json!({ "prompt": [secret.repeat(30)], "max_tokens": 2, "n": 2 });
    (0..2).for_each(|_| drop(test.post(COMPLETION, &body)));
    let (info, _) = last(&test, 3);
    assert_eq!((info.kind, info.texts, info.written_tokens), (RequestKind::Completion, 2, 4));
    // Where a text begins as one before, what is not read is told.
    assert!(info.cached_tokens > info.prompt_tokens / 2, "{info:?}");

    test.post(COMPLETION, &json!({ "prompt": secret, "max_tokens": 0, "echo": true, "logprobs": 1 }));
    assert_eq!(last(&test, 4).0.kind, RequestKind::Score);
    assert_eq!(test.server.totals(), Totals { answered: 4, ..Totals::default() });
    assert_eq!(test.server.written_tokens(), 3 + 4 + 4);
    let all = format!("{:?}", test.server.ended());
    assert!(!all.contains("xyzzy"), "{all}");
}

#[test]
fn listing_has_those_that_were_refused() {
    let keys = vec!["sk-a".to_owned()];
    let options = Options { port: 0, keys, ..Options::default() };
    let mut test = Test::of(Wish { options, ..Wish::default() });
    let refused = |status, code| Outcome::Refused { status, code: Some(code) };
    let tools = json!({ "messages": [{ "role": "user", "content": "Hello" }], "tool_choice": "required" });
    let long = json!({ "prompt": "word ".repeat(2000) });
    let cases = [
        (CHAT, tools, 400, "unsupported_value", RequestKind::Chat, ""),
        (COMPLETION, long, 400, "context_length_exceeded", RequestKind::Completion, "shakespeare"),
        (COMPLETION, json!({ "model": "gpt" }), 404, "model_not_found", RequestKind::Completion, ""),
        (COMPLETION, json!({ "prompt": "A", "n": 0 }), 400, "invalid_value", RequestKind::Completion, ""),
        ("/completions", json!({}), 404, "unknown_url", RequestKind::Other, ""),
    ];
    for (i, (path, body, status, code, kind, model)) in cases.into_iter().enumerate() {
        assert_eq!(test.post(path, &body).status, status, "{path} {code}");
        let (info, outcome) = last(&test, i + 1);
        assert_eq!((outcome, info.kind, info.model.as_str()), (refused(status, code), kind, model));
        assert_eq!(info.route, path);
    }
    test.key = None;
    test.post(COMPLETION, &json!({ "prompt": "A" }));
    assert_eq!(last(&test, 6).1, refused(401, "invalid_api_key"));
    // What is answered without a turn is not in it.
    assert_eq!(test.get("/health").status, 200);
    assert_eq!((test.server.ended().len(), test.server.totals().refused), (6, 6));
}

#[test]
fn listing_tells_who_was_ended_and_who_left() {
    let test = Test::endless(Wish::default());
    let long = json!({ "prompt": "ROMEO:", "max_tokens": 60_000, "seed": 1, "ignore_eos": true });
    let gone = test.begin(COMPLETION, &long);
    test.until("it writes", |server| server.requests().iter().any(|r| r.written_tokens > 3));
    drop(gone);
    let (info, outcome) = last(&test, 1);
    assert!(outcome == Outcome::Left && info.written_tokens > 3, "{info:?}");
    let _socket = test.begin(COMPLETION, &long);
    test.until("it writes", |server| server.requests().iter().any(|r| r.written_tokens > 3));
    test.server.cancel(test.server.requests()[0].id);
    assert_eq!(last(&test, 2).1, Outcome::Cancelled);
    assert_eq!(test.server.totals(), Totals { left: 1, cancelled: 1, ..Totals::default() });
}

#[test]
fn options_are_checked_before_any_model_is_started() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = Options { port, ..Options::default() };
    assert!(
        matches!(options.check(), Err(Error::Listen { source, .. }) if source.kind() == ErrorKind::AddrInUse)
    );
    drop(taken);
    options.check().unwrap();
    // It was looked at, not taken.
    let server = Server::start(&options, Test::models()).unwrap();
    assert_eq!((server.url(), server.url_for_others()), (format!("http://127.0.0.1:{port}"), None));
    let open = Options { host: "0.0.0.0".into(), port: 0, ..Options::default() };
    assert!(matches!(open.check(), Err(Error::Insecure { .. })));
}

#[test]
fn example_lines_are_answered() {
    let keys = vec!["it's $HOME".replace(' ', "-")];
    for template in [None, Some(TEMPLATE)] {
        let options = Options { port: 0, keys: keys.clone(), ..Options::default() };
        let test = Test::of(Wish { options, template, ..Wish::default() });
        let (url, key) = (test.server.url(), Some(keys[0].as_str()));
        let example = Example { url: &url, model: "shakespeare", key, converses: template.is_some() };
        let line = format!("{} --silent --show-error", example.curl());
        let said = Command::new("sh").args(["-c", &line]).output().unwrap();
        if said.status.code() == Some(127) {
            eprintln!("skipped: there is no curl");
            return;
        }
        let answer: serde_json::Value = serde_json::from_slice(&said.stdout)
            .unwrap_or_else(|_| panic!("{line}: {}", String::from_utf8_lossy(&said.stderr)));
        assert_eq!(answer["usage"]["completion_tokens"], 40, "{answer}");
        let kind = if template.is_some() { RequestKind::Chat } else { RequestKind::Completion };
        assert_eq!(last(&test, 1).0.kind, kind);
    }
}
