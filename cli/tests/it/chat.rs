//! `tercet chat` with models whose files say how a conversation is written down, and with those that do not.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use crate::info::Parts;
use crate::running::Running;
use crate::{done, shipped_model, tercet};

/// A template that sets turns as the shipped model knows speeches, so that what it answers depends on what was said.
const TEMPLATE: &str =
    "{% for m in messages %}{{ m.role | upper }}:\n{{ m.content }}\n\n{% endfor %}{{ 'ASSISTANT:\n' }}";

/// The shipped model with a chat template.
fn with_template(folder: &Path, template: &str) -> PathBuf {
    let file = folder.join("chat.gguf");
    let parts = Parts::of(&shipped_model()).with("tokenizer.chat_template", template);
    std::fs::write(&file, parts.bytes()).unwrap();
    file
}

/// A conversation in which these lines are said.
fn chat(file: &Path, args: &[&str], lines: &str) -> Output {
    let mut command = tercet(&["chat", "--greedy", "--threads", "1", "-n", "12"]);
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
    let args = ["generate", "--greedy", "--threads", "1", "-n", "12", "--prompt", prompt];
    let text = done(tercet(&args).arg(file).stdin(Stdio::null()));
    text.strip_prefix(prompt).unwrap().to_owned()
}

/// Chat once set every conversation as a play, whatever the file said.
#[test]
fn chat_writes_conversations_as_the_files_template_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = with_template(folder.path(), TEMPLATE);
    let (text, remarks) = said(&chat(&file, &[], "I am thy father.\n/reset\nGod save the king!\n"));
    let prompt = |line: &str| format!("USER:\n{line}\n\nASSISTANT:\n");
    let answer = |line: &str| continued(&file, &prompt(line));
    let ended = |answer: &str| format!("{}\n\n", answer.strip_suffix('\n').unwrap_or(answer));
    let (first, second) = (answer("I am thy father."), answer("God save the king!"));
    assert_ne!(first, second);
    assert_eq!(text, ended(&first) + &ended(&second), "{remarks}");
    // The second line comes after the first one and its answer.
    let (text, _) = said(&chat(&file, &[], "I am thy father.\nGod save the king!\n"));
    let both = format!("{}{}\n\n{}", prompt("I am thy father."), first.trim(), prompt("God save the king!"));
    assert_eq!(text, ended(&first) + &ended(&continued(&file, &both)));
    // What has no room is forgotten by turns: the context holds 256 tokens.
    let (long, later) = ("light and night ".repeat(40), "sweet love ".repeat(40));
    let (text, _) = said(&chat(&file, &[], &format!("{long}\n{later}\n")));
    assert!(text.ends_with(&ended(&answer(later.trim()))), "{text}");
}

#[test]
fn chat_is_a_play_without_a_template_or_with_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = with_template(folder.path(), TEMPLATE);
    let (play, _) = said(&chat(shipped_model().as_ref(), &[], "But soft\n"));
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
