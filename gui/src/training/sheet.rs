//! The charts on a sheet of their own, to be kept or shown to others: painted once, between two frames, and written as SVG or PNG in the
//! background.

use std::path::Path;

use eframe::egui::{Align2, Rect, Vec2, pos2, vec2};
use formats::atomic::write_atomic;
use formats::sentence;

use super::axis::axis_ticks;
use super::chart::Chart;
use super::chart_paint::{GUTTER, paint};
use super::charts::{Charts, drawn};
use super::pen::{Memory, Pen, ScreenPen};
use super::run::RunView;
use super::svg::SvgPen;
use crate::print;
use crate::shared::Shared;
use crate::tokens::{DARK, Tokens, space};

const WIDTH: f32 = 900.0;

/// See the top of this file.
#[derive(Clone, Debug)]
pub struct Sheet {
    size: Vec2,
    tokens: &'static Tokens,
    drawing: Memory,
}

impl Sheet {
    /// What the charts show now.
    pub fn new(charts: &Charts, runs: &[RunView], shared: &Shared) -> Sheet {
        let (t, axis, o) = (shared.tokens(), charts.axis, charts.options(shared));
        let log_x = shared.settings.following.log_x;
        let x = charts.scale(runs, log_x, space::L + GUTTER, WIDTH - space::L);
        let runs = drawn(runs, axis, &x, shared);
        let mut pen = Memory::default();
        let mut top = space::XL;
        let mut left = space::L + GUTTER;
        for run in &runs {
            pen.ring(pos2(left + 4.0, top), 4.0, run.color, run.color);
            pen.text(pos2(left + 14.0, top), Align2::LEFT_CENTER, &run.shown, true, t.text);
            left += 40.0 + 7.0 * run.shown.chars().count() as f32;
        }
        top += space::L;
        for chart in Chart::ALL.into_iter().filter(|c| runs.iter().any(|r| c.is_in(r.curves))) {
            let height = if chart == Chart::Loss { 300.0 } else { 130.0 };
            let rect = Rect::from_min_size(pos2(space::L, top), vec2(WIDTH - 2.0 * space::L, height));
            paint(&mut pen, chart, &runs, rect, &x, &o);
            pen.text(
                pos2(rect.right(), top + 11.0),
                Align2::RIGHT_CENTER,
                chart.legend(o.smoothed),
                false,
                t.text_faint,
            );
            top += height + space::S;
        }
        for (place, text) in axis_ticks(axis, &x, 9) {
            pen.text(pos2(place, top + 8.0), Align2::CENTER_CENTER, &text, false, t.text_dim);
        }
        Sheet { size: vec2(WIDTH, top + space::XL), tokens: t, drawing: pen }
    }

    /// Writes it to a file; the ending of its name decides the kind.
    ///
    /// # Errors
    /// A sentence: another ending, nothing to draw with, or a file that cannot be written.
    pub fn save(self, to: &Path) -> Result<(), String> {
        let ending = to.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        let bytes = match &*ending {
            "svg" => self.svg().into_bytes(),
            "png" => self.png()?,
            _ => {
                return Err(format!(
                    "Charts are saved as .png or .svg; the name was {}.",
                    to.file_name().unwrap_or_default().to_string_lossy()
                ));
            }
        };
        write_atomic(to, |out| out.write_all(&bytes))
            .map_err(|e| format!("The file cannot be saved: {}", sentence(&e)))
    }

    fn svg(&self) -> String {
        let mut pen = SvgPen::default();
        self.drawing.replay(&mut pen);
        pen.finish(self.size, self.tokens.bg)
    }

    fn png(self) -> Result<Vec<u8>, String> {
        print::png(self.tokens == &DARK, self.size.x, move |ui| {
            let painter = ui.ctx().layer_painter(ui.layer_id());
            self.drawing.replay(&mut ScreenPen::new(&painter));
            self.size.y
        })
    }
}
