//! A worker on a graphics device that survives it: when the device fails, the processor goes on, in the middle of a text if need be.
//! Its texts are empty then and say so, and whoever drives them has them read again.

use std::sync::{Arc, Mutex, PoisonError};

use super::model::GpuModel;
use super::worker::GpuWorker;
use crate::cpu_worker::CpuWorker;
use crate::error::{Error, Result};
use crate::kv::KvMemory;
use crate::model::Model;
use crate::pass::{Answer, GiveUp, Span, TextId, Worker};
use model::config::ModelConfig;

/// Why the CPU had to go on; empty while it has not.
pub type Fault = Arc<Mutex<Option<String>>>;

/// A worker on a device, and one on the CPU if that fails.
#[derive(Debug)]
pub struct GpuOrCpu<'m> {
    model: &'m Model,
    threads: usize,
    pages: Option<usize>,
    runs: Runs<'m>,
    /// Contexts of the texts that are open.
    contexts: Vec<Option<usize>>,
    /// Whether the last pass was the one in which the device failed.
    moved: bool,
    fault: Fault,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
enum Runs<'m> {
    Gpu(GpuWorker<'m>),
    Cpu(CpuWorker<'m>),
}

impl<'m> GpuOrCpu<'m> {
    /// A worker on the device, or on up to `threads` threads once the device fails or has no room for a text.
    pub fn new(on_gpu: &'m GpuModel, model: &'m Model, threads: usize, fault: Fault) -> Self {
        let runs = Runs::Gpu(GpuWorker::new(on_gpu));
        GpuOrCpu { model, threads, pages: None, runs, contexts: Vec::new(), moved: false, fault }
    }

    /// Takes no more than so many pages of keys and values, wherever it runs.
    pub fn limit_pages(&mut self, pages: Option<usize>) {
        self.pages = pages;
        match &mut self.runs {
            Runs::Gpu(worker) => worker.limit_pages(pages),
            Runs::Cpu(worker) => worker.limit_pages(pages),
        }
    }

    fn runs(&self) -> &dyn Worker {
        match &self.runs {
            Runs::Gpu(worker) => worker,
            Runs::Cpu(worker) => worker,
        }
    }

    fn runs_mut(&mut self) -> &mut dyn Worker {
        match &mut self.runs {
            Runs::Gpu(worker) => worker,
            Runs::Cpu(worker) => worker,
        }
    }

    /// Goes on with the CPU, with the same texts, empty. The model is laid out for it only now.
    fn move_to_cpu(&mut self, error: &Error) -> Result<()> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.to_string());
        let mut cpu = CpuWorker::up_to_threads(self.model, self.threads)?;
        cpu.limit_pages(self.pages);
        // A place is given to the first text that needs one, so texts keep their ids if all places are filled before some are freed.
        for context in &self.contexts {
            cpu.open(context.unwrap_or(1))?;
        }
        for (i, _) in self.contexts.iter().enumerate().filter(|(_, context)| context.is_none()) {
            cpu.close(TextId(i));
        }
        self.runs = Runs::Cpu(cpu);
        Ok(())
    }

    /// Remembers what a text that was opened may hold.
    fn note(&mut self, text: TextId, context: usize) {
        self.contexts.resize(self.contexts.len().max(text.0 + 1), None);
        self.contexts[text.0] = Some(context);
    }

    fn on_gpu(&self) -> bool {
        matches!(self.runs, Runs::Gpu(_))
    }
}

impl Worker for GpuOrCpu<'_> {
    fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    fn open(&mut self, context: usize) -> Result<TextId> {
        // A device that has room for some texts keeps them.
        let first = self.contexts.iter().all(Option::is_none);
        let text = match self.runs_mut().open(context) {
            Err(error) if error.is_of_device() && first && self.on_gpu() => {
                self.move_to_cpu(&error)?;
                self.runs_mut().open(context)?
            }
            text => text?,
        };
        self.note(text, context);
        Ok(text)
    }

    fn close(&mut self, text: TextId) {
        self.contexts[text.0] = None;
        self.runs_mut().close(text);
    }

    fn tokens(&self, text: TextId) -> &[u32] {
        self.runs().tokens(text)
    }

    fn context(&self, text: TextId) -> usize {
        self.runs().context(text)
    }

    fn truncate(&mut self, text: TextId, len: usize) {
        self.runs_mut().truncate(text, len);
    }

    fn page_tokens(&self) -> usize {
        self.runs().page_tokens()
    }

    fn fork(&mut self, text: TextId, len: usize) -> Result<TextId> {
        let fork = self.runs_mut().fork(text, len)?;
        self.note(fork, self.context(text));
        Ok(fork)
    }

    fn step_tokens(&self) -> usize {
        self.runs().step_tokens()
    }

    fn pass(&mut self, spans: &[Span<'_>], give_up: GiveUp<'_>) -> Result<()> {
        self.moved = false;
        match self.runs_mut().pass(spans, give_up) {
            Err(error) if error.is_of_device() && self.on_gpu() => {
                self.move_to_cpu(&error)?;
                self.moved = true;
                Ok(())
            }
            done => done,
        }
    }

    fn answer(&self, i: usize) -> Answer<'_> {
        if self.moved { Answer::Unread } else { self.runs().answer(i) }
    }

    fn kv_memory(&self) -> KvMemory {
        self.runs().kv_memory()
    }
}
