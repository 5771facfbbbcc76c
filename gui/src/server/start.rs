//! Starting a server, in a job: what is taken from the app, step by step, and what a person is told where it fails.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::sync::Arc;

use formats::sentence;
use serve::{Error, ModelOptions, Served, Server};
use text::{Device, Devices, Opened, Remark, Step};

use super::live::Live;
use crate::jobs::JobContext;
use crate::settings::Serving;
use crate::shared::Shared;

/// What is to be served, and how.
#[derive(Debug)]
pub struct Start {
    /// The open model; its weights are shared, not read again.
    opened: Opened,
    devices: Arc<Devices>,
    device: Device,
    threads: Option<usize>,
    asked: Serving,
    /// What the file is called.
    file: String,
}

/// Why there is no server: what happened, and why and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub title: String,
    pub why: String,
}

impl Failure {
    pub fn new(title: impl Into<String>, why: impl Into<String>) -> Failure {
        Failure { title: title.into(), why: why.into() }
    }

    /// In words for whoever fills in the form.
    fn of(error: &Error, file: &str) -> Failure {
        let sentence = sentence(error);
        match error {
            Error::Listen { address, source } => {
                let port = address.port();
                match source.kind() {
                    ErrorKind::AddrInUse => Failure::new(
                        format!("Port {port} is taken"),
                        format!(
                            "Another program listens at {address}. Choose another port, or 0 for any that is free, or end that program"
                        ),
                    ),
                    ErrorKind::PermissionDenied => Failure::new(
                        format!("Port {port} is not for everybody"),
                        "The system keeps ports below 1024 for its own services. Choose one from 1024 to 65535",
                    ),
                    _ => Failure::new("The server cannot listen there", sentence),
                }
            }
            Error::Text(_) => Failure::new(format!("{file} cannot be served"), sentence),
            _ => Failure::new("The server did not start", sentence),
        }
    }
}

impl Start {
    /// Of the open model, where it runs now; `None` if none is open.
    pub fn new(shared: &Shared) -> Option<Start> {
        let model = shared.model.get()?;
        // A device that the model could not be on is not tried again.
        let device = model.engine.gpu().map_or(Device::Cpu, |_| model.device.asked());
        Some(Start {
            opened: model.opened.clone(),
            devices: Arc::clone(&model.devices),
            device,
            threads: shared.settings.threads,
            asked: shared.settings.serving.clone(),
            file: model.facts.name.clone(),
        })
    }

    /// Does it; takes as long as it takes to lay out the model for many texts.
    ///
    /// # Errors
    /// For who asked for it.
    pub fn run(self, job: &JobContext) -> Result<Live, Failure> {
        let Start { opened, devices, device, threads, asked, file } = self;
        let failure = |error: &Error| Failure::of(error, &file);
        let options = asked.options();
        job.progress(None, "looking at the port");
        options.check().map_err(|e| failure(&e))?;
        if opened.chat_template.is_some() {
            // A template that cannot be used is no surprise for the first client.
            text::chat::check(&opened).map_err(|e| failure(&e.into()))?;
        }
        let mut model = ModelOptions::new(device, asked.texts);
        let context = asked.context.map(|tokens| tokens.min(opened.model.config().context));
        (model.setup.engine.context, model.setup.engine.threads) = (context, threads);
        let mut watch = |step: Step<'_>| {
            match step {
                Step::Copying(device) => job.progress(None, format!("copying weights to {device}")),
                Step::LayingOut => job.progress(None, "laying out weights"),
                Step::Starting => job.progress(None, "making room for texts"),
            }
            if job.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let served = Served::start(opened, model, devices, &mut watch).map_err(|e| failure(&e))?;
        let remark = served.remarks().into_iter().find_map(|remark| match remark {
            Remark::CpuGoesOn { why } => Some(format!("{why}. The CPU serves the model instead.")),
            // The bar says so wherever it names the device.
            Remark::Software(_) => None,
        });
        let server = Server::start(&options, vec![served]).map_err(|e| failure(&e))?;
        Ok(Live::new(server, asked, remark))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_fails_is_told_with_what_to_do() {
        let listen = |kind: ErrorKind| Error::Listen {
            address: "127.0.0.1:80".parse().unwrap(),
            source: io::Error::from(kind),
        };
        for (error, title, words) in [
            (listen(ErrorKind::AddrInUse), "Port 80 is taken", "Choose another port"),
            (listen(ErrorKind::PermissionDenied), "Port 80 is not for everybody", "from 1024"),
            (listen(ErrorKind::AddrNotAvailable), "The server cannot listen there", "127.0.0.1:80"),
            (Error::Text(text::Error::NoTemplate), "a.gguf cannot be served", "chat template"),
            (Error::NoModel, "The server did not start", "no model"),
        ] {
            let failure = Failure::of(&error, "a.gguf");
            assert_eq!(failure.title, title);
            assert!(failure.why.contains(words), "{failure:?}");
        }
    }
}
