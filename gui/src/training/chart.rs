//! One chart: which curves it has, and how they look. Painting it is `chart_paint`'s business.

use super::curves::{Curves, Source};

/// The charts there are, from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "see `title`")]
pub enum Chart {
    Loss,
    Bits,
    Rate,
    Gradient,
    Speed,
    Zeros,
    Flips,
    Drift,
}

/// How a curve looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Smoothed and bold, with every value faint behind.
    Smoothed,
    /// Every value.
    Exact,
    /// Every value, and a ring where it is one.
    Rings,
    /// The mean of the layers, and faint from the lowest to the highest.
    Layers,
}

/// One curve of a chart.
#[derive(Clone, Copy, Debug)]
pub struct Curve {
    /// Where it is kept.
    pub source: Source,
    /// Its place there.
    pub series: usize,
    pub look: Look,
    /// What it is called beside its value.
    pub name: &'static str,
}

const fn curve(source: Source, series: usize, look: Look, name: &'static str) -> Curve {
    Curve { source, series, look, name }
}

impl Chart {
    pub const ALL: [Chart; 8] = [
        Chart::Loss,
        Chart::Bits,
        Chart::Rate,
        Chart::Gradient,
        Chart::Speed,
        Chart::Zeros,
        Chart::Flips,
        Chart::Drift,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Chart::Loss => "Loss",
            Chart::Bits => "Bits per byte",
            Chart::Rate => "Learning rate",
            Chart::Gradient => "Gradient norm",
            Chart::Speed => "Throughput",
            Chart::Zeros => "Share of zeros",
            Chart::Flips => "Flips",
            Chart::Drift => "Drift of scales",
        }
    }

    /// What it shows, in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Chart::Loss => "Cross-entropy in nats per token, of each step's batch and of the validation part",
            Chart::Bits => "The same per byte of text, comparable between tokenizers",
            Chart::Rate => "Learning rate of the ternary matrices",
            Chart::Gradient => "Norm of the whole gradient before clipping",
            Chart::Speed => "Tokens per second of each step",
            Chart::Zeros => "Share of ternary weights that are zero, mean and range of the layers",
            Chart::Flips => {
                "Share of ternary weights that changed since the last look, mean and range of the layers"
            }
            Chart::Drift => "Mean scale now over mean scale at the start, mean and range of the layers",
        }
    }

    /// Its unit, or what tells its curves apart.
    pub fn legend(self, smoothed: bool) -> &'static str {
        match (self, smoothed) {
            (Chart::Loss | Chart::Bits, true) => "bold smoothed, faint every step, rings validation",
            (Chart::Loss | Chart::Bits, false) => "line training, rings validation",
            (Chart::Gradient, true) => "bold smoothed, faint every step",
            (Chart::Speed, true) => "tokens/s, bold smoothed, faint every step",
            (Chart::Speed, false) => "tokens/s",
            (Chart::Zeros | Chart::Flips | Chart::Drift, _) => "line mean of layers, band lowest to highest",
            _ => "",
        }
    }

    pub fn curves(self) -> &'static [Curve] {
        use Look::{Exact, Layers, Rings, Smoothed};
        use Source::{Codes, Steps, Validation};
        match self {
            Chart::Loss => {
                const { &[curve(Steps, 0, Smoothed, "training"), curve(Validation, 0, Rings, "validation")] }
            }
            Chart::Bits => {
                const { &[curve(Steps, 1, Smoothed, "training"), curve(Validation, 1, Rings, "validation")] }
            }
            Chart::Rate => const { &[curve(Steps, 2, Exact, "rate")] },
            Chart::Gradient => const { &[curve(Steps, 3, Smoothed, "norm")] },
            Chart::Speed => const { &[curve(Steps, 4, Smoothed, "tokens/s")] },
            Chart::Zeros => const { &[curve(Codes, 0, Layers, "mean")] },
            Chart::Flips => const { &[curve(Codes, 1, Layers, "mean")] },
            Chart::Drift => const { &[curve(Codes, 2, Layers, "mean")] },
        }
    }

    /// Whether a run has anything for it.
    pub fn is_in(self, curves: &Curves) -> bool {
        self.curves().iter().any(|c| {
            let track = curves.track(c.source);
            !track.range(c.series, false, 0, track.rows()).is_empty()
        })
    }
}
