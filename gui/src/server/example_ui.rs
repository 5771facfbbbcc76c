//! How others ask the server, drawn: a tab for each way, and lines to be copied.

use eframe::egui::{Align, FontId, Frame, Label, Layout, Margin, RichText, ScrollArea, Stroke, Ui};

use super::Server;
use crate::command::{Command, ServerCommand};
use crate::icons::{Icon, icon_button};
use crate::settings::ExampleKind;
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::tab;

/// What stands for a key that is not shown.
const HIDDEN: &str = "•••";

impl Server {
    pub(super) fn example_ui(&self, ui: &mut Ui, shared: &Shared) {
        let t = Tokens::of(ui.ctx());
        let send = |command| shared.send(Command::Server(command));
        let on = shared.settings.serving.example;
        let Some(text) = self.example(on, |key| if self.key_shown { key } else { HIDDEN }) else { return };
        ui.horizontal(|ui| {
            for kind in ExampleKind::ALL {
                if tab(ui, kind.name(), kind == on).clicked() {
                    send(ServerCommand::Example(kind));
                }
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, Icon::Copy, "Copy the example").clicked() {
                    send(ServerCommand::CopyExample);
                }
            });
        });
        let frame = Frame::new()
            .fill(t.panel)
            .stroke(Stroke::new(1.0, t.line))
            .corner_radius(space::RADIUS)
            .inner_margin(Margin::symmetric(12, 8));
        frame.show(ui, |ui| {
            ui.set_width(ui.available_width());
            ScrollArea::horizontal().id_salt("example").show(ui, |ui| {
                let text = RichText::new(text).font(FontId::monospace(size::SMALL)).color(t.text);
                ui.add(Label::new(text).extend().selectable(true));
            });
        });
    }
}
