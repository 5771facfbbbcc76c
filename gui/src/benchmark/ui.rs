//! The page drawn: the plan on the left, the result on the right, what went wrong above it.

use eframe::egui::{CentralPanel, Frame, Margin, Panel, Ui};

use super::{Benchmark, area, machine_ui};
use crate::command::{BenchmarkCommand, Command};
use crate::shared::Shared;
use crate::tokens::{Tokens, space};
use crate::widgets::{empty_state, error_card};

/// A narrower page has a narrower panel.
const NARROW: f32 = 900.0;

impl Benchmark {
    pub fn ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let t = Tokens::of(ui.ctx());
        let narrow = ui.available_width() < NARROW;
        let side =
            Frame::new().fill(t.panel).inner_margin(Margin::symmetric(if narrow { 12 } else { 16 }, 0));
        Panel::left("benchmark plan")
            .exact_size(if narrow { 236.0 } else { space::SIDE })
            .resizable(false)
            .frame(side)
            .show(ui, |ui| self.panel(ui, shared));
        let margin = if narrow { Margin::symmetric(16, 14) } else { Margin::symmetric(24, 18) };
        CentralPanel::default()
            .frame(Frame::new().inner_margin(margin))
            .show(ui, |ui| self.right(ui, shared));
    }

    fn right(&mut self, ui: &mut Ui, shared: &mut Shared) {
        if let Some((title, why)) = self.failed.clone() {
            if error_card(ui, &title, &why) {
                self.failed = None;
            }
            ui.add_space(space::S);
        }
        if shared.is_writing() {
            let what =
                if self.running.is_some() { "these figures are too low" } else { "figures would be too low" };
            machine_ui::warning(
                ui,
                &format!("Text is being written: {what}"),
                "Both take the same processor. Wait until the text is done.",
            );
            ui.add_space(space::S);
        }
        let earlier = self.earlier.as_ref();
        if self.results.is_empty() && earlier.is_none() {
            let send = |command| shared.send(Command::Benchmark(command));
            machine_ui::card(ui, &self.here, None, &send);
            let title = if self.running.is_some() {
                "The first figures are on their way"
            } else {
                "How fast this machine is"
            };
            let text = "Every kernel is held against the scalar one before it is timed; what is wrong never becomes a bar. The result \
                        shows bars with whiskers, the machine's roofline and a table, to be saved and laid over an earlier one.";
            empty_state(ui, title, text, None);
            if self.running.is_none() {
                ui.add_space(space::S);
                ui.vertical_centered(|ui| {
                    if ui.button("Overlay earlier results…").clicked() {
                        send(BenchmarkCommand::Overlay);
                    }
                });
            }
            return;
        }
        let send = |command| shared.send(Command::Benchmark(command));
        area::ui(ui, &self.here, &self.results, earlier, &self.view, &send);
    }
}
