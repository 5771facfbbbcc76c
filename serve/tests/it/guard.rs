//! Who may ask: keys, names of the server, pages.

use serde_json::json;
use serve::{Error, Options, Server};

use crate::server::{Answer, Test, Wish};

fn with(options: Options) -> Test {
    Test::of(Wish { options: Options { port: 0, ..options }, ..Wish::default() })
}

/// A request with these headers beside what it needs, as bytes.
fn raw(test: &Test, request: &str, headers: &str) -> (u16, String) {
    let answer = test.raw(format!("{request} HTTP/1.1\r\n{headers}connection: close\r\n\r\n").as_bytes());
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer.to_ascii_lowercase())
}

#[test]
fn keys_are_asked_of_everybody_but_who_asks_whether_it_lives() {
    let keys = vec!["sk-first".to_owned(), "sk-second".to_owned()];
    let mut test = with(Options { keys, ..Options::default() });
    let mut ask = |key: Option<&str>| -> Answer {
        test.key = key.map(str::to_owned);
        test.post("/v1/completions", &json!({ "prompt": "A", "max_tokens": 1 }))
    };
    assert_eq!([Some("sk-first"), Some("sk-second")].map(|key| ask(key).status), [200; 2]);
    for key in
        [None, Some("sk-fir"), Some("sk-firstx"), Some("SK-FIRST"), Some(""), Some("sk-first,sk-second")]
    {
        let refused = ask(key);
        assert_eq!(refused.error(), (401, None, Some("invalid_api_key")), "{key:?}");
        assert_eq!(refused.headers["www-authenticate"], "Bearer");
    }
    for (path, status) in
        [("/health", 200), ("/v1/models", 401), ("/metrics", 401), ("/props", 401), ("/v1/none", 401)]
    {
        assert_eq!(test.get(path).status, status, "{path}");
    }
    let basic = "host: localhost\r\nauthorization: Basic sk-first\r\n";
    assert_eq!(raw(&test, "GET /v1/models", basic).0, 401);
    let odd = "host: localhost\r\nauthorization: bearer  sk-first \r\n";
    assert_eq!(raw(&test, "GET /v1/models", odd).0, 200);
}

