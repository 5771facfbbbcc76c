//! `tercet convert` and what it makes of models: round trips through every ternary type, what is refused, and what is left behind.

use std::path::Path;

use formats::blocks::{TensorType, pack};
use formats::gguf::{Gguf, GgufWriter, Metadata};

use crate::{done, output, shipped_model, tercet};

fn at(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

fn types(path: &str) -> Vec<(String, &'static str)> {
    let gguf = Gguf::open(Path::new(path)).unwrap();
    gguf.tensors().iter().map(|t| (t.name.clone(), t.ty.name())).collect()
}

/// Names of what is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A model of one matrix, of rows of 256.
fn file(folder: &Path, name: &str, tensors: &[(&str, TensorType, &[f32])]) -> String {
    let mut meta = Metadata::new();
    meta.insert("general.architecture", "test");
    let mut file = GgufWriter::new(meta);
    for (name, ty, weights) in tensors {
        let mut bytes = Vec::new();
        pack(*ty, weights, &mut bytes).unwrap();
        file.add_tensor(name, *ty, &[256, weights.len() as u64 / 256], bytes).unwrap();
    }
    let path = at(folder, name);
    file.write(Path::new(&path)).unwrap();
    path
}

#[test]
fn convert_takes_the_shipped_model_through_types_and_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let model = shipped_model();
    let original = std::fs::read(&model).unwrap();
    let text = |model: &str| {
        done(&mut tercet(&["generate", model, "--prompt", "ROMEO:", "--tokens", "12", "--greedy"]))
    };
    let verse = text(&model);
    for ty in ["q2_0", "ptq1_0", "f16", "f32"] {
        let (there, back) = (at(folder.path(), "there.gguf"), at(folder.path(), "back.gguf"));
        let said = done(&mut tercet(&["convert", &model, &there, "--type", ty]));
        assert!(said.contains(&format!("Q1_58 as {}, every weight as it was", ty.to_uppercase())), "{said}");
        assert_ne!(std::fs::read(&there).unwrap(), original);
        assert_eq!(text(&there), verse, "{ty}");
        done(&mut tercet(&["convert", &there, &back, "--type", "q1_58"]));
        assert!(std::fs::read(&back).unwrap() == original, "{ty}");
    }
}

#[test]
fn convert_takes_256_weights_of_one_scale_through_llama_cpps_types() {
    let folder = tempfile::tempdir().unwrap();
    let latent: Vec<f32> = (0..1024).map(|i| ((i * 73 % 199) as f32 - 99.0) * 1e-3).collect();
    let model = file(folder.path(), "m.gguf", &[("blk.0.attn_q.weight", TensorType::TQ2_0, &latent)]);
    let original = std::fs::read(&model).unwrap();
    let (mut from, out) = (model, |ty: &str| at(folder.path(), &format!("{ty}.gguf")));
    for ty in ["q1_58", "tq1_0", "q2_0", "f16", "tq1_0", "ptq1_0", "tq2_0"] {
        done(&mut tercet(&["convert", &from, &out(ty), "--type", ty]));
        from = out(ty);
        assert_eq!(types(&from)[0].1, ty.to_uppercase());
    }
    // The first file did not say which type its weights have by llama.cpp's number, the last does.
    let weights = |path: &str| {
        Gguf::open(Path::new(path)).unwrap().tensor("blk.0.attn_q.weight").unwrap().bytes.to_vec()
    };
    assert_eq!(weights(&from), original[original.len() - 4 * 66 - 24..][..4 * 66]);
}

