//! What the training page keeps: the folder of runs, and how a person has them shown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// See the top of this file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Following {
    /// The folder of runs; `None` for the usual one.
    pub runs_dir: Option<PathBuf>,
    /// A run's colour, by its folder's name: a place in `Tokens::series`.
    pub colours: BTreeMap<String, usize>,
    /// Runs that are not drawn, by their folders' names.
    pub hidden: Vec<String>,
    /// Smoothing of the curves, 0 to 0.999.
    pub smoothing: f32,
    /// Whether equal distances on the x axis are equal factors.
    pub log_x: bool,
    /// Likewise on the y axes.
    pub log_y: bool,
    /// Names that a person gave to runs, by their folders' names.
    pub names: BTreeMap<String, String>,
    /// Notes on runs, likewise.
    pub notes: BTreeMap<String, String>,
    /// Folders of runs whose trainers this app started: at a start, those that went on without it.
    pub left: Vec<PathBuf>,
    /// Where new runs are trained, in the words of `tercet train --device`; what cannot be read leaves it to the trainer.
    pub device: String,
}
