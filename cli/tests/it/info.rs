//! `tercet info` on files that are not as they must be: it says of each what `generate` says, lists what it can, and quotes little.

use std::path::Path;
use std::process::Stdio;

use formats::blocks::TypeId;
use formats::gguf::{Gguf, GgufWriter, Metadata};
use serde_json::Value;

use crate::model::path;
use crate::{done, output, tercet};

/// A tensor's name, type, dimensions and bytes.
type Tensor = (String, TypeId, Vec<u64>, Vec<u8>);

/// What a file is made of, to be changed.
pub struct Parts {
    meta: Metadata,
    tensors: Vec<Tensor>,
}

impl Parts {
    /// Of the model of the tests.
    pub fn new() -> Parts {
        Parts::of(&path("model.gguf"))
    }

    /// Of a file.
    pub fn of(path: &str) -> Parts {
        let gguf = Gguf::open(path.as_ref()).unwrap();
        let tensor = |t: &formats::gguf::TensorInfo| {
            (t.name.clone(), t.ty, t.dims.to_vec(), gguf.tensor(&t.name).unwrap().bytes.to_vec())
        };
        Parts { meta: gguf.metadata().clone(), tensors: gguf.tensors().iter().map(tensor).collect() }
    }

    pub fn bytes(self) -> Vec<u8> {
        let mut writer = GgufWriter::new(self.meta);
        for (name, ty, dims, bytes) in self.tensors {
            writer.add_tensor(&name, ty, &dims, bytes).unwrap();
        }
        writer.to_bytes().unwrap()
    }

    /// Without a key.
    fn without(mut self, key: &str) -> Parts {
        let mut meta = Metadata::new();
        self.meta.iter().filter(|(k, _)| *k != key).for_each(|(k, v)| meta.insert(k, v.clone()));
        self.meta = meta;
        self
    }

    /// With so many rows in a tensor, those that are new like the first.
    pub fn with_rows(mut self, name: &str, rows: usize) -> Parts {
        let (_, _, dims, bytes) = self.tensors.iter_mut().find(|(found, ..)| found == name).unwrap();
        let row = bytes[..bytes.len() / dims[1] as usize].to_vec();
        while bytes.len() < rows * row.len() {
            bytes.extend(&row);
        }
        dims[1] = rows as u64;
        self
    }

    pub fn with(mut self, key: &str, value: impl Into<formats::gguf::Value>) -> Parts {
        self.meta.insert(key, value);
        self
    }
}

