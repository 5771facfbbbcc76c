//! A text whose engine fails, in the app: somebody else sits in the engine's place and says what engines say when they end badly.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::task::{Context, Poll};

use eframe::egui::vec2;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use formats::gguf::Gguf;
use formats::tokenizer::Tokenizer;
use runtime::request::{Event, Finish};

use super::*;
use crate::{Answers, App, Command, Env, GenerateCommand, Start};

fn shakespeare() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shakespeare.gguf")
}

fn tokenizer() -> Tokenizer {
    Tokenizer::from_gguf(Gguf::open(&shakespeare()).unwrap().metadata()).unwrap()
}

fn app() -> Harness<'static, App> {
    let env = Env {
        program: PathBuf::new(),
        config_dir: None,
        runs_dir: PathBuf::new(),
        cache_dir: None,
        shipped_model: Some(shakespeare()),
        commit: String::new(),
        dialogs: Arc::new(Answers::default()),
        discard: |path| std::fs::remove_dir_all(path).map_err(|e| e.to_string()),
        cards: || Err(train_cuda::Error::NoDriver),
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

/// Somebody in an engine's place.
struct Impostor(Receiver<Event>);

impl Source for Impostor {
    fn next_event(&mut self) -> Option<Event> {
        self.0.recv().ok()
    }

    fn try_event(&mut self) -> Poll<Option<Event>> {
        unreachable!("the writer's thread waits")
    }

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Option<Event>> {
        unreachable!("the writer's thread waits")
    }

    fn cancel(&mut self) {}

    fn fault(&self) -> Option<String> {
        None
    }
}

/// Begins a text, and puts somebody else in the engine's place; the text ends at `stop`.
fn impostor(harness: &mut Harness<'_, App>, stop: &'static str) -> Sender<Event> {
    harness.state_mut().send(Command::Generate(GenerateCommand::Write));
    until(harness, |app| app.generate.writer.is_some());
    let writer = harness.state_mut().generate.writer.as_mut().unwrap();
    writer.cancel();
    let (news, told) = channel();
    writer.events = told;
    let (tell, events) = channel();
    let ctx = harness.ctx.clone();
    std::thread::spawn(move || {
        let tokenizer = tokenizer();
        let stream = TextStream::of(Impostor(events), &tokenizer, Stops::new([stop]));
        pass_on(stream, &ctx, &|piece| news.send((Instant::now(), piece)).is_ok());
    });
    tell
}

#[test]
fn a_text_outlives_the_engine_that_wrote_it() {
    let mut harness = app();
    for (last, words) in [
        (Some(runtime::Error::Panic { message: "of glass".into() }), "of glass"),
        (None, "the engine stopped without a word"),
    ] {
        let tell = impostor(&mut harness, "");
        let before = harness.state().text().to_owned();
        tell.send(Event::Token { id: 65, log_probs: None }).unwrap();
        if let Some(error) = last {
            tell.send(Event::Error(error)).unwrap();
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

#[test]
fn a_stop_string_is_cut_off_with_the_tokens_that_wrote_it() {
    let mut harness = app();
    let tell = impostor(&mut harness, "b!");
    let before = harness.state().text().to_owned();
    // The engine may have written some before it lost its place.
    let tokens_before = harness.state().generate.text.tokens().len();
    let tokenizer = tokenizer();
    let ids = ["a", "é", "b", "b", "!", "c"].map(|piece| tokenizer.encode(piece));
    let kept = ids[..3].iter().map(Vec::len).sum::<usize>();
    for id in ids.into_iter().flatten() {
        tell.send(Event::Token { id, log_probs: None }).unwrap();
    }
    tell.send(Event::Done { finish: Finish::Cancelled, stats: Stats::default() }).unwrap();
    until(&mut harness, |app| !app.is_busy());
    let app = harness.state();
    assert_eq!(app.text(), format!("{before}aéb"));
    assert_eq!(app.generate.text.tokens().len() - tokens_before, kept);
    assert_eq!(app.generate.ended, Some(Ended::Stop("b!".into())));
}
