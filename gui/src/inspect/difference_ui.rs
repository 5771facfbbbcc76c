//! The comparison drawn: which file to hold against the open one, then the keys and tensors that differ.

use std::path::Path;

use eframe::egui::{Align, Button, Id, ProgressBar, Rect, Role, Sense, TextEdit, Ui, WidgetInfo, pos2, vec2};

use super::Inspect;
use super::chart::number;
use super::comparison::Comparison;
use super::difference::{Change, Difference, Flips, KeyChange};
use super::subject::Subject;
use super::tensors::shown_name;
use crate::command::{Command, ModelCommand};
use crate::shared::Shared;
use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{cell, cell_in, count, error_card, inside, rows, share, small, typed_path};

impl Inspect {
    pub(super) fn comparison_ui(&mut self, ui: &mut Ui, subject: &Subject, shared: &Shared) {
        let t = Tokens::of(ui.ctx());
        let send = |command| shared.send(Command::Model(command));
        let Comparison { path, making, made, failed } = &mut self.comparison;
        ui.add_space(space::XS);
        ui.horizontal(|ui| {
            let room = ui.available_width() - 180.0;
            let field = TextEdit::singleline(path).hint_text("Path of another GGUF file").desired_width(room);
            let field = ui.add(field);
            field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Path of the other file"));
            let entered = field.lost_focus() && ui.input(|i| i.key_pressed(eframe::egui::Key::Enter));
            if (ui.button("Compare").clicked() || entered)
                && let Some(path) = typed_path(path)
            {
                send(ModelCommand::CompareWith(path));
            }
            if ui.add(Button::new("Choose…")).clicked() {
                send(ModelCommand::AskCompare);
            }
        });
        ui.add_space(space::S);
        if let Some(why) = failed.clone()
            && error_card(ui, "The files cannot be compared", &why)
        {
            *failed = None;
        }
        if let Some(job) = making {
            let progress = job.info.progress();
            ui.add(ProgressBar::new(progress.share.unwrap_or(0.0)).desired_height(4.0).fill(t.plus));
            ui.label(small(format!("Comparing {}", shown_name(&progress.text))));
            return;
        }
        let Some(d) = made else {
            if failed.is_none() {
                ui.label(small(
                    "Which metadata differ, which tensors, and how many of their weights: of two checkpoints of a run, what flipped between them",
                ));
            }
            return;
        };
        ui.label(small(summary(subject.path(), d)));
        ui.add_space(space::S);
        if d.is_none() {
            return;
        }
        let lines = d.keys.len() + d.tensors.len() + 2;
        rows(ui, Id::unique("comparison"), lines, None, |ui, i, rect| {
            let keys = 1..=d.keys.len();
            if i == 0 || i == d.keys.len() + 1 {
                let (what, n) = if i == 0 { ("keys", d.keys.len()) } else { ("tensors", d.tensors.len()) };
                let low = Rect::from_min_max(pos2(rect.left(), rect.top() + 4.0), rect.max);
                let text =
                    if n == 1 { format!("1 of the {what} differs") } else { format!("{n} {what} differ") };
                cell_in(ui, low, Align::Min, &text, strong_font(size::SMALL), t.text_dim);
            } else if keys.contains(&i) {
                key_row(ui, rect, &d.keys[i - 1], t);
            } else {
                let (name, change) = &d.tensors[i - d.keys.len() - 2];
                tensor_row(ui, rect, name, change, t);
            }
        });
    }
}

fn summary(here: &Path, d: &Difference) -> String {
    let name = |p: &Path| p.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (a, b) = (name(here), name(&d.other));
    if d.is_none() {
        return format!("{a} and {b} hold the same: {} keys, {} tensors", d.same_keys, d.same_tensors);
    }
    let same = format!(
        "{a} against {b}: {} keys and {} tensors are the same",
        count(d.same_keys as u64),
        count(d.same_tensors as u64)
    );
    let Flips { weights, flipped, reversed } = d.flips;
    if weights == 0 {
        return same;
    }
    let part = |n: u64| share(n as f64 / weights as f64);
    format!(
        "{same}; of {} ternary weights {} flipped, {} reversed",
        count(weights),
        part(flipped),
        part(reversed)
    )
}

