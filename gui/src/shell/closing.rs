//! Closing the window while a training goes on that was started here, or while a model is served: what is to become of them is a person's choice.

use eframe::egui::{Button, Context, Frame, Id, Key, Modal, RichText, Ui, ViewportCommand, vec2};

use crate::command::{Command, ServerCommand, TrainingCommand};
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
    /// The question about trainings is on the screen.
    Asked,
    /// Trainings save; what comes next comes when they have.
    Saving,
    /// The question about the server is on the screen: trainings were seen to.
    ServerAsked,
    /// The server answers what it has; the window closes when it is done.
    Answering,
    /// It closes.
    Sure,
}

/// What goes on that closing the window concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AtWork {
    /// Runs that are trained by trainers started here.
    pub trainings: Vec<String>,
    /// The model that is served, and how many requests are being answered.
    pub server: Option<(String, usize)>,
}

/// Asks when the window is about to close, if there is a reason to.
pub fn ui(closing: &mut Closing, at_work: &AtWork, shared: &Shared, ctx: &Context) {
    let AtWork { trainings, server } = at_work;
    let reason = !trainings.is_empty() || server.is_some();
    if ctx.input(|i| i.viewport().close_requested()) && *closing != Closing::Sure && reason {
        ctx.send_viewport_cmd(ViewportCommand::CancelClose);
        if *closing == Closing::No {
            *closing = if trainings.is_empty() { Closing::ServerAsked } else { Closing::Asked };
        }
    }
    match *closing {
        Closing::No | Closing::Sure => {}
        Closing::Asked if trainings.is_empty() => *closing = Closing::No,
        Closing::Saving if trainings.is_empty() => go_on(closing, at_work, ctx),
        Closing::Asked => ask(closing, at_work, shared, ctx),
        Closing::Saving => wait(closing, trainings, ctx),
        Closing::ServerAsked | Closing::Answering => match server {
            Some((model, requests)) if *closing == Closing::ServerAsked => {
                ask_server(closing, model, *requests, shared, ctx);
            }
            Some((_, requests)) => answer(closing, *requests, shared, ctx),
            None if *closing == Closing::ServerAsked => *closing = Closing::No,
            None => close(closing, ctx),
        },
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

/// Trainings were seen to.
fn go_on(closing: &mut Closing, at_work: &AtWork, ctx: &Context) {
    if at_work.server.is_some() { *closing = Closing::ServerAsked } else { close(closing, ctx) }
}

fn close(closing: &mut Closing, ctx: &Context) {
    *closing = Closing::Sure;
    ctx.send_viewport_cmd(ViewportCommand::Close);
}

fn ask(closing: &mut Closing, at_work: &AtWork, shared: &Shared, ctx: &Context) {
    let (head, it) = match &at_work.trainings[..] {
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
            go_on(closing, at_work, ctx);
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

fn ask_server(closing: &mut Closing, model: &str, requests: usize, shared: &Shared, ctx: &Context) {
    let head = format!("{model} is being served");
    let words = match requests {
        0 => "The server ends with the window. Nobody asks it anything just now.".to_owned(),
        1 => "The server ends with the window. 1 request is being answered.".to_owned(),
        n => format!("The server ends with the window. {n} requests are being answered."),
    };
    modal(ctx, &head, &words, |ui| {
        if requests == 0 {
            if primary_button(ui, "Stop and close", "").clicked() {
                close(closing, ctx);
            }
        } else {
            if primary_button(ui, "Answer them and close", "").clicked() {
                shared.send(Command::Server(ServerCommand::Stop));
                *closing = Closing::Answering;
            }
            if button(ui, "Close now") {
                close(closing, ctx);
            }
        }
        if button(ui, "Keep the window") || ctx.input(|i| i.key_pressed(Key::Escape)) {
            *closing = Closing::No;
        }
    });
}

fn answer(closing: &mut Closing, requests: usize, shared: &Shared, ctx: &Context) {
    let head = match requests {
        1 => "Waiting for 1 answer".to_owned(),
        n => format!("Waiting for {n} answers"),
    };
    modal(ctx, &head, "No more requests are taken; then the window closes", |ui| {
        if button(ui, "Close now") {
            shared.send(Command::Server(ServerCommand::End));
            close(closing, ctx);
        }
        if button(ui, "Keep the window") {
            *closing = Closing::No;
        }
    });
}
