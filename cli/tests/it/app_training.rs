//! The app's training page with real trainers: started from the form, steered, stopped, continued, killed, left alone.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use eframe::egui::{Role, ViewportCommand, ViewportEvent, ViewportId, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use formats::run_log::{EventLine, Log, MetricLine, RunDir, SampleLine};
use gui::{Answers, App, Env, Page, ServerCommand, Start};
use tempfile::TempDir;

use crate::shipped_model;

/// Frames that anything may take: minutes on a busy machine.
const FRAMES: usize = 20_000;

struct Window {
    folder: Folder,
    harness: Harness<'static, App>,
}

fn app(folder: &Path) -> Harness<'static, App> {
    let env = Env {
        program: env!("CARGO_BIN_EXE_tercet").into(),
        config_dir: Some(folder.join("config")),
        cache_dir: None,
        runs_dir: folder.join("runs"),
        shipped_model: None,
        commit: "test".into(),
        dialogs: Arc::new(Answers::default()),
        discard: |path| std::fs::remove_dir_all(path).map_err(|e| e.to_string()),
        cards: || Err(train_cuda::Error::NoDriver),
    };
    let start = Start { page: Some(Page::Training), ..Start::default() };
    Harness::builder()
        .allow_missing_glyphs()
        .with_size(vec2(1280.0, 800.0))
        .with_wait_for_pending_images(false)
        .build_eframe(move |cc| App::new(&cc.egui_ctx, env, start))
}

/// A folder of runs. Their trainers outlive the window, but no test that fails.
struct Folder(TempDir);

impl Folder {
    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let starts = std::fs::read_dir(self.path().join("runs/.starts"));
        for file in starts.into_iter().flatten().flatten().map(|entry| entry.path()) {
            let Ok(id) = std::fs::read_to_string(&file) else { continue };
            // The number of one that has ended may be another's by now.
            let asked = Command::new("ps").args(["-o", "args=", "-p", id.trim()]).output();
            let folder = self.path().display().to_string();
            if asked.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).contains(&folder)) {
                let _ = Command::new("kill").args(["-9", id.trim()]).status();
            }
        }
    }
}

impl Window {
    fn open() -> Window {
        let folder = Folder(tempfile::tempdir().unwrap());
        Window { harness: app(folder.path()), folder }
    }

    fn run(&self, name: &str) -> PathBuf {
        self.folder.path().join("runs").join(name)
    }

    fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Harness<'static, App>) -> bool) {
        for _ in 0..FRAMES {
            self.harness.step();
            if is_so(&mut self.harness) {
                self.harness.step();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("still waiting: {what}; said {:?}", self.harness.state().said());
    }

    fn until_label(&mut self, label: &str) {
        self.until(label, |h| h.query_all_by_label_contains(label).next().is_some());
    }

    fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.harness.run_steps(3);
    }

    /// Fills the form with the smallest model on a text of a few kilobytes, for so many steps.
    fn start(&mut self, steps: f64) {
        let text = self.folder.path().join("text.txt");
        let lines =
            ["ROMEO:", "what light through yonder window breaks", "", "JULIET:", "wherefore art thou"];
        let words: String = (0..400).map(|i| format!("{} {}\n", lines[i * i % 5], i * 7919 % 1000)).collect();
        std::fs::write(&text, words).unwrap();
        self.until_label("No runs yet");
        self.click("New run");
        self.click("tiny");
        self.harness.get_by_label("Path of a text").focus();
        self.harness.get_by_label("Path of a text").type_text(&text.display().to_string());
        self.harness.run_steps(2);
        self.click("Add");
        self.harness.get_by_role_and_label(Role::SpinButton, "Steps").set_value_accesskit(steps);
        self.harness.run_steps(2);
        self.click("Start training");
    }
}

fn steps(run: &Path) -> Vec<u64> {
    let lines: Vec<MetricLine> = RunDir::open(run).unwrap().read(Log::Metrics).unwrap();
    lines.iter().map(|l| l.step).collect()
}

