//! The model on a graphics device against the model on the CPU: the same text, nearly the same logits, whatever the shape
//! of the model and the features of the device. A software device serves as well as a real one.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use cpu::{Kernels, Pool, TernaryMatrix};
use formats::gguf::Gguf;
use model::config::ModelConfig;
use runtime::engine::{Engine, EngineOptions};
use runtime::gpu::{Fault, Gpu, GpuModel, GpuOptions, GpuOrCpu, GpuSession, Product, Variant, adapters};
use runtime::pass::{Answer, Want};
use runtime::request::{Event, Finish, GenerateRequest, WhenFull};
use runtime::sampler::{Sampler, Sampling};
use runtime::{Error, Model, Sequence, Session};

use crate::{cases, tiny};

/// Sums run in another order, so logits of a few units differ in their last bits.
const TOLERANCE: f32 = 1e-4;

/// Where such a difference moves an activation across the border between two of the 255 integers that it is rounded to, the logits of
/// that token and of those after it move by a part of a step. Measured on the tiny models: 0.12.
const TOLERANCE_ROUNDED: f32 = 0.5;

/// Where matrices read f32 a key may be rounded to the other neighbouring half. Measured: 2.2e-3.
const TOLERANCE_FLOATS: f32 = 1e-2;

/// The device under test with some features masked; `None`, with a sentence, where there is none at all.
pub fn gpu(options: GpuOptions) -> Option<Arc<Gpu>> {
    static SAID: OnceLock<()> = OnceLock::new();
    if adapters().is_empty() {
        assert!(
            std::env::var("TERCET_REQUIRE_GPU").as_deref() != Ok("1"),
            "TERCET_REQUIRE_GPU=1, but there is no graphics adapter"
        );
        SAID.get_or_init(|| eprintln!("no graphics adapter here: the GPU's tests are skipped"));
        return None;
    }
    Some(Arc::new(Gpu::open(None, options).unwrap()))
}

fn argmax(logits: &[f32]) -> u32 {
    (0..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best }) as u32
}

