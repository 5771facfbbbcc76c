//! Writing: streamed, stopped, taken back, branched, saved.

use eframe::egui::{Event, Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use gui::{Answers, Command, Device, GenerateCommand, Page, Start};

use crate::fixture::Fixture;

fn write(f: &mut Fixture, seed: u64) -> String {
    f.harness.state_mut().send(Command::Generate(GenerateCommand::Seed(seed)));
    f.harness.run_steps(2);
    f.click("Write");
    f.until("the text is written", |app| !app.is_busy());
    f.harness.state().text().to_owned()
}

#[test]
fn one_seed_writes_one_text_and_undo_takes_it_back() {
    let mut f = Fixture::open(Page::Generate);
    assert_eq!(f.harness.state().text(), "ROMEO:\n");
    let text = write(&mut f, 1);
    assert!(text.starts_with("ROMEO:\n") && text.len() > 200, "{text}");
    assert_eq!(f.harness.state().written_tokens(), 400);
    assert!(f.harness.query_by_label("400 tokens").is_some() && f.harness.query_by_label("seed 1").is_some());

    f.click("Undo");
    assert_eq!(f.harness.state().text(), "ROMEO:\n");
    assert_eq!(write(&mut f, 1), text);
    assert_ne!(write(&mut f, 2).strip_prefix(&text), None, "it goes on where it stopped");
    f.harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    f.harness.run_steps(3);
    assert_eq!(f.harness.state().text(), text);
    f.harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    f.harness.run_steps(3);
    assert!(f.harness.state().text().len() > text.len());
}

#[test]
fn three_more_tries_are_kept_beside_the_first_each_with_its_own_seed() {
    let mut f = Fixture::open(Page::Generate);
    let first = write(&mut f, 20);
    f.click("Versions");
    f.click("3 more");
    f.until_label("Version 5");
    f.until("all are written", |app| !app.is_busy());
    for seed in 20..=23 {
        assert!(f.harness.query_by_label_contains(&format!("Version {}", seed - 18)).is_some(), "{seed}");
    }
    let last = f.harness.state().text().to_owned();
    assert_ne!(last, first);
    assert!(last.starts_with("ROMEO:\n") && f.harness.query_by_label("seed 23").is_some());
    // The seed itself is as it was, and every try is a step from the prompt.
    assert_eq!(f.harness.state().settings().writing.seed, Some(20));
    f.click("Undo");
    assert_eq!(f.harness.state().text(), "ROMEO:\n");
    assert_eq!(write(&mut f, 23), last);
}

#[test]
fn stopping_keeps_what_is_written() {
    // More than is written before the click below.
    let mut f = Fixture::with_settings("[writing]\nown = true\nmax_tokens = 1000000\n");
    f.click("Write");
    f.until("a token is there", |app| app.written_tokens() > 0);
    f.click("Stop");
    f.until("it stopped", |app| !app.is_busy());
    let written = f.harness.state().written_tokens();
    assert!(written > 0 && written < 1_000_000);
    f.harness.run_steps(5);
    assert_eq!(f.harness.state().written_tokens(), written);
}

#[test]
fn what_was_typed_is_taken_back_before_what_was_written() {
    let mut f = Fixture::open(Page::Generate);
    let text = write(&mut f, 8);
    let back = |f: &mut Fixture| {
        f.harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
        f.harness.run_steps(3);
        f.harness.state().text().to_owned()
    };
    f.harness.get_by_label("Text").focus();
    f.harness.run_steps(2);
    f.harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::CTRL, Key::End);
    f.harness.event(Event::Text(" Anon".into()));
    f.harness.run_steps(2);
    assert!(f.harness.state().text().contains(" Anon"));
    assert_eq!(back(&mut f), text);
    assert_eq!(f.harness.state().written_tokens(), 400, "the model's words are still its own");
    assert_eq!(back(&mut f), "ROMEO:\n");
}

#[test]
fn again_writes_again_what_follows_a_prompt_that_was_changed() {
    let mut f = Fixture::open(Page::Generate);
    write(&mut f, 8);
    f.harness.get_by_label("Text").focus();
    f.harness.run_steps(2);
    f.harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::CTRL, Key::Home);
    f.harness.event(Event::Text("Enter R\u{f4}meo.\n\n".into()));
    f.harness.run_steps(2);
    f.click("Write the last part again");
    f.until("it is written", |app| !app.is_busy());
    let text = f.harness.state().text();
    assert!(text.starts_with("Enter R\u{f4}meo.\n\nROMEO:\n") && text.len() > 200, "{text}");
    assert_eq!(f.harness.state().written_tokens(), 400);
}

