//! Closing the window while a training goes on that was started here: what is to become of it is a person's choice.

use eframe::egui::{Button, Context, Frame, Id, Key, Modal, RichText, Ui, ViewportCommand, vec2};

use crate::command::{Command, TrainingCommand};
use crate::shared::Shared;
use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{dim, primary_button};

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Closing {
    /// Nobody wants to close the window.
    #[default]
    No,
    /// The question is on the screen.
    Asked,
    /// Trainings save; the window closes when they have.
    Saving,
    /// It closes.
    Sure,
}

/// Asks when the window is about to close, if there is a reason to: the runs `at_work`.
pub fn ui(closing: &mut Closing, at_work: &[String], shared: &Shared, ctx: &Context) {
    if ctx.input(|i| i.viewport().close_requested()) && *closing != Closing::Sure && !at_work.is_empty() {
        ctx.send_viewport_cmd(ViewportCommand::CancelClose);
        if *closing == Closing::No {
            *closing = Closing::Asked;
        }
    }
    match *closing {
        Closing::No | Closing::Sure => {}
        Closing::Asked if at_work.is_empty() => *closing = Closing::No,
        Closing::Saving if at_work.is_empty() => close(closing, ctx),
        Closing::Asked => ask(closing, at_work, shared, ctx),
        Closing::Saving => wait(closing, at_work, ctx),
    }
}

/// A question over everything, and what can be done.
fn modal(ctx: &Context, head: &str, words: &str, buttons: impl FnOnce(&mut Ui)) {
    let t = Tokens::of(ctx);
    let frame = Frame::popup(&ctx.global_style()).inner_margin(space::L);
    Modal::new(Id::unique("closing")).frame(frame).show(ctx, |ui| {
        ui.set_width(420.0);
        ui.label(RichText::new(head).font(strong_font(size::SECTION)).color(t.text));
        ui.add_space(space::XS);
        ui.label(dim(words));
        ui.add_space(space::M);
        ui.horizontal(buttons);
    });
}

fn button(ui: &mut Ui, text: &str) -> bool {
    ui.add(Button::new(text).min_size(vec2(0.0, 30.0))).clicked()
}

fn close(closing: &mut Closing, ctx: &Context) {
    *closing = Closing::Sure;
    ctx.send_viewport_cmd(ViewportCommand::Close);
}

fn ask(closing: &mut Closing, at_work: &[String], shared: &Shared, ctx: &Context) {
    let (head, it) = match at_work {
        [one] => (format!("{one} is being trained"), "it"),
        many => (format!("{} runs are being trained", many.len()), "them"),
    };
    let words = format!(
        "A training is a program of its own. Stop {it} after this step with everything saved, to go on later to the same bits, or \
         let {it} train on without the window; the Training page finds {it} again at the next start."
    );
    modal(ctx, &head, &words, |ui| {
        if primary_button(ui, "Stop and save", "").clicked() {
            shared.send(Command::Training(TrainingCommand::StopAll));
            *closing = Closing::Saving;
        }
        if button(ui, "Let it train on") {
            close(closing, ctx);
        }
        if button(ui, "Keep the window") || ctx.input(|i| i.key_pressed(Key::Escape)) {
            *closing = Closing::No;
        }
    });
}

fn wait(closing: &mut Closing, at_work: &[String], ctx: &Context) {
    let head = format!("Waiting for {} to save", at_work.join(", "));
    let words = "The step that is under way is finished first; then the window closes";
    modal(ctx, &head, words, |ui| {
        if button(ui, "Close now") {
            close(closing, ctx);
        }
        if button(ui, "Keep the window") {
            *closing = Closing::No;
        }
    });
}
