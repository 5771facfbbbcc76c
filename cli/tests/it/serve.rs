//! `tercet serve`: what it says, what it refuses, and how it ends.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use crate::running::Running;
use crate::signals::{ended, listening, send};
use crate::{output, shipped_model, tercet};

/// A server, and where it listens.
fn serve(args: &[&str]) -> (Running, String) {
    let model = shipped_model();
    let mut command = listening(&[&["serve", &model, "--port", "0", "--threads", "1"], args].concat());
    command.env_remove("TERCET_API_KEY");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = Running::start(&mut command);
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let at = line.trim().strip_prefix("listening at http://").unwrap_or_else(|| panic!("{line:?}"));
    (server, at.to_owned())
}

/// What comes back to a request, until the server closes.
fn ask(at: &str, request: &str, headers: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(at).unwrap();
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}"
    );
    socket.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn serve_answers_until_it_is_told_to_end() {
    let (server, at) = serve(&[]);
    let body = r#"{"prompt": "ROMEO:", "max_tokens": 12, "temperature": 0}"#;
    let answer = ask(&at, "POST /v1/completions", "", body);
    let expected = tercet(&["generate", &shipped_model(), "-p", "ROMEO:", "-n", "12", "--greedy", "--json"]);
    let expected: serde_json::Value = serde_json::from_str(&output(&mut { expected }).1).unwrap();
    let got: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        got["choices"][0]["text"].as_str(),
        expected["text"].as_str().map(|t| t.trim_start_matches("ROMEO:"))
    );
    send(&server, "TERM");
    let (status, said) = ended(server);
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("shakespeare: ") && said.contains("curl http://127.0.0.1:"), "{said}");
    assert!(said.contains("no more requests; 0 are being answered"), "{said}");
    // Nothing of what was asked is said.
    assert!(!said.contains("max_tokens\": 12"), "{said}");
}

#[test]
fn serve_finishes_what_it_has_at_the_first_signal_and_leaves_at_the_second() {
    let long = r#"{"prompt": "A", "max_tokens": 500, "n": 128, "stream": true, "ignore_eos": true}"#;
    for (twice, code) in [(false, 0), (true, 3)] {
        let (server, at) = serve(&["--parallel", "1"]);
        let asked = std::thread::spawn({
            let (at, tokens) = (at.clone(), if twice { long.to_owned() } else { long.replace("128", "2") });
            move || ask(&at, "POST /v1/completions", "", &tokens)
        });
        crate::signals::until("it is served", || {
            ask(&at, "GET /metrics", "", "").contains("tercet_requests_processing{model=\"shakespeare\"} 1\n")
        });
        send(&server, "TERM");
        if twice {
            // At once it would be the same wish.
            std::thread::sleep(Duration::from_millis(1200));
            send(&server, "TERM");
        }
        let (status, said) = ended(server);
        assert_eq!(status.code(), Some(code), "{said}");
        assert_eq!(asked.join().unwrap().contains("[DONE]"), !twice);
    }
}

#[test]
fn serve_asks_for_keys_of_every_source() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    std::fs::write(&file, "one-key\n\n  two-key\n").unwrap();
    let (_server, at) = serve(&["--key", "three-key", "--key-file", file.to_str().unwrap()]);
    let status = |key: &str| {
        let answer = ask(&at, "GET /v1/models", &format!("authorization: Bearer {key}\r\n"), "");
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(["one-key", "two-key", "three-key", "four-key"].map(status), ["200", "200", "200", "401"]);
}

#[test]
fn serve_refuses_what_cannot_be_in_a_sentence() {
    let model = shipped_model();
    let refused = |args: &[&str]| {
        let mut command = tercet(&[&["serve"], args].concat());
        let (code, stdout, stderr) =
            output(command.env_remove("TERCET_API_KEY").env_remove("TERCET_THREADS"));
        assert!(stdout.is_empty() && stderr.trim_end().lines().count() <= 8, "{stdout}{stderr}");
        (code, stderr)
    };
    for (args, code, words) in [
        (&["--port", "0"][..], 2, "<FILE>"),
        (&["none.gguf"], 1, "none.gguf"),
        (&[&model, "--host", "0.0.0.0", "--port", "0"], 2, "can be reached from other machines"),
        (&[&model, &model, "--port", "0"], 1, "two models are called shakespeare"),
        (&[&model, "--port", "70000"], 2, "70000"),
        (&[&model, "--context", "9999"], 2, "--context is 9999; this model takes 1 to 512"),
        (&[&model, "--parallel", "0"], 2, "--parallel"),
        (&[&model, "--timeout", "0"], 2, "expected seconds"),
        (&[&model, "--kv-memory", "lots"], 2, "as 512M or 4G"),
        (&[&model, "--cors", "localhost", "--port", "0"], 2, "localhost is no origin"),
        (&[&model, "--key", "", "--port", "0"], 2, "a key must be visible ASCII"),
    ] {
        let (found, said) = refused(args);
        assert_eq!(found, code, "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
}
