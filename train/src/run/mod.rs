//! A training run from the first step to the last, as a folder on disk: steps, validations, samples, checkpoints, logs.
//! It can be killed at any instant and continued to the same bits. Showing progress is an [`Observer`]'s business, the
//! mathematics the [`Trainer`](crate::trainer::Trainer)'s.

mod check;
mod control;
mod device;
mod observer;
mod open;
mod source;
mod start;
mod state;
mod steps;

pub use check::{Report, check};
pub use control::{Control, Order};
pub use device::{CPU, Device};
pub use observer::{Best, Event, Observer, Outcome, Outset, Summary};
pub use open::{Opening, Options, Run, RunToml};
pub use source::{Source, Which, config_at, stored_config};
pub use start::{Origin, Resume};
pub use state::Meta;
