//! What clients send that no client should: too much, too slowly, nothing at all, or nonsense. Each is answered or dropped, and the
//! next one is served.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde_json::json;
use serve::Options;

use crate::server::{Test, Wish, read_all, short};

fn test() -> Test {
    Test::of(Wish { options: Options { port: 0, limits: short(), ..Options::default() }, ..Wish::default() })
}

fn lives(test: &Test) {
    assert_eq!(test.get("/health").status, 200);
    assert_eq!(test.post("/v1/completions", &json!({ "prompt": "A", "max_tokens": 1 })).status, 200);
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("")
}

#[test]
fn limits_of_a_head() {
    let test = test();
    let large = format!("GET /health HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    assert_eq!(status(&test.raw(large.as_bytes())), "431");
    let many: String = (0..2000).map(|i| format!("x-{i}: y\r\n")).collect();
    let many = test.raw(format!("GET /health HTTP/1.1\r\nhost: localhost\r\n{many}\r\n").as_bytes());
    assert_eq!(status(&many), "431");
    let long =
        test.raw(format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "y".repeat(100_000)).as_bytes());
    assert!(["414", "431"].contains(&status(&long)), "{long}");
    lives(&test);
}

#[test]
fn limits_of_a_body() {
    let test = test();
    let huge = json!({ "prompt": "y".repeat(100_001) });
    // Said beforehand, and found on the way.
    let head = "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    let said = test.raw(format!("{head}content-length: 999999999\r\n\r\n").as_bytes());
    assert_eq!(status(&said), "413");
    assert!(said.contains("request_too_large"));
    let body = huge.to_string();
    let found = test.raw(
        format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes(),
    );
    assert_eq!(status(&found), "413", "{found}");
    // One that never ends, slowly; one that does not come; one that breaks off.
    let mut socket = test.socket();
    let start = Instant::now();
    socket.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).unwrap();
    while socket.write_all(b"1\r\n \r\n").is_ok() && start.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(50));
        socket.set_nonblocking(true).unwrap();
        let mut one = [0];
        let answered = socket.peek(&mut one).is_ok();
        socket.set_nonblocking(false).unwrap();
        if answered {
            break;
        }
    }
    assert_eq!(status(&read_all(&mut socket)), "408");
    let start = Instant::now();
    let never = test.raw(format!("{head}content-length: 10\r\n\r\n{{").as_bytes());
    assert!(status(&never) == "408" && start.elapsed() < Duration::from_secs(5), "{never}");
    let mut socket = test.socket();
    socket.write_all(format!("{head}content-length: 10\r\n\r\n{{").as_bytes()).unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(["", "400"].contains(&status(&read_all(&mut socket))));
    lives(&test);
}

#[test]
fn limits_of_patience() {
    let test = test();
    // Nothing at all, half a head, a head byte by byte, and a connection that is kept for nothing.
    let mut sockets: Vec<_> = (0..3).map(|_| test.socket()).collect();
    let start = Instant::now();
    sockets[1].write_all(b"GET /health HT").unwrap();
    sockets[2].write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    for socket in &mut sockets {
        read_all(socket);
    }
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let (mut slow, start) = (test.socket(), Instant::now());
    for byte in
        b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
    {
        if slow.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    read_all(&mut slow);
    assert!(start.elapsed() < Duration::from_secs(4));
    lives(&test);
}

#[test]
fn limits_of_nonsense() {
    let test = test();
    let head = "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\n";
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for bytes in [
        "\r\n\r\n\r\n".to_owned(),
        "\u{0}\u{1}\u{2}\u{3}".repeat(100),
        "HELLO\r\n\r\n".to_owned(),
        "GET /health HTTP/9.9\r\nhost: localhost\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nhost : localhost\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nhost: localhost\r\nx\u{0}: y\r\n\r\n".to_owned(),
        format!("{head}content-length: -1\r\n\r\n"),
        format!("{head}content-length: 1, 2\r\n\r\nxx"),
        format!("{head}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}x"),
        format!("{head}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n{smuggled}"),
        format!("{head}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{smuggled}"),
        // What is framed twice is framed by its chunks, and what comes behind is not trusted.
        format!("{head}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n{smuggled}"),
        format!("{head}transfer-encoding: chunked\r\ncontent-length: 60\r\n\r\n0\r\n\r\n{smuggled}"),
        "x".repeat(200_000),
    ] {
        let answer = test.raw(bytes.as_bytes());
        let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|rest| &rest[..3]).collect();
        assert!(statuses.iter().all(|status| status.starts_with('4')), "{bytes:.80}: {answer:.300}");
        assert!(!answer.contains("/smuggled"), "{bytes:.200}: {answer}");
    }
    lives(&test);
}

