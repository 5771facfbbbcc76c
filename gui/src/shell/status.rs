//! The status line: the page's figures of now, and the jobs.

use eframe::egui::{Align, Button, Layout, ProgressBar, RichText, Ui};

use crate::command::Command;
use crate::icons::{Icon, icon_button};
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{duration, small};

/// Draws the line; what the page has to say is drawn by `page`.
pub fn ui(shared: &mut Shared, ui: &mut Ui, page: impl FnOnce(&mut Ui, &Shared)) {
    ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = space::L;
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            jobs(shared, ui);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| page(ui, shared));
        });
    });
}

fn jobs(shared: &mut Shared, ui: &mut Ui) {
    let t = Tokens::of(ui.ctx());
    if icon_button(ui, Icon::Bell, "Messages").clicked() {
        shared.send(Command::Notices);
    }
    let running = shared.jobs.running().to_vec();
    if running.is_empty() {
        return;
    }
    let text = match &running[..] {
        [one] => one.name.clone(),
        many => format!("{} jobs", many.len()),
    };
    let text = RichText::new(format!("{text} ▴")).size(size::SMALL).color(t.text_dim);
    let menu = eframe::egui::containers::menu::MenuButton::from_button(Button::new(text).frame(false));
    menu.ui(ui, |ui| {
        ui.set_min_width(320.0);
        for job in &running {
            let progress = job.progress();
            ui.horizontal(|ui| {
                ui.label(&job.name);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if icon_button(ui, Icon::Close, &format!("Cancel {}", job.name)).clicked() {
                        job.cancel();
                    }
                    ui.label(small(duration(job.started.elapsed())));
                });
            });
            if let Some(share) = progress.share {
                ui.add(ProgressBar::new(share).desired_height(4.0).fill(t.plus));
            }
            if !progress.text.is_empty() {
                ui.label(small(progress.text));
            }
        }
    });
}
