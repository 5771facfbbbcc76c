//! Training on a card through the real binary, which is told of an emulated one, or of none.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::running::Running;
use crate::{done, output, tercet};

/// The folder of the emulated driver, built if it is not; `None` where there is no compiler for it, and then this says so.
fn emulator() -> Option<PathBuf> {
    let here = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    if !here || Command::new("g++").arg("--version").output().is_err() {
        let missing = "the emulated device needs Linux on x86-64 and g++";
        assert!(std::env::var_os("TERCET_REQUIRE_EMULATOR").is_none(), "{missing}");
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    // The kernels' own tests build the same.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda-emulator");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../train-cuda/emulator/build");
    let (code, _, stderr) = output(Command::new(script).arg(&folder));
    assert_eq!(code, 0, "{stderr}");
    Some(folder)
}

/// The command as it would be on a machine with that card.
fn on<'c>(command: &'c mut Command, emulator: &Path) -> &'c mut Command {
    command.env("LD_LIBRARY_PATH", emulator)
}

/// What a command that succeeds says, on both ways.
fn done_saying(command: &mut Command) -> (String, String) {
    let (code, stdout, stderr) = output(command);
    assert_eq!(code, 0, "{stderr}");
    (stdout, stderr)
}

/// A text of bytes, and a run of few steps over it.
fn train(folder: &Path, device: &str, steps: &str) -> Command {
    let text = folder.join("text.txt");
    std::fs::write(&text, "To be, or not to be, that is the question.\n".repeat(40)).unwrap();
    let mut command = tercet(&["train", "--preset", "tiny", "--device", device, "--steps", steps]);
    for setting in [
        "train.batch=2",
        "model.blocks=1",
        "report.eval_every=0",
        "report.sample_tokens=0",
        "report.checkpoint_every=2",
    ] {
        command.args(["--set", setting]);
    }
    command.arg("--text").arg(text).arg("--out").arg(folder.join("run"));
    command
}

#[test]
fn a_run_moves_from_card_to_processor_and_back() {
    let Some(emulator) = emulator() else { return };
    let folder = tempfile::tempdir().unwrap();
    let said = |command: &mut Command| done_saying(on(command, &emulator));
    let (stdout, stderr) = said(train(folder.path(), "cuda", "6").args(["--pause-after", "3"]));
    assert!(stdout.contains("paused after step 3 of 6"), "{stdout}");
    assert!(stderr.contains("training on ") && stderr.contains("MiB: parameters and optimiser"), "{stderr}");
    said(train(folder.path(), "cpu", "6").args(["--pause-after", "4"]));
    // By itself it takes the card.
    let (stdout, stderr) = said(&mut train(folder.path(), "auto", "6"));
    assert!(stdout.contains("done: 6 steps") && stderr.contains("training on "), "{stdout}{stderr}");
    let model = folder.path().join("model.gguf");
    done(tercet(&["export"]).arg(folder.path().join("run")).arg("--out").arg(&model));
    assert!(
        done(&mut tercet(&["generate", model.to_str().unwrap(), "-p", "To be", "-n", "4"])).contains("To be")
    );
    let record = std::fs::read_to_string(folder.path().join("run/run.toml")).unwrap();
    assert!(record.contains("device = \"cuda\""), "{record}");
}

#[test]
fn what_a_card_cannot_is_one_sentence() {
    let Some(emulator) = emulator() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (device, variable, value, expected) in [
        ("cuda:1", "TERCET_EMULATOR_DEVICES", "1", "there is no card 1; there are 1, counted from 0"),
        ("cuda", "TERCET_EMULATOR_CAPABILITY", "75", "has compute capability 7.5; the kernels need 8.0"),
        ("cuda", "TERCET_EMULATOR_DRIVER_VERSION", "11080", "is for CUDA 11.8 and the kernels need 12.2"),
        ("cuda", "TERCET_EMULATOR_MEMORY", "104857600", "has 100 MiB free; a smaller"),
    ] {
        let mut command = train(folder.path(), device, "2");
        let (code, _, stderr) = output(on(&mut command, &emulator).env(variable, value));
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains(expected) && !stderr.contains("panicked"), "{stderr}");
        assert!(!folder.path().join("run/run.toml").exists(), "{variable}: a run was begun");
    }
}

