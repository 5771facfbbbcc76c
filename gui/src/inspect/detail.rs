//! The detail: the chosen tensor's numbers, picture and histogram; or the hyper-connections; or text as
//! tokens; or the chat template; or what differs from another file.

use eframe::egui::{Align, Label, Layout, ProgressBar, Rect, RichText, ScrollArea, Ui, pos2};
use formats::blocks::TensorType;
use formats::gguf::TensorInfo;

use super::chart::{curves, histogram, number, share_bar};
use super::marks::code;
use super::paint::zero;
use super::portrait::{Portrait, ROWS_FEW};
use super::spot::Spot;
use super::subject::Subject;
use super::tensors::{shape, shown_name};
use super::{Inspect, streams};
use crate::command::{Command, Detail, ModelCommand, PictureMove};
use crate::icons::{Icon, icon_button};
use crate::shared::Shared;
use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{count, error_card, share, small, tab};

/// Height of a histogram with its labels.
const HISTOGRAM: f32 = 74.0;
/// Less room than this has no histogram.
const LOW: f32 = 230.0;

impl Inspect {
    pub(super) fn detail_ui(&mut self, ui: &mut Ui, subject: &Subject, shared: &Shared) {
        let send = |command| shared.send(Command::Model(command));
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = space::S;
            let mut tabs = vec![("Tensor", Detail::Tensor)];
            if !subject.connections.is_empty() {
                tabs.push(("Streams", Detail::Streams));
            }
            if subject.loaded().is_some() {
                tabs.push(("Tokens", Detail::Tokens));
            }
            if subject.converses() {
                tabs.push(("Template", Detail::Template));
            }
            tabs.push(("Compare", Detail::Compare));
            for (name, which) in tabs {
                if tab(ui, name, self.tab == which).clicked() {
                    send(ModelCommand::Detail(which));
                }
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let (icon, what) = if self.wide {
                    (Icon::Shrink, "Show the lists again")
                } else {
                    (Icon::Expand, "Give this the whole page")
                };
                if icon_button(ui, icon, what).clicked() {
                    send(ModelCommand::Wide);
                }
            });
        });
        ui.add_space(space::XS);
        match self.tab {
            Detail::Tensor => self.tensor_ui(ui, subject, shared),
            Detail::Streams => {
                ScrollArea::vertical().id_salt("streams").auto_shrink(false).show(ui, |ui| {
                    streams::ui(ui, &subject.connections, subject.mixing_error);
                });
            }
            Detail::Tokens => self.playground.ui(ui),
            Detail::Template => self.template.ui(ui, subject),
            Detail::Compare => self.comparison_ui(ui, subject, shared),
        }
    }

    fn tensor_ui(&mut self, ui: &mut Ui, subject: &Subject, shared: &Shared) {
        let t = Tokens::of(ui.ctx());
        let info = self.chosen.as_deref().and_then(|name| subject.header.find(name));
        let Some(info) = info else {
            ui.label(small("Choose a tensor to see its weights"));
            return;
        };
        let portrait = self.portrait().cloned();
        heading(ui, info, portrait.as_deref(), shared, t);
        if info.ty.known().is_none() {
            ui.add_space(space::S);
            let read = TensorType::ALL.map(|ty| ty.name()).join(", ");
            ui.label(small(format!(
                "{} tensors are listed, but their weights are not read here; {read} are",
                info.ty.name()
            )));
            return;
        }
        if let Some((_, why)) = self.failed.as_ref().filter(|(n, _)| *n == info.name) {
            ui.add_space(space::S);
            if error_card(ui, "This tensor cannot be looked at", why) {
                self.failed = None;
                self.chosen = None;
            }
            return;
        }
        let Some(portrait) = portrait else {
            if let Some((_, job)) = &self.looking {
                let progress = job.info.progress();
                ui.add_space(space::S);
                ui.add(ProgressBar::new(progress.share.unwrap_or(0.0)).desired_height(4.0).fill(t.plus));
                ui.label(small("Reading and measuring"));
            }
            return;
        };
        if let Some(why) = self.canvas.fault.clone()
            && error_card(ui, "The picture is not complete", &why)
        {
            self.canvas.fault = None;
        }
        match &portrait.measured.ternary {
            Some(ternary) => {
                let names = ["-1", "0", "+1"];
                let parts: Vec<_> = ternary
                    .shares()
                    .into_iter()
                    .zip([t.minus, zero(t), t.plus])
                    .zip(names)
                    .map(|((part, color), name)| (part, color, format!("{name}  {}", share(part))))
                    .collect();
                share_bar(ui, 22.0, "Shares of the values", &parts);
            }
            None => moments(ui, &portrait, t),
        }
        ui.add_space(space::XS);
        // Where the page is low, the picture comes first.
        let low = ui.max_rect().bottom() - ui.cursor().top() < LOW;
        let foot = if low { 22.0 } else { HISTOGRAM + 22.0 + space::L };
        let place = Rect::from_min_max(
            ui.cursor().min,
            pos2(ui.max_rect().right(), (ui.max_rect().bottom() - foot).max(ui.cursor().top() + 60.0)),
        );
        ui.allocate_rect(place, eframe::egui::Sense::hover());
        if portrait.info.dims.rows() <= ROWS_FEW
            && let Some(values) = &portrait.values
        {
            let (cols, rows) = (portrait.info.dims.row() as usize, portrait.info.dims.rows() as usize);
            curves(ui, place, values, cols.max(1), rows, t);
        } else {
            self.canvas.ui(ui, place);
        }
        let spot = self.canvas.spot.as_ref();
        let line = spot.map_or_else(|| legend(&portrait, self.canvas.level), |spot| said(&portrait, spot));
        ui.add(Label::new(small(line)).truncate());
        if !low {
            chart(ui, &portrait, t);
        }
    }
}

