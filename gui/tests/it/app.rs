//! The frame round the pages: opening files good and bad, the palette, shortcuts, what is kept.

use eframe::egui::{Event, Key, Modifiers, Role};
use egui_kittest::kittest::Queryable;
use gui::{Answers, Command, Device, Page, Start, ThemeChoice};

use crate::fixture::{Fixture, shipped_model, write_chat_model};

#[test]
fn the_app_opens_on_the_shipped_model_with_a_prompt() {
    let f = Fixture::open(Page::Generate);
    assert!(f.harness.query_by_label_contains("shakespeare.gguf").is_some());
    assert_eq!(f.harness.state().text(), "ROMEO:\n");
    assert!(f.harness.query_by_label("Write").is_some());
}

#[test]
fn what_is_typed_first_goes_behind_the_prompt() {
    let mut f = Fixture::open(Page::Generate);
    f.harness.run_steps(2);
    f.harness.event(Event::Text("But soft".into()));
    f.harness.run_steps(2);
    assert_eq!(f.harness.state().text(), "ROMEO:\nBut soft");
}

#[test]
fn where_there_is_no_file_dialog_a_path_is_typed() {
    let mut f = Fixture::open(Page::Generate);
    let copy = f.folder.path().join("typed.gguf");
    std::fs::copy(shipped_model(), &copy).unwrap();
    f.harness.key_press_modifiers(Modifiers::COMMAND, Key::O);
    f.until_label("This system shows no file dialog");
    // The field has the keys already.
    f.harness.event(Event::Text(copy.display().to_string()));
    f.harness.run_steps(2);
    f.harness.key_press(Key::Enter);
    f.until_label("typed.gguf");
    f.until("it is open", |app| !app.is_busy());
    assert!(f.harness.query_by_label_contains("shows no file dialog").is_none());
}

#[test]
fn a_bad_file_is_refused_in_a_sentence_and_the_open_model_stays() {
    let mut f = Fixture::open(Page::Generate);
    let bad = f.folder.path().join("bad.gguf");
    std::fs::write(&bad, b"GGUF\x03\x00\x00\x00 and then nothing of sense").unwrap();
    for (path, words) in [
        (bad, "bad.gguf"),
        (f.folder.path().join("gone.gguf"), "gone.gguf"),
        (f.folder.path().into(), "folder"),
    ] {
        f.harness.state_mut().send(Command::Open(path));
        f.harness.run_steps(2);
        f.until_label("cannot be opened");
        assert!(f.harness.query_all_by_label_contains(words).next().is_some(), "{words}");
        assert!(f.harness.query_by_label_contains("shakespeare.gguf").is_some());
        f.click("Dismiss");
        assert!(f.harness.query_by_label_contains("cannot be opened").is_none());
    }
    f.click("Write");
    f.until("the text is written", |app| !app.is_busy());
    assert_eq!(f.harness.state().written_tokens(), 400);
}

#[test]
fn a_model_chosen_in_the_dialog_is_opened_and_remembered() {
    let start = Start { page: Some(Page::Model), ..Start::default() };
    let copy = |d: &std::path::Path| {
        let to = d.join("copy.gguf");
        std::fs::copy(shipped_model(), &to).unwrap();
        Answers { open: Some(to), save: None }
    };
    let mut f = Fixture::with(copy, start);
    f.harness.key_press_modifiers(Modifiers::COMMAND, Key::O);
    f.harness.run_steps(2);
    f.until_label("copy.gguf");
    f.until("it is open", |app| !app.is_busy());
    assert!(f.harness.state().settings().recents[0].ends_with("copy.gguf"));
    let f = f.restarted();
    assert!(f.harness.query_all_by_label_contains("copy.gguf").next().is_some());
    assert_eq!(f.harness.state().settings().page, Page::Model);
}

