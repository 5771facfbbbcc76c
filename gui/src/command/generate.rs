//! What can be asked of the generate page.

use std::path::PathBuf;

use crate::settings::SamplingPreset;

/// See the top of this file.
#[derive(Clone, Debug, PartialEq)]
pub enum GenerateCommand {
    /// Goes on with the text.
    Write,
    /// Ends what is being written; it stays as far as it is.
    Stop,
    /// Writes the last part again, with a new seed unless one is fixed.
    Again,
    /// Writes the last part so many times more, each with another seed.
    Several(usize),
    /// Goes back to the version before.
    Undo,
    /// Forward again.
    Redo,
    /// Goes to a version, counted from the oldest that is kept.
    Version(usize),
    /// Puts another id in a token's place and goes on from there.
    Branch {
        /// Which token of the text.
        token: usize,
        /// What stands there instead.
        id: u32,
    },
    /// Replaces the text.
    Text(String),
    /// Gives the sampler settings that go together.
    Preset(SamplingPreset),
    /// Fixes another seed.
    NewSeed,
    /// Fixes this seed.
    Seed(u64),
    /// Colours tokens by their probability, or no longer.
    Probabilities,
    /// Shows the panel of settings, or hides it.
    Panel,
    /// Shows earlier versions, or hides them.
    Strip,
    /// Copies the text.
    Copy,
    /// Asks where to save the text, and saves it.
    Save,
    /// Saves the text to a file of this name; its ending decides the kind.
    SaveTo(PathBuf),
    /// Begins a new text, or a new conversation.
    Clear,
    /// Says something to a model that converses, and has it answer.
    Say(String),
    /// Treats a model that converses as one that continues text, or no longer.
    Notebook,
}
