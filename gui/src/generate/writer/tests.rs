//! A text whose engine fails, in the app: somebody else sits in the engine's place and says what engines say when they end badly.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use eframe::egui::vec2;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;

use super::*;
use crate::{Answers, App, Command, Env, GenerateCommand, Start};

fn app() -> Harness<'static, App> {
    let env = Env {
        program: PathBuf::new(),
        config_dir: None,
        runs_dir: PathBuf::new(),
        cache_dir: None,
        shipped_model: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shakespeare.gguf")),
        commit: String::new(),
        dialogs: Arc::new(Answers::default()),
        discard: |path| std::fs::remove_dir_all(path).map_err(|e| e.to_string()),
    };
    let mut harness = Harness::builder()
        .allow_missing_glyphs()
        .with_size(vec2(900.0, 600.0))
        .build_eframe(|cc| App::new(&cc.egui_ctx, env, Start::default()));
    until(&mut harness, |app| !app.is_busy());
    harness
}

fn until(harness: &mut Harness<'_, App>, is_so: impl Fn(&mut App) -> bool) {
    for _ in 0..20_000 {
        harness.step();
        if is_so(harness.state_mut()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("it did not come");
}

/// Begins a text, and puts somebody else in the engine's place.
fn impostor(harness: &mut Harness<'_, App>) -> Sender<(Instant, News)> {
    harness.state_mut().send(Command::Generate(GenerateCommand::Write));
    until(harness, |app| app.generate.writer.is_some());
    let writer = harness.state_mut().generate.writer.as_mut().unwrap();
    writer.cancel();
    let (tell, events) = channel();
    writer.events = events;
    tell
}

#[test]
fn a_text_outlives_the_engine_that_wrote_it() {
    let mut harness = app();
    for (last, words) in [
        (Some(runtime::Error::Panic { message: "of glass".into() }), "of glass"),
        (None, "the engine stopped without a word"),
    ] {
        let tell = impostor(&mut harness);
        let before = harness.state().text().to_owned();
        tell.send((Instant::now(), News::Event(Event::Token { id: 65, log_probs: None }))).unwrap();
        if let Some(error) = last {
            tell.send((Instant::now(), News::Event(Event::Error(error)))).unwrap();
        }
        drop(tell);
        until(&mut harness, |app| !app.is_busy());
        harness.run_steps(2);
        let text = harness.state().text().to_owned();
        assert!(text.starts_with(&before) && text.len() > before.len(), "{text:?}");
        assert!(harness.query_by_label_contains("Writing stopped").is_some());
        assert!(harness.query_by_label_contains(words).is_some(), "{words}");
        harness.get_by_label("Dismiss").click();
        harness.run_steps(3);
        assert!(harness.query_by_label_contains("Writing stopped").is_none());
    }
    // The engine itself is well, and goes on with the text.
    let before = harness.state().text().to_owned();
    harness.state_mut().send(Command::Generate(GenerateCommand::Write));
    until(&mut harness, |app| app.generate.writer.is_some());
    until(&mut harness, |app| !app.is_busy());
    assert!(harness.state().text().len() > before.len() + 100);
}
