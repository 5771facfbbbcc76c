//! The logs and the folder together: what is written comes back, whatever is torn off, and no step is there twice.

use super::whole::records;
use super::*;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;
use tempfile::TempDir;

fn run() -> (TempDir, RunDir) {
    let dir = TempDir::new().unwrap();
    let run = RunDir::create(&dir.path().join("a/run")).unwrap();
    (dir, run)
}

fn line(step: u64) -> MetricLine {
    MetricLine { step, loss: 1.0 / step as f64, zeros: vec![0.25, 0.5], ..MetricLine::default() }
}

fn steps(run: &RunDir) -> Vec<u64> {
    run.read::<MetricLine>(Log::Metrics).unwrap().iter().map(|l| l.step).collect()
}

#[test]
fn run_log_lines_come_back_as_written() {
    let (_dir, run) = run();
    assert!(steps(&run).is_empty());
    let mut w = run.writer(Log::Metrics).unwrap();
    let full = MetricLine { val_loss: Some(0.1 + 0.2), grad_norm: Some(1e-300), ..line(3) };
    w.append(&full).unwrap();
    w.append(&MetricLine { step: 4, loss: f64::NAN, ..MetricLine::default() }).unwrap();
    w.sync().unwrap();
    let back: Vec<MetricLine> = run.read(Log::Metrics).unwrap();
    assert_eq!(back[0], full);
    assert!(back[1].step == 4 && back[1].loss.is_nan());
    // What was not measured takes no room, and fields that a reader does not know do no harm.
    let text = std::fs::read_to_string(run.log_path(Log::Metrics)).unwrap();
    assert!(!text.contains("flips") && !text.lines().nth(1).unwrap().contains("val_loss"), "{text}");
    let events: Vec<EventLine> = records(text.as_bytes(), Path::new("x")).unwrap();
    assert_eq!(events[1].step, 4);
}

#[test]
fn run_log_torn_anywhere_loses_at_most_the_last_line() {
    let (_dir, run) = run();
    let path = run.log_path(Log::Metrics);
    let mut w = run.writer(Log::Metrics).unwrap();
    (1..=4).for_each(|s| w.append(&line(s)).unwrap());
    let whole = std::fs::read(&path).unwrap();
    let third = whole.split_inclusive(|&b| b == b'\n').take(3).map(<[u8]>::len).sum::<usize>();
    for cut in third..whole.len() {
        for tail in [&b""[..], b"\0\0\0", b"\0\0\n\0"] {
            std::fs::write(&path, [&whole[..cut], tail].concat()).unwrap();
            assert_eq!(steps(&run), [1, 2, 3], "cut at {cut}");
            run.writer(Log::Metrics).unwrap().append(&line(9)).unwrap();
            assert_eq!(steps(&run), [1, 2, 3, 9], "cut at {cut}");
        }
    }
}

#[test]
fn run_log_damage_in_the_middle_is_named() {
    let (_dir, run) = run();
    std::fs::write(run.log_path(Log::Metrics), "{\"step\":1}\n{\"step\":\u{1b}}\n{\"step\":3}\n").unwrap();
    let error = run.read::<MetricLine>(Log::Metrics).unwrap_err().to_string();
    assert!(error.contains("line 2 is not a record") && error.contains("metrics.jsonl"), "{error}");
    assert!(!error.contains('\u{1b}'));
}

#[test]
fn run_log_truncates_so_that_no_step_is_logged_twice() {
    let (_dir, run) = run();
    let mut w = run.writer(Log::Metrics).unwrap();
    (1..=9).for_each(|s| w.append(&line(s)).unwrap());
    let mut events = run.writer(Log::Events).unwrap();
    events.append(&EventLine { step: 9, event: "interrupted".into(), ..EventLine::default() }).unwrap();
    drop(w);
    run.truncate_after_step(6).unwrap();
    let mut w = run.writer(Log::Metrics).unwrap();
    (7..=8).for_each(|s| w.append(&line(s)).unwrap());
    assert_eq!(steps(&run), (1..=8).collect::<Vec<_>>());
    assert_eq!(run.read::<EventLine>(Log::Events).unwrap().len(), 1);
    run.truncate_after_step(100).unwrap();
    assert_eq!(steps(&run).len(), 8);
}