#[test]
fn limits_of_connections_keep_nobody_out() {
    let mut limits = short();
    (limits.connections, limits.head) = (20, Duration::from_secs(30));
    let options = Options { port: 0, limits, ..Options::default() };
    let test = Test::of(Wish { options, ..Wish::default() });
    // Many times as many as there may be, all silent: the longest idle give way.
    let mut idle: Vec<_> = (0..200).map(|_| test.socket()).collect();
    lives(&test);
    let mut closed = 0;
    for socket in &mut idle {
        socket.set_nonblocking(true).unwrap();
        closed += usize::from(matches!(socket.read(&mut [0]), Ok(0)));
    }
    assert!(closed >= 170, "{closed}");
    // Those that ask something stay, and one more is told so.
    let long = json!({ "prompt": "A", "max_tokens": 1000, "ignore_eos": true });
    let asking: Vec<_> = (0..20).map(|_| test.begin("/v1/completions", &long)).collect();
    test.until("all are there", |server| server.requests().len() == 20);
    let told = test.raw(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(
        status(&told) == "503" && told.contains("too_many_connections") && told.contains("retry-after"),
        "{told}"
    );
    assert_eq!(test.server.requests().len(), 20);
    drop(asking);
    test.until("all are gone", |server| server.requests().is_empty());
    lives(&test);
}

#[test]
fn limits_of_connections_do_not_count_who_has_not_asked_yet() {
    let mut limits = short();
    (limits.connections, limits.body) = (20, Duration::from_secs(30));
    let options = Options { port: 0, limits, ..Options::default() };
    let test = Test::of(Wish { options, ..Wish::default() });
    let head = "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\n";
    // As many heads as there may be connections, whose bodies do not come, or not as a whole.
    let mut waiting: Vec<_> = (0..20).map(|_| test.socket()).collect();
    for (i, socket) in waiting.iter_mut().enumerate() {
        let more = ["content-length: 9\r\n\r\n{", "transfer-encoding: chunked\r\n\r\n1\r\n{\r\n"][i % 2];
        socket.write_all(format!("{head}{more}").as_bytes()).unwrap();
    }
    std::thread::sleep(Duration::from_millis(300));
    let mut others: Vec<_> = (0..10).map(|_| test.socket()).collect();
    lives(&test);
    // Those who came last are still heard to their end.
    let body = "{\"prompt\": \"A\", \"max_tokens\": 1}";
    let last = others.last_mut().unwrap();
    last.write_all(format!("{head}connection: close\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes())
        .unwrap();
    std::thread::sleep(Duration::from_millis(100));
    last.write_all(body.as_bytes()).unwrap();
    assert_eq!(status(&read_all(last)), "200");
}

#[test]
fn limits_hold_for_many_requests_of_one_connection() {
    let test = test();
    let one = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let last = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = test.raw(format!("{}{last}", one.repeat(200)).as_bytes());
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 201);
    // A client of long ago.
    let old = test.raw(b"GET /health HTTP/1.0\r\nhost: localhost\r\n\r\n");
    assert_eq!(status(&old), "200");
}