/// A copy of the model in which the first `from` is `to`, of the same length.
fn patched(from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = Parts::new().bytes();
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

/// The sentence with which `generate` refuses a file.
#[track_caller]
fn refusal(file: &Path, device: &str) -> String {
    let mut generate = tercet(&["generate", file.to_str().unwrap(), "-n", "1", "--device", device]);
    let (code, stdout, stderr) = output(generate.stdin(Stdio::null()));
    assert_eq!((code, &*stdout), (1, ""), "{stderr}");
    stderr.strip_prefix("tercet: ").unwrap().trim_end().to_owned()
}

fn info(file: &Path) -> Value {
    serde_json::from_str(&done(&mut tercet(&["info", file.to_str().unwrap(), "--json"]))).unwrap()
}

#[test]
fn info_and_generate_say_the_same_of_broken_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.gguf");
    let ggml = |key: &str| format!("tokenizer.ggml.{key}");
    let ids = Parts::new().meta.u64("tercet.vocab_size").unwrap().unwrap() as u32;
    let more_tokens = |mut parts: Parts| {
        let tokens = parts.meta.strs(&ggml("tokens")).unwrap().unwrap();
        let added = |n: u32| format!("<added {n}>");
        let all: Vec<String> = tokens.iter().map(str::to_owned).chain((0..ids).map(added)).collect();
        let mut kinds = parts.meta.i32s(&ggml("token_type")).unwrap().unwrap().to_vec();
        kinds.resize(all.len(), 4);
        parts.meta.insert(&ggml("tokens"), all);
        parts.with(&ggml("token_type"), kinds)
    };
    let first_tensor = |change: fn(&mut Tensor)| {
        let mut parts = Parts::new();
        change(&mut parts.tensors[0]);
        parts
    };
    let without_tensor = || {
        let mut parts = Parts::new();
        parts.tensors.pop();
        parts
    };
    let with = |key: &str, value: formats::gguf::Value| Parts::new().with(key, value).bytes();
    let whole = Parts::new().bytes();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (with("general.architecture", "mamba".into()), "architecture is \"mamba\""),
        (Parts::new().without("general.architecture").bytes(), "`general.architecture` is missing"),
        (with("split.count", 2u16.into()), "one of 2 parts of a split model"),
        (
            Parts::new().with("split.no", 0u16).with("split.count", 2u16).bytes(),
            "part 1 of 2 of a split model",
        ),
        (with("tercet.block_count", 999u32.into()), "tercet.block_count"),
        (with(&ggml("model"), "rwkv".into()), "expected \"gpt2\""),
        (with(&ggml("pre"), "tekken".into()), "\"tekken\""),
        (with(&ggml("pre"), 1u32.into()), "tokenizer.ggml.pre"),
        (with(&ggml("eos_token_id"), 100_000u32.into()), "tokenizer.ggml.eos_token_id"),
        (with(&ggml("eos_token_id"), "two".into()), "tokenizer.ggml.eos_token_id"),
        (with(&ggml("token_type"), vec![1i32].into()), "has 1 entries"),
        (Parts::new().without(&ggml("merges")).bytes(), "`tokenizer.ggml.merges` is missing"),
        (Parts::new().without(&ggml("tokens")).bytes(), "`tokenizer.ggml.tokens` is missing"),
        (more_tokens(Parts::new()).bytes(), "expected at most as many"),
        (with("tokenizer.chat_template", 1u32.into()), "tokenizer.chat_template"),
        (with("general.sampling.temp", "hot".into()), "general.sampling.temp"),
        (with("general.sampling.top_p", 3.0f32.into()), "top-p is 3"),
        (without_tensor().bytes(), "is missing"),
        (first_tensor(|t| t.2 = vec![t.2.iter().product()]).bytes(), "has dimensions"),
        (first_tensor(|t| (t.2[0], t.3) = (0, Vec::new())).bytes(), "has dimensions"),
        (first_tensor(|t| t.3[..2].fill(0xff)).bytes(), "must be finite"),
        (whole[..whole.len() - 100].to_vec(), "the copy is incomplete"),
        (whole[..whole.len() / 2].to_vec(), "the copy is incomplete"),
    ];
    for (bytes, part) in &cases {
        std::fs::write(&file, bytes).unwrap();
        let why = refusal(&file, "cpu");
        assert!(why.contains(part), "{why} does not say {part}");
        // With a GPU its upload finds the fault, without one the processor that goes on.
        assert_eq!(refusal(&file, "gpu"), why);
        let said = info(&file);
        assert_eq!((&said["model"]["runs"], said["model"]["error"].as_str()), (&false.into(), Some(&*why)));
        let text = done(&mut tercet(&["info", file.to_str().unwrap()]));
        assert!(text.contains(&format!("  does not run here: {why}\n")), "{text}");
        assert!(text.contains("token_embd.weight") && text.contains("general."), "{text}");
    }
    // Where there is nothing to list, both end with the sentence.
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (patched(b"general.architecture", b"general.\xffrchitecture"), "is not UTF-8"),
        (
            patched(b"\x06\0\0\0\0\0\0\0tercet", b"\x06\0\0\0\0\0\0\0terc\xe9t"),
            "value of key `general.architecture`",
        ),
        (b"8\0\0\0\0\0\0\0{\"a\":{}}".to_vec(), "a safetensors file"),
        (whole[..100].to_vec(), "which is all this file could hold"),
    ];
    for (bytes, part) in &cases {
        std::fs::write(&file, bytes).unwrap();
        let why = refusal(&file, "cpu");
        assert!(why.contains(part), "{why} does not say {part}");
        // With a GPU its upload finds the fault, without one the processor that goes on.
        assert_eq!(refusal(&file, "gpu"), why);
        for args in [&["info"][..], &["info", "--json"]] {
            let (code, stdout, stderr) = output(tercet(args).arg(&file));
            assert_eq!((code, &*stdout, stderr), (1, "", format!("tercet: {why}\n")));
        }
    }
}