#[test]
fn names_that_are_not_the_servers_are_refused() {
    let test = with(Options { names: vec!["Model-Box.lan".into()], ..Options::default() });
    for (host, status) in [
        ("localhost", 200),
        ("LocalHost:8082", 200),
        ("app.localhost:1", 200),
        ("127.0.0.1:8082", 200),
        ("192.168.1.7", 200),
        ("[::1]:8082", 200),
        ("model-box.lan:8082", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("evil.example:8082", 403),
        ("", 400),
        ("a b", 400),
    ] {
        for path in ["GET /v1/models", "GET /health"] {
            assert_eq!(raw(&test, path, &format!("host: {host}\r\n")).0, status, "{host}");
        }
    }
    assert_eq!(raw(&test, "GET /health", "").0, 400);
    assert_eq!(raw(&test, "GET /health", "host: localhost\r\nhost: evil.example\r\n").0, 400);
    // What a request is for may stand in its first line, and counts there.
    assert_eq!(raw(&test, "GET http://evil.example/health", "host: localhost\r\n").0, 403);
    // Where a key is asked for, a name says nothing.
    let keyed = with(Options { keys: vec!["k".into()], ..Options::default() });
    assert_eq!(raw(&keyed, "GET /v1/models", "host: far.example\r\nauthorization: Bearer k\r\n").0, 200);
}

#[test]
fn pages_of_this_machine_may_ask_and_others_only_where_they_are_named() {
    let test = with(Options { origins: vec!["https://Chat.example".into()], ..Options::default() });
    let get =
        |origin: &str| raw(&test, "GET /v1/models", &format!("host: localhost:9\r\norigin: {origin}\r\n"));
    for origin in [
        "http://localhost:3000",
        "https://localhost",
        "http://127.0.0.1:8080",
        "http://[::1]:5",
        "http://app.localhost",
        "https://chat.example",
    ] {
        let (status, answer) = get(origin);
        assert_eq!(status, 200, "{origin}");
        assert!(answer.contains(&format!("access-control-allow-origin: {origin}\r\n")), "{answer}");
        assert!(answer.contains("vary: origin\r\n") && !answer.contains("allow-credentials"));
    }
    for origin in [
        "http://evil.example",
        "null",
        "https://chat.example.evil",
        "http://localhost.evil.example",
        "http://chat.example",
        "file://",
        "ftp://localhost",
        "https://chat.example:8443",
    ] {
        let (status, answer) = get(origin);
        assert_eq!(status, 403, "{origin}");
        assert!(!answer.contains("access-control"), "{answer}");
    }
    let ask = "host: localhost\r\naccess-control-request-method: POST\r\naccess-control-request-headers: authorization, x-stainless-os\r\n";
    let (status, answer) =
        raw(&test, "OPTIONS /v1/chat/completions", &format!("{ask}origin: http://localhost:3000\r\n"));
    assert_eq!(status, 204);
    for header in [
        "access-control-allow-origin: http://localhost:3000",
        "access-control-allow-headers: authorization, x-stainless-os",
        "access-control-allow-methods: get, post",
    ] {
        assert!(answer.contains(header), "{answer}");
    }
    assert_eq!(
        raw(&test, "OPTIONS /v1/chat/completions", &format!("{ask}origin: http://evil.example\r\n")).0,
        403
    );
    // A page's question comes without its key.
    let keyed = with(Options { keys: vec!["k".into()], origins: vec!["*".into()], ..Options::default() });
    let (status, answer) = raw(&keyed, "OPTIONS /v1/models", &format!("{ask}origin: http://any.example\r\n"));
    assert!(status == 204 && answer.contains("access-control-allow-origin: http://any.example"), "{answer}");
    let (status, answer) = raw(&keyed, "GET /v1/models", "host: localhost\r\norigin: http://any.example\r\n");
    assert!(status == 401 && answer.contains("access-control-allow-origin: http://any.example"), "{answer}");
}

#[test]
fn server_does_not_start_where_it_would_be_open_to_all() {
    let start = |options: Options| Server::start(&options, Test::models());
    let open = Options { host: "0.0.0.0".into(), port: 0, ..Options::default() };
    assert!(matches!(start(open.clone()), Err(Error::Insecure { .. })));
    assert!(start(Options { insecure: true, ..open.clone() }).is_ok());
    assert!(start(Options { keys: vec!["k".into()], ..open }).is_ok());
    let here = Options { port: 0, ..Options::default() };
    for key in ["", "a b", "caf\u{e9}", "a\n"] {
        let refused = start(Options { keys: vec![key.into()], ..here.clone() });
        assert!(matches!(refused, Err(Error::Key { .. })), "{key:?}");
    }
    for origin in ["localhost:3000", "http://localhost/", "http://a/b", "", "null"] {
        let refused = start(Options { origins: vec![origin.into()], ..here.clone() });
        assert!(matches!(refused, Err(Error::Origin { .. })), "{origin:?}");
    }
    let first = start(here.clone()).unwrap();
    let taken = start(Options { port: first.address().port(), ..here.clone() }).unwrap_err().to_string();
    assert!(taken.contains("cannot listen at 127.0.0.1:"), "{taken}");
    assert!(matches!(
        start(Options { host: "no.such.host.invalid".into(), ..here.clone() }),
        Err(Error::Host { .. })
    ));
    assert!(matches!(Server::start(&here, Vec::new()), Err(Error::NoModel)));
    let two = [Test::models(), Test::models()].into_iter().flatten().collect();
    assert!(matches!(Server::start(&here, two), Err(Error::SameName { .. })));
    assert!(start(Options { host: "[::1]".into(), ..here }).is_ok());
}
