//! What is exported for others to run: the same model under other names. That llama.cpp runs it, `.ci/llama_cpp` shows.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use formats::blocks::TensorType;
use formats::gguf::Gguf;

use crate::info::Parts;
use crate::{done, output, shipped_model, tercet};

const SMALL: [&str; 9] = [
    "--set=model.width=128",
    "--set=model.heads=2",
    "--set=model.blocks=2",
    "--set=model.ffn=256",
    "--set=model.context=32",
    "--set=train.batch=2",
    "--set=tokenizer.kind=bytes",
    "--set=report.sample_every=0",
    "--set=report.eval_every=20",
];

/// A folder with `run`, and in it what was trained as `ours.gguf` and `exported.gguf`, made once by the binary itself.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(at("text.txt"), "the quick brown fox jumps over the lazy dog\n".repeat(100)).unwrap();
        let (text, run, ours, exported) = (at("text.txt"), at("run"), at("ours.gguf"), at("exported.gguf"));
        let train = [
            "train", "--preset", "portable", "--text", &text, "--out", &run, "--steps", "20", "--device",
            "cpu",
        ];
        done(tercet(&train).args(SMALL));
        done(&mut tercet(&["export", &run, "--out", &ours]));
        done(&mut tercet(&["export", &run, "--for", "llama.cpp", "--out", &exported]));
        folder
    };
    FOLDER.get_or_init(make).path()
}

fn at(name: &str) -> PathBuf {
    folder().join(name)
}

fn written(file: &str) -> String {
    let file = at(file).display().to_string();
    done(&mut tercet(&[
        "generate",
        &file,
        "-p",
        "the quick",
        "-n",
        "20",
        "--temperature",
        "0",
        "--device",
        "cpu",
    ]))
}

#[test]
fn export_for_llama_cpp_changes_names_and_types_and_no_weight() {
    let (ours, exported) = (Gguf::open(&at("ours.gguf")).unwrap(), Gguf::open(&at("exported.gguf")).unwrap());
    let meta = exported.metadata();
    assert_eq!(meta.str("general.architecture").unwrap(), Some("qwen3"));
    assert_eq!(meta.u32("qwen3.attention.key_length").unwrap(), Some(64));
    assert_eq!(meta.u32("general.file_type").unwrap(), Some(41));
    assert!(meta.iter().all(|(key, _)| !key.starts_with("tercet.") || key.starts_with("tercet.training.")));
    assert_eq!(exported.tensors().len(), ours.tensors().len());
    for info in ours.tensors() {
        let (one, other) = (ours.tensor(&info.name).unwrap(), exported.tensor(&info.name).unwrap());
        let ty = if info.ty == TensorType::Q1_58 { TensorType::Q2_0.into() } else { info.ty };
        assert_eq!((other.info.ty, &*other.info.dims), (ty, &*info.dims), "{}", info.name);
        assert_eq!(one.to_f32().unwrap(), other.to_f32().unwrap(), "{}", info.name);
    }
    assert_eq!(written("exported.gguf"), written("ours.gguf"));
}

/// llama.cpp takes id 11 for the end of a text where a file names none; here that is a byte like any other.
#[test]
fn export_for_llama_cpp_names_a_start_and_an_end_of_texts() {
    let exported = Gguf::open(&at("exported.gguf")).unwrap();
    let meta = exported.metadata();
    let tokens = meta.require_strs("tokenizer.ggml.tokens").unwrap();
    let named = |key: &str| tokens.iter().nth(meta.u32(key).unwrap().unwrap() as usize).unwrap().to_owned();
    // GPT-2's alphabet for the bytes 0xFF and 0x0A.
    assert_eq!(named("tokenizer.ggml.eos_token_id"), "ÿ");
    assert_eq!(named("tokenizer.ggml.bos_token_id"), "Ċ");
    assert_eq!(meta.bool("tokenizer.ggml.add_bos_token").unwrap(), Some(false));
}

#[test]
fn export_takes_a_file_of_ours_as_it_does_a_run() {
    let (ours, again) = (at("ours.gguf"), at("again.gguf"));
    let mut export = tercet(&["export", "--for", "llama.cpp", "--out"]);
    let said = done(export.arg(&again).arg(&ours));
    assert!(said.contains("llama.cpp b9916"), "{said}");
    assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(at("exported.gguf")).unwrap());
}

/// More rows than tokens, for the sake of a round number: llama.cpp wants a token for each.
#[test]
fn export_for_llama_cpp_fills_the_vocabulary_up() {
    let folder = tempfile::tempdir().unwrap();
    let (more, out) = (folder.path().join("more.gguf"), folder.path().join("out.gguf"));
    let parts = Parts::of(&at("ours.gguf").display().to_string()).with_rows("token_embd.weight", 320);
    std::fs::write(&more, parts.with("tercet.vocab_size", 320u32).bytes()).unwrap();
    done(tercet(&["export", "--for", "llama.cpp"]).arg(&more).arg("--out").arg(&out));
    let meta = Gguf::open(&out).unwrap().metadata().clone();
    let tokens: Vec<String> =
        meta.require_strs("tokenizer.ggml.tokens").unwrap().iter().map(str::to_owned).collect();
    let kinds = meta.i32s("tokenizer.ggml.token_type").unwrap().unwrap();
    assert_eq!((tokens.len(), kinds.len(), kinds[319]), (320, 320, 5));
    assert_eq!(tokens[319], "[unused 319]");
    done(tercet(&["generate", "-p", "the", "-n", "4", "--device", "cpu"]).arg(&out));
}

#[test]
fn export_for_llama_cpp_refuses_what_it_cannot_say() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.gguf");
    let (shipped, run) = (shipped_model(), at("run").display().to_string());
    let (ours, exported) = (at("ours.gguf").display().to_string(), at("exported.gguf").display().to_string());
    let for_llama = ["--for", "llama.cpp"];
    for (source, args, code, why) in [
        (
            &shipped,
            &for_llama[..],
            1,
            "it has 2 residual streams, relu2 in place of swiglu; tercet train --preset portable makes one",
        ),
        (&exported, &for_llama, 1, "its architecture is \"qwen3\", which llama.cpp runs already"),
        (&ours, &[], 2, "is a model already"),
        (&ours, &["--for", "llama.cpp", "--type", "f16"], 2, "is a model already"),
        (&run, &["--for", "llama.cpp", "--type", "q1_58"], 2, "llama.cpp does not read q1_58"),
    ] {
        let mut export = tercet(&["export", source, "--out"]);
        let (found, _, said) = output(export.arg(&out).args(args));
        assert_eq!(found, code, "{said}");
        assert!(said.contains(why) && said.lines().count() == 1, "{said}");
        assert!(!out.exists());
    }
    // What llama.cpp reads as it is.
    for ty in ["tq2_0", "f16", "f32"] {
        done(tercet(&["export", &run, "--for", "llama.cpp", "--type", ty, "--out"]).arg(&out));
        assert!(Gguf::open(&out).unwrap().tensors().iter().all(|t| t.ty != TensorType::Q2_0));
    }
}
