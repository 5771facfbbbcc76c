//! Earlier versions of the text, each with its first new words; a click goes back to one.

use eframe::egui::{Align, Align2, FontId, Layout, Role, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2};

use super::Generate;
use super::history::Version;
use crate::command::{Command, GenerateCommand};
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{chip, duration, section, small};

impl Generate {
    pub(super) fn strip_ui(&mut self, ui: &mut Ui, shared: &Shared) {
        ui.add_space(space::M);
        ui.horizontal(|ui| {
            section(ui, "Versions");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.add_enabled_ui(self.can_again(false) && !self.is_writing(), |ui| {
                    let hint = "Write the last part three times more, each with another seed; every try is kept here";
                    if chip(ui, "3 more", false).on_hover_text(hint).clicked() {
                        shared.send(Command::Generate(GenerateCommand::Several(3)));
                    }
                });
            });
        });
        if self.history.versions().is_empty() {
            ui.label(small("Every text and branch is kept here"));
        }
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            for (i, version) in self.history.versions().iter().enumerate().rev() {
                if row(ui, version, i, i == self.history.cursor()) {
                    shared.send(Command::Generate(GenerateCommand::Version(i)));
                }
            }
        });
    }
}

fn row(ui: &mut Ui, version: &Version, index: usize, on: bool) -> bool {
    let t = Tokens::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 42.0), Sense::click());
    let words = words(version);
    response.widget_info(|| {
        WidgetInfo::selected(Role::Button, true, on, format!("Version {} {words}", index + 1))
    });
    if on || response.hovered() {
        ui.painter().rect_filled(rect, f32::from(space::RADIUS), if on { t.raised } else { t.hover });
    }
    let painter = ui.painter().with_clip_rect(rect.shrink2(vec2(6.0, 0.0)));
    let at = rect.left_top() + vec2(8.0, 6.0);
    let color = if version.made.is_some() { t.plus } else { t.text };
    painter.text(at, Align2::LEFT_TOP, &words, FontId::proportional(size::SMALL), color);
    let how = match &version.made {
        Some(made) => format!("{} tokens, seed {}", made.figures.tokens, made.seed()),
        None => "typed".to_owned(),
    };
    let below = pos2(at.x, rect.bottom() - 6.0);
    painter.text(below, Align2::LEFT_BOTTOM, how, FontId::proportional(size::SMALL - 1.0), t.text_dim);
    response.on_hover_text(format!("{} ago", duration(version.at.elapsed()))).clicked()
}

/// The first words that are new in a version.
fn words(version: &Version) -> String {
    let text = &version.text.buffer;
    let from = version.text.part().unwrap_or(0);
    let words = text[from..].split_whitespace().take(8).collect::<Vec<_>>().join(" ");
    if words.is_empty() { "(empty)".to_owned() } else { words }
}
