//! Following runs: logs that grow, break, vanish; curves, samples and configurations as a person reads them.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use eframe::egui::{Role, pos2};
use egui_kittest::kittest::Queryable;
use gui::{Answers, Command, Page, Start, TrainingCommand};

use crate::fixture::Fixture;

fn open() -> Fixture {
    Fixture::open(Page::Training)
}

fn log(steps: std::ops::RangeInclusive<u64>) -> String {
    steps.fold(String::new(), |mut text, s| {
        let loss = 4.0 / (s as f64).sqrt();
        writeln!(text, "{{\"step\":{s},\"tokens\":{},\"loss\":{loss},\"lr\":0.02,\"seconds\":{s}}}", s * 100)
            .unwrap();
        text
    })
}

/// A run's folder with a log.
fn run(f: &Fixture, name: &str, log: &str) -> PathBuf {
    let path = f.folder.path().join("runs").join(name);
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("metrics.jsonl"), log).unwrap();
    std::fs::write(path.join("run.toml"), "seed = 1\n[config.train]\nsteps = 200\nseed = 1\n").unwrap();
    path
}

fn add(path: &Path, text: &str) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn until_read(f: &mut Fixture, name: &str, steps: u64) {
    f.until(&format!("{steps} steps are read of {name}"), |app| app.steps_read(name) == Some(steps));
}

fn sees(f: &Fixture, label: &str) -> bool {
    f.harness.query_all_by_label_contains(label).next().is_some()
}