#[test]
fn a_branch_goes_on_from_another_token_and_the_old_text_is_kept() {
    let mut f = Fixture::open(Page::Generate);
    let text = write(&mut f, 3);
    f.click("Probabilities");
    f.harness.state_mut().send(Command::Generate(GenerateCommand::Branch { token: 10, id: 65 }));
    f.harness.run_steps(2);
    f.until("the branch is written", |app| !app.is_busy());
    let branch = f.harness.state().text().to_owned();
    let common = text.bytes().zip(branch.bytes()).take_while(|(a, b)| a == b).count();
    assert!(common >= "ROMEO:\n".len() && common < text.len().min(branch.len()), "{common}");
    assert_eq!(f.harness.state().written_tokens(), 411);
    f.click("Versions");
    f.harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    f.harness.run_steps(3);
    assert_eq!(f.harness.state().text(), text);
}

#[test]
fn the_card_of_a_token_shows_ten_alternatives_and_a_click_takes_one() {
    let mut f = Fixture::open(Page::Generate);
    let text = write(&mut f, 3);
    f.click("Probabilities");
    let first = f.harness.get_by_label("Text").rect();
    // The line below the prompt is the first that the model wrote.
    f.harness.hover_at(first.left_top() + eframe::egui::vec2(12.0, 37.0));
    f.harness.run_steps(6);
    let options: Vec<String> = f
        .harness
        .query_all_by_label_contains("Go on with")
        .map(|n| n.accesskit_node().label().unwrap())
        .collect();
    assert!((10..=11).contains(&options.len()), "{options:?}");
    let before = f.harness.state().text().to_owned();
    f.harness.query_all_by_label_contains("Go on with").last().unwrap().click();
    f.harness.run_steps(3);
    f.until("the branch is written", |app| !app.is_busy());
    assert_eq!(before, text);
    assert_ne!(f.harness.state().text(), text);
}

#[test]
fn the_strip_of_surprise_points_at_its_tokens() {
    let mut f = Fixture::open(Page::Generate);
    write(&mut f, 3);
    assert!(f.harness.query_by_label_contains("Surprise of").is_none());
    f.click("Probabilities");
    let strip = f.harness.get_by_label_contains("Surprise of 400 tokens").rect();
    let before = f.harness.state().text().to_owned();
    // Pointing at a bar points at its token; a click goes there and changes nothing.
    let at = strip.left_center() + eframe::egui::vec2(6.0, 0.0);
    f.harness.drag_at(at);
    f.harness.run_steps(2);
    f.harness.drop_at(at);
    f.harness.run_steps(3);
    assert_eq!(f.harness.state().text(), before);
}

#[test]
fn a_text_is_saved_in_the_kind_that_its_name_asks_for() {
    let start = Start { page: Some(Page::Generate), ..Start::default() };
    let mut f = Fixture::with(|d| Answers { save: Some(d.join("verse.json")), open: None }, start);
    let text = write(&mut f, 9);
    f.click("Save the text");
    f.until("it is saved", |app| app.said().iter().any(|s| s.contains("Saved")));
    let saved = std::fs::read_to_string(f.folder.path().join("verse.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&saved).unwrap();
    assert_eq!(json["text"], text);
    assert_eq!(json["sampling"]["seed"], 9);
    assert_eq!(json["written"].as_array().unwrap().len(), 400);
    assert_eq!(json["model_sha256"].as_str().unwrap().len(), 64);
    assert!(json["figures"]["decode_tokens_per_sec"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_graphics_adapter_writes_the_same_text() {
    let settings = "[writing]\nown = true\ntemperature = 0.0\nmax_tokens = 12\n";
    let mut f = Fixture::with_settings(settings);
    let text = write(&mut f, 1);
    assert_eq!(f.harness.state().written_tokens(), 12);
    f.click("Undo");
    let Some(adapter) = f.harness.state().adapters().first().map(|a| a.name.clone()) else {
        assert!(std::env::var("TERCET_REQUIRE_GPU").as_deref() != Ok("1"), "no graphics adapter");
        eprintln!("skipped: no graphics adapter");
        return;
    };
    f.harness.state_mut().send(Command::RunOn(Device::Gpu(adapter.clone())));
    f.harness.run_steps(2);
    f.until("it is there", |app| !app.is_busy());
    let named = f.harness.query_all_by_label_contains(&adapter[..8]).next().is_some();
    assert!(named, "{adapter}; said {:?}", f.harness.state().said());
    assert_eq!(write(&mut f, 1), text);
}

#[test]
fn the_text_survives_a_restart_and_goes_on_with_the_same_tokens() {
    let mut f = Fixture::open(Page::Generate);
    let text = write(&mut f, 4);
    let more = write(&mut f, 6);
    f.harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    f.harness.run_steps(3);
    assert_eq!(f.harness.state().text(), text);
    let mut f = f.restarted();
    assert_eq!(f.harness.state().text(), text);
    assert_eq!(write(&mut f, 6), more);
}
