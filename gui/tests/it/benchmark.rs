//! Measuring: planned, run to its end, looked at in every way, saved, copied, cancelled, laid over an earlier result.

use std::path::Path;

use eframe::egui::Role;
use egui_kittest::kittest::{NodeT, Queryable};
use gui::{
    Answers, BenchmarkColumn, BenchmarkCommand, BenchmarkPlan, BenchmarkTab, Command, GenerateCommand, Page,
    Start,
};
use serde_json::Value;

use crate::fixture::Fixture;

/// As little as shows everything: a small matrix, a short prompt, a few tokens.
fn tiny() -> BenchmarkPlan {
    BenchmarkPlan {
        threads: "1, 2".into(),
        prompts: "8".into(),
        generate: "4".into(),
        pairs: "4+2".into(),
        repetitions: 2,
        shapes: "64x128".into(),
        batches: "1, 2".into(),
        cold: false,
        ..BenchmarkPlan::quick()
    }
}

fn send(f: &mut Fixture, command: BenchmarkCommand) {
    f.harness.state_mut().send(Command::Benchmark(command));
    f.harness.run_steps(3);
}

fn is_there(f: &Fixture, label: &str) -> bool {
    f.harness.query_by_label(label).is_some()
}

/// All that is said of the widget whose label has this in it.
fn words(f: &Fixture, part: &str) -> String {
    let node = f.harness.get_by_label_contains(part).accesskit_node();
    node.label().or_else(|| node.value()).unwrap()
}

/// The page after a tiny benchmark.
fn measured(dialogs: impl FnOnce(&Path) -> Answers) -> Fixture {
    let mut f = Fixture::with(dialogs, Start { page: Some(Page::Benchmark), ..Start::default() });
    send(&mut f, BenchmarkCommand::Plan(Box::new(tiny())));
    f.click("Run");
    f.until_label("measured in");
    f
}

/// What a command writes to a file of this name.
fn saved(f: &mut Fixture, name: &str) -> Vec<u8> {
    let path = f.folder.path().join(name);
    send(f, BenchmarkCommand::SaveTo(path.clone()));
    f.until("the file is written", |app| !app.is_busy());
    std::fs::read(path).unwrap()
}

#[test]
fn a_tiny_benchmark_runs_to_its_end_and_is_right() {
    let mut f = measured(|_| Answers::default());
    assert!(is_there(&f, "all results right"));
    // Bars have their figures as words: the scalar kernels are what others are counted from.
    let best = words(&f, &format!("tg4, {} ×1\n", cpu::Kernels::best().name));
    for part in ["tokens/s", "median", "2 repetitions", "as fast as scalar ×1", "right, same bits"] {
        assert!(best.contains(part), "{part} is not in {best}");
    }
    let kernels = cpu::Kernels::available().len();
    // Three tests of the model and two batches, on one thread and on two.
    assert!(f.harness.query_by_label_contains(&format!("{} figures measured in", 10 * kernels)).is_some());

    f.click("Table");
    assert!(
        f.harness.get_all_by_label("pp8").count() > 0 && f.harness.get_all_by_label("pp4+tg2").count() > 0
    );
    f.click("Sort by mean");
    f.click("Sort by mean");
    f.click("Copy the table");
    assert_eq!(f.harness.state().said().last(), Some(&"Copied the table."));

    // Another baseline: its own figures are once as fast as themselves.
    f.harness.get_by_label("Baseline").click();
    f.harness.run_steps(3);
    f.harness.get_by_role_and_label(Role::Button, "scalar ×2").click();
    f.harness.run_steps(3);
    f.click("Bars");
    let said = words(&f, "tg4, scalar ×1\n");
    assert!(said.contains("as fast as scalar ×2"), "{said}");

    f.click("Roofline");
    let said = words(&f, "Roofline for 2 threads");
    assert!(said.contains("GB/s") && said.contains(&format!("{} marks", 2 * kernels)), "{said}");
    f.click("1 thread");
    assert!(f.harness.query_by_label_contains("Roofline for 1 thread,").is_some());
    f.click("Show scalar");
    assert!(f.harness.query_by_label_contains(&format!("{} marks", 2 * (kernels - 1))).is_some());
}