#[test]
fn a_model_that_changes_on_disk_is_read_again_and_one_that_vanishes_stays_usable() {
    let mut f = Fixture::open(Page::Generate);
    let path = f.folder.path().join("moving.gguf");
    std::fs::copy(shipped_model(), &path).unwrap();
    f.harness.state_mut().send(Command::Open(path.clone()));
    f.harness.run_steps(2);
    f.until("it is open", |app| !app.is_busy());
    write_chat_model(&path, "{{ messages }}");
    f.until("it is seen", |app| app.said().iter().any(|s| s.contains("changed on disk")));
    f.until("it is open again", |app| !app.is_busy());
    assert!(f.harness.query_by_label("Notebook").is_some(), "the new file converses");
    f.click("Notebook");
    std::fs::remove_file(&path).unwrap();
    f.click("Write");
    f.until("the text is written", |app| !app.is_busy());
    assert_eq!(f.harness.state().written_tokens(), 400);
    // It is moved to another engine from memory; what needs the file is refused, and leaves the model where it is.
    // Changed one's mind on the way, it is moved on from there.
    f.harness.state_mut().send(Command::Engine { threads: Some(2), context: None });
    f.harness.state_mut().send(Command::Engine { threads: Some(1), context: None });
    f.harness.run_steps(2);
    f.until("it is moved", |app| !app.is_busy());
    assert!(f.harness.query_by_label_contains(" x1 ▾").is_some());
    f.harness.state_mut().send(Command::RunOn(Device::Kernels("scalar".into())));
    f.harness.run_steps(2);
    f.until_label("moving.gguf cannot be opened");
    assert_eq!(f.harness.state().settings().device, Device::Cpu);
    f.harness.state_mut().send(Command::Reload);
    f.harness.run_steps(2);
    f.until_label("moving.gguf cannot be opened");
    assert_eq!(f.harness.state().written_tokens(), 400);
}

#[test]
fn the_palette_runs_what_is_typed_into_it() {
    let mut f = Fixture::open(Page::Generate);
    f.harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    f.harness.run_steps(3);
    f.harness.get_by_label("Command").type_text("light th");
    f.harness.run_steps(3);
    f.harness.key_press(Key::Enter);
    f.harness.run_steps(3);
    assert_eq!(f.harness.state().settings().theme, ThemeChoice::Light);
    assert!(f.harness.query_by_label("Command").is_none());
    f.harness.key_press_modifiers(Modifiers::COMMAND, Key::Num4);
    f.harness.run_steps(3);
    assert_eq!(f.harness.state().settings().page, Page::Training);
}

#[test]
fn keys_zoom_and_show_the_shortcuts_but_not_while_somebody_types() {
    let mut f = Fixture::open(Page::Training);
    f.harness.key_press_modifiers(Modifiers::COMMAND, Key::Equals);
    f.harness.run_steps(3);
    assert!((f.harness.state().settings().zoom - 1.1).abs() < 1e-6);
    f.harness.key_press_modifiers(Modifiers::COMMAND, Key::Num0);
    f.harness.run_steps(3);
    assert_eq!(f.harness.state().settings().zoom, 1.0);
    f.harness.key_press_modifiers(Modifiers::SHIFT, Key::Questionmark);
    f.harness.run_steps(3);
    assert!(f.harness.query_all_by_label("Keyboard shortcuts").next().is_some());
    f.harness.key_press(Key::Escape);
    f.harness.run_steps(3);
    f.harness.state_mut().send(Command::Show(Page::Generate));
    f.harness.run_steps(3);
    f.harness.get_by_label("Text").focus();
    f.harness.run_steps(2);
    f.harness.key_press_modifiers(Modifiers::SHIFT, Key::Questionmark);
    f.harness.run_steps(3);
    assert!(f.harness.query_all_by_label("Keyboard shortcuts").next().is_none());
    // The menu has the same.
    f.click("More");
    f.click("Light theme");
    assert_eq!(f.harness.state().settings().theme, ThemeChoice::Light);
}

