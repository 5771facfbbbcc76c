//! The head of the page: what state the server is in, its address, and what can be done with it; and the figures of the status line.

use eframe::egui::{Align, Button, Color32, FontId, Label, Layout, RichText, Sense, Spinner, Ui, vec2};

use super::{Server, State};
use crate::command::{Command, ServerCommand};
use crate::icons::{Icon, icon_button, icon_toggle};
use crate::shared::Shared;
use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{count, per_second, primary_button, small};

/// Width of a letter of the fixed font, by its size.
const LETTER: f32 = 0.6;

impl Server {
    pub(super) fn head_ui(&self, ui: &mut Ui, shared: &Shared) {
        let send = |command| shared.send(Command::Server(command));
        ui.horizontal(|ui| {
            ui.set_min_height(30.0);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let on = shared.settings.serving.panel;
                if icon_toggle(ui, Icon::Panel, "Server settings", on).clicked() {
                    send(ServerCommand::Panel);
                }
                self.buttons(ui, shared);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| self.state_ui(ui));
            });
        });
        if let Some(live) = self.live() {
            address(ui, live.best_url(), &send);
            if live.url_for_others.is_some() {
                ui.label(small(format!("On this machine also {}", live.url)));
            }
        }
    }

    /// The state in words, and in a colour.
    fn state_ui(&self, ui: &mut Ui) {
        let t = Tokens::of(ui.ctx());
        let requests = self.seen.serving.len();
        let (word, more, color) = match &self.state {
            State::Stopped => ("Stopped", String::new(), t.text_faint),
            State::Starting(job, _) => ("Starting", job.info.progress().text, t.warn),
            State::Serving(live) => ("Serving", format!("{} on {}", live.model, live.runs), t.good),
            State::Draining(..) => ("Finishing", finishing(requests), t.warn),
        };
        if matches!(self.state, State::Starting(..)) {
            ui.add(Spinner::new().size(12.0));
        } else {
            dot(ui, color);
        }
        ui.label(RichText::new(word).font(strong_font(size::SECTION)).color(t.text));
        ui.add(Label::new(small(&more)).truncate()).on_hover_text(more);
    }

    fn buttons(&self, ui: &mut Ui, shared: &Shared) {
        let send = |command| shared.send(Command::Server(command));
        let plain = |ui: &mut Ui, name: &str, hint: &str| {
            ui.add(Button::new(name).min_size(vec2(0.0, 30.0))).on_hover_text(hint).clicked()
        };
        match &self.state {
            // The empty page has the button in its middle.
            State::Stopped if self.seen.ended.is_empty() => {}
            State::Stopped => {
                ui.add_enabled_ui(self.can_start(shared), |ui| {
                    if primary_button(ui, "Start server", "Ctrl+Enter").clicked() {
                        send(ServerCommand::Start);
                    }
                });
            }
            State::Starting(..) => {
                if plain(ui, "Cancel", "Do not start it") {
                    send(ServerCommand::End);
                }
            }
            State::Serving(_) => {
                let hint = "Take no more requests, and end when those that are there are answered";
                if plain(ui, "Stop", hint) {
                    send(ServerCommand::Stop);
                }
                if primary_button(ui, "Open chat page", "").clicked() {
                    send(ServerCommand::OpenPage);
                }
            }
            State::Draining(..) => {
                if plain(ui, "End now", "Break off those that are being answered") {
                    send(ServerCommand::End);
                }
            }
        }
    }

    /// Draws the page's part of the status line.
    pub fn status(&self, ui: &mut Ui) {
        if self.live().is_none() {
            return;
        }
        let running = self.seen.serving.len();
        ui.label(small(being_answered(running)));
        if running > 0 {
            ui.label(small(format!("{} tokens/s", per_second(self.seen.tokens_per_sec()))));
        }
        let waiting = self.seen.waiting();
        if waiting > 0 {
            ui.label(small(format!("{} waiting", count(waiting as u64))));
        }
    }
}

/// A server that takes no more requests.
fn finishing(requests: usize) -> String {
    match requests {
        0 => "the last answer is on its way".to_owned(),
        n => format!("{}, no more are taken", being_answered(n)),
    }
}

/// So many, in words.
fn being_answered(requests: usize) -> String {
    match requests {
        0 => "No request is being answered".to_owned(),
        1 => "1 request is being answered".to_owned(),
        n => format!("{} requests are being answered", count(n as u64)),
    }
}

/// The sign of a state, beside its word.
fn dot(ui: &mut Ui, color: Color32) {
    let (rect, _) = ui.allocate_exact_size(vec2(12.0, 12.0), Sense::hover());
    ui.painter().circle_filled(rect.center(), 5.0, color);
}

/// As large as there is room for.
fn address(ui: &mut Ui, url: &str, send: &impl Fn(ServerCommand)) {
    let t = Tokens::of(ui.ctx());
    let room = (ui.available_width() - 40.0) / (url.chars().count() as f32 * LETTER);
    ui.horizontal(|ui| {
        let font = FontId::monospace(room.clamp(size::BODY, size::TITLE + 4.0));
        ui.add(Label::new(RichText::new(url).font(font).color(t.text)).truncate());
        ui.spacing_mut().item_spacing.x = space::XS;
        if icon_button(ui, Icon::Copy, "Copy the address").clicked() {
            send(ServerCommand::CopyAddress);
        }
    });
}
