//! Training through the real binary: what a shell sees, what a kill leaves behind, and what a wrong word gets.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use formats::run_log::{Log, MetricLine, RunDir, SampleLine};

use crate::running::Running;
use crate::{done, output, tercet};

/// Shakespeare-like enough for a byte model.
fn text_file(dir: &Path) -> PathBuf {
    let path = dir.join("text.txt");
    let lines = [
        "ROMEO:",
        "what light through yonder window breaks",
        "it is the east",
        "",
        "JULIET:",
        "wherefore art thou",
    ];
    let text: String = (0..300).map(|i| format!("{} {}\n", lines[i * i % 6], i * 7919 % 1000)).collect();
    std::fs::write(&path, text).unwrap();
    path
}

/// A run of `steps` that saves at every step: most of its time goes into the writes that a kill should hit.
fn train(text: &Path, out: &Path, steps: &str) -> Command {
    let mut command = tercet(&["train", "--preset", "tiny", "--threads", "1", "--steps", steps]);
    command.args(["--set", "report.checkpoint_every=1", "--set", "report.eval_every=50"]);
    command.args([
        "--set",
        "train.batch=1",
        "--set",
        "report.sample_every=40",
        "--set",
        "report.sample_tokens=8",
    ]);
    command.arg("--text").arg(text).arg("--out").arg(out);
    command
}

/// Exit code 1 or 2, one sentence on stderr, no backtrace; gives the sentence.
fn refusal(command: &mut Command) -> String {
    let (code, _, stderr) = output(command);
    assert!(code == 1 || code == 2, "exit {code}: {stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains("internal error"), "{stderr}");
    stderr
}

fn logs(out: &Path) -> (Vec<MetricLine>, Vec<SampleLine>) {
    let dir = RunDir::open(out).unwrap();
    let mut lines: Vec<MetricLine> = dir.read(Log::Metrics).unwrap();
    for line in &mut lines {
        (line.seconds, line.tokens_per_sec) = (None, None);
    }
    (lines, dir.read(Log::Samples).unwrap())
}

/// Every byte of the newest checkpoint's tensors.
fn last_state(out: &Path) -> Vec<u8> {
    let newest = formats::checkpoint::list(&out.join("checkpoints")).unwrap().remove(0);
    std::fs::read(newest.path.join("state.safetensors")).unwrap()
}

#[test]
fn train_survives_fifty_kills() {
    const KILLS: usize = 50;
    const STEPS: &str = "60";
    let dir = tempfile::tempdir().unwrap();
    let text = text_file(dir.path());
    let whole = dir.path().join("whole");
    let began = Instant::now();
    done(&mut train(&text, &whole, STEPS));
    // On a busy machine sessions are slower, and so are the kills.
    let patience_max = began.elapsed() / 8;
    let expected = (last_state(&whole), logs(&whole));

    let mut rng = 1u64;
    let (mut kills, mut kills_with_state) = (0, 0);
    for round in 0.. {
        let out = dir.path().join(format!("killed-{round}"));
        let mut complete = false;
        while !complete {
            let mut command = train(&text, &out, STEPS);
            let mut child = Running::start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
            // Any moment from before the folder exists to a good many steps on.
            rng = rng.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let patience = match kills {
                KILLS.. => Duration::from_secs(300),
                _ => patience_max.mul_f64((rng >> 33) as f64 / f64::from(1u32 << 31)),
            };
            let began = Instant::now();
            while began.elapsed() < patience && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            if let Some(status) = child.try_wait().unwrap() {
                let mut said = String::new();
                std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut said).unwrap();
                assert!(status.success(), "a session failed by itself after {kills} kills: {said}");
                complete = true;
            } else {
                // SIGKILL: no handler, no flush.
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
            }
            if !formats::checkpoint::list(&out.join("checkpoints")).unwrap().is_empty() {
                done(tercet(&["check"]).arg(&out));
                kills_with_state += usize::from(!complete);
            }
        }
        assert!(last_state(&out) == expected.0, "killed and uninterrupted runs must end in the same bits");
        assert!(logs(&out) == expected.1, "and in the same log");
        let names = |path: &Path| -> Vec<String> {
            let entries = std::fs::read_dir(path).unwrap();
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
        };
        let kept = names(&out.join("checkpoints"));
        assert!(kept.len() <= 3, "the newest two and the best, no leftovers: {kept:?}");
        assert!(names(&out).iter().all(|name| !name.starts_with('.')), "leftovers: {:?}", names(&out));
        if kills >= KILLS {
            break;
        }
    }
    assert!(kills_with_state >= KILLS / 5, "{kills_with_state} kills came after the first checkpoint");
}

#[test]
#[cfg(unix)]
fn train_interrupted_saves_and_exits_130() {
    let dir = tempfile::tempdir().unwrap();
    let (text, out) = (text_file(dir.path()), dir.path().join("run"));
    let mut command = train(&text, &out, "100000");
    command.args(["--set", "report.checkpoint_every=0"]);
    let mut child = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
    let log = out.join("metrics.jsonl");
    let began = Instant::now();
    while std::fs::metadata(&log).map_or(0, |m| m.len()) == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "no step was taken");
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let (steps, _) = logs(&out);
    let newest = formats::checkpoint::list(&out.join("checkpoints")).unwrap().remove(0);
    assert_eq!(newest.step, steps.len() as u64, "every step that was logged is saved");
    assert!(newest.step > 0);
}