/// Frames until a label is not there any more.
fn until_not(f: &mut Fixture, label: &str) {
    for _ in 0..20_000 {
        f.harness.step();
        if !sees(f, label) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("\"{label}\" stays");
}

#[test]
fn a_run_appears_and_is_followed_while_it_is_written() {
    let mut f = open();
    assert!(sees(&f, "No runs yet"));
    let path = run(&f, "one", &log(1..=50)).join("metrics.jsonl");
    until_read(&mut f, "one", 50);
    assert!(sees(&f, "Run one") && sees(&f, "Loss chart") && !sees(&f, "Throughput chart"));
    // Half a line is no step yet.
    add(&path, "{\"step\":51,\"los");
    add(&path, &format!("s\":0.5}}\n{}", log(52..=100)));
    until_read(&mut f, "one", 100);
    f.until_label("training, 100 of 200");
    // Nobody adds to it any more, and nobody holds it.
    assert!(!sees(&f, "could not be read"));
}

#[test]
fn lines_that_cannot_be_read_are_counted_and_the_rest_is_drawn() {
    let mut f = open();
    let text = format!("{}not a line\n{{\"step\":\"four\"}}\n{}\u{0}\u{0}\n", log(1..=3), log(4..=60));
    run(&f, "torn", &text);
    until_read(&mut f, "torn", 60);
    f.until_label("3 lines could not be read, first at line 4");
    f.harness.get_by_label_contains("Dismiss 3 lines").click();
    f.harness.run_steps(3);
    assert!(!sees(&f, "could not be read"));
}

#[test]
fn a_log_that_is_cut_replaced_or_gone_is_survived() {
    let mut f = open();
    let path = run(&f, "one", &log(1..=80));
    until_read(&mut f, "one", 80);
    std::fs::write(path.join("metrics.jsonl"), log(1..=30)).unwrap();
    until_read(&mut f, "one", 30);
    // A run that was continued from step 20: the log goes back.
    add(&path.join("metrics.jsonl"), &log(21..=40));
    until_read(&mut f, "one", 40);
    std::fs::remove_dir_all(&path).unwrap();
    f.until_label("its folder is gone");
    assert_eq!(f.harness.state().steps_read("one"), Some(40));
    run(&f, "one", &log(1..=5));
    until_read(&mut f, "one", 5);
    until_not(&mut f, "its folder is gone");
}

#[test]
fn a_loss_that_is_no_number_is_told_with_its_step() {
    let mut f = open();
    let text = format!(
        "{}{{\"step\":41,\"loss\":null}}\n{{\"step\":42,\"loss\":NaN}}\n{}",
        log(1..=40),
        log(43..=50)
    );
    run(&f, "bad", &text);
    until_read(&mut f, "bad", 50);
    f.until_label("loss became NaN at step 41");
}

#[test]
fn the_cursor_reads_every_curve_and_scrubs_the_samples() {
    let mut f = open();
    for name in ["one", "two"] {
        let path = run(&f, name, &log(1..=100));
        let samples = [(10, "first words"), (90, "last words")];
        let lines = samples
            .map(|(s, t)| format!("{{\"step\":{s},\"prompt\":\"Hm: \",\"text\":\"{t} of {name}\"}}\n"));
        std::fs::write(path.join("samples.jsonl"), lines.concat()).unwrap();
    }
    until_read(&mut f, "one", 100);
    until_read(&mut f, "two", 100);
    f.until_label("last words of one");
    let chart = f.harness.get_by_label_contains("Loss chart").rect();
    let plot = chart.left() + 58.0;
    let mut hover = |share: f32| {
        f.harness.hover_at(pos2(plot + (chart.right() - 16.0 - plot) * share, chart.center().y));
        f.harness.run_steps(3);
        let mut labels = f.harness.query_all_by_label_contains(", one training ");
        let said = labels.next().map(|n| format!("{n:?}")).unwrap_or_default();
        assert!(labels.next().is_none());
        (said, sees(&f, "first words of one"), sees(&f, "last words of two"))
    };
    let (said, first, last) = hover(0.3);
    assert!(said.contains("two training"), "{said}");
    assert!(first && !last);
    let (_, first, last) = hover(0.97);
    assert!(!first && last);
    // A mark under the charts does the same.
    f.harness.hover_at(pos2(5.0, 5.0));
    f.click("Sample of two after step 10");
    assert!(sees(&f, "first words of one") && sees(&f, "first words of two"));
    f.click("Next sample");
    assert!(sees(&f, "last words of one"));
}

#[test]
fn runs_are_hidden_renamed_deleted_and_brought_back() {
    let mut f = open();
    let path = run(&f, "one", &log(1..=20));
    run(&f, "two", &log(1..=20));
    until_read(&mut f, "one", 20);
    until_read(&mut f, "two", 20);
    let colour = f.harness.state().settings().following.colours["one"];
    f.click("Draw two");
    assert_eq!(f.harness.state().steps_read("two"), None);
    f.click("Draw two");
    until_read(&mut f, "two", 20);

    f.harness.state_mut().send(Command::Training(TrainingCommand::Rename("one".into(), "My first".into())));
    f.harness.run_steps(2);
    f.click("More about My first");
    f.click("Note…");
    f.harness.get_by_label("Note on the run").type_text("with the long text");
    f.harness.run_steps(2);
    f.harness.key_press(eframe::egui::Key::Enter);
    f.harness.run_steps(3);
    f.click("Run My first");
    assert!(sees(&f, "with the long text"));

    f.click("More about My first");
    f.click("Delete");
    f.until_label("Deleted one");
    f.until("the folder is out of sight", |app| app.steps_read("one").is_none() || !path.exists());
    assert!(!path.exists() && !sees(&f, "Run My first") && !sees(&f, "its folder is gone"));
    f.click("Undo");
    f.until("it is back", |_| path.join("metrics.jsonl").exists());
    until_read(&mut f, "one", 20);
    f.until_label("Run My first");
    assert_eq!(f.harness.state().settings().following.colours["one"], colour);
    // What is deleted and not brought back goes to the trash with the next start.
    f.click("More about My first");
    f.click("Delete");
    f.until_label("Deleted one");
    f.until("the folder is out of sight", |_| !path.exists());
    let hidden = path.with_file_name(".deleted-one-0");
    assert!(hidden.join("run.toml").exists());
    let mut f = f.restarted();
    f.until("it is in the trash", |_| !hidden.exists());
    assert!(f.folder.path().join("runs/two/run.toml").exists());
}

#[test]
fn configurations_are_compared_by_what_differs() {
    let mut f = open();
    run(&f, "one", &log(1..=5));
    let two = run(&f, "two", &log(1..=5));
    std::fs::write(
        two.join("run.toml"),
        "seed = 2\n[config.train]\nsteps = 200\nseed = 2\n[config.model]\nwidth = 128\n",
    )
    .unwrap();
    until_read(&mut f, "one", 5);
    until_read(&mut f, "two", 5);
    f.click("Compare");
    f.until_label("model.width 128");
    assert!(sees(&f, "model.width not set") && sees(&f, "train.seed 2") && !sees(&f, "train.steps"));
    f.click("Close the comparison");
    assert!(!sees(&f, "model.width"));
}

/// The page with one run, where every question for a name is answered with this one; has something saved there.
fn saved_as(name: &str, command: TrainingCommand, words: &str) -> (Fixture, Vec<u8>) {
    let start = Start { page: Some(Page::Training), ..Start::default() };
    let mut f = Fixture::with(|dir| Answers { save: Some(dir.join(name)), ..Answers::default() }, start);
    run(&f, "one", &log(1..=20));
    until_read(&mut f, "one", 20);
    f.harness.state_mut().send(Command::Training(command));
    f.until(words, |app| app.said().iter().any(|s| s.contains(words)));
    let bytes = std::fs::read(f.folder.path().join(name)).unwrap_or_default();
    (f, bytes)
}

#[test]
fn curves_are_saved_as_csv() {
    let (_, bytes) = saved_as("curves.csv", TrainingCommand::SaveCsv, "Wrote");
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 21);
    assert!(
        lines[0].starts_with("run,step,tokens,seconds,loss") && lines[4].starts_with("one,4,400,4,2,"),
        "{}",
        lines[4]
    );
}

