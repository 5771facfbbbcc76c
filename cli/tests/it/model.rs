//! Using a model through the real binary: what generate, chat, eval and info print, and how they fail.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::running::Running;
use crate::{done, output, tercet};

/// A folder with `text.txt` and `model.gguf`, made once by the binary itself.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let line = "ROMEO:\nBut soft, what light through yonder window breaks?\n\nJULIET:\nAy me.\n\n";
        std::fs::write(at("text.txt"), line.repeat(60)).unwrap();
        let (text, run, model) = (at("text.txt"), at("run"), at("model.gguf"));
        let train =
            ["train", "--preset", "tiny", "--text", &text, "--out", &run, "--steps", "30", "--threads", "1"];
        for args in [&train[..], &["export", &run, "--out", &model]] {
            let out = tercet(args).output().unwrap();
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        }
        folder
    };
    FOLDER.get_or_init(make).path()
}

pub fn path(name: &str) -> String {
    folder().join(name).display().to_string()
}

/// The binary, to be run on the model.
fn on_model(command: &str, args: &[&str]) -> Command {
    let model = path("model.gguf");
    let mut all = vec![command, model.as_str()];
    all.extend(args);
    let mut command = tercet(&all);
    command.stdin(Stdio::null());
    command
}

fn json(command: &mut Command) -> Value {
    serde_json::from_str(&done(command)).unwrap()
}