#[test]
fn by_itself_it_trains_on_the_processor_where_no_card_will_do() {
    let Some(emulator) = emulator() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (variable, value, said) in [
        ("TERCET_EMULATOR_MEMORY", "104857600", "not on cuda:0: training takes "),
        ("TERCET_EMULATOR_CAPABILITY", "75", "has compute capability 7.5"),
        ("TERCET_EMULATOR_DEVICES", "0", ""),
    ] {
        let folder = folder.path().join(variable);
        std::fs::create_dir(&folder).unwrap();
        let mut command = train(&folder, "auto", "2");
        let (code, stdout, stderr) = output(on(&mut command, &emulator).env(variable, value));
        assert_eq!(code, 0, "{variable}: {stderr}");
        assert!(stdout.contains("done: 2 steps") && stderr.contains(said), "{stdout}{stderr}");
        let record = std::fs::read_to_string(folder.join("run/run.toml")).unwrap();
        assert!(record.contains("device = \"cpu\""), "{record}");
    }
}

#[test]
fn a_card_that_falls_off_the_bus_loses_no_checkpoint() {
    let Some(emulator) = emulator() else { return };
    let folder = tempfile::tempdir().unwrap();
    // Steps are recorded, so the launches that count are those of graphs' kernels: some are in the fourth step.
    let launches: usize = 700;
    let mut command = train(folder.path(), "cuda", "40");
    let (code, _, stderr) =
        output(on(&mut command, &emulator).env("TERCET_EMULATOR_FAIL_LAUNCH", launches.to_string()));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("the training device failed: CUDA_ERROR_ILLEGAL_ADDRESS"), "{stderr}");
    assert!(stderr.contains("give the same command again"), "{stderr}");
    let (code, stdout, stderr) = output(on(&mut train(folder.path(), "cuda", "8"), &emulator));
    assert_eq!(code, 0, "{stdout}{stderr}");
}

#[test]
fn devices_say_what_is_taken_and_why() {
    let Some(emulator) = emulator() else { return };
    let list =
        |variable: &str, value: &str| done(on(&mut tercet(&["devices"]), &emulator).env(variable, value));
    let with = list("TERCET_EMULATOR_DEVICES", "2");
    assert!(with.contains("cuda:0: ") && with.contains("cuda:1: "), "{with}");
    let taken: Vec<&str> = with.lines().filter(|l| l.contains("taken by itself")).collect();
    assert!(taken.len() == 1 && taken[0].starts_with("cuda:0: "), "{with}");
    let without = list("TERCET_EMULATOR_CAPABILITY", "75");
    assert!(without.contains("compute capability 7.5; the kernels need 8.0"), "{without}");
    assert!(without.lines().any(|l| l.starts_with("cpu: ") && l.ends_with("taken by itself")), "{without}");
}

/// A run of two cards of one process.
fn on_two(folder: &Path, steps: &str) -> Command {
    let mut command = train(folder, "cuda:0,1", steps);
    command.env("TERCET_EMULATOR_DEVICES", "2");
    command
}

#[test]
fn a_run_moves_to_two_cards_and_back() {
    let Some(emulator) = emulator() else { return };
    let folder = tempfile::tempdir().unwrap();
    let said = |command: &mut Command| done_saying(on(command, &emulator));
    let record = || std::fs::read_to_string(folder.path().join("run/run.toml")).unwrap();
    said(&mut train(folder.path(), "cuda", "2"));
    let (stdout, stderr) = said(&mut on_two(folder.path(), "4"));
    assert!(stdout.contains("done: 4 steps"), "{stdout}");
    assert!(stderr.contains("training on 2 cards, the first ") && stderr.contains("; each "), "{stderr}");
    assert!(record().contains("device = \"cuda x 2\""), "{}", record());
    said(&mut train(folder.path(), "cpu", "5"));
    assert!(record().contains("device = \"cpu\""), "{}", record());
    // The other way to say it.
    let mut command = tercet(&["train", "--devices", "0,1", "--steps", "6"]);
    command.env("TERCET_EMULATOR_DEVICES", "2").arg("--out").arg(folder.path().join("run"));
    assert!(said(&mut command).0.contains("done: 6 steps"));
}