fn key_row(ui: &Ui, rect: Rect, change: &KeyChange, t: &Tokens) {
    let words = |v: &Option<String>| v.clone().unwrap_or_else(|| "not set".into());
    let (here, there) = (words(&change.here), words(&change.there));
    let key = shown_name(&change.key);
    let response = ui.interact(rect, Id::unique(("changed key", &change.key)), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{key} {here} against {there}")));
    let area = inside(rect);
    let part = |from: f32, to: f32| {
        let (l, w) = (area.left(), area.width());
        Rect::from_min_max(pos2(l + from * w, area.top()), pos2(l + to * w - space::S, area.bottom()))
    };
    let color = |v: &Option<String>| if v.is_some() { t.text } else { t.text_faint };
    let cut = cell(ui, part(0.0, 0.4), Align::Min, &key, t.text_dim)
        | cell(ui, part(0.4, 0.7), Align::Min, &here, color(&change.here))
        | cell(ui, part(0.7, 1.0), Align::Min, &there, color(&change.there));
    if cut {
        response.on_hover_text(format!("{key}\nhere {here}\nthere {there}"));
    }
}

fn tensor_row(ui: &Ui, rect: Rect, name: &str, change: &Change, t: &Tokens) {
    let name = shown_name(name);
    let (text, hint) = said(change);
    let response = ui.interact(rect, Id::unique(("changed tensor", &name)), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{name} {text}")));
    let area = inside(rect);
    let split = area.left() + 0.4 * area.width();
    let bar =
        Rect::from_min_max(pos2(split, area.center().y - 4.0), pos2(split + 64.0, area.center().y + 4.0));
    let cut = cell(
        ui,
        Rect::from_min_max(area.min, pos2(split - space::S, area.bottom())),
        Align::Min,
        &name,
        t.text,
    );
    let mut left = split;
    if let Change::Weights { share, reversed, .. } = change {
        let wide = |s: f64| (bar.width() * s as f32).clamp(1.0, bar.width());
        ui.painter().rect_filled(bar, 2.0, t.raised);
        ui.painter().rect_filled(Rect::from_min_size(bar.min, vec2(wide(*share), 8.0)), 2.0, t.zero);
        if let Some(reversed) = reversed.filter(|r| *r > 0.0) {
            ui.painter().rect_filled(Rect::from_min_size(bar.min, vec2(wide(reversed), 8.0)), 2.0, t.plus);
        }
        left = bar.right() + space::S;
    }
    let color = if matches!(change, Change::Unread(_)) { t.warn } else { t.text_dim };
    let rest = Rect::from_min_max(pos2(left, area.top()), area.max);
    let cut = cell(ui, rest, Align::Min, &text, color) || cut;
    if cut || !hint.is_empty() {
        response.on_hover_text(format!("{name}\n{text}\n{hint}"));
    }
}

/// A change in words, and what its figures mean.
fn said(change: &Change) -> (String, String) {
    match change {
        Change::OnlyHere => ("only in the open file".into(), String::new()),
        Change::OnlyThere => ("only in the other file".into(), String::new()),
        Change::Shape(here, there) => (format!("{here} against {there}"), String::new()),
        Change::Unread(why) => (format!("not compared: {why}"), String::new()),
        Change::Weights { share: part, reversed, most, types } => {
            let mut text = match (reversed, types) {
                _ if *part == 0.0 && *most == 0.0 => "same weights".into(),
                (Some(_), _) if *part == 0.0 => {
                    format!("same values, scales differ by {} at most", number((*most).into()))
                }
                (Some(reversed), _) => {
                    format!("{} flipped, {} reversed", share(*part), share(*reversed))
                }
                (None, _) if *part == 1.0 => format!("all differ, by {} at most", number((*most).into())),
                (None, _) => format!("{} differ, by {} at most", share(*part), number((*most).into())),
            };
            if let Some((here, there)) = types {
                text = format!("{here} against {there}, {text}");
            }
            let hint = if reversed.is_some() {
                "Flipped: another of the values -1, 0 and +1. Reversed: from -1 to +1, or back"
            } else {
                ""
            };
            (text, hint.into())
        }
    }
}
