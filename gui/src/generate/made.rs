//! How a part of a text came to be: everything needed to write it again, and what it cost.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::writer::Figures;
use crate::open::{Loaded, Stamp};
use crate::settings::Writing;

/// See the top of this file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// The model's file,
    pub model: PathBuf,
    /// and the version of it.
    pub stamp: Stamp,
    /// Where it ran, in words.
    pub runs_on: String,
    /// The settings, with the seed that was drawn.
    pub settings: Writing,
    /// What it took.
    pub figures: Figures,
}

impl Made {
    /// A part that is about to be written.
    pub fn new(model: &Loaded, settings: &Writing, seed: u64) -> Made {
        Made {
            model: model.opened.path.clone(),
            stamp: model.stamp,
            runs_on: model.runs_on(),
            settings: Writing { seed: Some(seed), ..settings.clone() },
            figures: Figures::default(),
        }
    }

    /// The seed it was drawn with.
    pub fn seed(&self) -> u64 {
        self.settings.seed.unwrap_or_default()
    }
}
