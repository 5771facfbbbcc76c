//! What can go wrong in training, one sentence each: the problem first, then where, what was
//! expected and found, and the cure if we know it.

use std::path::PathBuf;

use formats::shown;

use crate::tokenizers::BPE_MIN;

/// A failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of ours is damaged, missing or cannot be written.
    #[error(transparent)]
    Formats(#[from] formats::Error),
    /// A model that no loader would take.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// A file or folder cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No preset has this name.
    #[error("no preset is called {name:?}; there are {known}")]
    UnknownPreset {
        /// What was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The configuration is not TOML, or a value has the wrong kind.
    #[error("{place}: {}", shown(problem))]
    ConfigSyntax {
        /// The file and line, or the setting.
        place: String,
        /// What the parser says.
        problem: String,
    },
    /// No such key.
    #[error("unknown configuration key \"{}\"; the nearest are {near}", shown(key))]
    ConfigUnknownKey {
        /// The key as given.
        key: String,
        /// Known keys that resemble it.
        near: String,
    },
    /// A value that cannot be used.
    #[error("configuration key {} is {}; expected {expected}", shown(key), shown(found))]
    ConfigValue {
        /// The dotted key.
        key: String,
        /// Its value.
        found: String,
        /// What would do.
        expected: String,
    },
    /// `--resume never`, and a run is there.
    #[error("{} already holds a run; continue it (--resume auto) or choose another folder", path.display())]
    RunExists {
        /// The run's folder.
        path: PathBuf,
    },
    /// The folder for a new run holds other files.
    #[error("{} is not a run and not empty (it holds {found:?}); choose another folder", path.display())]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
        /// One of its files.
        found: String,
    },
    /// Continuing would compute something else.
    #[error(
        "{place} was made by another configuration, there and here: {different}; use its own, or begin a new run from it with --resume and another --out"
    )]
    OtherConfig {
        /// The run or checkpoint.
        place: String,
        /// The keys, with both values.
        different: String,
    },
    /// A run cannot begin from another model.
    #[error("{place} is another model, there and here: {different}; give the same shape and tokenizer")]
    OtherModel {
        /// The checkpoint.
        place: String,
        /// The keys, with both values.
        different: String,
    },
    /// A run that begins where another is, and has no step to take.
    #[error("{} has {step} steps behind it and the new run is to end after {steps}; give more with --steps", path.display())]
    NoStepsLeft {
        /// The checkpoint.
        path: PathBuf,
        /// Steps behind it.
        step: u64,
        /// Steps of the new run.
        steps: u64,
    },
    /// The text is not the one a checkpoint was trained on.
    #[error("the text is not the one that {} was trained on (its hash is {found}, expected {expected}); give that text, or begin a new run from it with --resume and another --out", path.display())]
    OtherText {
        /// The checkpoint.
        path: PathBuf,
        /// Hash of its text.
        expected: String,
        /// Hash of the given text.
        found: String,
    },
    /// Going back inside a run that went on.
    #[error("{} already went on to step {newest}; to go on from step {step} of {} instead, choose another folder", path.display(), from.display())]
    NewerCheckpoints {
        /// The run's folder.
        path: PathBuf,
        /// Its newest checkpoint.
        newest: u64,
        /// The checkpoint asked for.
        from: PathBuf,
        /// Its step.
        step: u64,
    },
    /// Neither a run nor a checkpoint.
    #[error("{} is neither a run (no run.toml) nor a checkpoint (no manifest.json)", path.display())]
    NoSource {
        /// What was given.
        path: PathBuf,
    },
    /// A run without a checkpoint.
    #[error("{} has no checkpoint yet; train first", path.display())]
    NoCheckpoint {
        /// The run's folder.
        path: PathBuf,
    },
    /// A checkpoint away from its run.
    #[error("{} has no tokenizer.gguf beside it or in its run's folder; give the run instead", path.display())]
    NoTokenizer {
        /// The checkpoint.
        path: PathBuf,
    },
    /// A checkpoint that is whole, but not of this kind of run.
    #[error("the checkpoint of step {step} does not fit: {}", shown(problem))]
    CheckpointMeta {
        /// Its step.
        step: u64,
        /// What is wrong.
        problem: String,
    },
    /// A value that must not be saved or exported.
    #[error("{tensor} is {value} at index {index}; nothing was written")]
    NotFinite {
        /// The tensor's name.
        tensor: String,
        /// Where in it.
        index: usize,
        /// NaN or infinite.
        value: f32,
    },
    /// Training broke down.
    #[error(
        "the {what} became {value} at step {step}, so training stopped; {last_good}; a lower optimiser.muon_lr or optimiser.adam_lr may help"
    )]
    Diverged {
        /// Loss, gradient norm or a parameter.
        what: String,
        /// NaN or infinite.
        value: f64,
        /// The step that showed it, counted from 1.
        step: u64,
        /// Which checkpoint is good.
        last_good: String,
    },
    /// The disk failed or is full, or the training device failed.
    #[error("{cause}; training stopped after step {step}, {last_good}; {}", cure(cause))]
    Halted {
        /// What failed.
        cause: Box<Error>,
        /// Steps done.
        step: u64,
        /// Which checkpoint is good.
        last_good: String,
    },
    /// A log with a step missing or twice.
    #[error("{} has step {found} where step {expected} belongs", path.display())]
    LogGap {
        /// The log.
        path: PathBuf,
        /// The next step.
        expected: u64,
        /// The line's step.
        found: u64,
    },
    /// A log that ends before the checkpoint.
    #[error("{} ends at step {logged}, but there is a checkpoint of step {step}", path.display())]
    LogShort {
        /// The log.
        path: PathBuf,
        /// Its last step.
        logged: u64,
        /// The checkpoint's.
        step: u64,
    },
    /// A float run has no ternary codes.
    #[error("this run trained in float (model.float), to compare; it has no ternary model to export")]
    FloatRun,
    /// The model did not write.
    #[error("{problem}")]
    Sample {
        /// In the words of whoever was to write with it.
        problem: String,
    },
    /// A training device that does not answer any more, and what it held is lost.
    #[error("the training device failed: {}", shown(problem))]
    Device {
        /// In its driver's words.
        problem: String,
    },
    /// A training device that was asked for and cannot train this.
    #[error("{}", shown(problem))]
    NoDevice {
        /// In one sentence, with what to do.
        problem: String,
    },
    /// The system gave no threads.
    #[error("no worker threads: {source}")]
    Threads {
        /// Its own words.
        source: std::io::Error,
    },
    /// A text that cannot be trained on.
    #[error("{problem} (in {place})")]
    Text {
        /// The files.
        place: String,
        /// What is wrong, and the cure.
        problem: String,
    },
    /// The text repeats too little for a vocabulary of this size.
    #[error(
        "the training part supports {found} token ids, not {vocab}; use tokenizer.kind = {}bytes",
        if *found < BPE_MIN { String::new() } else { format!("bpe:{found} or ") }
    )]
    VocabTooLarge {
        /// Ids asked for.
        vocab: usize,
        /// Ids that can be learnt.
        found: usize,
    },
    /// A text too long to learn a vocabulary from.
    #[error(
        "the distinct words of the training part have {bytes} bytes, and a vocabulary is learnt from less than 4 GiB; use a part of the text, or tokenizer.kind = bytes or gpt2"
    )]
    PiecesTooLong {
        /// Bytes of its distinct pieces.
        bytes: usize,
    },
    /// A separator, and no token that it could become.
    #[error(
        "data.separator becomes the token that ends a text, and this tokenizer has none; add a special token <|endoftext|> or </s> to its tokenizer.json, or use tokenizer.kind = gpt2, bytes or bpe:N"
    )]
    NoEndToken,
    /// The flag that stops was set during long work.
    #[error("stopped before the first step, as asked")]
    Stopped,
}

/// What helps after the loop had to stop.
fn cure(cause: &Error) -> &'static str {
    match cause {
        Error::Device { .. } => "give the same command again to go on from there",
        _ => "make room and give the same command again",
    }
}

/// Shorthand.
pub type Result<T> = std::result::Result<T, Error>;
