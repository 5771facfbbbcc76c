//! Signals to the real binary: what stops it, what saves, and what it was told to ignore.
#![cfg(unix)]

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use formats::run_log::{EventLine, Log, MetricLine, RunDir};

use crate::running::Running;
use crate::{shipped_model, tercet};

const PATIENCE: Duration = Duration::from_secs(90);

/// The binary with no signal ignored, whoever runs the tests: under `nohup` SIGHUP would be, and rightly stay so.
pub fn listening(args: &[&str]) -> Command {
    const ENV: [&str; 2] = ["env", "--default-signal=HUP,INT,TERM,USR1"];
    let plain = tercet(args);
    // An `env` of GNU's can; where there is another, the tests run as they were started.
    if !Command::new(ENV[0]).args([ENV[1], "true"]).output().is_ok_and(|out| out.status.success()) {
        return plain;
    }
    let mut command = Command::new(ENV[0]);
    command.arg(ENV[1]).arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// A training run that goes on until it is told to stop, and saves at no step by itself.
fn endless(folder: &Path) -> (Command, PathBuf) {
    let (text, out) = (folder.join("text.txt"), folder.join("run"));
    std::fs::write(&text, "what light through yonder window breaks\n".repeat(200)).unwrap();
    let mut command = listening(&["train", "--preset", "tiny", "--threads", "1", "--steps", "1000000"]);
    for setting in ["checkpoint_every=0", "eval_every=0", "sample_every=0", "codes_every=0"] {
        command.arg("--set").arg(format!("report.{setting}"));
    }
    command.args(["--set", "train.batch=1", "--text"]).arg(&text).arg("--out").arg(&out);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    (command, out)
}

fn steps(out: &Path) -> u64 {
    let lines = RunDir::open(out).and_then(|run| run.read::<MetricLine>(Log::Metrics));
    lines.map_or(0, |lines| lines.last().map_or(0, |line| line.step))
}

fn saved(out: &Path) -> u64 {
    let list = formats::checkpoint::list(&out.join("checkpoints")).unwrap_or_default();
    list.first().map_or(0, |entry| entry.step)
}

/// Waits until something is so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// How it ended, and what it said.
pub fn ended(mut child: Running) -> (ExitStatus, String) {
    until("the program ends", || child.try_wait().unwrap().is_some());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap(), said)
}

#[test]
fn signals_twice_in_a_second_are_one_request_and_save() {
    for signal in ["HUP", "TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let (mut command, out) = endless(folder.path());
        let child = Running::start(&mut command);
        until("a step is logged", || steps(&out) > 0);
        for _ in 0..3 {
            send(&child, signal);
        }
        let (status, said) = ended(child);
        assert_eq!(status.code(), Some(130), "{signal}: {said}");
        assert_eq!((saved(&out), saved(&out) > 0), (steps(&out), true), "{signal} lost steps: {said}");
    }
}

#[test]
fn signals_ignored_at_the_start_stay_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let (command, out) = endless(folder.path());
    // As `nohup` does, and a script's shell for what it puts in the background.
    let mut ignoring = Command::new("sh");
    ignoring.args(["-c", "trap '' HUP INT USR1; exec \"$0\" \"$@\""]);
    let program = OsStr::new(env!("CARGO_BIN_EXE_tercet"));
    ignoring.arg(program).args(command.get_args().skip_while(|arg| *arg != "train"));
    ignoring.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = Running::start(&mut ignoring);
    until("a step is logged", || steps(&out) > 0);
    for signal in ["HUP", "INT", "USR1", "HUP", "INT"] {
        send(&child, signal);
    }
    let before = steps(&out);
    until("it goes on", || steps(&out) > before + 20);
    assert_eq!(saved(&out), 0);
    send(&child, "TERM");
    let (status, said) = ended(child);
    assert_eq!(status.code(), Some(130), "{said}");
    assert_eq!(saved(&out), steps(&out));
}

/// Pause, then Ctrl-C: one more whole step once ran.
#[test]
fn signals_to_a_run_that_waits_stop_it_where_it_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (mut command, out) = endless(folder.path());
    command.args(["--control", "stdin"]).stdin(Stdio::piped());
    let mut child = Running::start(&mut command);
    until("a step is logged", || steps(&out) > 0);
    child.stdin.as_mut().unwrap().write_all(b"pause\n").unwrap();
    let events = || RunDir::open(&out).and_then(|run| run.read::<EventLine>(Log::Events)).unwrap();
    until("it waits", || events().iter().any(|line| line.event == "held"));
    let at = steps(&out);
    send(&child, "INT");
    let (status, said) = ended(child);
    assert_eq!(status.code(), Some(130), "{said}");
    assert_eq!((steps(&out), saved(&out)), (at, at), "{said}");
}

#[test]
fn signals_to_save_save_and_training_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut command, out) = endless(folder.path());
    let child = Running::start(&mut command);
    until("a step is logged", || steps(&out) > 0);
    send(&child, "USR1");
    until("a checkpoint is written", || saved(&out) > 0);
    let at = saved(&out);
    until("it goes on", || steps(&out) > at + 5);
    assert_eq!(saved(&out), at);
    send(&child, "TERM");
    let (status, said) = ended(child);
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains(&format!("saved after step {at}")), "{said}");
}

#[test]
fn signals_by_hand_a_second_apart_leave_at_once_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let (mut command, out) = endless(folder.path());
    // One step takes longer than anybody waits.
    command.args(["--set", "train.batch=4096", "--set", "model.ffn=1024"]);
    let child = Running::start(&mut command);
    until("the run is open", || out.join("run.toml").exists());
    send(&child, "INT");
    std::thread::sleep(Duration::from_millis(1200));
    send(&child, "TERM");
    send(&child, "HUP");
    std::thread::sleep(Duration::from_millis(100));
    send(&child, "INT");
    let (status, said) = ended(child);
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(said.contains("saving and stopping") && said.contains("left at once"), "{said}");
}

/// A terminal that closes: the kernel sends SIGHUP, the shell in it does too, and what is written goes nowhere.
#[test]
fn signals_of_a_closing_terminal_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (command, out) = endless(folder.path());
    let (terminal, inside) = pty_process::blocking::open().unwrap();
    let mut on_terminal = pty_process::blocking::Command::new(command.get_program());
    on_terminal = on_terminal.args(command.get_args());
    let mut child = Running::of(on_terminal.spawn(inside).unwrap());
    until("a step is logged", || steps(&out) > 0);
    send(&child, "HUP");
    drop(terminal);
    until("the program ends", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!((saved(&out), saved(&out) > 0), (steps(&out), true));
}

#[test]
fn signals_end_a_text_that_is_being_written() {
    for signal in ["INT", "TERM"] {
        let mut command = listening(&["generate", &shipped_model(), "-n", "1000000", "--threads", "1"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Running::start(&mut command);
        let mut text = child.stdout.take().unwrap();
        assert_eq!(text.read(&mut [0]).unwrap(), 1);
        send(&child, signal);
        send(&child, signal);
        std::io::copy(&mut text, &mut std::io::sink()).unwrap();
        let (status, said) = ended(child);
        assert_eq!(status.code(), Some(130), "{said}");
        assert!(said.contains("interrupted"), "the figures come all the same: {said}");
    }
}
