//! The card of the machine: what it is, and chips for what speaks against the figures.

use eframe::egui::{Align, Frame, Label, Layout, Margin, RichText, Sense, Stroke, Ui, vec2};

use super::machine::{Machine, short};
use crate::command::BenchmarkCommand;
use crate::icons::{Icon, icon_button};
use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{self, bytes, small};

/// Height of a line of small text.
const LINE: f32 = 16.0;

pub fn card(ui: &mut Ui, machine: &Machine, earlier: Option<&Machine>, send: &dyn Fn(BenchmarkCommand)) {
    let t = Tokens::of(ui.ctx());
    let frame = widgets::card(ui).inner_margin(Margin::symmetric(space::M as i8, 10));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 5.0;
        // Lines of words, not of controls.
        ui.spacing_mut().interact_size.y = LINE;
        let name = if machine.is_known() { machine.cpu.as_str() } else { "This machine" };
        ui.label(RichText::new(name).font(strong_font(size::SECTION)).color(t.text));
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::L;
            for (text, hint) in facts(machine) {
                // A fact goes to the next line as a whole.
                ui.add(Label::new(small(text)).extend()).on_hover_text(hint);
            }
        });
        let warnings = machine.warnings();
        if !warnings.is_empty() {
            ui.horizontal_wrapped(|ui| {
                ui.spacing_mut().item_spacing.x = 6.0;
                for (words, hint) in warnings {
                    warning(ui, &words, &hint);
                }
            });
        }
        if let Some(earlier) = earlier {
            ui.horizontal(|ui| {
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if icon_button(ui, Icon::Close, "Without the earlier results").clicked() {
                        send(BenchmarkCommand::ClearOverlay);
                    }
                    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                        let same = if earlier.cpu == machine.cpu {
                            "the same processor"
                        } else {
                            earlier.cpu.as_str()
                        };
                        let text = format!("Compared with {same}, {}, {}", earlier.day(), earlier.program);
                        let text = RichText::new(text).size(size::SMALL).color(t.minus);
                        ui.add(Label::new(text).truncate());
                    });
                });
            });
        }
    });
}

/// What it is, a few words each, and what they mean.
fn facts(m: &Machine) -> Vec<(String, String)> {
    let mut list = Vec::new();
    let mut add = |text: String, hint: &str| list.push((text, hint.to_owned()));
    if m.cores > 0 {
        add(format!("{} threads", m.cores), "Threads that this program may run at once");
    }
    if !m.cache_bytes.is_empty() {
        let sizes: Vec<String> =
            m.cache_bytes.iter().map(|&b| bytes(b).replace(".00", "").replace(".0", "")).collect();
        add(format!("caches {}", sizes.join(", ")), "Data and unified caches of a core, nearest first");
    }
    if let Some(ram) = m.ram_bytes {
        add(format!("{} memory", bytes(ram)), "Memory of the machine");
    }
    if !m.features.is_empty() {
        let all = m.features.join(" ");
        let main: Vec<&str> = ["avx512vnni", "avx512f", "avx2", "neon"]
            .into_iter()
            .filter(|f| m.features.iter().any(|g| g == f))
            .collect();
        let shown = if main.is_empty() { all.clone() } else { main.join(" ") };
        add(shown, &format!("Instruction sets found: {all}"));
    }
    if !m.system.is_empty() {
        let pages = m.huge_pages.as_ref().map_or(String::new(), |h| format!("; huge pages: {h}"));
        add(m.system.clone(), &format!("Operating system and architecture{pages}"));
    }
    if let Some(governor) = &m.governor {
        add(format!("{governor} governor"), "How the system chooses clocks");
    }
    if let Some((model, hash)) = &m.model {
        let hint = hash.as_ref().map_or("The model that was measured".to_owned(), |h| {
            format!("The model that was measured; SHA-256 {h}")
        });
        add(model.clone(), &hint);
    }
    for (name, driver, software) in &m.adapters {
        if !software {
            add(short(name).to_owned(), &format!("{name}, {driver}"));
        }
    }
    if !m.program.is_empty() {
        add(m.program.clone(), "Version of this program and the commit it was built from");
    }
    if !m.date.is_empty() {
        add(m.day().to_owned(), &format!("Measured {}", m.date));
    }
    list
}

/// A few words of warning, with the sentence behind them.
pub fn warning(ui: &mut Ui, words: &str, hint: &str) {
    let t = Tokens::of(ui.ctx());
    let frame = Frame::new()
        .stroke(Stroke::new(1.0, t.warn.gamma_multiply(0.6)))
        .corner_radius(10.0)
        .inner_margin(Margin::symmetric(8, 2));
    let shown = frame.show(ui, |ui| {
        ui.spacing_mut().interact_size.y = LINE;
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 5.0;
            let (rect, _) = ui.allocate_exact_size(vec2(12.0, 12.0), Sense::hover());
            Icon::Warn.paint(ui.painter(), rect, t.warn);
            ui.label(RichText::new(words).size(size::SMALL).color(t.warn));
        });
    });
    shown.response.on_hover_text(hint);
}