fn heading(ui: &mut Ui, info: &TensorInfo, portrait: Option<&Portrait>, shared: &Shared, t: &Tokens) {
    let send = |command| shared.send(Command::Model(command));
    let picture = portrait.is_some_and(|p| p.pyramid.is_some());
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            ui.add_enabled_ui(picture, |ui| {
                let buttons = [
                    (Icon::Save, "Save the picture as PNG…", ModelCommand::SavePicture),
                    (Icon::Copy, "Copy the picture", ModelCommand::CopyPicture),
                    (Icon::Plus, "Nearer", ModelCommand::Picture(PictureMove::Zoom(1))),
                    (Icon::Minus, "Farther", ModelCommand::Picture(PictureMove::Zoom(-1))),
                    (Icon::Grid, "Whole picture", ModelCommand::Picture(PictureMove::Whole)),
                ];
                for (icon, name, command) in buttons {
                    if icon_button(ui, icon, name).clicked() {
                        send(command);
                    }
                }
            });
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let name = shown_name(&info.name);
                let title = RichText::new(&name).font(strong_font(size::SECTION)).color(t.text);
                ui.add(Label::new(title).truncate()).on_hover_text(name);
            });
        });
    });
    let bits = info.bytes as f64 * 8.0 / info.dims.weights().max(1) as f64;
    let line = format!(
        "{}, {}, {bits:.3} bits per weight, {} bytes at {}",
        shape(info),
        info.ty.name(),
        count(info.bytes),
        count(info.offset)
    );
    ui.add(Label::new(small(line)).truncate());
}

/// Figures of dense weights, side by side.
fn moments(ui: &mut Ui, portrait: &Portrait, t: &Tokens) {
    let w = &portrait.measured.weights;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::L;
        let mut figures = vec![
            ("min", number(w.min.into())),
            ("mean", number(w.mean())),
            ("max", number(w.max.into())),
            ("sd", number(w.sd())),
            ("zeros", share(w.zeros as f64 / (w.count + w.not_finite).max(1) as f64)),
        ];
        if w.count == 0 {
            figures.clear();
        }
        for (what, value) in figures {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = space::XS;
                ui.label(small(what));
                ui.label(RichText::new(value).size(size::SMALL).color(t.text));
            });
        }
        if w.not_finite > 0 {
            ui.label(
                RichText::new(format!("{} not finite", count(w.not_finite))).size(size::SMALL).color(t.bad),
            );
        }
    });
}

fn chart(ui: &mut Ui, portrait: &Portrait, t: &Tokens) {
    match &portrait.measured.ternary {
        Some(ternary) => {
            let m = ternary.scale_moments();
            let mean = format!("mean scale {}", number(m.mean()));
            histogram(
                ui,
                HISTOGRAM,
                "Histogram of the scales",
                &portrait.histogram,
                t.text_dim,
                &[(m.mean(), &mean)],
            );
        }
        None => {
            let m = portrait.measured.weights.mean();
            let mean = format!("mean {}", number(m));
            histogram(
                ui,
                HISTOGRAM,
                "Histogram of the weights",
                &portrait.histogram,
                t.text_dim,
                &[(m, &mean)],
            );
        }
    }
}

/// What the colours mean, while the pointer is elsewhere.
fn legend(portrait: &Portrait, level: u32) -> String {
    let w = &portrait.measured.weights;
    if portrait.pyramid.is_none() {
        return "This tensor has no weights".to_owned();
    }
    if portrait.info.dims.rows() <= ROWS_FEW && portrait.values.is_some() {
        return match portrait.info.dims.rows() {
            1 => format!("{} weights", count(w.count)),
            rows => format!("{} weights in {rows} rows", count(w.count)),
        };
    }
    let side = 1u64 << level;
    match &portrait.measured.ternary {
        _ if level > 0 => {
            format!("A pixel is {side} x {side} weights, its contrast raised {side} times; scroll to zoom")
        }
        Some(ternary) => format!(
            "{} scales, stronger where larger; scroll to zoom, drag to move",
            count(ternary.scales.len() as u64)
        ),
        None => {
            format!("Full colour at {} from the mean; scroll to zoom, drag to move", number(2.5 * w.sd()))
        }
    }
}

/// What is under the pointer.
fn said(portrait: &Portrait, spot: &Spot) -> String {
    let [col, row] = spot.at;
    let dims = portrait.info.dims;
    let value = match (spot.cell, spot.scale, spot.side) {
        (None, _, _) => "…".to_owned(),
        (Some(cell), Some(scale), 1) => format!("{} x {}", code(cell), number(scale.into())),
        (Some(cell), None, 1) => number(cell.a.into()),
        (Some(cell), Some(_), _) => {
            let [minus, plus] = [cell.a, cell.b].map(|v| share(v.into()));
            format!("-1 {minus}, 0 {}, +1 {plus}", share((1.0 - cell.a - cell.b).max(0.0).into()))
        }
        (Some(cell), None, _) => format!("mean {}", number(cell.a.into())),
    };
    if spot.side == 1 {
        return format!("row {}, column {}   {value}", count(row), count(col));
    }
    let last = |at: u64, of: u64| count((at + spot.side).min(of) - 1);
    format!(
        "rows {} to {}, columns {} to {}   {value}",
        count(row),
        last(row, dims.rows()),
        count(col),
        last(col, dims.row())
    )
}