#[test]
fn convert_refuses_in_one_sentence_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let floats: Vec<f32> = (0..512).map(|i| (i as f32).sin()).collect();
    let name = "blk.0.ffn_up.weight";
    let float = file(folder.path(), "float.gguf", &[(name, TensorType::F32, &floats)]);
    let ternary = file(folder.path(), "ternary.gguf", &[(name, TensorType::Q1_58, &floats)]);
    let table = file(folder.path(), "table.gguf", &[("token_embd.weight", TensorType::F32, &floats)]);
    let before = names(folder.path());
    let out = at(folder.path(), "out.gguf");
    let cases: &[(&[&str], i32, &str)] = &[
        (&[&ternary, "--type", "tq2_0"], 1, "cannot be stored as TQ2_0: TQ2_0 block 0 would need one scale"),
        (&[&ternary, "--type", "bf16", "--lossy"], 1, "cannot be stored as BF16: weight"),
        (&[&ternary, "--type", "q8_0", "--lossy"], 1, "cannot be stored as Q8_0: weight"),
        (&[&float, "--type", "q1_58", "--lossy"], 1, "ternary weights are trained, not rounded to here"),
        (&[&float, "--type", "f16"], 1, "--lossy rounds what is not ternary, f32 keeps every bit"),
        (&[&table, "--embedding", "q8_0"], 1, "cannot be stored as Q8_0"),
        (&[&table, "--type", "q4_k"], 2, "expected one of f32, f16, bf16, q8_0, q1_58"),
        (&["gone.gguf"], 1, "cannot open gone.gguf"),
    ];
    for (args, code, expected) in cases {
        let mut command = tercet(&["convert"]);
        command.args(*args).arg(&out);
        let (found, stdout, stderr) = output(&mut command);
        assert_eq!((found, stdout.as_str()), (*code, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
        assert_eq!(names(folder.path()), before, "{args:?}");
    }
    let (code, _, stderr) = output(&mut tercet(&["convert", &float, folder.path().to_str().unwrap()]));
    assert!(code == 1 && stderr.contains("is a folder"), "{stderr}");
    // With the word, what is not ternary is rounded, and that is said.
    for (from, args, moved) in [
        (&float, ["--type", "f16", "--lossy"], "F32 as F16, weights moved by 0.0"),
        (
            &table,
            ["--embedding", "q8_0", "--lossy"],
            "embedding and head: 1 of F32 as Q8_0, weights moved by 0.",
        ),
    ] {
        let said = done(tercet(&["convert", from, &out]).args(args));
        assert!(said.contains(moved), "{said}");
    }
}

#[test]
fn convert_gives_names_and_leaves_what_nobody_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let floats = vec![0.5; 256];
    let tensors = [
        ("token_embd.weight", TensorType::Q8_0, &floats[..]),
        ("blk.0.attn_q.weight", TensorType::F16, &floats),
        ("blk.0.attn_norm.weight", TensorType::F32, &floats),
        ("what.ever", TensorType::BF16, &floats),
    ];
    let (model, out) = (file(folder.path(), "m.gguf", &tensors), at(folder.path(), "out.gguf"));
    done(&mut tercet(&["convert", &model, &out, "--type", "q1_58", "--name", "Mine"]));
    let to: Vec<_> = types(&out).into_iter().map(|(_, ty)| ty).collect();
    assert_eq!(to, ["Q8_0", "Q1_58", "F32", "BF16"]);
    assert_eq!(Gguf::open(Path::new(&out)).unwrap().metadata().str("general.name").unwrap(), Some("Mine"));
    // Onto itself.
    done(&mut tercet(&["convert", &out, &out, "--type", "f16"]));
    assert_eq!(types(&out), types(&model));
}

#[cfg(unix)]
#[test]
fn convert_that_is_interrupted_leaves_nothing() {
    use crate::running::Running;
    use crate::signals::{ended, listening, send, until};

    let folder = tempfile::tempdir().unwrap();
    let floats: Vec<f32> = (0..8 << 20).map(|i| (i % 997) as f32 * 1e-3).collect();
    let model = file(folder.path(), "m.gguf", &[("blk.0.attn_q.weight", TensorType::F32, &floats)]);
    let out = at(folder.path(), "out.gguf");
    let mut command = listening(&["convert", &model, &out, "--type", "q8_0", "--lossy"]);
    let child =
        Running::start(command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()));
    until("it writes", || names(folder.path()).len() > 1);
    send(&child, "INT");
    let (status, said) = ended(child);
    // Where the work was done before the signal came, there is a whole file.
    if status.success() {
        assert_eq!(names(folder.path()), ["m.gguf", "out.gguf"]);
        return;
    }
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(said.contains("interrupted; nothing was written"), "{said}");
    assert_eq!(names(folder.path()), ["m.gguf"]);
}
