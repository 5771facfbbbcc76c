//! Numbers of threads, and a system that gives none.

use std::path::Path;
use std::process::Stdio;

use crate::{output, tercet};

#[test]
fn threads_out_of_range_are_refused_before_anything_is_read() {
    for command in ["generate", "chat", "eval", "train"] {
        let needed: &[&str] = match command {
            "train" => &["--out", "run", "--text", "none.txt"],
            "eval" => &["none.gguf", "--text", "none.txt"],
            _ => &["none.gguf"],
        };
        for threads in ["0", "1025", "20000", "two"] {
            let mut command = tercet(&[command]);
            let (code, _, stderr) =
                output(command.args(needed).args(["--threads", threads]).stdin(Stdio::null()));
            assert_eq!(code, 2, "{command:?}: {stderr}");
            let expected = "expected a number of threads from 1 to 1024";
            assert!(stderr.contains(threads) && stderr.contains(expected), "{command:?}: {stderr}");
        }
    }
}

#[test]
fn threads_beyond_the_processors_are_no_error() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/shakespeare.gguf");
    let write = |threads: &str| {
        crate::done(&mut tercet(&["generate", model, "-n", "5", "--seed", "1", "--threads", threads]))
    };
    assert_eq!(write("1024"), write("1"));
}

/// Where a user may run no more processes and threads than one. Root may run as many as it likes, so the command runs as a
/// user that nobody is.
#[cfg(target_os = "linux")]
fn alone(args: &[&str]) -> Option<std::process::Command> {
    use std::process::Command;
    let root = output(Command::new("id").arg("-u")).1.trim() == "0";
    for tool in ["prlimit", if root { "setpriv" } else { "prlimit" }] {
        if Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_err() {
            eprintln!("skipped: no {tool} to take threads away with");
            return None;
        }
    }
    let mut command = Command::new(if root { "setpriv" } else { "prlimit" });
    if root {
        command.args(["--reuid=54321", "--regid=54321", "--clear-groups", "prlimit"]);
    }
    command.arg("--nproc=1");
    let tercet = tercet(args);
    command.arg(tercet.get_program()).args(tercet.get_args()).stdin(Stdio::null());
    command.env("TERCET_CACHE", "").env("RUST_BACKTRACE", "0");
    Some(command)
}

/// A folder that every user may write to.
#[cfg(target_os = "linux")]
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
}

/// Training once panicked in the middle of its first step.
#[test]
#[cfg(target_os = "linux")]
fn threads_that_the_system_refuses_are_one_sentence_in_every_command() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/shakespeare.gguf");
    let dir = tempfile::tempdir().unwrap();
    open_to_all(dir.path());
    let text = dir.path().join("text.txt").display().to_string();
    std::fs::write(&text, "But soft, what light through yonder window breaks?\n".repeat(200)).unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (run, csv) = (at("run"), at("bench.csv"));
    let train =
        ["train", "--preset", "tiny", "--text", &text, "--out", &run, "--steps", "2", "--threads", "8"];
    let bench = ["bench", model, "-p", "8", "-n", "2", "-r", "1", "--threads", "8", "--out", &csv];
    let eval = ["eval", model, "--text", &text, "--threads", "8"];
    let commands: [(&[&str], Option<&str>); 9] = [
        (&train, Some("no worker threads: ")),
        (&["generate", model, "-n", "3", "--threads", "8"], None),
        (&["chat", model], None),
        (&eval, None),
        (&bench, Some("cannot start threads: ")),
        (&["info", model], None),
        (&["app", "--screenshot", &at("app.png")], Some("no spare thread: ")),
        (&["generate", model, "-n", "3", "--device", "gpu"], Some("no spare thread: ")),
        (&["data", "shakespeare", "--out", &at("data.txt"), "--url", "http://127.0.0.1:1/"], None),
    ];
    for (args, expected) in commands {
        let Some(mut command) = alone(args) else { return };
        let (code, stdout, stderr) = output(&mut command);
        assert!(matches!(code, 0 | 1), "{args:?}: exit {code}, {stdout}{stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains("internal error"), "{args:?}: {stderr}");
        if let Some(expected) = expected {
            assert!(code == 1 && stderr.contains(expected), "{args:?}: {stderr}");
        }
    }
}
