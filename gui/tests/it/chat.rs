//! Conversing with a model whose file has a chat template.

use egui_kittest::kittest::Queryable;
use gui::{Answers, Command, GenerateCommand, Page, Start};

use crate::fixture::{Fixture, write_chat_model};

const PLAY: &str = "{% for m in messages %}{% if m.role == 'user' %}ROMEO:{% else %}JULIET:{% endif %}\n{{ m.content }}\n\n{% endfor %}JULIET:\n";

fn open(template: &str) -> Fixture {
    let start = Start { page: Some(Page::Generate), ..Start::default() };
    let mut f = Fixture::with(|_| Answers::default(), start);
    let to = f.folder.path().join("chat.gguf");
    write_chat_model(&to, template);
    f.harness.state_mut().send(Command::Open(to));
    f.harness.run_steps(2);
    f.until("it is open", |app| !app.is_busy());
    f
}

fn say(f: &mut Fixture, words: &str) {
    f.harness.get_by_label("What you say").focus();
    f.harness.run_steps(2);
    f.harness.get_by_label("What you say").type_text(words);
    f.harness.run_steps(2);
    f.click("Say");
    f.until("the answer is there", |app| !app.is_busy());
}

#[test]
fn a_model_with_a_template_converses_and_takes_its_answer_back() {
    let mut f = open(PLAY);
    say(&mut f, "Wilt thou leave me?");
    say(&mut f, "Nay, speak.");
    let told: Vec<(bool, String)> =
        f.harness.state().conversation().into_iter().map(|(m, t)| (m, t.to_owned())).collect();
    assert_eq!(told.iter().map(|t| t.0).collect::<Vec<_>>(), [false, true, false, true]);
    assert_eq!(told[2].1, "Nay, speak.");
    assert!(told[1].1.len() > 100 && told[3].1.len() > 100);
    f.click("Answer again");
    f.until("the answer is there", |app| !app.is_busy());
    let again = f.harness.state().conversation();
    assert_eq!(again.len(), 4);
    assert_ne!(again[3].1, told[3].1);
    // It is kept, and can be used as a notebook all the same.
    let mut f = f.restarted();
    assert_eq!(f.harness.state().conversation().len(), 4);
    f.click("Notebook");
    assert!(f.harness.query_by_label("Write").is_some());
    f.click("Conversation");
    f.click("New conversation");
    assert!(f.harness.state().conversation().is_empty());
}

#[test]
fn a_template_that_refuses_is_quoted_and_nothing_is_lost() {
    let mut f = open("{{ raise_exception('this model speaks to nobody') }}");
    say(&mut f, "Hello");
    f.until_label("this model speaks to nobody");
    // The words are in the field again.
    assert!(f.harness.state().conversation().is_empty());
    assert_eq!(f.harness.get_by_label("What you say").value().as_deref(), Some("Hello"));
    f.harness.state_mut().send(Command::Generate(GenerateCommand::Notebook));
    f.harness.run_steps(3);
    f.click("Write");
    f.until("the text is written", |app| !app.is_busy());
    assert_eq!(f.harness.state().written_tokens(), 400);
}

#[test]
fn a_conversation_is_gone_on_with_cleared_brought_back_and_saved() {
    let mut f = open(PLAY);
    say(&mut f, "Wilt thou leave me?");
    let long = f.harness.state().conversation()[1].1.to_owned();
    // Broken off after so many tokens, it goes on where it was.
    f.click("Go on");
    f.until("it went on", |app| !app.is_busy());
    let longer = f.harness.state().conversation()[1].1.to_owned();
    assert!(longer.starts_with(&long) && longer.len() > long.len() + 100, "{longer}");
    f.click("Undo");
    assert_eq!(f.harness.state().conversation()[1].1, long);
    f.click("New conversation");
    assert!(f.harness.state().conversation().is_empty());
    f.click("Undo");
    assert_eq!(f.harness.state().conversation().len(), 2);
    let to = f.folder.path().join("talk.json");
    f.harness.state_mut().send(Command::Generate(GenerateCommand::SaveTo(to.clone())));
    f.until("it is saved", |app| app.said().iter().any(|s| s.contains("Saved")));
    let saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&to).unwrap()).unwrap();
    assert_eq!(saved["messages"][0]["content"], "Wilt thou leave me?");
    assert_eq!(
        (&saved["messages"][1]["content"], &saved["messages"][1]["max_tokens"]),
        (&long.into(), &400.into())
    );
    // The notebook beside it was made by nobody.
    f.click("Notebook");
    let text = f.folder.path().join("text.json");
    f.harness.state_mut().send(Command::Generate(GenerateCommand::SaveTo(text.clone())));
    f.until("it is saved", |_| text.exists());
    let saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&text).unwrap()).unwrap();
    assert_eq!((saved["text"].as_str(), saved.get("sampling")), (Some("ROMEO:\n"), None));
    f.click("Conversation");
    // Undo once more, and the words are in the field to be said otherwise.
    f.click("Undo");
    assert!(f.harness.state().conversation().is_empty());
    assert_eq!(f.harness.get_by_label("What you say").value().as_deref(), Some("Wilt thou leave me?"));
}
