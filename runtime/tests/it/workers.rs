//! The workers that keep texts in pages, and a lone text on each to hold them against: what is true of one is to be true of all.

use std::sync::Arc;

use cpu::Kernels;
use model::config::ModelConfig;
use runtime::gpu::{GpuModel, GpuOptions, GpuWorker};
use runtime::pass::{Answer, Span, TextId, Want, Worker};
use runtime::{CpuWorker, Model};

use crate::{gpu, tiny};

/// A worker whose pages can be counted and limited.
pub trait Paged: Worker {
    fn kv_bytes(&self, text: TextId) -> usize;
    fn limit_pages(&mut self, pages: Option<usize>);
}

macro_rules! paged {
    ($($worker:ident),*) => {
        $(impl Paged for $worker<'_> {
            fn kv_bytes(&self, text: TextId) -> usize {
                self.kv_bytes(text)
            }

            fn limit_pages(&mut self, pages: Option<usize>) {
                self.limit_pages(pages);
            }
        })*
    };
}

paged!(CpuWorker, GpuWorker);

/// A worker with one text.
pub struct Lone<'m> {
    worker: Box<dyn Worker + 'm>,
    text: TextId,
}

impl<'m> Lone<'m> {
    /// An empty text of the model's context.
    pub fn new(mut worker: impl Worker + 'm) -> Self {
        let context = worker.config().context;
        let text = worker.open(context).unwrap();
        Lone { worker: Box::new(worker), text }
    }

    /// Forgets what it holds.
    pub fn reset(&mut self) {
        self.worker.truncate(self.text, 0);
    }

    /// What comes of some more tokens.
    pub fn read(&mut self, tokens: &[u32], want: Want) -> Answer<'_> {
        self.worker.pass(&[Span { text: self.text, tokens, want }], &|| false).unwrap();
        self.worker.answer(0)
    }

    /// Logits after a text, as bits.
    pub fn whole(&mut self, tokens: &[u32]) -> Vec<u32> {
        self.reset();
        bits(self.read(tokens, Want::Last))
    }
}

/// Logits as bits; none where none were wanted.
pub fn bits(answer: Answer<'_>) -> Vec<u32> {
    match answer {
        Answer::Logits(logits) => logits.iter().map(|v| v.to_bits()).collect(),
        Answer::Nothing => Vec::new(),
        other => panic!("{other:?}"),
    }
}

/// Runs a test of a tiny model on a worker of each kind, with every set of kernels and on one thread and three, or on a device; the test is told
/// which.
pub fn each(c: &ModelConfig, mut test: impl FnMut(&mut dyn Paged, &mut Lone<'_>, &str)) {
    let gguf = tiny::gguf(c, 31);
    for kernels in Kernels::available() {
        let model = Model::with_kernels(&gguf, kernels).unwrap();
        let mut lone = Lone::new(CpuWorker::with_threads(&model, 1).unwrap());
        for threads in [1, 3] {
            let mut worker = CpuWorker::with_threads(&model, threads).unwrap();
            test(&mut worker, &mut lone, &format!("{}, {threads} threads", kernels.name));
        }
    }
    let Some(gpu) = gpu::gpu(GpuOptions::default()) else { return };
    let model = Model::from_gguf(&gguf).unwrap();
    let on_gpu = GpuModel::new(Arc::clone(&gpu), &model).unwrap();
    test(&mut GpuWorker::new(&on_gpu), &mut Lone::new(GpuWorker::new(&on_gpu)), &gpu.info().name);
}
