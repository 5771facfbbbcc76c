//! The folder of a training run: its config, its append-only logs of JSON lines, and where its
//! checkpoints live. What a checkpoint holds is `checkpoint`'s business.
//!
//! ```text
//! run.toml          config, commit, data hash, seed and what it began from; written after the first checkpoint, replaced
//!                   whole when the run is continued
//! metrics.jsonl     one line a step
//! samples.jsonl     texts the model wrote
//! events.jsonl      what happened, a line each: how sessions began and ended, what somebody asked of the run
//! checkpoints/      see `checkpoint`
//! tokenizer.gguf    the vocabulary
//! lock              held by the process that writes
//! ```
//! A line is appended with one write, so a crash tears at most the last one; readers skip a torn
//! tail and writers cut it off before they append.

mod dir;
mod lock;
mod record;
mod tail;
#[cfg(test)]
mod tests;
mod whole;
mod writer;

pub use dir::{Log, RunDir};
pub use lock::RunLock;
pub use record::{EventLine, MetricLine, SampleLine};
pub use tail::{BadLine, Chunk, LogTail, Tail};
pub use writer::LogWriter;
