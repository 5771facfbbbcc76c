//! The text on the page, kept from one start to the next, so that closing the window or losing power costs a few seconds of typing
//! at most.

use std::fs::{File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use formats::atomic::write_atomic;

use serde::{Deserialize, Serialize};

use super::chat::{Chat, Said};
use super::made::Made;
use super::manuscript::Manuscript;
use crate::keep::Keeper;
use crate::settings::put_aside;
use crate::shared::Shared;

/// Windows that each have a text of their own.
const WINDOWS: usize = 16;
/// A longer text is not a draft.
const BYTES_MAX: u64 = 64 << 20;

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    #[serde(flatten)]
    pub text: Manuscript,
    /// How its last part was made.
    #[serde(default)]
    pub made: Option<Made>,
    /// The conversation.
    #[serde(default)]
    pub chat: Vec<Said>,
    /// What is being said.
    #[serde(default)]
    pub saying: String,
}

impl Kept {
    fn of(text: &Manuscript, chat: &Chat, made: Option<&Made>) -> Kept {
        let (chat, saying) = (chat.turns.clone(), chat.input.clone());
        Kept { text: text.clone(), made: made.cloned(), chat, saying }
    }
}

/// Changes with the words.
fn fingerprint(text: &Manuscript, chat: &Chat) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.buffer.hash(&mut hasher);
    chat.turns.iter().for_each(|t| (t.by_model, &t.text.buffer).hash(&mut hasher));
    chat.input.hash(&mut hasher);
    hasher.finish()
}

/// A file of this window's own, as long as the window is there.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// Held to the end; `None` where the folder gives no lock.
    _lock: Option<File>,
}

impl Place {
    /// The first file that no other window has.
    fn take(folder: &Path) -> Place {
        let path = |n: usize| match n {
            1 => folder.join("draft.json"),
            n => folder.join(format!("draft-{n}.json")),
        };
        // A folder that cannot be made is told when the text is to be kept.
        let _ = std::fs::create_dir_all(folder);
        for n in 1..=WINDOWS {
            let Ok(lock) = File::create(path(n).with_extension("lock")) else { break };
            match lock.try_lock() {
                Ok(()) => return Place { path: path(n), _lock: Some(lock) },
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(_)) => break,
            }
        }
        Place { path: path(1), _lock: None }
    }
}

/// What is known of the file.
#[derive(Debug, Default)]
pub struct Draft {
    place: Option<Place>,
    kept: Option<u64>,
    keeper: Keeper<u64>,
}

impl Draft {
    /// Takes a place in a folder, and gives what was kept there. A second window has a place of its own, so that neither overwrites the other's
    /// text. What cannot be read is put aside, and that is said.
    pub fn open(&mut self, folder: &Path) -> Result<Option<Kept>, String> {
        let place = self.place.insert(Place::take(folder));
        let read = match formats::ordinary::read(&place.path, BYTES_MAX) {
            Ok(bytes) => serde_json::from_slice::<Kept>(&bytes).map_err(|e| formats::shown(&e.to_string())),
            Err(formats::Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(e) => Err(formats::sentence(&e)),
        };
        match read {
            Ok(mut kept) => {
                kept.text = kept.text.restored();
                kept.chat.iter_mut().for_each(|t| t.text = std::mem::take(&mut t.text).restored());
                Ok(Some(kept))
            }
            Err(why) => Err(format!("The text of last time cannot be read: {why}{}", put_aside(&place.path))),
        }
    }

    /// Takes note that the file holds this.
    pub fn is_kept(&mut self, text: &Manuscript, chat: &Chat) {
        self.kept = Some(fingerprint(text, chat));
    }

    /// Writes the text down once it has been different for a while.
    pub fn keep(&mut self, text: &Manuscript, chat: &Chat, made: Option<&Made>, shared: &mut Shared) {
        let say = |why| format!("The text is not kept for the next start: {why}");
        self.kept = self.keeper.written(shared, say).or(self.kept);
        let Some(place) = &self.place else { return };
        let now = fingerprint(text, chat);
        if self.keeper.is_due(self.kept != Some(now), shared) {
            let (kept, path) = (Kept::of(text, chat, made), place.path.clone());
            self.keeper.write(shared, "keeping the text", move || save(&path, &kept).map(|()| now));
        }
    }

    /// Writes the text down at once, at the end.
    pub fn keep_now(&mut self, text: &Manuscript, chat: &Chat, made: Option<&Made>) {
        self.keeper.wait();
        if let Some(place) = self.place.as_ref().filter(|_| self.kept != Some(fingerprint(text, chat))) {
            // There is nobody left to tell.
            let _ = save(&place.path, &Kept::of(text, chat, made));
        }
    }
}

fn save(path: &Path, text: &Kept) -> Result<(), String> {
    let json = serde_json::to_vec(text).map_err(|e| e.to_string())?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| format!("{e} ({})", folder.display()))?;
    }
    write_atomic(path, |w| w.write_all(&json)).map_err(|e| formats::sentence(&e))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_draft_comes_back_with_its_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("new");
        let mut draft = Draft::default();
        assert_eq!(draft.open(&inner), Ok(None));
        let mut text = Manuscript::typed("ROMEO:\n");
        text.begin_part(None);
        text.push(5, "Ay", None, Arc::default());
        let turns = vec![Said { by_model: true, text: Manuscript::typed("Good day"), made: None }];
        let mut chat = Chat::default();
        (chat.turns, chat.input) = (turns, "And".into());
        draft.keep_now(&text, &chat, Some(&Made::default()));
        drop(draft);
        let kept = Draft::default().open(&inner).unwrap();
        assert_eq!(kept, Some(Kept::of(&text, &chat, Some(&Made::default()))));
        // One that cannot be read is not written over.
        std::fs::write(inner.join("draft.json"), "{").unwrap();
        assert!(Draft::default().open(&inner).unwrap_err().contains("draft.json.bad"));
        assert_eq!(std::fs::read(inner.join("draft.json.bad")).unwrap(), b"{");
        assert_eq!(Draft::default().open(&inner), Ok(None));
    }

    #[test]
    fn two_windows_keep_two_texts() {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let mut draft = Draft::default();
            let words = draft.open(folder.path()).unwrap().map(|k| k.text.buffer);
            (draft, words)
        };
        let keep = |draft: &mut Draft, words: &str| {
            draft.keep_now(&Manuscript::typed(words), &Chat::default(), None);
        };
        let ((mut first, none), (mut second, nothing)) = (open(), open());
        assert_eq!((none, nothing), (None, None));
        keep(&mut second, "of the second");
        keep(&mut first, "of the first");
        drop((first, second));
        let ((_first, one), (_second, two)) = (open(), open());
        assert_eq!((one.as_deref(), two.as_deref()), (Some("of the first"), Some("of the second")));
    }

    #[test]
    fn a_draft_of_before_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let old = r#"{"text":"ROMEO:","tokens":[{"range":{"start":0,"end":5},"id":3}],"chat":[{"by_model":false,"text":{"text":"hi","tokens":[]}}]}"#;
        std::fs::write(folder.path().join("draft.json"), old).unwrap();
        let kept = Draft::default().open(folder.path()).unwrap().unwrap();
        assert_eq!((kept.text.buffer.as_str(), kept.chat[0].text.buffer.as_str()), ("ROMEO:", "hi"));
    }
}
