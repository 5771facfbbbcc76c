//! What a shell may hand over: words of any bytes, words that look like options, texts through pipes, files that are no files.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::running::Running;
use crate::{done, output, shipped_model, tercet};

/// `generate` with the shipped model and a greedy choice.
fn generate(args: &[&str]) -> Command {
    let mut command = tercet(&["generate", &shipped_model(), "--greedy", "--threads", "1"]);
    command.args(args).stdin(Stdio::null());
    command
}

/// Stdout of a command that reads this.
fn fed(command: &mut Command, input: &[u8]) -> String {
    let mut child =
        Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let out = child.output();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[cfg(unix)]
#[test]
fn arguments_of_any_bytes_name_files() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
    let (model, run, text) = (at(b"bad\xff.gguf"), at(b"r\xfen"), at(b"text.txt"));
    std::fs::write(&text, "what light through yonder window breaks\n".repeat(200)).unwrap();
    let mut train = tercet(&["train", "--preset", "tiny", "--steps", "2", "--threads", "1", "--text"]);
    let trained = done(train.arg(&text).arg("--out").arg(&run));
    // The next command can be pasted.
    assert!(trained.contains("next: tercet export $'") && trained.contains("\\xFEn'"), "{trained}");
    done(tercet(&["export"]).arg(&run).arg("--out").arg(&model));
    assert!(model.is_file());
    done(tercet(&["check"]).arg(&run));
    done(tercet(&["info"]).arg(&model));
    done(tercet(&["eval"]).arg(&model).arg("--text").arg(&text));
    done(tercet(&["bench"]).arg(&model).args(["-p", "4", "-n", "4", "-r", "1"]));
    done(tercet(&["generate"]).arg(&model).args(["-n", "3"]).stdin(Stdio::null()));
    std::fs::write(at(b"prompt\xff"), "soft").unwrap();
    done(tercet(&["generate"]).arg(&model).args(["-n", "3", "--prompt-file"]).arg(at(b"prompt\xff")));
    done(tercet(&["chat"]).arg(&model).stdin(Stdio::null()));
    done(tercet(&[]).arg(&model).stdin(Stdio::null()));
    let new = at(b"branch\xff");
    done(tercet(&["train", "--steps", "3", "--resume"]).arg(&run).arg("--out").arg(&new));
    // Where only text will do, a sentence says so.
    let (code, _, stderr) =
        output(tercet(&["train", "--preset", "tiny", "--text"]).arg(&model).arg("--out").arg(&new));
    assert!(code == 2 && stderr.contains("not UTF-8"), "{code}: {stderr}");
    let (code, _, stderr) =
        output(tercet(&["generate"]).arg(&model).arg("--prompt").arg(OsStr::from_bytes(b"\xff")));
    assert!(code == 2 && stderr.contains("UTF-8") && !stderr.contains("panicked"), "{code}: {stderr}");
}

#[test]
fn arguments_that_begin_with_a_dash_are_values() {
    assert!(done(&mut generate(&["-p", "- bread", "-n", "2"])).starts_with("- bread"));
    assert!(done(&mut generate(&["--prompt", "--device=list", "-n", "2"])).starts_with("--device=list"));
    let talk = fed(
        &mut tercet(&["chat", &shipped_model(), "--user", "-x", "--reply", "-y", "-n", "3"]),
        b"hello\n/quit\n",
    );
    assert!(talk.starts_with("-y:\n"), "{talk}");
    for (args, said) in [
        (&["--seed", "-1"][..], "'-1' for '--seed"),
        (&["-n", "-1"], "'-1' for '--tokens"),
        (&["--top-k", "-1"], "'-1' for '--top-k"),
        (&["--context", "-1"], "'-1' for '--context"),
        (&["--prompt-file", "--json"], "expected a path"),
    ] {
        let (code, stdout, stderr) = output(&mut generate(args));
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
}

#[cfg(unix)]
#[test]
fn arguments_in_advice_are_quoted_and_links_are_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("my text.txt"), "what light through yonder window breaks\n".repeat(200)).unwrap();
    let mut train = tercet(&["train", "--preset", "tiny", "--steps", "2", "--threads", "1"]);
    train.args(["--set", "report.sample_prompt=say \"hi\" $HOME", "--text"]).arg(at("my text.txt"));
    let said = done(train.arg("--out").arg(at("run ünï")));
    assert!(
        said.contains(&format!("next: tercet export '{}' --out model.gguf", at("run ünï").display())),
        "{said}"
    );

    std::fs::create_dir(at("big disk")).unwrap();
    std::fs::write(at("big disk/m.gguf"), "old").unwrap();
    std::os::unix::fs::symlink("big disk/m.gguf", at("m.gguf")).unwrap();
    let said =
        done(tercet(&["export"]).arg(at("run ünï")).arg("--out").arg(at("m.gguf")).args(["--name", "-x"]));
    assert!(said.contains("--prompt 'say \"hi\" $HOME'"), "{said}");
    assert!(std::fs::symlink_metadata(at("m.gguf")).unwrap().is_symlink());
    assert!(std::fs::metadata(at("big disk/m.gguf")).unwrap().len() > 1000);
    assert!(done(tercet(&["info"]).arg(at("big disk/m.gguf"))).contains("-x"));
}

