//! A thread that looks at a file now and then, so that no frame does.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use eframe::egui::Context;

use super::stamp::Stamp;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// See the top of this file.
#[derive(Debug)]
pub struct FileWatch {
    news: Receiver<()>,
    _stop: Sender<()>,
}

impl FileWatch {
    /// Watches a file of which this version is known; `None` where the system gives no thread.
    pub fn start(path: PathBuf, known: Stamp, ctx: &Context) -> Option<FileWatch> {
        let (tell, news) = channel();
        let (stop, stopped) = channel::<()>();
        let ctx = ctx.clone();
        let mut seen = known;
        let watch = move || {
            while matches!(stopped.recv_timeout(LOOK), Err(RecvTimeoutError::Timeout)) {
                let now = Stamp::of(&path);
                // A file that is gone may be about to be replaced; the model in memory goes on either way.
                if now != seen && now != Stamp::default() {
                    seen = now;
                    if tell.send(()).is_err() {
                        return;
                    }
                    ctx.request_repaint();
                }
            }
        };
        std::thread::Builder::new().name("watching the model's file".into()).spawn(watch).ok()?;
        Some(FileWatch { news, _stop: stop })
    }

    /// Whether there was another version since this was last asked.
    pub fn changed(&self) -> bool {
        self.news.try_iter().count() > 0
    }
}