fn events(run: &Path) -> Vec<String> {
    let lines: Vec<EventLine> = RunDir::open(run).unwrap().read(Log::Events).unwrap();
    lines.into_iter().map(|e| e.event).collect()
}

#[test]
fn a_run_is_started_paused_sampled_stopped_continued_and_exported() {
    let mut p = Window::open();
    p.start(3000.0);
    let run = p.run("tiny");
    p.until_label("Run tiny");
    p.click("Pause");
    p.until_label("paused, ");
    let held_at = steps(&run).len();
    assert!(held_at > 0 && held_at < 3000);
    p.click("Sample now");
    p.until("a sample is written", |_| {
        let lines: Vec<SampleLine> = RunDir::open(&run).unwrap().read(Log::Samples).unwrap();
        lines.last().is_some_and(|s| s.step == held_at as u64)
    });
    p.click("Save now");
    p.until("it is saved", |_| events(&run).iter().any(|e| e == "saved"));
    assert_eq!(steps(&run).len(), held_at, "it waits");
    p.click("Resume");
    p.until("it goes on", |_| steps(&run).len() > held_at);
    p.until_label("Stop and save");
    p.click("Stop and save");
    p.until_label("stopped, ");
    let stopped_at = steps(&run).len();
    assert!(stopped_at < 3000);
    assert_eq!(events(&run), ["started", "held", "saved", "released", "interrupted"]);

    p.click("Go on");
    p.until("it continues", |_| steps(&run).len() > stopped_at);
    p.until_label("Stop and save");
    p.click("Stop and save");
    p.until_label("stopped, ");
    assert_eq!(steps(&run), (1..=steps(&run).len() as u64).collect::<Vec<_>>());
    p.click("Export");
    p.until("the result is open", |h| h.state().said().iter().any(|s| s.starts_with("Exported step")));
    assert!(run.join("tiny.gguf").is_file());
    p.until("the page to write with", |h| h.state().settings().page == Page::Generate);
}

/// Asks the window to close, as its button would; says whether it does.
fn close(p: &mut Window) -> bool {
    fn events(p: &mut Window) -> &mut Vec<ViewportEvent> {
        let viewports = &mut p.harness.input_mut().viewports;
        &mut viewports.get_mut(&ViewportId::ROOT).expect("there is a window").events
    }
    events(p).push(ViewportEvent::Close);
    p.harness.step();
    events(p).clear();
    !commands(p).contains(&ViewportCommand::CancelClose)
}

fn commands(p: &Window) -> Vec<ViewportCommand> {
    p.harness.output().viewport_output.values().flat_map(|v| v.commands.clone()).collect()
}

#[test]
fn a_window_that_trains_asks_before_it_closes_and_saves() {
    let mut p = Window::open();
    assert!(close(&mut p), "nothing is trained");
    p.start(100_000.0);
    let run = p.run("tiny");
    p.until_label("Stop and save");
    p.until("a few steps", |_| run.join("run.toml").exists() && steps(&run).len() > 3);
    assert!(!close(&mut p));
    p.until_label("tiny is being trained");
    p.click("Keep the window");
    assert!(p.harness.query_by_label("Keep the window").is_none());
    assert!(!close(&mut p));
    p.until_label("Let it train on");
    // The page behind has a button of that name as well; the question's is the last.
    p.harness.get_all_by_label("Stop and save").last().unwrap().click();
    let mut closed = false;
    p.until("it closes", |h| {
        closed |= h.output().viewport_output.values().any(|v| v.commands.contains(&ViewportCommand::Close));
        closed
    });
    assert_eq!(events(&run).last().map(String::as_str), Some("interrupted"));
    assert!(close(&mut p));
}

