//! `tercet chat` with models whose files say how a conversation is written down, and with those that do not.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use crate::info::Parts;
use crate::model::path;
use crate::running::Running;
use crate::{done, tercet};

/// A template that a model of bytes can read.
const TEMPLATE: &str = "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}\n{% endfor %}a:";

/// The model of the tests with a chat template.
fn with_template(folder: &Path, template: &str) -> PathBuf {
    let file = folder.join("chat.gguf");
    std::fs::write(&file, Parts::new().with("tokenizer.chat_template", template).bytes()).unwrap();
    file
}

/// A conversation in which these lines are said.
fn chat(file: &Path, args: &[&str], lines: &str) -> Output {
    let mut command = tercet(&["chat", "--greedy", "--threads", "1", "-n", "3"]);
    command.args(args).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Running::start(&mut command);
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    child.output()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// What the model makes of a text.
fn continued(file: &Path, prompt: &str) -> String {
    let args = ["generate", "--greedy", "--threads", "1", "-n", "3", "--prompt", prompt];
    let text = done(tercet(&args).arg(file).stdin(Stdio::null()));
    text.strip_prefix(prompt).unwrap().to_owned()
}

/// Chat once set every conversation as a play, whatever the file said.
#[test]
fn chat_writes_conversations_as_the_files_template_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = with_template(folder.path(), TEMPLATE);
    let (text, remarks) = said(&chat(&file, &[], "so\n/reset\nit\n"));
    let answer = |line: &str| continued(&file, &format!("u:{line}\na:"));
    let ended = |answer: &str| format!("{}\n\n", answer.strip_suffix('\n').unwrap_or(answer));
    let (first, second) = (answer("so"), answer("it"));
    assert_eq!(text, ended(&first) + &ended(&second), "{remarks}");
    // The second line comes after the first one and its answer.
    let (text, _) = said(&chat(&file, &[], "so\nit\n"));
    let both = continued(&file, &format!("u:so\na:{}\nu:it\na:", first.trim()));
    assert_eq!(text, ended(&first) + &ended(&both));
    // The context holds 32 bytes, and no turn is cut in two.
    let (text, _) = said(&chat(&file, &[], "but soft what light\nit\n"));
    assert!(text.ends_with(&ended(&second)), "{text}");
}

#[test]
fn chat_is_a_play_without_a_template_or_with_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = with_template(folder.path(), TEMPLATE);
    let (play, _) = said(&chat(path("model.gguf").as_ref(), &[], "But soft\n"));
    assert!(play.starts_with("JULIET:\n"), "{play}");
    assert_eq!(said(&chat(&file, &["--user", "ROMEO"], "But soft\n")).0, play);
    let (named, _) = said(&chat(&file, &["--reply", "NURSE"], "But soft\n"));
    assert!(named.starts_with("NURSE:\n"), "{named}");
}

#[test]
fn chat_says_what_is_wrong_with_a_template() {
    let folder = tempfile::tempdir().unwrap();
    for (template, expected) in
        [("{% for", "chat template"), ("{{ raise_exception('not today') }}", "not today")]
    {
        let output = chat(&with_template(folder.path(), template), &[], "");
        let (_, remarks) = said(&output);
        assert_eq!(output.status.code(), Some(1), "{remarks}");
        assert!(remarks.contains(expected) && remarks.lines().count() == 1, "{remarks}");
    }
    // Of one line of a script.
    let moody = "{% if messages[-1].content == 'no' %}{{ raise_exception('why not') }}{% endif %}yes";
    let output = chat(&with_template(folder.path(), moody), &[], "yes\nno\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).1.contains("why not"));
}
