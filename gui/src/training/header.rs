//! The run in focus: its name and state, how far it is, what can be done with it, and what is wrong with it.

use eframe::egui::{
    Align, Button, Frame, Label, Layout, Margin, Rect, RichText, Sense, Stroke, Ui, pos2, vec2,
};

use super::Training;
use super::axis::{time_text, value_text};
use super::found::State;
use super::list::state_text;
use super::order::Worded;
use super::run::RunView;
use crate::command::{Command, CurveAxis, TrainingCommand};
use crate::icons::{Icon, icon_button};
use crate::notices::Severity;
use crate::shared::Shared;
use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};
use crate::widgets::shorten;
use crate::widgets::{count, duration, per_second, small};
use train::run::Order;

impl Training {
    pub(super) fn header_ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let t = Tokens::of(ui.ctx());
        let Some(run) = self.focused() else { return };
        ui.horizontal(|ui| {
            ui.set_min_height(30.0);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                self.buttons(ui, run, shared);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let room = ((ui.available_width() - 150.0) / 11.0).max(8.0) as usize;
                    let name = run.shown_name(shared);
                    let text =
                        RichText::new(shorten(&name, room)).font(strong_font(size::TITLE)).color(t.text);
                    ui.label(text).on_hover_text(run.found.path.display().to_string());
                    let (state, color) = state_text(run, t, false);
                    if ui.available_width() > 120.0 {
                        ui.label(RichText::new(state).size(size::SMALL).color(color));
                    }
                    let note = shared.settings.following.notes.get(&run.found.name);
                    if let Some(note) = note.filter(|_| ui.available_width() > 60.0) {
                        ui.add(Label::new(small(note)).truncate()).on_hover_text(note);
                    }
                });
            });
        });
        progress(ui, run, shared);
        self.banners(ui, shared);
    }

    fn buttons(&self, ui: &mut Ui, run: &RunView, shared: &Shared) {
        let send = |c| shared.send(Command::Training(c));
        let name = || run.found.name.clone();
        let state = &run.found.state;
        if self.trainers.has(&run.found.path) {
            // From the right.
            for order in [Order::Stop, Order::Sample, Order::Save, Order::Resume, Order::Pause] {
                if order.fits(state)
                    && ui
                        .add(Button::new(order.name()).min_size(vec2(0.0, 28.0)))
                        .on_hover_text(order.about())
                        .clicked()
                {
                    send(TrainingCommand::Tell(name(), order));
                }
            }
            return;
        }
        if state.is_live() {
            let hint = "It was not started by this window, so it can be followed here but not steered. Stop it where it was started, with Ctrl+C: it saves first";
            if self.trainers.was_left(&run.found.path, shared)
                && ui
                    .add(Button::new("Stop and save").min_size(vec2(0.0, 28.0)))
                    .on_hover_text(Order::Stop.about())
                    .clicked()
            {
                send(TrainingCommand::Tell(name(), Order::Stop));
            }
            ui.label(small("started elsewhere")).on_hover_text(hint);
            return;
        }
        let export = ui.add(Button::new("Export").min_size(vec2(0.0, 28.0)));
        if export.on_hover_text("Write the best checkpoint as a GGUF file and open it").clicked() {
            send(TrainingCommand::Export(name()));
        }
        if run.can_resume(&self.trainers)
            && ui
                .add(Button::new("Go on").min_size(vec2(0.0, 28.0)))
                .on_hover_text("Train the steps that are left, from the last checkpoint")
                .clicked()
        {
            send(TrainingCommand::Resume(name()));
        }
    }

    /// What is wrong with the runs that are seen.
    fn banners(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let mut lines: Vec<(Severity, String)> = Vec::new();
        let Some(run) = self.focused() else { return };
        if let State::Failed(why) = &run.found.state {
            lines.push((Severity::Bad, format!("The run failed after step {}: {why}", count(run.step()))));
        }
        if run.found.state == State::Lost && run.step() > 0 {
            let step = count(run.step());
            let then = if run.can_resume(&self.trainers) {
                "; Go on continues from the last checkpoint"
            } else {
                ""
            };
            lines.push((Severity::Bad, format!("The trainer stopped unexpectedly after step {step}{then}")));
        }
        if let Some(end) = self.trainers.last_words(&run.found.path) {
            lines.push((Severity::Bad, format!("The trainer's last words: {end}")));
        }
        for run in self.runs.iter().filter(|r| r.drawn) {
            let name = if self.runs.iter().filter(|r| r.drawn).count() > 1 {
                format!("{}: ", run.shown_name(shared))
            } else {
                String::new()
            };
            let told = matches!(&run.found.state, State::Failed(why) if why.contains("NaN"));
            if let Some(odd) =
                run.curves.odd.first().filter(|_| !told || Some(&run.found.name) != self.focused.as_ref())
            {
                lines
                    .push((Severity::Bad, format!("{name}loss became NaN at step {}", count(odd[0] as u64))));
            } else if let Some(r) = run.curves.runaway() {
                let (times, best, step) = (r.times, value_text(r.best), count(r.step as u64));
                lines.push((
                    Severity::Warn,
                    format!("{name}the loss is {times:.1} times its best, {best} at step {step}"),
                ));
            }
            if let (n @ 1.., Some(first)) = &run.curves.bad {
                let lines_word = if *n == 1 { "1 line".to_owned() } else { format!("{} lines", count(*n)) };
                let text = format!(
                    "{name}{lines_word} could not be read, first at line {}: {}",
                    count(first.line),
                    shorten(&first.problem, 60)
                );
                lines.push((Severity::Warn, text));
            }
            if !run.problem.is_empty() {
                lines.push((Severity::Bad, format!("{name}its log cannot be read: {}", run.problem)));
            }
            if run.found.state == State::Gone {
                lines.push((Severity::Warn, format!("{name}its folder is gone; this is what had been read")));
            }
        }
        lines.retain(|(_, text)| !self.charts.read.contains(text));
        // The curves come first where there is little room; what does not fit follows once these are read.
        let most = if ui.ctx().content_rect().height() < 700.0 { 1 } else { 3 };
        let more = lines.len().saturating_sub(most);
        for (i, (severity, text)) in lines.into_iter().take(most).enumerate() {
            ui.add_space(space::XS);
            let more = if i + 1 == most && more > 0 { more } else { 0 };
            if banner(ui, severity, &text, more) {
                self.charts.read.push(text);
            }
        }
    }
}