/// The CPU's greedy continuation and the logits along it, those of the prompt's last token first.
fn greedy(model: &Model, prompt: &[u32], n: usize) -> (Vec<u32>, Vec<Vec<f32>>) {
    let mut session = Session::with_threads(model, model.config().context, 1).unwrap();
    let mut logits = vec![session.forward(prompt).unwrap().to_vec()];
    let mut text = vec![argmax(&logits[0])];
    while text.len() < n {
        logits.push(session.forward(&text[text.len() - 1..]).unwrap().to_vec());
        text.push(argmax(&logits[logits.len() - 1]));
    }
    (text, logits)
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Every model on one set of features: tiny ones of each kind, and the one that ships.
fn same_text(variant: Variant) {
    let Some(gpu) = gpu(GpuOptions { variant, ..GpuOptions::default() }) else { return };
    let tiny = tiny::files(11).into_iter().map(|(name, _, file)| (name, Model::from_gguf(&file)));
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shakespeare.gguf");
    for (name, model) in tiny.chain([("shakespeare", Model::load(&shipped))]) {
        let model = model.unwrap();
        let config = model.config().clone();
        let prompt = tiny::tokens(&config, 12, 21);
        let (text, logits) = greedy(&model, &prompt, 64);
        let on_gpu = GpuModel::new(Arc::clone(&gpu), &model).unwrap();
        let mut session = GpuSession::new(&on_gpu, config.context).unwrap();
        let mut got = vec![session.next_greedy(&prompt).unwrap()];
        while got.len() < 64 {
            got.push(session.next_greedy(&got[got.len() - 1..]).unwrap());
        }
        assert_eq!(got, text, "{name}, {}", gpu.variant());

        // The same tokens again, a few at a time and then all at once: one by one, and many together.
        session.reset();
        let mut off = vec![worst(session.forward(&prompt).unwrap(), &logits[0])];
        for (id, want) in text.iter().zip(&logits[1..]).take(20) {
            off.push(worst(session.forward(&[*id]).unwrap(), want));
        }
        session.truncate(prompt.len());
        let all = session.forward_all(&text[..63]).unwrap();
        for (got, want) in all.chunks_exact(config.vocab).zip(&logits[1..]) {
            off.push(worst(got, want));
        }
        off.sort_by(f32::total_cmp);
        let (usual, most) = (off[off.len() / 2], off[off.len() - 1]);
        // Products with f32 differ in their last bits for every token, and int8 that is made of them is now and then another.
        let matrices = || model.weights().stacks().iter().flatten().map(|m| m.ternary().is_some());
        let tolerance = match (matrices().any(|ternary| ternary), matrices().any(|ternary| !ternary)) {
            (_, false) => [TOLERANCE, TOLERANCE_ROUNDED],
            (true, true) => [TOLERANCE_ROUNDED; 2],
            (false, true) => [TOLERANCE_FLOATS; 2],
        };
        eprintln!("{name}, {}: logits off by {usual:e}, at most {most:e}", gpu.variant());
        assert!(usual <= tolerance[0] && most <= tolerance[1], "{name}, {}", gpu.variant());
    }
}

#[test]
fn gpu_writes_the_cpus_text_portably() {
    same_text(Variant::default());
}

#[test]
fn gpu_writes_the_cpus_text_with_subgroups() {
    same_text(Variant { subgroups: true, ..Variant::default() });
}

#[test]
fn gpu_writes_the_cpus_text_with_packed_dot_products() {
    same_text(Variant { packed_dot: true, ..Variant::default() });
}

#[test]
fn gpu_writes_the_cpus_text_with_native_halves() {
    same_text(Variant { f16: true, ..Variant::default() });
}

#[test]
fn gpu_writes_the_cpus_text_with_everything() {
    same_text(Variant::FULL);
}

#[test]
fn gpu_runs_models_that_are_never_laid_out_for_the_processor() {
    let Some(gpu) = gpu(GpuOptions::default()) else { return };
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shakespeare.gguf");
    let tiny = tiny::files(11).into_iter().map(|(name, _, file)| (name, file));
    for (name, gguf) in tiny.chain([("shakespeare", Gguf::open(&shipped).unwrap())]) {
        let laid_out = Model::from_gguf(&gguf).unwrap();
        let model = Model::open(gguf, laid_out.kernels()).unwrap();
        let context = model.config().context;
        let on_gpu = GpuModel::new(Arc::clone(&gpu), &model).unwrap();
        let same = GpuModel::new(Arc::clone(&gpu), &laid_out).unwrap();
        assert_eq!(on_gpu.bytes(), same.bytes(), "{name}");
        let (mut session, mut other) =
            (GpuSession::new(&on_gpu, context).unwrap(), GpuSession::new(&same, context).unwrap());
        let prompt = tiny::tokens(model.config(), 12, 21);
        assert_eq!(session.forward(&prompt).unwrap(), other.forward(&prompt).unwrap(), "{name}");
        let (text, _) = greedy(&laid_out, &prompt, 12);
        session.reset();
        let mut got = vec![session.next_greedy(&prompt).unwrap()];
        while got.len() < 12 {
            got.push(session.next_greedy(&got[got.len() - 1..]).unwrap());
        }
        assert_eq!(got, text, "{name}");
        assert!(!model.is_laid_out() && model.mixing_error() == laid_out.mixing_error(), "{name}");
    }
}

#[test]
fn gpu_takes_matrices_beyond_a_binding_in_parts() {
    // The embedding takes three parts, gate and up two, and at most eight tokens fly together.
    let options = GpuOptions { binding_max: Some(1 << 16), ..GpuOptions::default() };
    let Some(gpu) = gpu(options) else { return };
    let config = ModelConfig { vocab: 300, width: 256, ffn: 1024, context: 50, ..tiny::config() };
    let model = Model::from_gguf(&tiny::gguf(&config, 3)).unwrap();
    let prompt = tiny::tokens(&config, 4, 21);
    let (text, _) = greedy(&model, &prompt, 20);
    let on_gpu = GpuModel::new(gpu, &model).unwrap();
    let mut session = GpuSession::new(&on_gpu, config.context).unwrap();
    let mut got = vec![session.next_greedy(&prompt).unwrap()];
    while got.len() < 20 {
        got.push(session.next_greedy(&got[got.len() - 1..]).unwrap());
    }
    assert_eq!(got, text);
}

#[test]
fn gpu_counts_what_a_token_costs() {
    let Some(gpu) = gpu(GpuOptions::default()) else { return };
    for (streams, a_block) in [(1, 10), (2, 12), (4, 12)] {
        let config = ModelConfig { streams, ..tiny::config() };
        let model = Model::from_gguf(&tiny::gguf(&config, 3)).unwrap();
        let on_gpu = GpuModel::new(Arc::clone(&gpu), &model).unwrap();
        let mut session = GpuSession::new(&on_gpu, config.context).unwrap();
        let id = session.next_greedy(&tiny::tokens(&config, 4, 5)).unwrap();
        let id = session.next_greedy(&[id]).unwrap();
        let before = session.counters();
        let id = session.next_greedy(&[id]).unwrap();
        let token = session.counters().since(before);
        // Embedding, blocks, norm, head and choice; where the token stands goes up, the id comes back.
        assert_eq!(token.dispatches, 4 + a_block * config.blocks as u64, "{streams} streams");
        assert_eq!((token.tokens, token.submissions), (1, 1));
        assert_eq!((token.bytes_up, token.bytes_down), (8, 4));
        // A token drawn takes the settings of the draw along.
        let draw = |point| Want::Draw(Sampling::default(), point);
        let Answer::Id(id) = session.read(&[id], draw(0.3)).unwrap() else { panic!("no id") };
        let before = session.counters();
        session.read(&[id], draw(0.5)).unwrap();
        let token = session.counters().since(before);
        assert_eq!((token.dispatches, token.bytes_down), (4 + a_block * config.blocks as u64, 4));
        assert_eq!(token.bytes_up, 8 + 32);
        // Other tokens than the one it chose have to be told, and how many there are.
        let before = session.counters();
        session.forward(&[1, 2]).unwrap();
        let token = session.counters().since(before);
        assert_eq!((token.bytes_up, token.bytes_down), (2 * (8 + 4) + 16, 4 * config.vocab as u64));
        // From the first token on nothing is allocated or compiled, whatever is asked.
        let created = gpu.created();
        session.advance(&[3; 40]).unwrap();
        session.forward_all(&[4; 20]).unwrap();
        let id = session.next_greedy(&[5]).unwrap();
        session.read(&[id], draw(0.5)).unwrap();
        assert_eq!(gpu.created(), created);
    }
}

#[test]
fn gpu_refuses_what_a_session_refuses() {
    let Some(gpu) = gpu(GpuOptions::default()) else { return };
    let config = tiny::config();
    let model = Model::from_gguf(&tiny::gguf(&config, 3)).unwrap();
    let on_gpu = GpuModel::new(gpu, &model).unwrap();
    for context in [0, config.context + 1] {
        assert!(matches!(GpuSession::new(&on_gpu, context), Err(Error::Context { .. })));
    }
    let mut session = GpuSession::new(&on_gpu, 8).unwrap();
    session.advance(&[1, 2, 3]).unwrap();
    assert!(matches!(session.forward(&[67]), Err(Error::Token { id: 67, vocab: 67 })));
    assert!(matches!(session.forward(&[1; 6]), Err(Error::ContextFull { tokens: 9, context: 8 })));
    assert!(matches!(session.forward(&[]), Err(Error::PromptEmpty)));
    assert!(matches!(session.next_greedy(&[]), Err(Error::PromptEmpty)));
    assert!(session.forward_all(&[]).unwrap().is_empty());
    assert_eq!(session.tokens(), [1, 2, 3]);
    session.forward(&[4; 5]).unwrap();
    assert_eq!(session.tokens().len(), session.context());
}

#[test]
fn gpu_too_small_is_refused_with_the_numbers() {
    let config = tiny::config();
    let model = Model::from_gguf(&tiny::gguf(&config, 3)).unwrap();
    // The keys of a block: five pages of 64 positions x 64 x 2 bytes.
    let Some(small) = gpu(GpuOptions { binding_max: Some(20_000), ..GpuOptions::default() }) else { return };
    let on_gpu = GpuModel::new(small, &model).unwrap();
    let message = GpuSession::new(&on_gpu, config.context).unwrap_err().to_string();
    assert!(message.contains("40960 bytes") && message.contains("20000"), "{message}");
    assert!(GpuSession::new(&on_gpu, 64).is_ok());
    let Some(smaller) = gpu(GpuOptions { binding_max: Some(100), ..GpuOptions::default() }) else { return };
    let message = GpuModel::new(smaller, &model).unwrap_err().to_string();
    assert!(message.starts_with("the embedding takes 256 bytes"), "{message}");
}

#[test]
fn gpu_without_memory_is_refused_with_the_numbers_before_anything_is_allocated() {
    let config = tiny::config();
    let model = Model::from_gguf(&tiny::gguf(&config, 3)).unwrap();
    let with = |memory_max| gpu(GpuOptions { memory_max: Some(memory_max), ..GpuOptions::default() });
    let Some(roomy) = with(1 << 30) else { return };
    let on_gpu = GpuModel::new(roomy, &model).unwrap();
    let one = GpuSession::new(&on_gpu, 64).unwrap();
    let (model_bytes, session_bytes) = (on_gpu.bytes(), one.bytes());

    // One byte too few for the model; then exactly the model and a session, but not two.
    let message = GpuModel::new(with(model_bytes - 1).unwrap(), &model).unwrap_err().to_string();
    let few = model_bytes - 1;
    assert!(message.starts_with(&format!("the model takes {model_bytes} bytes")), "{message}");
    assert!(message.ends_with(&format!("has {few} left of {few}")), "{message}");
    let all = model_bytes + session_bytes;
    let on_gpu = GpuModel::new(with(all).unwrap(), &model).unwrap();
    let first = GpuSession::new(&on_gpu, 64).unwrap();
    let message = GpuSession::new(&on_gpu, 64).unwrap_err().to_string();
    assert!(message.starts_with("a worker takes "), "{message}");
    assert!(message.ends_with(&format!("has 0 left of {all}")), "{message}");
    drop(first);
    let message = GpuSession::new(&on_gpu, 65).unwrap_err().to_string();
    assert!(message.starts_with("room for 128 tokens takes 73728 bytes"), "{message}");
    GpuSession::new(&on_gpu, 64).unwrap().forward(&[1, 2]).unwrap();
}

#[test]
fn gpu_without_memory_for_a_session_leaves_it_to_the_cpu() {
    let config = tiny::config();
    let model = Arc::new(Model::from_gguf(&tiny::gguf(&config, 3)).unwrap());
    let Some(roomy) = gpu(GpuOptions::default()) else { return };
    let memory_max = Some(GpuModel::new(roomy, &model).unwrap().bytes() + 1000);
    let small = gpu(GpuOptions { memory_max, ..GpuOptions::default() }).unwrap();
    let on_gpu = Arc::new(GpuModel::new(small, &model).unwrap());
    let options = EngineOptions { context: None, threads: Some(1), ..EngineOptions::default() };
    let cpu = Engine::start(Arc::clone(&model), options).unwrap();
    let engine = Engine::start_on(model, Some(on_gpu), options).unwrap();
    let prompt = tiny::tokens(&config, 5, 9);
    assert_eq!(written(&engine, &prompt, Sampling::greedy()), written(&cpu, &prompt, Sampling::greedy()));
    assert!(engine.fault().unwrap().contains("has 1000 left of "), "{:?}", engine.fault());
    assert!(engine.gpu().is_none());
}

#[test]
fn gpu_lost_is_an_error_and_no_panic() {
    let Some(gpu) = gpu(GpuOptions::default()) else { return };
    let config = tiny::config();
    let model = Model::from_gguf(&tiny::gguf(&config, 3)).unwrap();
    let on_gpu = GpuModel::new(Arc::clone(&gpu), &model).unwrap();
    let mut session = GpuSession::new(&on_gpu, config.context).unwrap();
    session.forward(&[1, 2, 3]).unwrap();
    gpu.destroy();
    for _ in 0..2 {
        assert!(matches!(session.forward(&[4]), Err(Error::Gpu { .. })));
        assert!(matches!(session.next_greedy(&[4]), Err(Error::Gpu { .. })));
        assert!(matches!(session.advance(&[4, 5, 6, 7, 8, 9]), Err(Error::Gpu { .. })));
    }
    assert_eq!(session.tokens(), [1, 2, 3]);
    assert!(matches!(GpuSession::new(&on_gpu, 64), Err(Error::Gpu { .. })));
    let message = GpuModel::new(gpu, &model).unwrap_err().to_string();
    assert!(message.starts_with("the GPU "), "{message}");
}

#[test]
fn gpu_that_is_not_there_is_named_with_those_that_are() {
    let error = Gpu::open(Some("no such card"), GpuOptions::default()).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("no GPU is called \"no such card\"; "), "{message}");
    for adapter in adapters() {
        assert!(message.contains(&adapter.info().name), "{message}");
    }
}

