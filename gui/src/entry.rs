//! A command as the palette and the list of shortcuts show it: its words, its keys, and whether it can be done now. The pages and the
//! app make them, afresh whenever they are shown.

use eframe::egui::{Key, KeyboardShortcut, Modifiers};

use crate::command::Command;

/// See the top of this file.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it does, as a person would say it.
    pub text: String,
    /// What is sent when it is chosen.
    pub command: Command,
    /// The keys that send it from anywhere.
    pub keys: Option<KeyboardShortcut>,
    /// Whether it can be done now; else the palette leaves it out and its keys do nothing.
    pub enabled: bool,
}

impl Entry {
    /// One without keys that can be done.
    pub fn new(text: impl Into<String>, command: Command) -> Entry {
        Entry { text: text.into(), command, keys: None, enabled: true }
    }

    /// With keys.
    pub fn keys(mut self, modifiers: Modifiers, key: Key) -> Entry {
        self.keys = Some(KeyboardShortcut::new(modifiers, key));
        self
    }

    /// That can be done only if `enabled`.
    pub fn when(mut self, enabled: bool) -> Entry {
        self.enabled = enabled;
        self
    }
}
