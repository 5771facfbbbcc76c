//! The column of charts: one x axis and one cursor for all of them. Drawing it, and what the pointer does, is `charts_ui`'s business.

use eframe::egui::{Color32, Sense, Ui, vec2};

use super::axis::Scale;
use super::chart::Chart;
use super::drawn::{Drawn, Options};
use super::run::RunView;
use crate::command::CurveAxis;
use crate::shared::Shared;

/// What the charts remember.
#[derive(Debug, Default)]
pub struct Charts {
    /// What x is.
    pub axis: CurveAxis,
    /// The stretch of it that is shown, where that is not all.
    pub view: Option<(f64, f64)>,
    /// Outliers are cut off.
    pub clip: bool,
    /// Where the cursor is held.
    pub pinned: Option<f64>,
    /// Where the pointer is on the axis, over a chart.
    pub hovered: Option<f64>,
    /// Where the drag that chooses a stretch began.
    pub selecting: Option<f64>,
    /// Charts that were drawn in the last frame.
    pub seen: Vec<Chart>,
    /// Messages that were read.
    pub read: Vec<String>,
}

impl Charts {
    /// Turns to an x axis.
    pub fn over(&mut self, axis: CurveAxis) {
        if self.axis != axis {
            self.axis = axis;
            (self.view, self.pinned, self.hovered) = (None, None, None);
        }
    }

    /// Shows all of the x axis.
    pub fn show_all(&mut self) {
        self.view = None;
    }

    /// Shows a stretch of it.
    pub fn show(&mut self, low: f64, high: f64) {
        if low.is_finite() && high.is_finite() && low < high {
            self.view = Some((low, high));
        }
    }

    /// Where the cursor is on the x axis: under the pointer, or where it is held.
    pub fn cursor(&self) -> Option<f64> {
        self.hovered.or(self.pinned)
    }

    /// How they are drawn.
    pub fn options(&self, shared: &Shared) -> Options {
        let following = &shared.settings.following;
        Options {
            axis: self.axis,
            log_y: following.log_y,
            clip: self.clip,
            smoothed: following.smoothing > 0.0,
            tokens: shared.tokens(),
        }
    }

    /// The stretch in view, over the part of the screen where curves are.
    pub fn scale(&self, runs: &[RunView], log: bool, from: f32, to: f32) -> Scale {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for run in runs.iter().filter(|r| r.drawn && r.curves.has[self.axis as usize]) {
            let x = run.curves.steps.x(self.axis);
            low = low.min(x.first().copied().unwrap_or(low));
            high = high.max(x.last().copied().unwrap_or(high));
        }
        if !log && low > 0.0 && low < high * 0.02 {
            low = 0.0;
        }
        let (low, high) = self.view.unwrap_or((low, high));
        Scale::new(low, high, log, from, to)
    }
}

/// Runs that can be drawn over the axis that is on.
pub fn drawn<'a>(runs: &'a [RunView], axis: CurveAxis, x: &Scale, shared: &Shared) -> Vec<Drawn<'a>> {
    let able = runs.iter().filter(|r| r.drawn && r.curves.has[axis as usize]);
    able.map(|r| Drawn::new(r.shown_name(shared), r.colour(shared), &r.curves, axis, x)).collect()
}

/// A dot of a colour, in a line of text.
pub fn dot(ui: &mut Ui, color: Color32) {
    let (rect, _) = ui.allocate_exact_size(vec2(8.0, 12.0), Sense::hover());
    ui.painter().circle_filled(rect.center(), 4.0, color);
}