#[test]
fn prompts_come_through_pipes_and_lose_their_byte_order_mark() {
    let want = done(&mut generate(&["--prompt", "ROMEO:", "-n", "12"]));
    assert_eq!(fed(&mut generate(&["-n", "12"]), b"ROMEO:"), want);
    assert_eq!(fed(&mut generate(&["-n", "12"]), b"\xef\xbb\xbfROMEO:"), want);
    assert_eq!(fed(&mut generate(&["-n", "12", "--prompt-file", "-"]), b"ROMEO:"), want);
    // What is given in words is not asked of the pipe.
    assert_eq!(fed(&mut generate(&["-n", "12", "--prompt", "ROMEO:"]), b""), want);
    assert_eq!(fed(&mut generate(&["-n", "12"]), b""), done(&mut generate(&["-n", "12", "--prompt", ""])));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "\u{feff}ROMEO:").unwrap();
    assert_eq!(done(generate(&["-n", "12", "--prompt-file"]).arg(file.path())), want);
}

#[test]
fn stop_texts_end_what_is_written() {
    let whole = done(&mut generate(&["--prompt", "ROMEO:", "-n", "60"]));
    let written = whole["ROMEO:".len()..].trim_end_matches('\n');
    let stop = written.split_whitespace().nth(3).unwrap();
    let at = written.find(stop).unwrap();
    let (code, cut, said) =
        output(&mut generate(&["--prompt", "ROMEO:", "-n", "60", "--stop", stop, "--stop", "@@"]));
    assert_eq!(code, 0, "{said}");
    assert_eq!(cut.trim_end_matches('\n'), format!("ROMEO:{}", &written[..at]).trim_end_matches('\n'));
    assert!(said.contains("ended at a stop text"), "{said}");
    let json = done(&mut generate(&["--prompt", "ROMEO:", "-n", "60", "--stop", stop, "--json"]));
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((value["text"].as_str(), value["finish"].as_str()), (Some(&written[..at]), Some("stop")));
    assert_eq!(value["stopped_at"], stop);
    // Presence and frequency change a text that repeats itself.
    let penalised = done(&mut generate(&[
        "--prompt",
        "ROMEO:",
        "-n",
        "60",
        "--presence-penalty",
        "2",
        "--frequency-penalty",
        "1",
    ]));
    assert_ne!(penalised, whole);
    assert_eq!(output(&mut generate(&["--presence-penalty", "3"])).0, 2);
}