#[test]
fn a_window_that_trains_and_serves_asks_about_both() {
    let folder = Folder(tempfile::tempdir().unwrap());
    std::fs::create_dir_all(folder.path().join("config")).unwrap();
    std::fs::write(folder.path().join("config/settings.toml"), "[serving]\nport = 0\n").unwrap();
    let mut p = Window { harness: app(folder.path()), folder };
    p.harness.state_mut().send(gui::Command::Open(shipped_model().into()));
    p.until("the model is open", |h| h.query_by_label_contains("shakespeare.gguf").is_some());
    p.until("it is at rest", |h| !h.state_mut().is_busy());
    p.harness.state_mut().send(gui::Command::Server(ServerCommand::Start));
    p.harness.run_steps(2);
    p.until("it serves", |h| !h.state_mut().is_busy());
    p.start(100_000.0);
    p.until_label("Stop and save");
    assert!(!close(&mut p));
    p.until_label("tiny is being trained");
    p.click("Let it train on");
    p.until_label("shakespeare is being served");
    p.harness.get_by_label("Stop and close").click();
    let mut closed = false;
    p.until("it closes", |h| {
        closed |= h.output().viewport_output.values().any(|v| v.commands.contains(&ViewportCommand::Close));
        closed
    });
}

#[cfg(unix)]
#[test]
fn a_trainer_that_is_killed_is_told_and_its_run_goes_on() {
    let mut p = Window::open();
    p.start(3000.0);
    let run = p.run("tiny");
    p.until("a few steps", |_| run.join("run.toml").exists() && steps(&run).len() > 12);
    p.until_label("Stop and save");
    let pid = std::fs::read_to_string(p.folder.path().join("runs/.starts/tiny.pid")).unwrap();
    assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
    p.until_label("The trainer stopped unexpectedly after step");
    p.until_label("The trainer's last words");
    assert!(p.harness.state().said().iter().any(|s| s.starts_with("The trainer of tiny stopped")));
    p.click("Go on");
    p.until("it continues", |_| events(&run).iter().any(|e| e == "resumed"));
    p.until_label("Stop and save");
    p.click("Stop and save");
    p.until_label("stopped, ");
}

#[cfg(unix)]
#[test]
fn a_trainer_outlives_the_window_and_the_next_one_can_stop_it() {
    let mut p = Window::open();
    p.start(100_000.0);
    let run = p.run("tiny");
    p.until_label("Stop and save");
    let Window { folder, mut harness } = p;
    eframe::App::on_exit(harness.state_mut());
    drop(harness);
    let closed_at = steps(&run).len();
    let mut p = Window { harness: app(folder.path()), folder };
    assert!(p.harness.state().said().iter().any(|s| s.starts_with("tiny went on training")));
    p.until("it goes on", |_| steps(&run).len() > closed_at);
    p.until_label("started elsewhere");
    p.click("Stop and save");
    p.until_label("stopped, ");
    assert_eq!(events(&run).last().map(String::as_str), Some("interrupted"));
}

#[test]
fn a_run_that_cannot_begin_says_why_in_the_form() {
    let mut p = Window::open();
    p.start(10.0);
    // Refused by the trainer, not by the form: the folder is somebody else's.
    p.until_label("Run tiny");
    p.until_label("finished, 10 steps");
    std::fs::create_dir_all(p.run("tiny-2")).unwrap();
    std::fs::write(p.run("tiny-2").join("letter.txt"), "").unwrap();
    p.click("New run");
    p.click("tiny");
    let text = p.folder.path().join("text.txt");
    p.harness.get_by_label("Path of a text").focus();
    p.harness.get_by_label("Path of a text").type_text(&text.display().to_string());
    p.harness.run_steps(2);
    p.click("Add");
    p.click("Start training");
    p.until_label("The run did not start");
    p.until_label("letter.txt");
}

#[test]
fn a_text_that_cannot_be_fetched_is_told_in_the_form() {
    let mut p = Window::open();
    // Somebody else's file is in its place: it is left alone, and nothing is asked of the network.
    let texts = p.folder.path().join("texts");
    std::fs::create_dir(&texts).unwrap();
    std::fs::write(texts.join("tinyshakespeare.txt"), "my own notes").unwrap();
    p.until_label("No runs yet");
    p.click("New run");
    p.click("Fetch Tiny Shakespeare");
    p.until_label("exists and is another file");
    assert_eq!(std::fs::read_to_string(texts.join("tinyshakespeare.txt")).unwrap(), "my own notes");
    p.click("Dismiss");
    assert!(p.harness.query_by_label_contains("exists and is another file").is_none());
}
