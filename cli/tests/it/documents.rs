//! A text of documents, from the file to a model that stops where they do.

use std::path::{Path, PathBuf};

use formats::run_log::{Log, MetricLine, RunDir};
use serde_json::Value;

use crate::{done, output, tercet};

const SEPARATOR: &str = "data.separator=<|endoftext|>";

fn documents(dir: &Path) -> PathBuf {
    let path = dir.join("documents.txt");
    let lines = ["Once upon a time.", "The end is near.", "A cat sat."];
    let text: String = (0..500).map(|i| format!("{}<|endoftext|>\n", lines[i * i % 3])).collect();
    std::fs::write(&path, text).unwrap();
    path
}

fn train(text: &Path, out: &Path, settings: &[&str]) -> std::process::Command {
    let mut command = tercet(&["train", "--preset", "tiny", "--threads", "2", "--steps", "120"]);
    let quiet = ["train.dropout=0", "train.token_noise=0", "report.sample_prompt=Once", "train.batch=8"];
    for setting in quiet.iter().chain(settings) {
        command.args(["--set", setting]);
    }
    command.arg("--text").arg(text).arg("--out").arg(out);
    command
}

fn json(command: &mut std::process::Command) -> Value {
    serde_json::from_str(&done(command)).unwrap()
}

#[test]
fn documents_end_where_the_separator_stood() {
    let dir = tempfile::tempdir().unwrap();
    let text = documents(dir.path());
    for kind in ["bytes", "bpe:270"] {
        let (out, model) = (dir.path().join(kind), dir.path().join(format!("{kind}.gguf")));
        done(&mut train(&text, &out, &[SEPARATOR, &format!("tokenizer.kind={kind}")]));
        done(tercet(&["export", "--newest"]).arg(&out).arg("--out").arg(&model));
        let written = json(tercet(&["generate", "--json", "--greedy", "-p", "Once", "-n", "60"]).arg(&model));
        assert_eq!(
            (&written["finish"], &written["text"]),
            (&"stop".into(), &" upon a time.".into()),
            "{kind}"
        );
        // Without a prompt it begins as a document does.
        let fresh = json(tercet(&["generate", "--json", "--greedy", "-n", "60"]).arg(&model));
        assert_eq!(fresh["finish"], "stop", "{fresh}");

        // What training measured, eval measures: the separator is in the file, and each of its bytes counts.
        let eval = json(tercet(&["eval", "--json", "--part", "validation", "--text"]).arg(&text).arg(&model));
        let lines: Vec<MetricLine> = RunDir::open(&out).unwrap().read(Log::Metrics).unwrap();
        let trained = lines.last().unwrap().val_bits_per_byte.unwrap();
        let measured = eval["bits_per_byte"].as_f64().unwrap();
        assert!((measured / trained - 1.0).abs() < 1e-3, "{kind}: {measured} against {trained}");
        let (scored, whole) = (eval["bytes_scored"].as_u64().unwrap(), eval["bytes_text"].as_u64().unwrap());
        assert!(scored < whole && scored + 13 >= whole, "{kind}: {scored} of {whole} bytes");
    }
}

#[test]
fn documents_are_remarked_on_once() {
    let dir = tempfile::tempdir().unwrap();
    let text = documents(dir.path());
    let said = |settings: &[&str], name: &str| {
        let (code, _, stderr) =
            output(train(&text, &dir.path().join(name), settings).args(["--pause-after", "1"]));
        assert_eq!(code, 0, "{stderr}");
        stderr
    };
    let letters = said(&[], "letters");
    assert_eq!(letters.matches("--set 'data.separator=<|endoftext|>'").count(), 1, "{letters}");
    let nowhere = said(&["data.separator=<end>"], "nowhere");
    assert!(nowhere.contains("\"<end>\" is nowhere"), "{nowhere}");
    let quiet = said(&[SEPARATOR], "quiet");
    assert!(!quiet.contains("separator"), "{quiet}");

    let windows = dir.path().join("windows.txt");
    std::fs::write(&windows, "one two\r\nthree four\r\n".repeat(40)).unwrap();
    let (_, _, stderr) =
        output(train(&windows, &dir.path().join("windows"), &[]).args(["--pause-after", "1"]));
    assert_eq!(stderr.matches("Windows line ends").count(), 1, "{stderr}");
}