#[test]
fn info_marks_tensors_that_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cut.gguf");
    let whole = Parts::new().bytes();
    std::fs::write(&file, &whole[..whole.len() - 100]).unwrap();
    let said = info(&file);
    let tensors = said["tensors"].as_array().unwrap();
    let broken: Vec<&Value> = tensors.iter().filter(|t| t["broken"] == true).collect();
    assert_eq!((broken.len(), &broken[0]["mark"]), (1, &"ends beyond the end of the file".into()));
    let sum: u64 =
        tensors.iter().filter(|t| t["broken"] == false).map(|t| t["bytes"].as_u64().unwrap()).sum();
    assert_eq!(said["tensor_bytes"], sum);
    let text = done(&mut tercet(&["info", file.to_str().unwrap()]));
    assert!(
        text.contains("<- ends beyond the end of the file\n") && text.contains("broken: 1 of "),
        "{text}"
    );
    // A tensor that nothing asks for might have done something.
    let mut parts = Parts::new();
    let f32s = TypeId::from_id(0).unwrap();
    parts.tensors.push(("nothing".into(), f32s, vec![0, 4], Vec::new()));
    std::fs::write(&file, parts.bytes()).unwrap();
    let said = info(&file);
    let last = said["tensors"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["mark"], &last["broken"]), (&"has no weights".into(), &false.into()));
    assert_eq!(said["model"]["runs"], false);
}

#[test]
fn info_says_whether_conversations_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.gguf");
    for (template, line) in [
        (Some("{{ messages[0].content }}"), "  chat: its template writes conversations down\n"),
        (Some("{% for"), "  chat: the chat template in the model's file cannot be used: "),
        (None, "  chat: this model has no chat template; it continues text\n"),
    ] {
        let parts = Parts::new().without("tokenizer.chat_template");
        let parts = match template {
            Some(template) => parts.with("tokenizer.chat_template", template),
            None => parts,
        };
        std::fs::write(&file, parts.bytes()).unwrap();
        let text = done(&mut tercet(&["info", file.to_str().unwrap()]));
        assert!(text.contains("  runs: ") && text.contains(line), "{text}");
        let chat = &info(&file)["model"]["chat"];
        assert_eq!(chat["template"], template.is_some());
        assert_eq!(chat["error"].is_string(), template.is_some_and(|t| t.contains("{%")));
    }
}

#[test]
fn values_of_a_megabyte_are_quoted_short_by_every_command() {
    // More than a quotation takes, less than a screen.
    const ROOM: usize = 2 << 10;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("long.gguf");
    let long = "x\u{1b}".repeat(1 << 19);
    let raise = format!("{{{{ raise_exception('{}') }}}}", "no".repeat(100_000));
    let commands: [&[&str]; 5] = [
        &["info"],
        &["info", "--json"],
        &["generate", "-n", "0"],
        &["chat"],
        &["eval", "--text", &path("text.txt")],
    ];
    let all = |file: &Path| -> Vec<usize> {
        let say = |args: &&[&str]| {
            let (_, stdout, stderr) = output(tercet(args).arg(file).stdin(Stdio::null()));
            assert!(!stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'), "{args:?}");
            stdout.len() + stderr.len()
        };
        commands.iter().map(say).collect()
    };
    std::fs::write(&file, Parts::new().bytes()).unwrap();
    let usual = all(&file);
    for (key, value) in [
        ("general.architecture", &*long),
        ("general.name", &long),
        ("general.sampling.temp", &long),
        ("tercet.feed_forward.activation", &long),
        ("tercet.block_count", &long),
        ("tokenizer.ggml.model", &long),
        ("tokenizer.ggml.pre", &long),
        ("tokenizer.ggml.eos_token_id", &long),
        ("tokenizer.chat_template", &raise),
        (&long[..60_000], &long),
    ] {
        std::fs::write(&file, Parts::new().with(key, value).bytes()).unwrap();
        for ((said, usual), command) in all(&file).into_iter().zip(&usual).zip(commands) {
            assert!(
                said <= usual + ROOM,
                "{command:?} with a long {key:.40}: {said} bytes, {usual} otherwise"
            );
        }
    }
}
