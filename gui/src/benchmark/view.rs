//! How a result is looked at: which tab, which part, against what. None of it changes the result.

use std::collections::BTreeSet;

use super::results::Results;
use crate::command::{BenchmarkColumn, BenchmarkTab, FigureKind};

/// See the top of this file.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub tab: BenchmarkTab,
    /// Only figures of this kind.
    pub kind: Option<FigureKind>,
    /// Only this matrix.
    pub shape: Option<String>,
    /// What speed-ups are counted from, if not from the usual.
    pub baseline: Option<String>,
    /// Threads of the limits that are drawn, if not the most.
    pub threads: Option<usize>,
    /// Kernels that the roofline leaves out.
    pub hidden: BTreeSet<String>,
    /// What the table is sorted by, and whether downwards.
    pub sort: Option<(BenchmarkColumn, bool)>,
}

impl View {
    /// What speed-ups are counted from.
    pub fn baseline(&self, results: &Results) -> Option<String> {
        let chosen = self.baseline.clone().filter(|b| results.figures.iter().any(|f| f.backend == *b));
        chosen.or_else(|| results.usual_baseline())
    }

    /// Whether figures of a kind and a matrix are shown.
    pub fn shows(&self, kind: FigureKind, shape: Option<&str>) -> bool {
        self.kind.is_none_or(|k| k == kind)
            && (kind != FigureKind::Product || self.shape.as_deref().is_none_or(|s| shape == Some(s)))
    }
}
