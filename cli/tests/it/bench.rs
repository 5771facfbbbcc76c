//! `tercet bench` as a shell sees it: what it prints, what it writes, how it refuses. No figure is judged.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::running::Running;
use crate::{done, output, tercet};

const TINY: [&str; 9] =
    ["bench", "--quick", "--shape", "64x128", "--batch", "1,2", "--threads", "1,2", "--hot"];

fn tiny(more: &[&str]) -> Command {
    let mut command = tercet(&TINY);
    command.args(more);
    command
}

#[test]
fn bench_shows_the_machine_and_every_kernel() {
    let text = done(&mut tiny(&[]));
    for part in ["features", "GOPS", "GB/s", "plain", "scalar", "64x128", "share"] {
        assert!(text.contains(part), "{part} is missing from\n{text}");
    }
    assert!(!text.contains("WRONG") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn bench_exports_all_rows_in_every_format() {
    let rows: Vec<Value> = serde_json::from_str(&done(&mut tiny(&["--format", "json"]))).unwrap();
    let products: Vec<_> = rows.iter().filter(|r| r["test"] == "product").collect();
    let kernels = products.iter().filter(|r| r["batch"] == 1 && r["threads"] == 1).count();
    assert!(kernels >= 2 && products.len() == 4 * kernels, "{kernels} {}", products.len());
    for row in products {
        assert!(row["gops"].as_f64().unwrap() > 0.0 && row["max_abs_err"] == 0.0, "{row}");
        assert_eq!((&row["shape"], &row["hot"]), (&"64x128".into(), &true.into()));
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, head) in [("a.md", "- "), ("a.csv", "test,shape,"), ("a.json", "[\n{")] {
        let path = folder.path().join(name);
        let text = done(tiny(&["--kernel", "scalar", "--out"]).arg(&path));
        assert!(text.contains("scalar"), "the table is still shown: {text}");
        let written = std::fs::read_to_string(path).unwrap();
        assert!(written.starts_with(head) && written.contains("64x128"), "{written}");
    }
}

#[test]
fn bench_measures_cold_matrices_too() {
    let args = ["bench", "--quick", "--shape", "512x1024", "--batch", "1", "--threads", "1"];
    let text = done(tercet(&args).args(["--format", "csv"]));
    let cold = text.lines().filter(|l| l.starts_with("product,") && l.contains(",1,1,false,")).count();
    let fast = cpu::Kernels::available().len() - 1;
    assert_eq!(cold, fast, "{text}");
}

#[test]
fn bench_measures_models_made_up_and_from_files() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/shakespeare.gguf");
    let few = ["-p", "20", "-n", "8", "-d", "0,30,100000", "-r", "2", "--threads", "1", "--format", "json"];
    for which in [&[model][..], &["--synthetic", "shakespeare"]] {
        let text = done(tercet(&["bench"]).args(which).args(few));
        let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
        let of = |test: &str| -> Vec<&Value> { rows.iter().filter(|r| r["test"] == test).collect() };
        assert_eq!([of("load").len(), of("matmuls").len()], [1, 2], "{text}");
        assert!(of("load")[0]["size_bytes"].as_u64().unwrap() > 1 << 20);
        for test in ["pp20", "tg8"] {
            let figures: Vec<_> = of(test).into_iter().filter(|r| r["tokens_per_second"].is_f64()).collect();
            let depths: Vec<_> = figures.iter().map(|r| r["depth"].as_u64().unwrap()).collect();
            assert_eq!(depths, [0, 30], "{text}");
            assert_eq!(of(test).len(), 3, "one depth does not fit: {text}");
            assert!(figures.iter().all(|r| r["repetitions"] == 2 && r["threads"] == 1));
        }
        assert!(of("pp20")[0]["first_token_ms"].as_f64().unwrap() > 0.0);
        assert!(of("matmuls")[0]["ratio"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn bench_tells_what_a_token_costs_on_a_device() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/shakespeare.gguf");
    let few = ["-p", "20", "-n", "8", "-r", "1", "--threads", "1", "--device", "gpu"];
    let (code, text, error) = output(tercet(&["bench", model]).args(few).args(["--format", "json"]));
    if error.contains("no GPU") && std::env::var("TERCET_REQUIRE_GPU").as_deref() != Ok("1") {
        eprintln!("no graphics adapter here: skipped");
        return;
    }
    assert_eq!(code, 0, "{error}");
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let row =
        |test: &str| rows.iter().find(|r| r["test"] == test).unwrap_or_else(|| panic!("no {test}: {text}"));
    assert!(row("device")["adapter"].is_string() && row("tg8")["tokens_per_second"].is_f64());
    let token = row("gpu tg8");
    // The text is the CPU's; embedding, four blocks of 12, norm, head and choice; where it stands, and the first token; the id.
    assert_eq!((&token["error"], &token["dispatches"]), (&Value::Null, &52.0.into()), "{token}");
    assert_eq!((&token["submissions"], &token["bytes_down"]), (&1.0.into(), &4.0.into()), "{token}");
    assert_eq!(token["bytes_up"], 8.5, "{token}");
    assert!(token["tokens_per_second"].as_f64().unwrap() > 0.0 && row("gpu pp20")["first_token_ms"].is_f64());
}

#[test]
fn bench_refuses_in_one_sentence() {
    let cases: [(&[&str], &str); 12] = [
        (&["--shape", "64x100"], "shape is 64x100"),
        (&["--shape", "big"], "shape is \"big\""),
        (&["--kernel", "avx9"], "kernel is \"avx9\""),
        (&["--batch", "0"], "batch is 0"),
        (&["--threads", "0"], "threads is 0"),
        (&["--threads", "20000"], "threads is 20000"),
        (&["--synthetic", "gpt-5"], "--synthetic is \"gpt-5\""),
        (&["--synthetic", "showcase", "--shape", "64x128"], "a model has its own shapes"),
        (&["--synthetic", "showcase", "--kernel", "plain"], "--kernel is \"plain\""),
        (&["--synthetic", "showcase", "-r", "0"], "number of repetitions is 0"),
        (&["--synthetic", "showcase", "-p", "0"], "prompt length is 0"),
        (&["--out", "figures.txt"], "--out is figures.txt"),
    ];
    for (args, expected) in cases {
        let (code, stdout, stderr) = output(tercet(&["bench"]).args(args));
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(expected) && stderr.lines().count() == 1, "{args:?}: {stderr}");
    }
    let (code, stdout, stderr) = output(tercet(&["bench", "none.gguf"]).stdin(Stdio::null()));
    assert_eq!(code, 1, "{stdout}{stderr}");
    assert!(stderr.contains("none.gguf") && stderr.lines().count() == 1, "{stderr}");
}

#[cfg(unix)]
#[test]
fn bench_stops_when_interrupted_and_keeps_what_it_has() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("part.json");
    let mut command = tercet(&["bench", "--hot", "--kernel", "scalar", "--out"]);
    let mut child = Running::start(command.arg(&out).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Once there is a row, the handler is in place.
    lines.next().unwrap().unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let rows: Vec<Value> = serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap();
    assert_eq!(rows[0]["test"], "machine");
}