#[test]
fn gpu_reports_logits_that_are_not_finite() {
    let Some(gpu) = gpu(GpuOptions::default()) else { return };
    // Finite weights whose products are not.
    let config = tiny::config();
    let (meta, mut tensors) = tiny::parts(&config, 3);
    let gain = tensors.iter_mut().find(|t| t.name == "output_norm.weight").unwrap();
    gain.values.iter_mut().for_each(|v| *v = 3e38);
    let model = Model::from_gguf(&tiny::assemble(meta, &tensors)).unwrap();
    let on_gpu = GpuModel::new(gpu, &model).unwrap();
    let mut session = GpuSession::new(&on_gpu, 8).unwrap();
    assert!(session.forward(&[1, 2]).unwrap().iter().any(|l| !l.is_finite()));
    assert!(matches!(session.next_greedy(&[3]), Err(Error::Logits)));
}

/// What a request writes on an engine.
fn written(engine: &Engine, prompt: &[u32], sampling: Sampling) -> Vec<u32> {
    let request = GenerateRequest {
        prompt: prompt.to_vec(),
        max_tokens: 40,
        sampling,
        stop: Vec::new(),
        when_full: WhenFull::Slide,
        log_probs: None,
        ..GenerateRequest::default()
    };
    let events = engine.generate(request).unwrap();
    let tokens = events.filter_map(|event| match event {
        Event::Token { id, .. } => Some(id),
        Event::Error(error) => panic!("{error}"),
        _ => None,
    });
    tokens.collect()
}