#[test]
fn run_log_tail_follows_growth_and_notices_a_cut() {
    let (_dir, run) = run();
    let mut tail = run.tail(Log::Metrics);
    let mut poll = || {
        let t = tail.poll::<MetricLine>(1 << 20).unwrap();
        assert!(t.bad.is_empty() && !t.more);
        (t.restarted, t.lines.iter().map(|l| l.step).collect::<Vec<_>>())
    };
    assert_eq!(poll(), (false, vec![]));
    let mut w = run.writer(Log::Metrics).unwrap();
    (1..=3).for_each(|s| w.append(&line(s)).unwrap());
    assert_eq!(poll(), (false, vec![1, 2, 3]));
    // Half a line is not there yet.
    let mut torn = std::fs::OpenOptions::new().append(true).open(run.log_path(Log::Metrics)).unwrap();
    torn.write_all(b"{\"step\":").unwrap();
    assert_eq!(poll(), (false, vec![]));
    torn.write_all(b"4}\n").unwrap();
    assert_eq!(poll(), (false, vec![4]));
    drop(w);
    // Cut and grown again beyond where it was, between two looks.
    run.truncate_after_step(2).unwrap();
    let mut w = run.writer(Log::Metrics).unwrap();
    (3..=8).for_each(|s| w.append(&line(s)).unwrap());
    assert_eq!(poll(), (true, (1..=8).collect()));
    assert_eq!(poll(), (false, vec![]));
}

#[test]
fn run_folder_is_not_shared_nor_overwritten() {
    let (_dir, run) = run();
    assert!(RunDir::open(run.path()).unwrap_err().to_string().contains("no run.toml"));
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Config {
        seed: u64,
        name: String,
    }
    let config = Config { seed: 7, name: "a\"b".into() };
    run.write_config(&config).unwrap();
    let open = RunDir::open(run.path()).unwrap();
    assert_eq!(open.read_config::<Config>().unwrap(), config);
    assert!(RunDir::create(run.path()).unwrap_err().to_string().contains("a run is here already"));
    assert!(!open.is_locked());
    let lock = run.lock().unwrap();
    assert!(open.is_locked());
    assert!(open.lock().unwrap_err().to_string().contains("another process"));
    drop(lock);
    assert!(!open.is_locked());
    open.lock().unwrap();
    std::fs::write(run.config_path(), "seed = 7\nname = 8\n").unwrap();
    let error = run.read_config::<Config>().unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("run.toml"), "{error}");
}

#[test]
fn run_log_document_names_every_key() {
    let metric = MetricLine {
        bits_per_byte: Some(1.0),
        val_loss: Some(1.0),
        val_bits_per_byte: Some(1.0),
        lr_adam: Some(1.0),
        grad_norm: Some(1.0),
        tokens_per_sec: Some(1.0),
        seconds: Some(1.0),
        flips: vec![0.5],
        scale_drift: vec![1.0],
        ..line(1)
    };
    let event = EventLine { message: "why".into(), ..EventLine::default() };
    let logs = [
        (Log::Metrics, serde_json::to_value(metric), 14),
        (Log::Samples, serde_json::to_value(SampleLine::default()), 5),
        (Log::Events, serde_json::to_value(event), 4),
    ];
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/formats.md")).unwrap();
    for (log, value, count) in logs {
        let name = log.file_name();
        let table = text.split("\n\n").find(|part| part.starts_with(&format!("| `{name}`")));
        let table = table.unwrap_or_else(|| panic!("no table for {name}"));
        let value = value.unwrap();
        let keys = value.as_object().unwrap().keys();
        assert_eq!(keys.len(), count, "{name}: a key was added; tell of it");
        for key in keys {
            assert!(table.contains(&format!("`{key}`")), "{name} has {key}");
        }
    }
}
