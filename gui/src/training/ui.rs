//! The page put together: runs on the left, then the focused run's header, the choices, the charts, and samples at the bottom.

use eframe::egui::{CentralPanel, Frame, Margin, Panel, Ui};

use super::Training;
use crate::command::{Command, TrainingCommand};
use crate::shared::Shared;
use crate::tokens::{Tokens, space};
use crate::widgets::{count, duration, empty_state, error_card, per_second, small};

/// A narrower page has less room for its list.
const NARROW: f32 = 900.0;

impl Training {
    pub fn ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let t = Tokens::of(ui.ctx());
        let plain =
            |fill, x: f32, y: f32| Frame::new().fill(fill).inner_margin(Margin::symmetric(x as i8, y as i8));
        let narrow = ui.available_width() < NARROW;
        Panel::left("runs")
            .exact_size(if narrow { 220.0 } else { space::SIDE })
            .resizable(false)
            .frame(plain(t.panel, space::S, 0.0))
            .show(ui, |ui| self.list_ui(ui, shared));
        if self.form.is_some() && !self.form_hidden {
            CentralPanel::default().frame(Frame::new()).show(ui, |ui| self.form_ui(ui, shared));
            return;
        }
        if let Some(why) = self.problem.clone() {
            CentralPanel::default().frame(Frame::new().inner_margin(space::L)).show(ui, |ui| {
                if error_card(ui, "Runs cannot be shown", &why) {
                    self.problem = None;
                }
            });
            return;
        }
        if self.runs.is_empty() {
            CentralPanel::default().frame(Frame::new()).show(ui, |ui| {
                if self.folder.is_none() {
                    return;
                }
                let folder = Training::runs_dir(shared);
                let text = format!(
                    "Train a small model on a text of yours and watch it learn. Runs of tercet train in {} appear here by themselves",
                    folder.display()
                );
                if empty_state(ui, "No runs yet", &text, Some("Start a run")) {
                    shared.send(Command::Training(TrainingCommand::New));
                }
            });
            return;
        }
        let header = Frame::new().inner_margin(Margin {
            left: space::L as i8,
            right: space::L as i8,
            top: space::M as i8,
            bottom: space::S as i8,
        });
        Panel::top("run").frame(header).show_separator_line(false).resizable(false).show(ui, |ui| {
            self.header_ui(ui, shared);
            ui.add_space(space::S);
            self.toolbar(ui, shared);
        });
        if self.comparing {
            Panel::bottom("compare")
                .frame(plain(t.panel, space::L, space::S))
                .resizable(true)
                .default_size(if ui.available_height() < 500.0 { 140.0 } else { 200.0 })
                .size_range(90.0..=ui.available_height() * 0.7)
                .show(ui, |ui| self.compare_ui(ui, shared));
        } else if self.runs.iter().any(|r| r.drawn && !r.curves.samples.is_empty()) {
            Panel::bottom("samples")
                .frame(plain(t.panel, 0.0, 0.0))
                .resizable(true)
                .default_size(if ui.available_height() < 500.0 { 112.0 } else { 156.0 })
                .size_range(70.0..=ui.available_height() * 0.7)
                .show(ui, |ui| self.samples_ui(ui, shared));
        }
        CentralPanel::default().frame(Frame::new()).show(ui, |ui| {
            if self.runs.iter().any(|r| r.drawn) {
                self.charts_ui(ui, shared);
            } else {
                empty_state(ui, "No run is drawn", "Click the dot of a run to draw its curves", None);
            }
        });
    }

    /// Draws the page's part of the status line.
    pub fn status(&self, ui: &mut Ui, shared: &Shared) {
        let live = self.runs.iter().filter(|r| r.found.state.is_live()).count();
        let drawn: u64 = self.runs.iter().filter(|r| r.drawn).map(|r| r.curves.steps.points()).sum();
        let runs = if self.runs.len() == 1 { "run" } else { "runs" };
        ui.label(small(format!("{} {runs}, {live} live", self.runs.len())));
        ui.label(small(format!("{} points drawn", count(drawn))));
        let merged = self.runs.iter().map(|r| r.curves.steps.bucket()).max().unwrap_or(1);
        if merged > 1 {
            let hint = "A log this long is kept as the lowest, mean and highest of so many steps";
            ui.label(small(format!("{merged} steps a point"))).on_hover_text(hint);
        }
        if let Some(run) = self.focused().filter(|r| r.found.state.is_live()) {
            if let Some(pace) = run.pace() {
                ui.label(small(format!("{} steps/s", per_second(pace))));
            }
            if let Some(left) = run.time_left() {
                ui.label(small(format!("{} left", duration(left)))).on_hover_text(run.shown_name(shared));
            }
        }
    }
}