#[test]
fn gpu_engine_writes_what_the_cpus_does_also_when_the_context_slides() {
    let Some(gpu) = gpu(GpuOptions::default()) else { return };
    let config = tiny::config();
    let model = Arc::new(Model::from_gguf(&tiny::gguf(&config, 3)).unwrap());
    let on_gpu = Arc::new(GpuModel::new(gpu, &model).unwrap());
    let options = EngineOptions { context: Some(32), threads: Some(1), ..EngineOptions::default() };
    let cpu = Engine::start(Arc::clone(&model), options).unwrap();
    let engine = Engine::start_on(model, Some(on_gpu), options).unwrap();
    let prompt = tiny::tokens(&config, 5, 9);
    let neutral = Sampling { temperature: 1.0, top_p: 1.0, seed: 3, ..Sampling::default() };
    for sampling in [
        Sampling::greedy(),
        neutral,
        Sampling { temperature: 2.5, min_p: 0.05, ..neutral },
        Sampling { top_k: 5, ..neutral },
        Sampling { top_p: 0.8, ..neutral },
        Sampling { temperature: 0.7, top_k: 20, top_p: 0.9, min_p: 0.1, ..neutral },
        Sampling { repetition_penalty: 1.3, ..neutral },
    ] {
        assert_eq!(written(&engine, &prompt, sampling), written(&cpu, &prompt, sampling), "{sampling:?}");
    }
    assert_eq!(engine.fault(), None);
    assert!(engine.gpu().is_some());
}