#[test]
fn what_two_cards_cannot_is_one_sentence() {
    let Some(emulator) = emulator() else { return };
    let folder = tempfile::tempdir().unwrap();
    let refused = |command: &mut Command, code: i32, expected: &str| {
        let (found, _, stderr) = output(command);
        assert_eq!(found, code, "{stderr}");
        assert!(stderr.contains(expected) && !stderr.contains("panicked"), "{stderr}");
        assert!(!folder.path().join("run/run.toml").exists(), "a run was begun");
    };
    let two = || on_two(folder.path(), "2");
    refused(on(&mut train(folder.path(), "cuda:0,3", "2"), &emulator), 1, "there is no card 3");
    refused(on(two().args(["--set", "train.batch=1"]), &emulator), 1, "2 cards cannot share a batch of 1");
    // A driver, and no NCCL beside it.
    let alone = folder.path().join("driver");
    std::fs::create_dir(&alone).unwrap();
    for name in ["libcuda.so.1", "modules"] {
        std::os::unix::fs::symlink(emulator.join(name), alone.join(name)).unwrap();
    }
    refused(on(&mut two(), &alone), 1, "several cards need NVIDIA's NCCL 2");
    let rank = |variables: &[(&str, &str)], device: &str| {
        let mut command = train(folder.path(), device, "2");
        command.envs(variables.iter().copied());
        command
    };
    let lonely = [("WORLD_SIZE", "2"), ("RANK", "0"), ("MASTER_ADDR", "127.0.0.1")];
    refused(&mut rank(&lonely, "cpu"), 2, "train on NVIDIA cards alone");
    refused(&mut rank(&lonely, "cuda:1"), 2, "leave out cuda:1");
    refused(&mut rank(&lonely[..2], "cuda"), 1, "MASTER_ADDR is not");
}

/// One of two processes that train together; the second has no text and no folder of its own.
fn process(folder: &Path, emulator: &Path, rank: &str, port: u16, steps: &str) -> Command {
    let mut command = match rank {
        "0" => train(folder, "auto", steps),
        _ => tercet(&["train", "--text", "/nowhere/text.txt", "--out", "/nowhere/run"]),
    };
    on(&mut command, emulator).env("TERCET_EMULATOR_DEVICES", "2").env("TERCET_PORT", port.to_string());
    command.envs([("WORLD_SIZE", "2"), ("RANK", rank), ("LOCAL_RANK", rank), ("MASTER_ADDR", "127.0.0.1")]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// How a process ended, and what it said.
fn ended(running: Running) -> (Option<i32>, String) {
    let output = running.output();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn two_processes_train_one_model() {
    let Some(emulator) = emulator() else { return };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let port = free_port();
    // Whichever comes first.
    let second = Running::start(&mut process(folders[0].path(), &emulator, "1", port, "4"));
    let first = Running::start(&mut process(folders[0].path(), &emulator, "0", port, "4"));
    let ((code, said), (other, heard)) = (ended(first), ended(second));
    assert!(code == Some(0) && other == Some(0), "{said}\n{heard}");
    assert!(said.contains("done: 4 steps") && said.contains("training on 2 cards"), "{said}");
    assert!(heard.contains("process 1 of 2 trains on "), "{heard}");
    // To the bit what two cards of one process come to.
    done_saying(on(&mut on_two(folders[1].path(), "4"), &emulator));
    let weights = |folder: &Path| {
        let newest = formats::checkpoint::newest_complete(&folder.join("run/checkpoints"));
        newest.unwrap().expect("a run has one").checkpoint.tensors
    };
    assert!(weights(folders[0].path()) == weights(folders[1].path()));
}

#[test]
#[cfg(unix)]
fn a_process_that_is_killed_ends_the_others() {
    let Some(emulator) = emulator() else { return };
    for killed in [1, 0] {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let start = |rank: &str| Running::start(&mut process(folder.path(), &emulator, rank, port, "100000"));
        let mut both = [start("0"), start("1")];
        let saved = folder.path().join("run/checkpoints");
        let begun = || {
            let saved = std::fs::read_dir(&saved).into_iter().flatten().flatten();
            saved.filter(|entry| entry.file_name() != "step-0").count() > 1
        };
        while !begun() {
            for process in &mut both {
                assert_eq!(process.try_wait().unwrap(), None, "it has ended before it was killed");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        both[killed].kill().unwrap();
        let [first, second] = both;
        let (killed_said, (code, said)) = match killed {
            0 => (ended(first), ended(second)),
            _ => (ended(second), ended(first)),
        };
        assert_eq!(code, Some(1), "{said}\n{killed_said:?}");
        let expected = if killed == 0 { "the first process at 127.0.0.1:" } else { "process 1 (127.0.0.1)" };
        assert!(said.contains(expected) && said.contains("its process is gone"), "{said}");
        // What was saved stands.
        let mut again = train(folder.path(), "cuda", "100000");
        let (stdout, _) = done_saying(on(&mut again, &emulator).args(["--pause-after", "1"]));
        assert!(stdout.contains("paused after step"), "{stdout}");
    }
}
