//! The text on the page, kept from one start to the next, so that closing the window or losing power costs a few seconds of typing
//! at most.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::{Duration, Instant};

use formats::atomic::write_atomic;

use serde::{Deserialize, Serialize};

use super::chat::Said;
use super::manuscript::Manuscript;
use crate::jobs::{self, Job};
use crate::shared::Shared;

/// How long the page may be newer than the file.
const KEEP_AFTER: Duration = Duration::from_secs(2);
/// A longer text is not a draft.
const BYTES_MAX: u64 = 64 << 20;

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The text.
    #[serde(flatten)]
    pub text: Manuscript,
    /// The conversation.
    #[serde(default)]
    pub chat: Vec<Said>,
}

/// Changes with the words.
fn fingerprint(text: &Manuscript, chat: &[Said]) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.buffer.hash(&mut hasher);
    chat.iter().for_each(|t| (t.by_model, &t.text.buffer).hash(&mut hasher));
    hasher.finish()
}

/// What is known of the file.
#[derive(Debug, Default)]
pub struct Draft {
    kept: Option<u64>,
    since: Option<Instant>,
    keeping: Option<Job<Result<u64, String>>>,
    /// It cannot be kept; said once.
    broken: bool,
}

impl Draft {
    /// The text that was kept in a folder.
    pub fn load(folder: &Path) -> Option<Kept> {
        let bytes = formats::ordinary::read(&folder.join("draft.json"), BYTES_MAX).ok()?;
        let mut kept = serde_json::from_slice::<Kept>(&bytes).ok()?;
        kept.text = kept.text.restored();
        kept.chat.iter_mut().for_each(|t| t.text = std::mem::take(&mut t.text).restored());
        Some(kept)
    }

    /// Takes note that the file holds this.
    pub fn is_kept(&mut self, text: &Manuscript, chat: &[Said]) {
        self.kept = Some(fingerprint(text, chat));
    }

    /// Writes the text down once it has been different for a while, in the background.
    pub fn keep(&mut self, text: &Manuscript, chat: &[Said], shared: &mut Shared) {
        match jobs::take(&mut self.keeping) {
            Some(Ok(Ok(kept))) => self.kept = Some(kept),
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
        let now = fingerprint(text, chat);
        if self.kept == Some(now) {
            self.since = None;
            return;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() < KEEP_AFTER {
            shared.ctx.request_repaint_after(KEEP_AFTER);
            return;
        }
        self.since = None;
        let kept = Kept { text: text.clone(), chat: chat.to_vec() };
        self.keeping =
            shared.jobs.start_quietly("keeping the text", move |_| save(&folder, &kept).map(|()| now));
    }

    /// Writes the text down at once, at the end.
    pub fn keep_now(&mut self, text: &Manuscript, chat: &[Said], folder: Option<&Path>) {
        jobs::wait(&mut self.keeping);
        if let Some(folder) = folder.filter(|_| !self.broken && self.kept != Some(fingerprint(text, chat))) {
            // There is nobody left to tell.
            let _ = save(folder, &Kept { text: text.clone(), chat: chat.to_vec() });
        }
    }
}

fn save(folder: &Path, text: &Kept) -> Result<(), String> {
    let json = serde_json::to_vec(text).map_err(|e| e.to_string())?;
    std::fs::create_dir_all(folder).map_err(|e| format!("{e} ({})", folder.display()))?;
    write_atomic(&folder.join("draft.json"), |w| w.write_all(&json)).map_err(|e| formats::sentence(&e))
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
        let chat = vec![Said { by_model: true, text: Manuscript::typed("Good day") }];
        Draft::default().keep_now(&text, &chat, Some(&inner));
        assert_eq!(Draft::load(&inner), Some(Kept { text, chat }));
        std::fs::write(inner.join("draft.json"), "{").unwrap();
        assert!(Draft::load(&inner).is_none());
    }
}
