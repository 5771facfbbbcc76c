//! The page drawn: the card on top, below it metadata, tensors and the detail side by side; where there is no room for three, the
//! lists share a place.

use eframe::egui::{CentralPanel, Frame, Margin, Panel, Ui};

use super::{Inspect, card};
use crate::command::Command;
use crate::shared::Shared;
use crate::tokens::space;
use crate::widgets::{bytes, count, duration, empty_state, small};

/// A narrower page has no room for three columns.
const NARROW: f32 = 1080.0;

impl Inspect {
    pub fn ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let Some(subject) = self.subject.clone() else {
            if shared.model.opening().is_none() && self.reading.is_none() {
                let text = "Open a GGUF file, or drop one anywhere on the window, to see what it holds: its metadata, its tensors and a picture of their weights";
                if empty_state(ui, "No model is open", text, Some("Open…")) {
                    shared.send(Command::AskForModel);
                }
            }
            return;
        };
        let plain = |margin| Frame::new().inner_margin(margin);
        let narrow = ui.available_width() < NARROW;
        if !self.wide {
            // Under a message that a file was refused there is a margin already.
            let top = if shared.model.refused.is_some() { 0 } else { space::L as i8 };
            let margin = Margin { left: space::L as i8, right: space::L as i8, top, bottom: space::S as i8 };
            Panel::top("model card").frame(plain(margin)).resizable(false).show_separator_line(false).show(
                ui,
                |ui| {
                    card::ui(ui, &subject, &mut self.context);
                },
            );
            let side = Margin {
                left: space::L as i8,
                right: space::M as i8,
                top: space::S as i8,
                bottom: space::S as i8,
            };
            if narrow {
                let half = (ui.available_width() * 0.48).round();
                Panel::left("model lists").frame(plain(side)).exact_size(half).resizable(false).show(
                    ui,
                    |ui| {
                        if self.keys_first {
                            self.metadata_ui(ui, &subject, shared, true);
                        } else {
                            self.tensors_ui(ui, &subject, shared, true);
                        }
                    },
                );
            } else {
                Panel::left("metadata")
                    .frame(plain(side))
                    .default_size(290.0)
                    .size_range(220.0..=480.0)
                    .show(ui, |ui| {
                        self.metadata_ui(ui, &subject, shared, false);
                    });
                let middle = Margin { left: space::M as i8, ..side };
                Panel::left("tensors")
                    .frame(plain(middle))
                    .default_size(462.0)
                    .size_range(260.0..=640.0)
                    .show(ui, |ui| {
                        self.tensors_ui(ui, &subject, shared, false);
                    });
            }
        }
        let margin = Margin {
            left: space::M as i8,
            right: space::L as i8,
            top: space::S as i8,
            bottom: space::S as i8,
        };
        CentralPanel::default().frame(plain(margin)).show(ui, |ui| self.detail_ui(ui, &subject, shared));
    }

    /// Draws the page's part of the status line.
    pub fn status(&self, ui: &mut Ui, _shared: &Shared) {
        let Some(subject) = &self.subject else { return };
        let f = &subject.facts;
        let rest = f.file_bytes.saturating_sub(f.tensor_bytes);
        ui.label(small(format!("GGUF version {}", subject.header.version())));
        ui.label(small(format!("{} tensors", count(subject.header.tensors().len() as u64))));
        ui.label(small(format!("{} of metadata and padding", bytes(rest))));
        if let Some(portrait) = self.portrait() {
            ui.label(small(format!("measured in {}", duration(portrait.took))));
        }
    }
}
