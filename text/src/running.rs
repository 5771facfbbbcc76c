//! A model at work: a file opened, on the device that was asked for, with an engine that waits for requests. It writes texts and holds
//! conversations; terminal, window and server are its clients.

use std::path::Path;
use std::sync::Arc;

use runtime::engine::{Engine, EngineOptions};

use crate::conversation::{Conversation, Manner};
use crate::device::Device;
use crate::devices::{Devices, Placed, Remark};
use crate::error::{Error, Result};
use crate::opened::Opened;
use crate::step::{Step, Watch, take, unwatched};
use crate::stream::{Ask, Served, TextStream};

/// How a model is to run.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Where.
    pub device: Device,
    /// Its engine: context, threads, texts at once, memory.
    pub engine: EngineOptions,
}

/// See the top of this file. Each has an engine of its own, so any number of them run side by side; those on one device share it.
#[derive(Debug)]
pub struct Running {
    /// The model, its tokenizer, its sampling.
    pub opened: Opened,
    /// What runs it.
    pub engine: Engine,
    /// What whoever asked for the device should hear of.
    pub remarks: Vec<Remark>,
}

impl Running {
    /// Opens a file and starts it.
    ///
    /// # Errors
    /// As [`Opened::open`] and [`start`](Self::start).
    pub fn open(path: &Path, setup: &Setup, devices: &Devices) -> Result<Running> {
        Self::start(Opened::open(path)?, setup, devices, &mut unwatched)
    }

    /// Starts a model that is open.
    ///
    /// # Errors
    /// A context that it does not have, found before anything else; as [`Devices::place`]; no threads to be had.
    pub fn start(opened: Opened, setup: &Setup, devices: &Devices, watch: Watch<'_>) -> Result<Running> {
        let Setup { device, engine } = setup;
        let trained = opened.model.config().context;
        if let Some(asked) = engine.context.filter(|asked| !(1..=trained).contains(asked)) {
            return Err(runtime::Error::Context { asked, trained }.into());
        }
        let Placed { gpu, mut remarks } = devices.place(&opened.model, device, watch)?;
        take(watch, Step::Starting)?;
        let started = Engine::start_on(Arc::clone(&opened.model), gpu, *engine);
        let engine = started.map_err(|source| match remarks.first() {
            Some(Remark::CpuGoesOn { why }) => Error::Neither { why: why.clone(), source: Box::new(source) },
            _ => source.into(),
        })?;
        remarks.extend(engine.fault().map(|why| Remark::CpuGoesOn { why }));
        Ok(Running { opened, engine, remarks })
    }

    /// Has a text written.
    ///
    /// # Errors
    /// An engine whose thread is gone.
    pub fn write(&self, ask: Ask) -> Result<TextStream<'_, Served<'_>>> {
        TextStream::start(&self.engine, &self.opened.tokenizer, ask.request, ask.stops)
    }

    /// Begins a conversation.
    pub fn conversation(&self, manner: Manner) -> Conversation<'_> {
        Conversation::new(&self.opened, self.engine.context(), manner)
    }
}

#[cfg(test)]
mod tests;
