//! The page drawn: address and state on top, how others ask, the requests below; settings on the right.

use eframe::egui::{CentralPanel, Frame, Margin, Panel, RichText, ScrollArea, Ui};

use super::{Server, State};
use crate::command::{Command, ServerCommand};
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{empty_state, error_card, small};

/// A narrower page has less room for its side panel.
const NARROW: f32 = 700.0;
/// What a list of requests needs, so that something is to be seen of it.
const LIST: f32 = 120.0;

impl Server {
    pub fn ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let t = Tokens::of(ui.ctx());
        let idle = matches!(self.state, State::Stopped);
        if idle && shared.model.get().is_none() && shared.model.opening().is_none() {
            let text = "Open a GGUF file, or drop one anywhere on the window; it can then be served to other programs";
            if empty_state(ui, "No model is open", text, Some("Open…")) {
                shared.send(Command::AskForModel);
            }
            return;
        }
        let narrow = ui.available_width() < NARROW;
        if shared.settings.serving.panel {
            Panel::right("server settings")
                .exact_size(if narrow { 220.0 } else { space::SIDE })
                .resizable(false)
                .frame(Frame::new().fill(t.panel).inner_margin(Margin::symmetric(space::L as i8, 0)))
                .show(ui, |ui| self.form_ui(ui, shared));
        }
        let margin = if narrow { Margin::symmetric(16, 14) } else { Margin::symmetric(24, 18) };
        CentralPanel::default().frame(Frame::new().inner_margin(margin)).show(ui, |ui| {
            self.head_ui(ui, shared);
            self.messages(ui, shared);
            if idle && self.seen.ended.is_empty() {
                self.invitation(ui, shared);
                return;
            }
            if matches!(self.state, State::Serving(_)) {
                ui.add_space(space::M);
                let most = (ui.available_height() - LIST).max(0.0);
                ScrollArea::vertical().id_salt("examples").max_height(most).show(ui, |ui| {
                    self.example_ui(ui, shared);
                });
            }
            ui.add_space(space::M);
            self.list_ui(ui, shared);
        });
    }

    /// What the page is for, and the one thing to do.
    fn invitation(&self, ui: &mut Ui, shared: &Shared) {
        let Some(model) = shared.model.get() else { return };
        let converses = match model.opened.chat_template {
            Some(_) => "There is a chat page for browsers too",
            None => {
                "It has no chat template: it continues texts, and a conversation is set as a play. There is a page for browsers too"
            }
        };
        let text = format!(
            "Other programs then ask it, many at once, at an address of this machine, as they would ask OpenAI's API. {converses}"
        );
        let title = format!("Serve {}", model.facts.name);
        let wrong = shared.settings.serving.wrong();
        let action = wrong.is_none().then_some("Start server");
        if empty_state(ui, &title, &text, action) {
            shared.send(Command::Server(ServerCommand::Start));
        }
        if let Some(wrong) = wrong {
            let t = Tokens::of(ui.ctx());
            ui.vertical_centered(|ui| {
                ui.label(RichText::new(wrong).color(t.warn));
            });
        }
    }

    /// What went wrong, and what is not as it looks.
    fn messages(&mut self, ui: &mut Ui, shared: &Shared) {
        let t = Tokens::of(ui.ctx());
        if let Some(failure) = &self.failed {
            ui.add_space(space::S);
            if error_card(ui, &failure.title, &failure.why) {
                self.failed = None;
            }
        }
        let Some(live) = self.live() else { return };
        if let Some(remark) = &live.remark {
            ui.label(RichText::new(remark).size(size::SMALL).color(t.warn));
        }
        if !live.converses {
            let words =
                "The model has no chat template: it continues texts, and a conversation is set as a play";
            ui.label(small(words));
        }
        let open = shared.model.get().filter(|model| !live.serves(&model.opened));
        if let Some(model) = open {
            let name = &model.facts.name;
            let words = match live.is_of(&model.opened.path) {
                true => format!(
                    "{name} was read again meanwhile; what it is now is served from the next start on"
                ),
                false => format!("{name} is open now; it is served from the next start on"),
            };
            ui.label(RichText::new(words).size(size::SMALL).color(t.warn));
        }
    }
}
