//! Serving the open model: starting and stopping it, who may ask, what is seen of who does, and leaving while it runs.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::RangeBounds;
use std::path::Path;
use std::process::Command as Process;
use std::time::Duration;

use eframe::egui::{Key, Modifiers, OutputCommand, Role, ViewportCommand, ViewportEvent, ViewportId};
use egui_kittest::kittest::Queryable;
use gui::{Answers, Command, ExampleKind, Page, ServerCommand, Start};

use crate::fixture::{Fixture, write_chat_model};

/// A request that goes on until somebody ends it.
const ENDLESS: &str =
    r#"{"prompt": "ROMEO:", "max_tokens": 500, "n": 128, "ignore_eos": true, "stream": true}"#;

/// Nothing is going on in a window that is left alone for so long.
const IDLE: Duration = Duration::from_secs(60);

/// The page, with these settings of it on disk, at any port that is free.
fn open(settings: &str) -> Fixture {
    let config = |d: &Path| {
        std::fs::create_dir_all(d.join("config")).unwrap();
        let toml = format!("threads = 1\n[serving]\nport = 0\n{settings}\n");
        std::fs::write(d.join("config/settings.toml"), toml).unwrap();
        Answers::default()
    };
    Fixture::with(config, Start { page: Some(Page::Server), ..Start::default() })
}

/// One that serves, and where.
fn serving(settings: &str) -> (Fixture, String) {
    let mut f = open(settings);
    f.click("Start server");
    let at = address(&mut f);
    (f, at)
}

/// Where it listens, once it does.
fn address(f: &mut Fixture) -> String {
    f.until_label("Serving");
    copied(f, "Copy the address").trim_start_matches("http://").to_owned()
}

/// Sends a request, whose answer comes on the socket until that is dropped.
fn begin(at: &str, path: &str, headers: &str, body: &str) -> TcpStream {
    let mut socket = TcpStream::connect(at).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    socket.write_all(format!("{head}{body}").as_bytes()).unwrap();
    socket
}