#[test]
fn generate_continues_the_prompt_and_repeats_itself_by_seed() {
    let args = ["--prompt", "ROMEO:", "--tokens", "40", "--seed", "7"];
    let (code, text, figures) = output(&mut on_model("generate", &args));
    assert_eq!(code, 0);
    assert!(text.starts_with("ROMEO:"), "{text}");
    assert!(figures.contains("tokens/s") && figures.contains("seed 7"), "{figures}");
    for threads in ["1", "2"] {
        let again = done(on_model("generate", &args).args(["--threads", threads]));
        assert_eq!(again, text);
    }
    let value = json(on_model("generate", &args).arg("--json"));
    let written = format!("{}{}", value["prompt"].as_str().unwrap(), value["text"].as_str().unwrap());
    assert_eq!(written.trim_end_matches('\n'), text.trim_end_matches('\n'));
    assert_eq!(value["ids"].as_array().unwrap().len(), 40);
    assert_eq!(value["log_probs"].as_array().unwrap().len(), 40);
    assert_eq!(value["finish"], "length");
    assert!(value["stats"]["decode_tokens_per_sec"].as_f64().unwrap() > 0.0);
    assert!(value["stats"]["load_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn generate_of_no_tokens_repeats_the_prompt() {
    let (code, text, remarks) = output(&mut on_model("generate", &["--prompt", "soft", "--tokens", "0"]));
    assert_eq!((code, text.as_str(), remarks.as_str()), (0, "soft\n", ""));
    assert_eq!(done(&mut on_model("generate", &["--tokens", "0"])), "");
}

#[test]
fn generate_reads_prompts_from_files_and_stdin() {
    let file = path("prompt.txt");
    std::fs::write(&file, "But soft").unwrap();
    let want = done(&mut on_model("generate", &["--prompt", "But soft", "-n", "9", "--greedy"]));
    let args = ["-n", "9", "--greedy", "--prompt-file"];
    assert_eq!(done(on_model("generate", &args).arg(&file)), want);
    let mut command = on_model("generate", &args);
    command.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Running::start(&mut command);
    child.stdin.take().unwrap().write_all(b"But soft").unwrap();
    assert_eq!(child.output().stdout, want.as_bytes());
}

#[test]
fn wrong_use_is_exit_2_and_one_sentence() {
    let long = "soft ".repeat(100);
    let cases: [(&[&str], &str); 7] = [
        (&["--top-p", "3"], "top-p is 3"),
        (&["--temperature", "-1"], "temperature is -1"),
        (&["--repeat-penalty", "0"], "repetition penalty is 0"),
        (&["--context", "0"], "--context is 0"),
        (&["--context", "100000"], "--context is 100000"),
        (&["--prompt", &long], "the prompt has"),
        (&["--tokens", "many"], "invalid value"),
    ];
    for (args, expected) in cases {
        let (code, stdout, stderr) = output(&mut on_model("generate", args));
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
    assert_eq!(output(&mut on_model("eval", &["--text", &path("text.txt"), "--stride", "0"])).0, 2);
}

#[test]
fn bad_files_are_exit_1_and_named() {
    let whole = std::fs::read(path("model.gguf")).unwrap();
    let cut: PathBuf = folder().join("cut.gguf");
    // In the middle of its vocabulary: there is nothing to list yet.
    std::fs::write(&cut, &whole[..1000]).unwrap();
    let other = folder().join("other.gguf");
    std::fs::write(&other, "not a model").unwrap();
    for file in [cut, other, folder().join("none.gguf"), folder().to_owned()] {
        for command in ["generate", "chat", "info", "eval"] {
            let file = file.display().to_string();
            let mut command = tercet(&[command, &file]);
            if command.get_args().next().unwrap() == "eval" {
                command.args(["--text", &path("text.txt")]);
            }
            let (code, stdout, stderr) = output(command.stdin(Stdio::null()));
            assert_eq!((code, stdout.as_str()), (1, ""), "{command:?}: {stderr}");
            assert!(stderr.starts_with("tercet: ") && stderr.lines().count() == 1, "{stderr}");
            assert!(stderr.contains(&file) && !stderr.contains("panicked"), "{stderr}");
        }
    }
    let (code, _, stderr) = output(&mut tercet(&["genrate"]));
    assert_eq!(code, 1);
    assert!(stderr.contains("genrate") && stderr.contains("--help"), "{stderr}");
}

#[test]
fn eval_is_what_training_measured_and_sums_its_tokens() {
    let text = path("text.txt");
    let args = ["--text", &text, "--part", "validation"];
    let value = json(on_model("eval", &args).arg("--json"));
    let bits = value["bits_per_byte"].as_f64().unwrap();
    let info = json(on_model("info", &["--json"]).stdin(Stdio::null()));
    let trained = info["metadata"]["tercet.training.validation_bits_per_byte"].as_f64().unwrap();
    assert!((bits / trained - 1.0).abs() < 1e-5, "{bits} here, {trained} in training");

    let lines = done(on_model("eval", &args).arg("--per-token"));
    let lines: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len() as u64, value["tokens_scored"].as_u64().unwrap());
    let nats: f64 = lines.iter().map(|l| -l["log_prob"].as_f64().unwrap()).sum();
    assert!((nats / lines.len() as f64 - value["nats_per_token"].as_f64().unwrap()).abs() < 1e-9);
    let written: String = lines.iter().map(|l| l["text"].as_str().unwrap()).collect();
    let whole = std::fs::read_to_string(&text).unwrap();
    // A byte model: every token is a byte, and all but the first are scored.
    assert_eq!(written, whole[whole.len() * 9 / 10 + 1..]);

    // More context predicts better, and scores the same tokens.
    let overlapping = json(on_model("eval", &args).args(["--stride", "8", "--json"]));
    assert_eq!(overlapping["tokens_scored"], value["tokens_scored"]);
    assert!(overlapping["bits_per_byte"].as_f64().unwrap() < bits);
}

#[test]
fn eval_refuses_texts_without_a_token_to_score() {
    let tiny = path("tiny.txt");
    std::fs::write(&tiny, "x").unwrap();
    let (code, _, stderr) = output(&mut on_model("eval", &["--text", &tiny]));
    assert_eq!(code, 1);
    assert!(stderr.contains("1 tokens"), "{stderr}");
    std::fs::write(&tiny, "").unwrap();
    assert!(output(&mut on_model("eval", &["--text", &tiny])).2.contains("empty"));
}

#[test]
fn info_counts_what_the_file_holds() {
    let value = json(&mut on_model("info", &["--json"]));
    let bytes = std::fs::metadata(path("model.gguf")).unwrap().len();
    assert_eq!(value["bytes"], bytes);
    let sum: u64 = value["tensors"].as_array().unwrap().iter().map(|t| t["bytes"].as_u64().unwrap()).sum();
    assert_eq!(value["tensor_bytes"], sum);
    assert_eq!(value["other_bytes"], bytes - sum);
    assert_eq!(value["ternary"]["bits_per_weight"], 2.125);
    let zeros = value["ternary"]["zeros"].as_f64().unwrap();
    assert!((0.2..0.5).contains(&zeros), "{zeros}");
    assert!(value["model"]["mixing_error"].as_f64().unwrap() < 1e-5);
    let text = done(&mut on_model("info", &[]));
    for part in ["hyper-connections", "bits per weight", "blk.0.attn_q.weight", "tokenizer.ggml.tokens"] {
        assert!(text.contains(part), "{part} is missing from\n{text}");
    }
}

#[test]
fn chat_answers_each_line_and_leaves_at_the_end_of_input() {
    let run = || {
        let mut command = on_model("chat", &["--seed", "1", "-n", "20"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Running::start(&mut command);
        child.stdin.take().unwrap().write_all(b"hello\n/what\n\nwho art thou?\n").unwrap();
        child.output()
    };
    let out = run();
    let text = String::from_utf8(out.stdout.clone()).unwrap();
    assert!(out.status.success());
    assert_eq!(text.matches("JULIET:\n").count(), 2, "{text}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("/reset"));
    assert_eq!(run().stdout, out.stdout);
}

#[test]
fn a_model_alone_is_read_aloud() {
    let (code, text, remarks) = output(&mut tercet(&[&path("model.gguf")]));
    assert_eq!(code, 0);
    assert!(text.len() > 100 && remarks.contains("kernels:") && remarks.contains("tokens/s"), "{remarks}");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    for args in [
        &["eval", "--text", "text.txt", "--per-token"][..],
        &["generate", "-n", "100000"],
        &["info", "--json"],
    ] {
        let mut command = tercet(&[args[0], "model.gguf"]);
        command.args(&args[1..]).current_dir(folder()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Running::start(&mut command);
        drop(child.stdout.take());
        let out = child.output();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(String::from_utf8_lossy(&out.stderr), "");
    }
}

#[cfg(unix)]
#[test]
fn interrupt_ends_the_text_with_130() {
    let mut command = on_model("generate", &["-n", "1000000000"]);
    let mut child = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    // Once there is text, the handler is in place.
    let mut first = [0u8; 1];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    let mut rest = child.stdout.take().unwrap();
    let drain = std::thread::spawn(move || std::io::copy(&mut rest, &mut std::io::sink()));
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let out = child.output();
    drain.join().unwrap().unwrap();
    assert_eq!(out.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&out.stderr).contains("interrupted"));
}

#[test]
fn device_list_needs_no_model_and_begins_with_the_cpu() {
    for args in [&["generate", "--device", "list"][..], &["eval", "--device=list"]] {
        let list = done(&mut tercet(args));
        assert!(list.starts_with("cpu: kernels: "), "{list}");
        assert!(
            list.lines().skip(1).all(|line| line.contains("; memory: ") && line.contains("; shaders: ")),
            "{list}"
        );
    }
}

#[test]
fn device_gpu_writes_the_text_of_the_cpu_or_says_that_the_cpu_did() {
    let args = ["--prompt", "ROMEO:", "--tokens", "30", "--temperature", "0"];
    let cpu = done(&mut on_model("generate", &args));
    let (code, gpu, remarks) = output(on_model("generate", &args).args(["--device", "gpu", "--verbose"]));
    assert_eq!((code, &gpu), (0, &cpu), "{remarks}");
    assert!(remarks.contains("device: ") || remarks.contains("the CPU goes on"), "{remarks}");
    let text = path("text.txt");
    let bits = |device| {
        let mut eval =
            on_model("eval", &["--text", &text, "--part", "validation", "--json", "--device", device]);
        json(&mut eval)["bits_per_byte"].as_f64().unwrap()
    };
    assert!((bits("cpu") - bits("gpu")).abs() < 1e-3, "{} and {}", bits("cpu"), bits("gpu"));
}

#[test]
fn device_gpu_writes_the_shipped_models_verse() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/shakespeare.gguf");
    let args = ["generate", model, "--prompt", "ROMEO:", "--tokens", "64", "--temperature", "0"];
    let cpu = done(tercet(&args).stdin(Stdio::null()));
    assert!(cpu.starts_with("ROMEO:") && cpu.lines().count() > 3, "{cpu}");
    assert_eq!(done(tercet(&args).args(["--device", "gpu"]).stdin(Stdio::null())), cpu);
}

#[test]
fn device_of_an_unknown_name_is_an_error_that_says_what_there_is() {
    let (code, _, error) = output(&mut on_model("generate", &["--device", "no such card"]));
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("no GPU is called \"no such card\""), "{error}");
}
