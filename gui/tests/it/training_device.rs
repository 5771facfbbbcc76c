//! Where a new run is trained: the cards of a machine that has some, what they take, and what the trainer is told.

use std::sync::atomic::{AtomicBool, Ordering};

use eframe::egui::Role;
use egui_kittest::kittest::{NodeT, Queryable};
use gui::{Command, TrainingCommand};
use train_cuda::driver::Card;
use train_cuda::{Error, Result};

use crate::fixture::Fixture;

const NEW: &str = "NVIDIA GeForce RTX 4090";
const OLD: &str = "Tesla T4";

fn two() -> Result<Vec<Card>> {
    let card = |index, name: &str, capability, mib: u64| {
        let (name, memory) = (name.to_owned(), mib << 20);
        Card { index, name, capability, memory, ..Card::rtx_4090() }
    };
    Ok(vec![card(0, OLD, (7, 5), 15360), card(1, NEW, (8, 9), 24564)])
}

fn sees(f: &Fixture, label: &str) -> bool {
    f.harness.query_all_by_label_contains(label).next().is_some()
}

fn is_chosen(f: &Fixture, label: &str) -> bool {
    f.harness.get_by_label(label).accesskit_node().toggled() == Some(eframe::egui::accesskit::Toggled::True)
}

#[test]
fn where_there_is_no_driver_the_processor_is_all_there_is() {
    let mut f = Fixture::training(|_| ());
    f.click("New run");
    f.until_label("processor: no NVIDIA driver is installed here");
    assert!(!sees(&f, "auto") && !sees(&f, "Look for NVIDIA cards"));
    assert!(sees(&f, "of memory while training") && !sees(&f, "at the speed of"));
}

#[test]
fn a_card_says_what_it_takes_or_why_it_cannot_train() {
    let mut f = Fixture::training(|env| env.cards = two);
    f.click("New run");
    // The first that can is the second.
    f.until_label(&format!("of the 24,564 MiB of {NEW}"));
    assert!(is_chosen(&f, "auto") && sees(&f, "all 8") && !sees(&f, "of memory while training"));
    let start = |f: &Fixture| !f.harness.get_by_label("Start training").accesskit_node().is_disabled();
    let text = f.folder.path().join("text.txt");
    std::fs::write(&text, "some words ".repeat(1000)).unwrap();
    f.harness.state_mut().send(Command::Training(TrainingCommand::AddText(text)));
    f.until("the text is there", |app| !app.is_busy());
    assert!(start(&f));

    f.click(&format!("0: {OLD}, 15,360 MiB"));
    f.until_label("its compute capability is 7.5, and 8.0 is needed");
    assert!(sees(&f, "cannot train it") && !start(&f) && !sees(&f, "--device"));

    f.click(&format!("1: {NEW}, 24,564 MiB"));
    f.until_label("all 8");
    assert!(start(&f));
    // 384 over 8 heads.
    f.harness.get_by_role_and_label(Role::SpinButton, "Heads").set_value_accesskit(8.0);
    f.until_label("the head width (model.head_dim) is 48");
    f.click("processor");
    assert!(start(&f) && sees(&f, "of memory while training") && !sees(&f, "head width"));

    // The choice is kept.
    assert_eq!(f.harness.state().settings().following.device, "cpu");
    let f = f.restarted();
    assert_eq!(f.harness.state().settings().following.device, "cpu");
}

#[test]
fn cards_are_asked_for_once_and_again_on_demand() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    let mut f = Fixture::training(|env| {
        env.cards = || if INSTALLED.load(Ordering::Relaxed) { two() } else { Err(Error::NoDriver) };
    });
    f.click("New run");
    f.until_label("no NVIDIA driver");
    INSTALLED.store(true, Ordering::Relaxed);
    f.click("Cancel");
    f.click("New run");
    f.until("the app is at rest", |app| !app.is_busy());
    assert!(sees(&f, "no NVIDIA driver"));
    f.harness.state_mut().send(Command::Training(TrainingCommand::LookForCards));
    f.until_label(NEW);
    INSTALLED.store(false, Ordering::Relaxed);
    f.click("Look for NVIDIA cards");
    f.until_label("no NVIDIA driver");
}

#[test]
fn time_is_told_from_a_run_of_the_same_shape_on_the_same_device_alone() {
    let mut f = Fixture::training(|env| env.cards = two);
    let path = f.folder.path().join("runs/before");
    std::fs::create_dir_all(&path).unwrap();
    let config = std::fs::read_to_string(crate::fixture::shipped_model().with_extension("run.toml")).unwrap();
    let config = config.replacen("vocab", "device = \"cuda\"\nvocab", 1);
    std::fs::write(path.join("run.toml"), config).unwrap();
    let line =
        "{\"step\":1,\"tokens\":4096,\"loss\":5.0,\"lr\":0.02,\"seconds\":0.1,\"tokens_per_sec\":40960.0}\n";
    std::fs::write(path.join("metrics.jsonl"), line).unwrap();
    f.until_label("Run before");
    f.click("New run");
    f.until_label("at the speed of before, a run of the same shape on a card");
    assert!(sees(&f, "about 1:40"));
    f.click("processor");
    assert!(!sees(&f, "at the speed of"));
}

#[cfg(unix)]
#[test]
fn the_trainer_is_told_where_to_train() {
    let mut f = Fixture::training(|env| (env.cards, env.program) = (two, "/bin/echo".into()));
    let text = f.folder.path().join("text.txt");
    std::fs::write(&text, "some words ".repeat(1000)).unwrap();
    f.click("New run");
    f.harness.state_mut().send(Command::Training(TrainingCommand::AddText(text)));
    f.until_label(&format!("of the 24,564 MiB of {NEW}"));
    f.click(&format!("1: {NEW}, 24,564 MiB"));
    f.click("Start training");
    let starts = f.folder.path().join("runs/.starts/shakespeare.log");
    f.until("a trainer was started", |_| {
        std::fs::read_to_string(&starts).is_ok_and(|said| said.contains("--device cuda:1"))
    });
}
