//! The model on a graphics device against the model on the CPU: the same text, nearly the same logits, whatever the shape
//! of the model and the features of the device. A software device serves as well as a real one.

use std::sync::{Arc, OnceLock};

use runtime::gpu::{Gpu, GpuModel, GpuOptions, GpuSession, Variant, adapters};
use runtime::{Model, Session};

use crate::tiny;

/// Sums run in another order, so logits of a few units differ in their last bits.
const TOLERANCE: f32 = 1e-4;

/// Where such a difference moves an activation across the border between two of the 255 integers that it is rounded to, the logits of
/// that token and of those after it move by a part of a step. Measured on the tiny models: 0.12.
const TOLERANCE_ROUNDED: f32 = 0.5;

/// The device under test with some features masked; `None`, with a sentence, where there is none at all.
fn gpu(options: GpuOptions) -> Option<Arc<Gpu>> {
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

/// Every model on one set of features.
fn same_text(variant: Variant) {
    let Some(gpu) = gpu(GpuOptions { variant, ..GpuOptions::default() }) else { return };
    for (name, config) in tiny::variants() {
        let model = Model::from_gguf(&tiny::gguf(&config, 11)).unwrap();
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
        eprintln!("{name}, {}: logits off by {usual:e}, at most {most:e}", gpu.variant());
        assert!(usual <= TOLERANCE && most <= TOLERANCE_ROUNDED, "{name}, {}", gpu.variant());
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