#[test]
fn results_are_saved_in_every_form_and_laid_over_the_next() {
    let mut f = measured(|folder| Answers {
        save: Some(folder.join("asked.csv")),
        open: Some(folder.join("before.json")),
    });
    let json: Vec<Value> = serde_json::from_slice(&saved(&mut f, "before.json")).unwrap();
    let of = |test: &str| json.iter().filter(|r| r["test"] == test).collect::<Vec<_>>();
    assert_eq!((of("machine").len(), &of("machine")[0]["commit"]), (1, &"test".into()));
    for row in of("tg4") {
        assert_eq!(
            row["tokens_per_second_each"].as_array().unwrap().len(),
            2,
            "every repetition is kept: {row}"
        );
    }
    assert_eq!(of("load")[0]["sha256"].as_str().unwrap().len(), 64);
    let md = String::from_utf8(saved(&mut f, "a.md")).unwrap();
    assert!(md.contains("| model | size | params | backend | threads | test | t/s |"), "{md}");
    assert!(md.contains("| shakespeare.gguf |") && md.contains("| tg4 |") && md.contains(" ± "), "{md}");
    let lines = saved(&mut f, "a.jsonl");
    assert_eq!(lines.split(|&b| b == b'\n').count(), json.len() + 1);
    // Asked by a dialog, which answers with a name of its own.
    f.click("Save results");
    f.until("the file is written", |app| !app.is_busy());
    let csv = std::fs::read_to_string(f.folder.path().join("asked.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + json.len());
    send(&mut f, BenchmarkCommand::Copy);
    assert!(f.harness.state().said().contains(&"Copied as Markdown."));

    // A name that says nothing is refused where one looks.
    let bad = f.folder.path().join("a.pdf");
    send(&mut f, BenchmarkCommand::SaveTo(bad.clone()));
    f.until_label("The results were not saved");
    assert!(f.harness.query_by_label_contains(".jsonl or .png").is_some() && !bad.exists());
    f.harness.get_all_by_label("Dismiss").next().unwrap().click();
    f.harness.run_steps(3);
    assert!(!is_there(&f, "The results were not saved"));

    // The file, laid over the result it is of.
    f.click("Overlay earlier results");
    f.until_label("Compared with the same processor");
    let said = words(&f, "tg4, scalar ×1\n");
    assert!(said.contains("earlier") && said.contains("now ×1.00 as fast"), "{said}");
    f.click("Table");
    send(&mut f, BenchmarkCommand::Sort(BenchmarkColumn::From));
    send(&mut f, BenchmarkCommand::Sort(BenchmarkColumn::From));
    assert!(f.harness.get_all_by_label("earlier").count() > 4);
    f.click("Without the earlier results");
    assert!(f.harness.query_by_label("earlier").is_none());
}

#[test]
fn results_are_saved_as_a_picture() {
    let mut f = measured(|_| Answers::default());
    let path = f.folder.path().join("a.png");
    send(&mut f, BenchmarkCommand::SaveTo(path.clone()));
    f.until("the picture is drawn", |app| !app.is_busy());
    if !path.exists() && std::env::var("TERCET_REQUIRE_GPU").as_deref() != Ok("1") {
        assert!(is_there(&f, "The results were not saved"));
        eprintln!("nothing to draw with: skipped");
        return;
    }
    let png = image::open(path).unwrap();
    assert_eq!(png.width(), 2000);
    assert!(png.height() > 400, "{}", png.height());
}

#[test]
fn files_that_are_no_results_are_refused_in_a_sentence() {
    let mut f = Fixture::open(Page::Benchmark);
    let path = f.folder.path().join("broken.json");
    for (text, why) in
        [("[{\"test\":\"mach", "no JSON"), ("[{\"test\":\"machine\"}]", "No row of this file has a figure")]
    {
        std::fs::write(&path, text).unwrap();
        send(&mut f, BenchmarkCommand::OverlayFrom(path.clone()));
        f.until_label("broken.json cannot be laid over this");
        assert!(f.harness.query_by_label_contains(why).is_some(), "{why}");
        f.click("Dismiss");
        assert!(f.harness.query_by_label_contains("cannot be laid over").is_none());
    }
}

#[test]
fn an_earlier_result_is_shown_before_anything_is_measured() {
    let mut f = Fixture::open(Page::Benchmark);
    let path = f.folder.path().join("old.json");
    let rows = r#"[{"test":"machine","cpu":"Another one","cores":4,"date":"2026-01-02T03:04:05Z","version":"0.1.0"},
        {"test":"tg9","kernel":"neon","threads":3,"depth":0,"tokens_per_second":12.0,"sd":1.0}]"#;
    std::fs::write(&path, rows).unwrap();
    send(&mut f, BenchmarkCommand::OverlayFrom(path));
    f.until_label("Compared with Another one, 2026-01-02");
    assert!(f.harness.query_by_label_contains("tg9, neon ×3\nearlier 12.0 ± 1.0 tokens/s").is_some());
}

#[test]
fn cancelling_keeps_what_was_measured() {
    let mut f = Fixture::open(Page::Benchmark);
    let long = BenchmarkPlan { repetitions: 1000, generate: "128".into(), ..tiny() };
    send(&mut f, BenchmarkCommand::Plan(Box::new(long)));
    f.click("Run");
    f.until_label("pp8, ");
    assert!(!is_there(&f, "Run") && f.harness.query_by_label_contains(" left").is_some());
    f.click("Cancel");
    f.until_label("cancelled after");
    assert!(is_there(&f, "Run"));
    let json: Vec<Value> = serde_json::from_slice(&saved(&mut f, "part.json")).unwrap();
    assert_eq!(json[0]["test"], "machine");
    assert!(json.iter().all(|r| r["test"] != "product"), "products come after the model");
}

#[test]
fn a_model_that_is_gone_ends_it_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("gone.gguf");
    std::fs::copy(crate::fixture::shipped_model(), &model).unwrap();
    let start = Start { file: Some(model.clone()), page: Some(Page::Benchmark), ..Start::default() };
    let mut f = Fixture::with(|_| Answers::default(), start);
    send(&mut f, BenchmarkCommand::Plan(Box::new(tiny())));
    std::fs::remove_file(model).unwrap();
    f.click("Run");
    f.until_label("The benchmark ended early");
    assert!(f.harness.query_by_label_contains("gone.gguf: ").is_some() && is_there(&f, "Run"));
}