#[cfg(unix)]
#[test]
fn inputs_without_end_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let zero = Path::new("/dev/zero");
    let refused = |command: &mut Command| {
        let (code, _, stderr) = output(command);
        assert_eq!((code, stderr.lines().count()), (1, 1), "{command:?}: {stderr}");
        stderr
    };
    for device in ["/dev/zero", "/dev/urandom"] {
        assert!(refused(&mut generate(&["--prompt-file", device])).contains("not an ordinary file"));
        let mut train = tercet(&["train", "--preset", "tiny", "--config", device, "--text", "x", "--out"]);
        assert!(refused(train.arg(&out)).contains("not an ordinary file"));
        let mut train = tercet(&["train", "--preset", "tiny", "--text", device, "--out"]);
        assert!(refused(train.arg(&out)).contains("not an ordinary file"));
        assert!(
            refused(&mut tercet(&["data", "shakespeare", "--out", device])).contains("not an ordinary file")
        );
        let mut data = tercet(&["data", "shakespeare", "--from", device, "--out"]);
        assert!(refused(data.arg(folder.path().join("x"))).contains("not an ordinary file"));
    }
    let stdin = || Stdio::from(std::fs::File::open(zero).unwrap());
    assert!(refused(generate(&["-n", "1"]).stdin(stdin())).contains("more than"));
    assert!(refused(generate(&["-n", "1", "--prompt-file", "-"]).stdin(stdin())).contains("more than"));
}

/// What somebody at a terminal sees and types.
#[cfg(unix)]
mod terminal {
    use std::io::{Read, Write};
    use std::path::Path;
    use std::time::Duration;

    use pty_process::blocking::{Command, open};

    use crate::shipped_model;

    /// Everything that is shown when these keys are typed, one after another, and how it ended.
    fn session(args: &[&str], home: &Path, keys: &[&str]) -> (Option<i32>, String) {
        let (mut terminal, inside) = open().unwrap();
        let command = Command::new(env!("CARGO_BIN_EXE_tercet")).args(args).env("TERCET_CACHE", "");
        let command = command.env("HOME", home).env_remove("XDG_STATE_HOME").env("TERM", "xterm");
        let mut child = command.spawn(inside).unwrap();
        let mut shown = Vec::new();
        let mut wait_for = |terminal: &mut pty_process::blocking::Pty, what: &str| {
            let mut bytes = [0; 4096];
            let from = shown.len();
            while !String::from_utf8_lossy(&shown[from..]).contains(what) {
                match terminal.read(&mut bytes) {
                    Ok(n) if n > 0 => shown.extend_from_slice(&bytes[..n]),
                    _ => break,
                }
            }
        };
        for keys in keys {
            wait_for(&mut terminal, "> ");
            std::thread::sleep(Duration::from_millis(50));
            terminal.write_all(keys.as_bytes()).unwrap();
        }
        wait_for(&mut terminal, "\u{0}never");
        (child.wait().unwrap().code(), String::from_utf8_lossy(&shown).into_owned())
    }

    #[test]
    fn chat_lines_are_edited_and_remembered() {
        let home = tempfile::tempdir().unwrap();
        let model = shipped_model();
        let chat = ["chat", &model, "--threads", "1", "-n", "4"];
        // A slip, taken back; left, and an insertion.
        let (code, shown) = session(&chat, home.path(), &["/qix\u{7f}t\u{1b}[D\u{1b}[Du\r"]);
        assert_eq!(code, Some(0), "{shown}");
        // From one conversation to the next.
        let (code, shown) = session(&chat, home.path(), &["\u{1b}[A\r"]);
        assert_eq!(code, Some(0), "{shown}");
        // Ctrl-C once only says how to leave; Ctrl-D leaves.
        let (code, shown) = session(&chat, home.path(), &["\u{3}", "\u{4}"]);
        assert!(code == Some(0) && shown.contains("Ctrl-C again leaves"), "{code:?}: {shown}");
        let (code, shown) = session(&chat, home.path(), &["\u{3}", "\u{3}"]);
        assert_eq!(code, Some(130), "{shown}");
    }

    #[test]
    fn windows_line_ends_are_shown_as_line_ends() {
        let home = tempfile::tempdir().unwrap();
        let model = shipped_model();
        let args = ["generate", &model, "--prompt", "one\r\ntwo\r\n", "-n", "0"];
        let (code, shown) = session(&args, home.path(), &[]);
        // The terminal itself turns every line end into these two.
        assert_eq!((code, shown.as_str()), (Some(0), "one\r\ntwo\r\n"));
    }
}