/// The status of an answer, and all of it.
fn ask(at: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let mut answer = String::new();
    begin(at, path, headers, body).read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

/// What the window was asked to do while a click had its effect.
fn done_by(f: &mut Fixture, label: &str) -> Vec<OutputCommand> {
    f.harness.get_by_label(label).click();
    let mut commands = Vec::new();
    for _ in 0..4 {
        f.harness.step();
        commands.extend(f.harness.output().platform_output.commands.clone());
    }
    commands
}

/// The text that a button copies.
fn copied(f: &mut Fixture, label: &str) -> String {
    let commands = done_by(f, label);
    let text = commands.into_iter().find_map(|command| match command {
        OutputCommand::CopyText(text) => Some(text),
        _ => None,
    });
    text.unwrap_or_else(|| panic!("{label} copies nothing"))
}

/// Frames until the window may stay as it is for a time within a range.
fn until_rests_for(f: &mut Fixture, range: impl RangeBounds<Duration>) {
    let mut last = Duration::ZERO;
    for _ in 0..1000 {
        f.harness.step();
        last = f.harness.output().viewport_output[&ViewportId::ROOT].repaint_delay;
        if range.contains(&last) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the window is drawn again after {last:?}");
}

#[test]
fn server_starts_answers_and_stops() {
    let mut f = open("");
    assert!(f.harness.query_by_label("Serve shakespeare.gguf").is_some());
    assert!(f.harness.query_by_label_contains("no chat template").is_some());
    until_rests_for(&mut f, IDLE..);
    f.harness.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    f.harness.run_steps(2);
    let at = address(&mut f);
    let (status, answer) = ask(&at, "/v1/completions", "", r#"{"prompt": "ROMEO:", "max_tokens": 5}"#);
    assert_eq!(status, 200, "{answer}");
    f.until_label("completion, answered");
    assert!(f.harness.query_by_label("1").is_some(), "one is counted");
    // It looks at a running server each second, and only while somebody watches.
    until_rests_for(&mut f, Duration::from_millis(500)..=Duration::from_secs(1));
    f.harness.state_mut().send(Command::Show(Page::Model));
    until_rests_for(&mut f, IDLE..);
    f.harness.state_mut().send(Command::Show(Page::Server));
    f.harness.run_steps(3);

    assert_eq!(copied(&mut f, "Copy the address"), format!("http://{at}"));
    let opened = done_by(&mut f, "Open chat page");
    let url = format!("http://{at}");
    assert!(
        opened.iter().any(|c| matches!(c, OutputCommand::OpenUrl(open) if open.url == url)),
        "{opened:?}"
    );

    f.click("Stop");
    f.until_label("Stopped");
    f.until("it is gone", |_| TcpStream::connect(&at).is_err());
    // What was answered stays to be seen.
    assert!(f.harness.query_by_label_contains("completion, answered").is_some());
    f.click("Start server");
    address(&mut f);
    assert!(f.harness.query_by_label_contains("completion, answered").is_none());
}

#[test]
fn server_says_that_its_port_is_taken_and_starts_at_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut f = open("");
    f.harness.get_by_role_and_label(Role::SpinButton, "Port").set_value_accesskit(f64::from(port));
    f.harness.run_steps(3);
    f.click("Start server");
    f.until_label(&format!("Port {port} is taken"));
    assert!(f.harness.query_by_label_contains("Choose another port").is_some());
    assert!(f.harness.query_by_label("Stopped").is_some());
    drop(taken);
    f.click("Start server");
    assert_eq!(address(&mut f), format!("127.0.0.1:{port}"));
    assert!(f.harness.query_by_label_contains("is taken").is_none(), "it is not true any more");
}

#[test]
fn requests_are_seen_as_they_are_answered_and_can_be_ended() {
    let (mut f, at) = serving("texts = 1");
    let mut first = begin(&at, "/v1/completions", "", ENDLESS);
    f.until_label("completion ×128, writing");
    let _second =
        begin(&at, "/v1/completions", "", r#"{"prompt": "A", "max_tokens": 500, "ignore_eos": true}"#);
    f.until_label("Request 2, completion");
    assert!(f.harness.query_by_label("2 requests are being answered").is_some());
    // While somebody is served the window is drawn more often.
    until_rests_for(&mut f, Duration::from_millis(50)..=Duration::from_millis(200));
    f.click("End request 1");
    f.until_label("completion ×128, ended here");
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"code\":\"cancelled\""));
    // One that is refused is there as well, with what to do about it.
    assert_eq!(ask(&at, "/completions", "", "{}").0, 404);
    f.until_label("/completions, 404 unknown url");
    assert!(
        f.harness.query_by_label("ended early").is_some() && f.harness.query_by_label("refused").is_some()
    );
}

#[test]
fn stopping_waits_for_answers_and_a_second_press_does_not() {
    let (mut f, at) = serving("");
    let mut asked = begin(&at, "/v1/completions", "", ENDLESS);
    f.until_label("completion ×128, writing");
    f.click("Stop");
    f.until_label("1 request is being answered, no more are taken");
    f.until("it takes no more", |_| TcpStream::connect(&at).is_err());
    f.click("End now");
    f.until_label("Stopped");
    let mut answer = String::new();
    let _ = asked.read_to_string(&mut answer);
    assert!(!answer.contains("[DONE]"));
    f.until_label("completion ×128, ended here");
}

#[test]
fn other_machines_need_a_key_which_is_made_shown_and_asked_for() {
    let mut f = open("");
    f.click("Other machines too");
    assert!(f.harness.query_by_label_contains("make a key first").is_some());
    assert!(f.harness.query_by_label("Start server").is_none());
    // Nor does the command do it.
    f.harness.state_mut().send(Command::Server(ServerCommand::Start));
    f.harness.run_steps(3);
    assert!(f.harness.query_by_label("Stopped").is_some());
    f.click("This machine");
    f.click("Make a key");
    let key = copied(&mut f, "Copy the key");
    assert!(key.starts_with("sk-") && key.len() > 30, "{key}");
    f.click("Start server");
    let at = address(&mut f);
    let body = r#"{"prompt": "A", "max_tokens": 1}"#;
    assert_eq!(ask(&at, "/v1/completions", "", body).0, 401);
    let header = format!("authorization: Bearer {key}\r\n");
    assert_eq!(ask(&at, "/v1/completions", &header, body).0, 200);
    f.until_label("401 invalid api key");
    // It is not on the screen until somebody wants to see it; what is copied works either way.
    let shown = |f: &Fixture| f.harness.query_all_by_label_contains(&key).next().is_some();
    assert!(!shown(&f) && copied(&mut f, "Copy the example").contains(&key));
    f.click("Show the key");
    assert!(shown(&f));
    // Another one holds from the next start on.
    assert!(f.harness.query_by_label_contains("from the next start on").is_none());
    f.click("Make a new key");
    assert!(f.harness.query_by_label_contains("What was changed holds from the next start on").is_some());
    assert_eq!(ask(&at, "/v1/completions", &header, body).0, 200);
    assert_ne!(copied(&mut f, "Copy the key"), key);
    assert!(copied(&mut f, "Copy the example").contains(&key));
}

#[test]
fn examples_are_what_the_model_can_and_the_shell_runs_them() {
    let (mut f, _) = serving("key = \"it's-$HOME\"");
    for (kind, words) in [
        (ExampleKind::Python, "client.completions.create("),
        (ExampleKind::JavaScript, "await client.completions.create({"),
        (ExampleKind::Curl, "/v1/completions"),
    ] {
        f.click(kind.name());
        assert_eq!(f.harness.state().settings().serving.example, kind);
        assert!(copied(&mut f, "Copy the example").contains(words));
    }
    let line = format!("{} --silent --show-error", copied(&mut f, "Copy the example"));
    let said = Process::new("sh").args(["-c", &line]).output().unwrap();
    if said.status.code() == Some(127) {
        eprintln!("skipped: there is no curl");
        return;
    }
    let answer = String::from_utf8_lossy(&said.stdout);
    assert!(answer.contains("\"completion_tokens\":40"), "{line}: {answer}");
    f.until_label("completion, answered");
    f.click("Open WebUI");
    assert!(copied(&mut f, "Copy the example").contains("open-webui serve"));
}

#[test]
fn a_model_that_converses_is_served_so_and_stays_so_while_another_is_open() {
    let mut f = open("");
    let chat = f.folder.path().join("talks.gguf");
    write_chat_model(&chat, "{% for m in messages %}{{ m.content }}\n{% endfor %}");
    let shipped = crate::fixture::shipped_model();
    f.harness.state_mut().send(Command::Open(chat));
    f.harness.run_steps(2);
    f.until_label("Serve talks.gguf");
    f.click("Start server");
    let at = address(&mut f);
    let body = r#"{"model": "talks", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}"#;
    assert_eq!(ask(&at, "/v1/chat/completions", "", body).0, 200);
    f.until_label("chat, answered");
    f.click("Open WebUI");
    let webui = copied(&mut f, "Copy the example");
    assert!(webui.contains(&format!("OPENAI_API_BASE_URL=http://{at}/v1")), "{webui}");
    f.harness.state_mut().send(Command::Open(shipped));
    f.harness.run_steps(2);
    f.until_label("shakespeare.gguf is open now; it is served from the next start on");
    assert_eq!(ask(&at, "/v1/chat/completions", "", body).0, 200);
}

#[test]
fn a_template_that_cannot_be_used_is_told_before_anybody_asks() {
    let mut f = open("");
    let broken = f.folder.path().join("broken.gguf");
    write_chat_model(&broken, "{% for %}");
    f.harness.state_mut().send(Command::Open(broken));
    f.harness.run_steps(2);
    f.until_label("Serve broken.gguf");
    f.click("Start server");
    f.until_label("broken.gguf cannot be served");
    f.until_label("chat template");
    f.click("Dismiss");
    assert!(f.harness.query_by_label_contains("cannot be served").is_none());
}

#[test]
fn what_was_set_is_there_again_and_starts_with_the_app_if_asked() {
    let mut f = open("");
    f.click("Make a key");
    f.harness.get_by_role_and_label(Role::SpinButton, "Texts at once").set_value_accesskit(3.0);
    f.harness.get_by_role_and_label(Role::SpinButton, "Context").set_value_accesskit(128.0);
    f.harness.run_steps(3);
    f.click("Start with the app");
    let kept = f.harness.state().settings().serving.clone();
    assert_eq!((kept.texts, kept.context, kept.at_start, kept.key.is_empty()), (3, Some(128), true, false));
    let mut f = f.restarted();
    assert_eq!(f.harness.state().settings().serving, kept);
    address(&mut f);
    assert!(f.harness.query_by_label_contains("3 texts of 128 tokens").is_some());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let file = f.folder.path().join("config/settings.toml");
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o077, 0, "others read the key");
    }
}