#[test]
fn gpu_looks_after_each_submission_of_a_prompt_whether_to_go_on() {
    let Some(gpu) = gpu(GpuOptions::default()) else { return };
    let config = tiny::config();
    let model = Model::from_gguf(&tiny::gguf(&config, 3)).unwrap();
    let on_gpu = GpuModel::new(gpu, &model).unwrap();
    let mut session =
        Sequence::on(GpuOrCpu::new(&on_gpu, &model, 1, Fault::default()), config.context).unwrap();
    let request = GenerateRequest {
        prompt: tiny::tokens(&config, 5, 300),
        max_tokens: 5,
        sampling: Sampling::greedy(),
        stop: Vec::new(),
        when_full: WhenFull::Stop,
        log_probs: None,
        ..GenerateRequest::default()
    };
    let mut read = 0;
    let (finish, _) = session
        .generate(&request, &mut |event| match event {
            Event::Prefill { done, .. } => {
                read = done;
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        })
        .unwrap();
    // The first submission has a tile of tokens.
    assert_eq!((finish, read, session.tokens().len()), (Finish::Cancelled, 16, 16));
    let (text, _) = greedy(&model, &request.prompt, 5);
    let mut got = Vec::new();
    let (_, stats) = session
        .generate(&request, &mut |event| {
            if let Event::Token { id, .. } = event {
                got.push(id);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((got, stats.reused_tokens), (text, 16));
}

#[test]
fn gpu_lost_in_the_middle_of_a_text_leaves_the_cpu_to_finish_it() {
    let Some(gpu) = gpu(GpuOptions::default()) else { return };
    let config = tiny::config();
    let gguf = tiny::gguf(&config, 3);
    let prompt = tiny::tokens(&config, 5, 9);
    let (text, _) = greedy(&Model::from_gguf(&gguf).unwrap(), &prompt, 30);
    let model = Model::open(gguf, Kernels::best()).unwrap();
    let on_gpu = GpuModel::new(Arc::clone(&gpu), &model).unwrap();
    let fault = Fault::default();
    let mut session = Sequence::on(GpuOrCpu::new(&on_gpu, &model, 1, Arc::clone(&fault)), 64).unwrap();
    let mut sampler = Sampler::new(Sampling::greedy()).unwrap();
    let mut got: Vec<u32> = Vec::new();
    while got.len() < 30 {
        if got.len() == 11 {
            assert_eq!(*fault.lock().unwrap(), None);
            assert!(!model.is_laid_out());
            gpu.destroy();
        }
        let new = if got.is_empty() { &prompt[..] } else { &got[got.len() - 1..] };
        let id = match session.read(new, Want::Likeliest).unwrap() {
            Answer::Id(id) => id,
            Answer::Logits(logits) => sampler.sample(logits).unwrap(),
            other => panic!("{other:?}"),
        };
        got.push(id);
    }
    assert_eq!(got, text);
    assert!(model.is_laid_out());
    assert!(fault.lock().unwrap().as_ref().unwrap().starts_with("the GPU "));
}

#[test]
fn gpu_without_room_for_a_session_leaves_it_to_the_cpu() {
    let Some(small) = gpu(GpuOptions { binding_max: Some(20_000), ..GpuOptions::default() }) else { return };
    let config = tiny::config();
    let model = Arc::new(Model::open(tiny::gguf(&config, 3), Kernels::best()).unwrap());
    let on_gpu = Arc::new(GpuModel::new(small, &model).unwrap());
    assert!(!model.is_laid_out());
    let options = EngineOptions { context: None, threads: Some(1), ..EngineOptions::default() };
    let cpu = Engine::start(Arc::clone(&model), options).unwrap();
    let engine = Engine::start_on(model, Some(on_gpu), options).unwrap();
    let prompt = tiny::tokens(&config, 5, 9);
    assert_eq!(written(&engine, &prompt, Sampling::greedy()), written(&cpu, &prompt, Sampling::greedy()));
    assert!(engine.fault().unwrap().contains("40960 bytes"));
    assert!(engine.gpu().is_none());
}

#[test]
fn gpu_pipelines_on_disk_may_be_damaged_or_impossible_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("not/yet there");
    let config = tiny::config();
    let model = Model::from_gguf(&tiny::gguf(&config, 3)).unwrap();
    let prompt = tiny::tokens(&config, 5, 9);
    let (text, _) = greedy(&model, &prompt, 3);
    let write = |cache: &Path| {
        let gpu = gpu(GpuOptions { cache: Some(cache.to_owned()), ..GpuOptions::default() })?;
        let on_gpu = GpuModel::new(gpu, &model).unwrap();
        let mut session = GpuSession::new(&on_gpu, 32).unwrap();
        let mut got = vec![session.next_greedy(&prompt).unwrap()];
        while got.len() < 3 {
            got.push(session.next_greedy(&got[got.len() - 1..]).unwrap());
        }
        assert_eq!(got, text, "{}", cache.display());
        Some(())
    };
    if write(&cache).is_none() {
        return;
    }
    let mut files = fs::read_dir(&cache).into_iter().flatten().map(|e| e.unwrap().path());
    let Some(file) = files.next() else {
        eprintln!("this device keeps no pipelines: nothing to damage");
        return;
    };
    assert_eq!(files.next(), None);
    let whole = fs::read(&file).unwrap();
    assert!(whole.starts_with(b"tercet pipelines 1\n"));
    write(&cache).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let garbage: Vec<u8> = (0..5000u32).map(|i| (i * i) as u8).collect();
    for damaged in [&[][..], &garbage, &whole[..whole.len() / 2], &whole[..whole.len() - 1], &flipped] {
        fs::write(&file, damaged).unwrap();
        write(&cache).unwrap();
        // A whole one has taken its place.
        assert_ne!(fs::read(&file).unwrap(), damaged);
    }
    // Neither a file below a file nor one in a folder's place can be written.
    write(&file.join("below")).unwrap();
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    write(&cache).unwrap();
    assert!(file.is_dir());
}

#[test]
fn gpu_products_have_the_defined_bits_for_every_variant() {
    // Each shape is compiled anew, so the table is thinned out: every sixth case, and the last two of groups of 128, the tallest.
    let mut all = cases::all();
    let tallest = all.split_off(all.len() - 2);
    all.extend(cases::of_groups().into_iter().filter(|case| match case.group {
        64 => case.factor.is_none(),
        group => group == 128,
    }));
    let chosen = || all.iter().step_by(6).chain(&tallest);
    for variant in Variant::EACH {
        let Some(gpu) = gpu(GpuOptions { variant, ..GpuOptions::default() }) else { return };
        for case in chosen() {
            let pool = Pool::new(1).unwrap();
            let Ok(m) = TernaryMatrix::from_rows(Kernels::best(), &pool, std::slice::from_ref(case));
            let product = Product::new(Arc::clone(&gpu), &m, &case.q, &case.a).unwrap();
            let expected = case.expected();
            for together in [false, true] {
                let y = product.run(together).unwrap();
                for (i, (y, e)) in y.iter().zip(&expected).enumerate() {
                    let what = format!("{}, {}, together {together}: {i}", case.name, gpu.variant());
                    // Drivers may leave out an addition of zero, and with it the sign of another.
                    assert!(
                        y.to_bits() == e.to_bits() || (*y == 0.0 && *e == 0.0),
                        "{what} is {y:e}, expected {e:e}"
                    );
                }
            }
        }
    }
}
