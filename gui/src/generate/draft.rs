//! The text on the page, kept from one start to the next, so that closing the window or losing power costs a few seconds of typing
//! at most.

use std::path::Path;
use std::time::{Duration, Instant};

use formats::atomic::write_atomic;

use super::manuscript::Manuscript;
use crate::jobs::{self, Job};
use crate::shared::Shared;

/// How long the page may be newer than the file.
const KEEP_AFTER: Duration = Duration::from_secs(2);
/// A longer text is not a draft.
const BYTES_MAX: u64 = 64 << 20;

/// What is known of the file.
#[derive(Debug, Default)]
pub struct Draft {
    kept: String,
    since: Option<Instant>,
    keeping: Option<Job<Result<String, String>>>,
    /// It cannot be kept; said once.
    broken: bool,
}

impl Draft {
    /// The text that was kept in a folder.
    pub fn load(folder: &Path) -> Option<Manuscript> {
        let bytes = formats::ordinary::read(&folder.join("draft.json"), BYTES_MAX).ok()?;
        serde_json::from_slice::<Manuscript>(&bytes).ok().map(Manuscript::restored)
    }

    /// Takes note that the file holds this.
    pub fn is_kept(&mut self, text: &Manuscript) {
        self.kept.clone_from(&text.buffer);
    }

    /// Writes the text down once it has been different for a while, in the background.
    pub fn keep(&mut self, text: &Manuscript, shared: &mut Shared) {
        match jobs::take(&mut self.keeping) {
            Some(Ok(Ok(kept))) => self.kept = kept,
            Some(Ok(Err(why)) | Err(why)) => {
                shared.notices.warn(format!("The text is not kept for the next start: {why}"));
                self.broken = true;
            }
            None => {}
        }
        let Some(folder) = shared.env.config_dir.clone().filter(|_| !self.broken && self.keeping.is_none())
        else {
            return;
        };
        if text.buffer == self.kept {
            self.since = None;
            return;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() < KEEP_AFTER {
            shared.ctx.request_repaint_after(KEEP_AFTER);
            return;
        }
        self.since = None;
        let text = text.clone();
        self.keeping =
            shared.jobs.start("Keeping the text", move |_| save(&folder, &text).map(|()| text.buffer));
    }

    /// Writes the text down at once, at the end.
    pub fn keep_now(&self, text: &Manuscript, folder: Option<&Path>) {
        if let Some(folder) = folder.filter(|_| !self.broken && text.buffer != self.kept) {
            // There is nobody left to tell.
            let _ = save(folder, text);
        }
    }
}

fn save(folder: &Path, text: &Manuscript) -> Result<(), String> {
    let json = serde_json::to_vec(text).map_err(|e| e.to_string())?;
    std::fs::create_dir_all(folder).map_err(|e| format!("{e} ({})", folder.display()))?;
    write_atomic(&folder.join("draft.json"), |w| w.write_all(&json)).map_err(|e| crate::open::sentence(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_comes_back_with_its_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("new");
        assert!(Draft::load(&inner).is_none());
        let mut text = Manuscript::typed("ROMEO:\n");
        text.push(5, "Ay", None, Vec::new());
        Draft::default().keep_now(&text, Some(&inner));
        assert_eq!(Draft::load(&inner), Some(text));
        std::fs::write(inner.join("draft.json"), "{").unwrap();
        assert!(Draft::load(&inner).is_none());
    }
}