/// One line of what is wrong; answers whether it was read.
fn banner(ui: &mut Ui, severity: Severity, text: &str, more: usize) -> bool {
    let t = Tokens::of(ui.ctx());
    let color = severity.color(t);
    let frame = Frame::new()
        .fill(t.panel)
        .stroke(Stroke::new(1.0, color))
        .corner_radius(space::RADIUS)
        .inner_margin(Margin { left: 10, right: 4, top: 2, bottom: 2 });
    let shown = frame.show(ui, |ui| {
        let line = vec2(ui.available_width(), 26.0);
        ui.allocate_ui_with_layout(line, Layout::right_to_left(Align::Center), |ui| {
            let closed = icon_button(ui, Icon::Close, &format!("Dismiss {}", shorten(text, 40))).clicked();
            if more > 0 {
                ui.label(small(format!("{more} more")));
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let (rect, _) = ui.allocate_exact_size(vec2(16.0, 16.0), Sense::hover());
                severity.icon().paint(ui.painter(), rect, color);
                ui.add(Label::new(RichText::new(text).color(t.text)).truncate()).on_hover_text(text);
            });
            closed
        })
        .inner
    });
    shown.inner
}

/// How far the run is, and its figures.
fn progress(ui: &mut Ui, run: &RunView, shared: &Shared) {
    let t = Tokens::of(ui.ctx());
    let (step, steps) = (run.step(), run.found.steps);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 3.0), Sense::hover());
    ui.painter().rect_filled(rect, 1.5, t.raised);
    if steps > 0 {
        let share = (step as f32 / steps as f32).clamp(0.0, 1.0);
        let done = Rect::from_min_max(rect.min, pos2(rect.left() + rect.width() * share, rect.bottom()));
        ui.painter().rect_filled(done, 1.5, run.colour(shared));
    }
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::L;
        let mut figure = |value: String, what: &str, hint: &str| {
            if ui.available_width() < 96.0 {
                return;
            }
            ui.scope(|ui| {
                ui.spacing_mut().item_spacing.x = space::XS;
                ui.label(RichText::new(value).size(size::SMALL).color(t.text)).on_hover_text(hint);
                ui.label(small(what)).on_hover_text(hint);
            });
        };
        let of = if steps > 0 { format!("of {} steps", count(steps)) } else { "steps".into() };
        figure(count(step), &of, "Steps done");
        if let Some(left) = run.time_left() {
            figure(duration(left), "left", "Time to the last step at the pace of the last half minute");
        }
        let rows = run.curves.steps.rows();
        if rows > 0 && run.curves.has[2] {
            let seconds = run.curves.steps.x(CurveAxis::Time)[rows - 1];
            figure(
                time_text(seconds),
                "training",
                "Time spent in training steps, validations and samples not counted",
            );
        }
        if let Some(pace) = run.pace().filter(|_| run.found.state == State::Live) {
            figure(per_second(pace), "steps/s", "At present");
        }
        if let Some(speed) = run.found.speed {
            figure(per_second(speed.into()), "tokens/s", "In the last step");
        }
        if let Some((bits, step)) = run.curves.best_bits() {
            figure(
                value_text(bits.into()),
                "bits per byte at best",
                &format!("Validation after step {}", count(step as u64)),
            );
        }
    });
}
