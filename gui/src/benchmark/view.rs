//! How a result is looked at: which tab, which part, against what. None of it changes the result.

use std::collections::BTreeSet;

use super::figure::Kind;
use super::results::Results;
use super::table::Column;

/// One way to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// Bars side by side.
    #[default]
    Bars,
    /// Under the machine's limits.
    Roofline,
    /// Numbers.
    Table,
}

impl Tab {
    /// All of them.
    pub const ALL: [Tab; 3] = [Tab::Bars, Tab::Roofline, Tab::Table];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Tab::Bars => "Bars",
            Tab::Roofline => "Roofline",
            Tab::Table => "Table",
        }
    }
}

/// See the top of this file.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Which tab.
    pub tab: Tab,
    /// Only figures of this kind.
    pub kind: Option<Kind>,
    /// Only this matrix.
    pub shape: Option<String>,
    /// What speed-ups are counted from, if not from the usual.
    pub baseline: Option<String>,
    /// Threads of the limits that are drawn, if not the most.
    pub threads: Option<usize>,
    /// Kernels that the roofline leaves out.
    pub hidden: BTreeSet<String>,
    /// What the table is sorted by, and whether downwards.
    pub sort: Option<(Column, bool)>,
}

impl View {
    /// What speed-ups are counted from.
    pub fn baseline(&self, results: &Results) -> Option<String> {
        let chosen = self.baseline.clone().filter(|b| results.figures.iter().any(|f| f.backend == *b));
        chosen.or_else(|| results.usual_baseline())
    }

    /// Whether figures of a kind and a matrix are shown.
    pub fn shows(&self, kind: Kind, shape: Option<&str>) -> bool {
        self.kind.is_none_or(|k| k == kind)
            && (kind != Kind::Product || self.shape.as_deref().is_none_or(|s| shape == Some(s)))
    }
}