/// Asks the window to close, as its button would; says whether it does.
fn close(f: &mut Fixture) -> bool {
    fn events(f: &mut Fixture) -> &mut Vec<ViewportEvent> {
        let viewports = &mut f.harness.input_mut().viewports;
        &mut viewports.get_mut(&ViewportId::ROOT).expect("there is a window").events
    }
    events(f).push(ViewportEvent::Close);
    f.harness.step();
    events(f).clear();
    !told(f, &ViewportCommand::CancelClose)
}

fn told(f: &Fixture, command: &ViewportCommand) -> bool {
    f.harness.output().viewport_output[&ViewportId::ROOT].commands.contains(command)
}

#[test]
fn a_window_that_serves_asks_before_it_closes() {
    let (mut f, at) = serving("");
    assert!(!close(&mut f));
    f.until_label("shakespeare is being served");
    f.until_label("Nobody asks it anything just now");
    f.click("Keep the window");
    assert!(f.harness.query_by_label("Keep the window").is_none());

    let mut asked = begin(
        &at,
        "/v1/completions",
        "",
        r#"{"prompt": "A", "max_tokens": 400, "n": 40, "ignore_eos": true}"#,
    );
    f.until_label("completion ×40, writing");
    assert!(!close(&mut f));
    f.until_label("1 request is being answered.");
    f.click("Answer them and close");
    f.until_label("Waiting for 1 answer");
    let mut closed = false;
    for _ in 0..20_000 {
        f.harness.step();
        closed |= told(&f, &ViewportCommand::Close);
        if closed {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(closed);
    let mut answer = String::new();
    asked.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"completion_tokens\":16000"), "it has its answer");
    assert!(close(&mut f));
}
