//! A server that runs: what it serves, where, and what was asked of it.

use std::path::Path;
use std::sync::Arc;

use text::Opened;

use crate::open::let_go;
use crate::settings::Serving;

/// See the top of this file.
#[derive(Debug)]
pub struct Live {
    /// There until this is let go of.
    server: Option<Arc<serve::Server>>,
    /// What requests call the model by.
    pub model: String,
    /// Whether it converses.
    pub converses: bool,
    /// Where the model runs, and what it takes, in a few words.
    pub runs: String,
    /// Where clients on this machine find it.
    pub url: String,
    /// Where others do.
    pub url_for_others: Option<String>,
    /// What whoever asked for its device should hear of.
    pub remark: Option<String>,
    /// What it was started with.
    pub asked: Serving,
}

impl Live {
    /// A server that was started with `asked`.
    pub fn new(server: serve::Server, asked: Serving, remark: Option<String>) -> Live {
        let served = &server.models()[0];
        let running = served.running();
        let on = match running.engine.gpu() {
            Some(model) => model.gpu().info().name.clone(),
            None => {
                format!("CPU {} x{}", running.engine.model().kernels().name, running.engine.threads())
            }
        };
        Live {
            model: served.name().to_owned(),
            converses: served.opened().chat_template.is_some(),
            runs: format!("{on}, {} texts of {} tokens", asked.texts, running.engine.context()),
            url: server.url(),
            url_for_others: server.url_for_others(),
            remark,
            asked,
            server: Some(Arc::new(server)),
        }
    }

    /// The server.
    pub fn server(&self) -> &serve::Server {
        self.server.as_ref().expect("it is there until this is let go of")
    }

    /// The server, for a thread that waits for its end.
    pub fn shared(&self) -> Arc<serve::Server> {
        Arc::clone(self.server.as_ref().expect("it is there until this is let go of"))
    }

    /// Whether it is this model that it serves.
    pub fn serves(&self, opened: &Opened) -> bool {
        Arc::ptr_eq(&self.server().models()[0].opened().model, &opened.model)
    }

    /// Whether that file is what it serves, or what is in it since.
    pub fn is_of(&self, path: &Path) -> bool {
        self.server().models()[0].opened().path == path
    }

    /// Where whoever is meant to reach it finds it.
    pub fn best_url(&self) -> &str {
        self.url_for_others.as_ref().unwrap_or(&self.url)
    }
}

impl Drop for Live {
    /// Its end is waited for, and a model's memory takes time to give back: no frame does that.
    fn drop(&mut self) {
        let_go(self.server.take());
    }
}