#[test]
fn a_model_moves_to_other_kernels_without_being_opened_again_by_hand() {
    let mut f = Fixture::open(Page::Generate);
    f.harness.state_mut().send(Command::RunOn(Device::Kernels("scalar".into())));
    f.harness.run_steps(2);
    f.until_label("CPU scalar");
    f.harness.state_mut().send(Command::RunOn(Device::Kernels("avx9".into())));
    f.harness.run_steps(2);
    f.until_label("avx9");
    assert!(f.harness.query_by_label_contains("CPU scalar").is_some());
}

#[test]
fn a_card_of_last_time_that_is_gone_leaves_the_model_to_the_cpu() {
    let mut f = Fixture::with_settings("backend = { gpu = \"no such card\" }\n");
    f.until("it is said", |app| app.said().iter().any(|s| s.contains("no GPU is called \"no such card\"")));
    assert!(f.harness.state().said().iter().any(|s| s.contains("The CPU runs the model instead")));
    f.click("Write");
    f.until("the text is written", |app| !app.is_busy());
    assert_eq!(f.harness.state().written_tokens(), 400);
}

#[test]
fn a_folder_that_cannot_be_written_is_said_once_and_nothing_else_breaks() {
    let mut f = Fixture::open(Page::Generate);
    let config = f.folder.path().join("config");
    let _ = std::fs::remove_dir_all(&config);
    std::fs::write(&config, "in the way").unwrap();
    f.harness.state_mut().send(Command::Theme(ThemeChoice::Light));
    f.until("it is said", |app| app.said().iter().any(|s| s.contains("Settings cannot be kept")));
    assert_eq!(f.harness.state().settings().theme, ThemeChoice::Light);
}

#[test]
fn a_model_of_last_time_that_is_gone_is_told_and_the_shipped_one_is_there() {
    let mut f = Fixture::with_settings("recents = [\"/nowhere/of-old.gguf\"]\n");
    assert!(f.harness.query_by_label_contains("shakespeare.gguf").is_some());
    let told = |f: &Fixture| {
        f.harness.state().said().iter().any(|s| s.starts_with("of-old.gguf was open last time"))
    };
    assert!(told(&f));
    // It stays among the recent ones, marked, until it is removed.
    f.harness.get_by_label_contains("shakespeare.gguf ▾").click();
    f.until_label("Remove of-old.gguf");
    f.click("Remove of-old.gguf");
    assert!(f.harness.state().settings().recents.iter().all(|p| !p.ends_with("of-old.gguf")));
}

#[test]
fn the_engine_takes_as_many_threads_and_tokens_as_it_is_told() {
    let mut f = Fixture::open(Page::Generate);
    f.harness.get_by_role_and_label(Role::SpinButton, "Threads").set_value_accesskit(1.0);
    f.harness.run_steps(2);
    f.until("it is open again", |app| !app.is_busy());
    assert!(f.harness.query_by_label_contains(" x1 ▾").is_some());
    f.harness.get_by_role_and_label(Role::SpinButton, "Context").set_value_accesskit(64.0);
    f.harness.run_steps(2);
    f.until("it is open again", |app| !app.is_busy());
    assert_eq!(
        (f.harness.state().settings().threads, f.harness.state().settings().context),
        (Some(1), Some(64))
    );
    f.click("Write");
    f.until("the text is written", |app| !app.is_busy());
    assert!(f.harness.query_all_by_label_contains("/64").next().is_some());
    let mut f = f.restarted();
    assert!(f.harness.query_by_label_contains(" x1 ▾").is_some());
    f.click("Reset threads");
    f.until("it is open again", |app| !app.is_busy());
    f.click("Reset context");
    f.until("it is open again", |app| !app.is_busy());
    assert_eq!((f.harness.state().settings().threads, f.harness.state().settings().context), (None, None));
}