#[test]
fn a_field_that_cannot_be_read_says_so_and_nothing_runs() {
    let mut f = Fixture::open(Page::Benchmark);
    send(&mut f, BenchmarkCommand::Plan(Box::new(BenchmarkPlan { batches: "1, many".into(), ..tiny() })));
    assert!(is_there(&f, "\"many\" is no whole number") && is_there(&f, "A field above cannot be read"));
    send(&mut f, BenchmarkCommand::Run);
    assert!(is_there(&f, "A field above cannot be read"));
    let nothing = BenchmarkPlan { model: false, products: false, whole: false, ..tiny() };
    send(&mut f, BenchmarkCommand::Plan(Box::new(nothing)));
    assert!(is_there(&f, "Nothing is chosen to be measured"));
    f.click("Full");
    f.until_label(" measurements, ");
}

#[test]
fn writing_and_measuring_at_once_is_said_on_both_pages() {
    let mut f = Fixture::open(Page::Benchmark);
    send(&mut f, BenchmarkCommand::Plan(Box::new(BenchmarkPlan { repetitions: 1000, ..tiny() })));
    f.click("Run");
    f.until_label("of ");
    f.harness.state_mut().send(Command::Show(Page::Generate));
    f.harness.run_steps(3);
    assert!(is_there(&f, "a benchmark is running"));
    f.harness.state_mut().send(Command::Generate(GenerateCommand::Write));
    f.until("text is written", |app| app.written_tokens() > 0);
    f.harness.state_mut().send(Command::Show(Page::Benchmark));
    f.until_label("Text was written meanwhile");
    send(&mut f, BenchmarkCommand::Cancel);
    f.until("both are done", |app| !app.is_busy());
    let json: Vec<Value> = serde_json::from_slice(&saved(&mut f, "note.json")).unwrap();
    assert!(json.iter().any(|r| r["test"] == "note"), "the result itself says so");
}

#[test]
fn the_page_turns_to_its_tabs_before_there_is_anything() {
    let mut f = Fixture::open(Page::Benchmark);
    for tab in [BenchmarkTab::Roofline, BenchmarkTab::Table, BenchmarkTab::Bars] {
        send(&mut f, BenchmarkCommand::Tab(tab));
        assert!(is_there(&f, "How fast this machine is"));
    }
}
