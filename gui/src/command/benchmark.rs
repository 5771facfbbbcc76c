//! What can be asked of the benchmark page, and the values it is asked with.

use std::path::PathBuf;

use crate::settings::{BenchmarkPlan, BenchmarkPreset};

/// See the top of this file.
#[derive(Clone, Debug, PartialEq)]
pub enum BenchmarkCommand {
    /// Measures what the plan says.
    Run,
    /// Ends the measuring and keeps what there is.
    Cancel,
    /// Makes the plan one of those known.
    Preset(BenchmarkPreset),
    /// Makes this the plan.
    Plan(Box<BenchmarkPlan>),
    /// Turns to a tab.
    Tab(BenchmarkTab),
    /// Shows figures of this kind alone.
    Kind(Option<FigureKind>),
    /// Shows products with this matrix alone.
    Matrix(Option<String>),
    /// Counts speed-ups from this backend.
    Baseline(String),
    /// Draws the roofline for so many threads.
    Threads(usize),
    /// Takes a kernel out of the roofline, or in again.
    Family(String),
    /// Sorts the table, the other way if it was sorted so.
    Sort(BenchmarkColumn),
    /// Copies the result as Markdown.
    Copy,
    /// Copies the table as it is shown.
    CopyTable,
    /// Asks where to save the result, and saves it.
    Save,
    /// Saves it to a file of this name; its ending decides the kind.
    SaveTo(PathBuf),
    /// Asks for an earlier result, and lays it over this one.
    Overlay,
    /// Lays this file over the result.
    OverlayFrom(PathBuf),
    /// Takes the earlier result away.
    ClearOverlay,
}

/// One way to look at a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BenchmarkTab {
    /// Bars side by side.
    #[default]
    Bars,
    /// Under the machine's limits.
    Roofline,
    /// Every figure as a row of numbers.
    Table,
}

impl BenchmarkTab {
    /// All three, from left to right.
    pub const ALL: [BenchmarkTab; 3] = [BenchmarkTab::Bars, BenchmarkTab::Roofline, BenchmarkTab::Table];

    /// What the tab says.
    pub fn name(self) -> &'static str {
        match self {
            BenchmarkTab::Bars => "Bars",
            BenchmarkTab::Roofline => "Roofline",
            BenchmarkTab::Table => "Table",
        }
    }
}

/// What is measured, which decides the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FigureKind {
    /// A model, in tokens per second.
    Model,
    /// A matrix product, in 10^9 operations per second.
    Product,
}

impl FigureKind {
    /// The unit, as it stands behind figures.
    pub fn unit(self) -> &'static str {
        match self {
            FigureKind::Model => "tokens/s",
            FigureKind::Product => "GOPS",
        }
    }
}

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is what it is called")]
pub enum BenchmarkColumn {
    Test,
    Backend,
    Mean,
    Sd,
    Unit,
    Times,
    Result,
    Median,
    Least,
    Most,
    P95,
    Runs,
    From,
}

impl BenchmarkColumn {
    /// All of them, from left to right.
    pub const ALL: [BenchmarkColumn; 13] = [
        BenchmarkColumn::Test,
        BenchmarkColumn::Backend,
        BenchmarkColumn::Mean,
        BenchmarkColumn::Sd,
        BenchmarkColumn::Unit,
        BenchmarkColumn::Times,
        BenchmarkColumn::Result,
        BenchmarkColumn::Median,
        BenchmarkColumn::Least,
        BenchmarkColumn::Most,
        BenchmarkColumn::P95,
        BenchmarkColumn::Runs,
        BenchmarkColumn::From,
    ];

    /// Its heading.
    pub fn name(self) -> &'static str {
        match self {
            BenchmarkColumn::Test => "Test",
            BenchmarkColumn::Backend => "Backend",
            BenchmarkColumn::Mean => "Mean",
            BenchmarkColumn::Sd => "Sd",
            BenchmarkColumn::Median => "Median",
            BenchmarkColumn::Least => "Least",
            BenchmarkColumn::Most => "Most",
            BenchmarkColumn::P95 => "95 %",
            BenchmarkColumn::Unit => "Unit",
            BenchmarkColumn::Times => "Speed-up",
            BenchmarkColumn::Runs => "Runs",
            BenchmarkColumn::Result => "Result",
            BenchmarkColumn::From => "From",
        }
    }
}