#[test]
fn charts_are_saved_as_svg_or_png_and_as_nothing_else() {
    let (_, bytes) = saved_as("charts.svg", TrainingCommand::SaveCharts, "Wrote");
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
    assert!(text.contains(">Loss</text>") && text.contains(">one</text>") && text.contains("<polyline"));
    assert_eq!(text.matches("<g ").count(), text.matches("</g>").count());

    let (_, bytes) = saved_as("charts.jpg", TrainingCommand::SaveCharts, "Charts are saved as .png or .svg");
    assert!(bytes.is_empty());

    if std::env::var_os("TERCET_REQUIRE_GPU").is_none() {
        eprintln!("skipped: the PNG, which needs a graphics adapter");
        return;
    }
    let (_, bytes) = saved_as("charts.png", TrainingCommand::SaveCharts, "Wrote");
    let image = image::load_from_memory(&bytes).unwrap().to_rgb8();
    assert_eq!(image.width(), 1800);
    // The curve's colour is the run's: the first of the series, over more than a few points.
    let curve = image.pixels().filter(|p| p.0 == [0xff, 0xb4, 0x54]).count();
    assert!(curve > 500, "{curve} pixels of the curve");
}

#[test]
fn the_form_says_what_is_wrong_and_a_program_that_is_not_there_is_told() {
    let mut f = open();
    f.click("New run");
    assert!(sees(&f, "Add a text to learn from") && sees(&f, "parameters"));
    let text = f.folder.path().join("text.txt");
    std::fs::write(&text, "some words ".repeat(1000)).unwrap();
    f.harness.get_by_label("Path of a text").focus();
    f.harness.get_by_label("Path of a text").type_text(&text.display().to_string());
    f.harness.run_steps(2);
    f.click("Add");
    f.click("tiny");
    f.harness.get_by_role_and_label(Role::SpinButton, "Width").set_value_accesskit(100.0);
    f.harness.run_steps(3);
    assert!(sees(&f, "multiple of 128"));
    f.harness.get_by_role_and_label(Role::SpinButton, "Width").set_value_accesskit(128.0);
    f.harness.run_steps(3);
    assert!(!sees(&f, "multiple of 128"));
    f.click("Start training");
    f.until_label("The run did not start");
    assert!(sees(&f, "tiny cannot be started"));
    f.click("Cancel");
    assert!(sees(&f, "No runs yet"));
}

#[test]
fn another_folder_of_runs_is_turned_to_by_its_path() {
    let mut f = open();
    run(&f, "one", &log(1..=5));
    until_read(&mut f, "one", 5);
    let other = f.folder.path().join("other");
    std::fs::create_dir_all(other.join("elsewhere")).unwrap();
    std::fs::write(other.join("elsewhere/run.toml"), "").unwrap();
    std::fs::write(other.join("elsewhere/metrics.jsonl"), log(1..=7)).unwrap();
    f.harness.state_mut().send(Command::Training(TrainingCommand::Folder(other.clone())));
    until_read(&mut f, "elsewhere", 7);
    assert_eq!(f.harness.state().steps_read("one"), None);
    assert_eq!(f.harness.state().settings().following.runs_dir, Some(other.clone()));
    // A folder that vanishes leaves what was read; a file in its place is told.
    std::fs::remove_dir_all(&other).unwrap();
    f.until_label("its folder is gone");
    std::fs::write(&other, "").unwrap();
    f.until_label("Runs cannot be shown");
}