/// The command where no file may grow past 64 blocks of 1024 bytes (512 in some shells): enough for a log line and not for a
/// checkpoint. Writes fail as on a full disk.
#[cfg(unix)]
fn limited(command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited
        .arg("-c")
        .arg("ulimit -f 64; exec \"$0\" \"$@\"")
        .arg(command.get_program())
        .args(command.get_args());
    limited
}

#[test]
#[cfg(unix)]
fn train_on_a_full_disk_says_so_and_continues_later() {
    let dir = tempfile::tempdir().unwrap();
    let (text, out) = (text_file(dir.path()), dir.path().join("run"));
    let mut command = train(&text, &out, "6");
    // Noticed before any step is spent.
    let error = refusal(&mut limited(&command));
    assert!(error.contains("after step 0, there is no checkpoint yet"), "{error}");
    done(&mut command);

    let before = last_state(&out);
    let mut longer = train(&text, &out, "12");
    let error = refusal(&mut limited(&longer));
    assert!(error.contains("too large") || error.contains("space"), "{error}");
    assert!(error.contains("last good checkpoint is step 6"), "{error}");
    assert!(last_state(&out) == before, "the last good checkpoint is untouched");
    done(&mut longer);
    assert_eq!(logs(&out).0.len(), 12);
}

#[test]
fn train_bad_input_gets_one_sentence_and_no_folder() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let good = text_file(dir.path());
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let empty = write("empty.txt", b"");
    let one_line = write("line.txt", b"To be or not to be.\n");
    let binary = write("binary.txt", &[0xff, 0xfe, 0x00]);
    let toml = write("bad.toml", b"[model]\nwidht = 128\n");
    let missing = dir.path().join("missing.txt");
    let cases: Vec<(&Path, Vec<&str>, &str)> = vec![
        (&empty, vec![], "empty"),
        (&one_line, vec![], "too few"),
        (&binary, vec![], "UTF-16; save it as UTF-8"),
        (&missing, vec![], "missing.txt"),
        (dir.path(), vec![], "not an ordinary file"),
        (&good, vec!["--set", "tokenizer.kind=bpe:50000"], "not 50000"),
        (&good, vec!["--set", "tokenizer.kind=bpe"], "bpe:N"),
        (&good, vec!["--set", "model.widht=128"], "model.width"),
        (&good, vec!["--set", "model.width=100"], "multiple of 128"),
        (&good, vec!["--set", "train.steps=0"], "at least 1"),
        (&good, vec!["--config", toml.to_str().unwrap()], "model.width"),
        (&good, vec!["--config", "no-such.toml"], "no-such.toml"),
    ];
    for (text, more, expected) in cases {
        let mut command = tercet(&["train", "--preset", "tiny", "--text"]);
        let error = refusal(command.arg(text).arg("--out").arg(&out).args(&more));
        assert!(error.contains(expected), "{more:?}: {error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{error}");
        assert!(!out.exists(), "{more:?} left a folder");
    }
    let unknown =
        refusal(tercet(&["train", "--preset", "shakespeer", "--text"]).arg(&good).arg("--out").arg(&out));
    assert!(unknown.contains("shakespeare, showcase, portable, bytes, tiny"), "{unknown}");
    let no_text = refusal(tercet(&["train", "--preset", "tiny", "--out"]).arg(&out));
    assert!(no_text.contains("--text"), "{no_text}");
}

#[test]
fn export_refuses_damage_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (text, out) = (text_file(dir.path()), dir.path().join("run"));
    done(&mut train(&text, &out, "3"));
    let gguf = dir.path().join("model.gguf");
    let export = |source: &Path| {
        let mut command = tercet(&["export"]);
        command.arg(source).arg("--out").arg(&gguf);
        command
    };
    let nothing = refusal(&mut export(dir.path()));
    assert!(nothing.contains("neither a run"), "{nothing}");

    let stdout = done(&mut export(&out));
    let bytes = std::fs::read(&gguf).unwrap();
    assert!(stdout.contains(&format!("{} bytes", bytes.len())), "{stdout}");

    let state = out.join("checkpoints/step-00000003/state.safetensors");
    let mut torn = std::fs::read(&state).unwrap();
    torn.truncate(torn.len() - 1);
    std::fs::write(&state, torn).unwrap();
    let error = refusal(&mut export(state.parent().unwrap()));
    assert!(error.contains("step-00000003"), "{error}");
    assert!(std::fs::read(&gguf).unwrap() == bytes, "the file from before is untouched");
    let error = refusal(tercet(&["check"]).arg(&out));
    assert!(error.contains("damaged"), "{error}");
}

#[test]
fn train_without_arguments_of_its_own_continues_a_run_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (text, out) = (text_file(dir.path()), dir.path().join("run"));
    let mut paused = train(&text, &out, "8");
    done(paused.args(["--pause-after", "3"]));
    let stdout = done(tercet(&["train", "--out"]).arg(&out));
    assert!(stdout.contains("done: 8 steps"), "{stdout}");
    let stdout = done(tercet(&["train", "--out"]).arg(&out));
    assert!(stdout.contains("is complete"), "{stdout}");
}

/// `tercet check RUN | head -0`: nobody reads the answer, and that is no reason to fail.
#[test]
fn results_that_nobody_reads_are_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let (text, out) = (text_file(dir.path()), dir.path().join("run"));
    for mut command in [train(&text, &out, "2"), tercet(&["train", "--show-config"])] {
        let mut child = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        drop(child.stdout.take());
        let Output { status, stderr, .. } = child.output();
        let stderr = String::from_utf8(stderr).unwrap();
        assert!(status.success() && !stderr.contains("error"), "{stderr}");
    }
}
