//! The list of tensors drawn, with the totals of each type below.

use eframe::egui::{
    Align, FontId, Id, Key, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

use super::card::millions;
use super::subject::Subject;
use super::tensors::{shape, shown_name};
use super::{Inspect, chart};
use crate::command::{Command, ModelCommand, TensorColumn};
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{ROW, bytes, cell, choice, count, filter_field, inside, rows, rule, small};

impl Inspect {
    pub(super) fn tensors_ui(&mut self, ui: &mut Ui, subject: &Subject, shared: &Shared, narrow: bool) {
        let t = Tokens::of(ui.ctx());
        let send = |command| shared.send(Command::Model(command));
        let all = subject.header.tensors().len();
        if self.list_head(ui, false, self.order.len(), all, "Copy the list of tensors", narrow) {
            send(ModelCommand::CopyTensors);
        }
        if filter_field(ui, "Filter tensors", &mut self.tensor_filter).changed() {
            self.stale = true;
        }
        ui.add_space(space::XS);
        let wide = widths(ui, &subject.longest);
        let (mut head, _) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
        let types = if ui.max_rect().height() < LOW { 0 } else { subject.totals.len().min(TYPES) };
        let below = totals_height(types);
        let place = Rect::from_min_max(
            pos2(head.left(), head.bottom() + 2.0),
            pos2(head.right(), (ui.max_rect().bottom() - below).max(head.bottom() + ROW)),
        );
        if self.order.len() as f32 * ROW > place.height() {
            // As wide as the rows, which leave room for the bar that scrolls them.
            head.max.x -= ui.spacing().scroll.allocated_width();
        }
        for (column, area) in TensorColumn::SHOWN.into_iter().zip(columns(inside(head), wide)) {
            if let Some(area) = area {
                self.heading(ui, column, area, &send);
            }
        }
        rule(ui, head);
        ui.scope_builder(eframe::egui::UiBuilder::new().max_rect(place), |ui| {
            self.tensor_rows(ui, subject, place, wide, &send)
        });
        let foot = Rect::from_min_max(pos2(place.left(), place.bottom() + space::S), ui.max_rect().max);
        ui.scope_builder(eframe::egui::UiBuilder::new().max_rect(foot), |ui| {
            totals(ui, subject, types, t, &send)
        });
    }

    fn heading(&self, ui: &mut Ui, column: TensorColumn, area: Rect, send: &impl Fn(ModelCommand)) {
        let t = Tokens::of(ui.ctx());
        let on = self.sort.by == column;
        let response = ui.interact(area, Id::unique(("heading", column.title())), Sense::click());
        response.widget_info(|| {
            WidgetInfo::selected(
                Role::Button,
                true,
                on,
                format!("Order by {}", column.title().to_lowercase()),
            )
        });
        let color = if on || response.hovered() || response.has_focus() { t.text } else { t.text_dim };
        cell(ui, area, align(column), column.title(), color);
        if on {
            // Beside the word, above or below the middle.
            let x = if align(column) == Align::Min { area.left() + 38.0 } else { area.right() + 1.0 };
            let (tip, base) = if self.sort.down { (2.5, -2.0) } else { (-2.5, 2.0) };
            let at = |dx: f32, dy: f32| pos2(x + 3.0 + dx, area.center().y + dy);
            let triangle = vec![at(-3.0, base), at(3.0, base), at(0.0, tip)];
            ui.painter().add(eframe::egui::Shape::convex_polygon(triangle, t.plus, Stroke::NONE));
        }
        if response.has_focus() {
            ui.painter().rect_stroke(area, 2.0, Stroke::new(1.0, t.minus), StrokeKind::Inside);
        }
        if response.clicked() {
            send(ModelCommand::Sort(column));
        }
    }

    fn tensor_rows(
        &mut self,
        ui: &mut Ui,
        subject: &Subject,
        place: Rect,
        wide: [f32; 4],
        send: &impl Fn(ModelCommand),
    ) {
        let t = Tokens::of(ui.ctx());
        if self.order.is_empty() {
            let all = subject.header.tensors().len();
            ui.label(small(if all == 0 {
                "This file has no tensors"
            } else {
                "No tensor's name, type or shape contains these words"
            }));
            return;
        }
        // One stop of the Tab key for the whole list; the arrows move in it.
        let list = ui.interact(place, Id::unique("list of tensors"), Sense::focusable_noninteractive());
        list.widget_info(|| WidgetInfo::labeled(Role::ListBox, true, "List of tensors"));
        if list.has_focus() {
            ui.memory_mut(|m| {
                m.set_focus_lock_filter(
                    list.id,
                    eframe::egui::EventFilter { vertical_arrows: true, ..Default::default() },
                )
            });
            ui.painter().rect_stroke(place, 2.0, Stroke::new(1.0, t.minus), StrokeKind::Inside);
            let page = ((place.height() / ROW) as i32 - 1).max(1);
            let keys = [
                (Key::ArrowDown, 1),
                (Key::ArrowUp, -1),
                (Key::PageDown, page),
                (Key::PageUp, -page),
                (Key::Home, i32::MIN),
                (Key::End, i32::MAX),
            ];
            for (key, by) in keys {
                if ui.input_mut(|i| i.consume_key(eframe::egui::Modifiers::NONE, key)) {
                    send(ModelCommand::Step(by));
                }
            }
        }
        let tensor = |i: usize| subject.header.tensors().get(*self.order.get(i)? as usize);
        let reveal = std::mem::take(&mut self.reveal);
        let show = reveal
            .then(|| (0..self.order.len()).find(|i| tensor(*i).map(|t| &t.name) == self.chosen.as_ref()))
            .flatten();
        rows(ui, Id::unique("tensors"), self.order.len(), show, |ui, i, rect| {
            let Some(info) = tensor(i) else { return };
            let selected = self.chosen.as_deref() == Some(&info.name);
            let name = shown_name(&info.name);
            let response = choice(ui, Id::unique(("tensor", i)), rect, selected, &name);
            if response.clicked() {
                ui.memory_mut(|m| m.request_focus(list.id));
                send(ModelCommand::Select(info.name.clone()));
            }
            response.context_menu(|ui| {
                for (text, command) in [
                    ("Copy name", ModelCommand::CopyKey(info.name.clone())),
                    ("Copy row", ModelCommand::CopyTensor(info.name.clone())),
                ] {
                    if ui.button(text).clicked() {
                        send(command);
                        ui.close();
                    }
                }
            });
            let mut cut = info.fault.is_some();
            for (column, area) in TensorColumn::SHOWN.into_iter().zip(columns(inside(rect), wide)) {
                let Some(area) = area else { continue };
                let (text, color) = match column {
                    TensorColumn::Name => (name.clone(), if info.fault.is_some() { t.bad } else { t.text }),
                    TensorColumn::Shape => (shape(info), t.text_dim),
                    TensorColumn::Type => (
                        info.ty.name().to_owned(),
                        if info.ty.known().is_some_and(|ty| ty.is_ternary()) { t.plus } else { t.text_dim },
                    ),
                    TensorColumn::Bytes => (count(info.bytes), t.text_dim),
                    TensorColumn::Offset => (count(info.offset), t.text_faint),
                    TensorColumn::File => continue,
                };
                cut |= cell(ui, area, align(column), &text, color);
            }
            if cut {
                let fault = info.fault.map_or_else(String::new, |fault| format!("\nIt {fault}."));
                response.on_hover_text(format!(
                    "{name}\n{}, {}, {} bytes at {}{fault}",
                    shape(info),
                    info.ty.name(),
                    count(info.bytes),
                    count(info.offset)
                ));
            }
        });
    }
}

fn align(column: TensorColumn) -> Align {
    if matches!(column, TensorColumn::Name | TensorColumn::Type) { Align::Min } else { Align::Max }
}

/// How wide shape, type, bytes and offset have to be.
fn widths(ui: &Ui, longest: &[String; 3]) -> [f32; 4] {
    let wide = |text: &str, least: f32| {
        let font = FontId::proportional(size::SMALL);
        ui.painter()
            .layout_no_wrap(text.to_owned(), font, Tokens::of(ui.ctx()).text)
            .size()
            .x
            .ceil()
            .max(least)
            + 1.0
    };
    [wide(&longest[0], 40.0), 44.0, wide(&longest[1], 36.0), wide(&longest[2], 40.0)]
}

/// Where the columns are: the name takes what the others leave; where that is little, the last go.
fn columns(area: Rect, widths: [f32; 4]) -> [Option<Rect>; 5] {
    let gap = space::S;
    let mut shown = widths.len();
    let room = |n: usize| area.width() - widths[..n].iter().map(|w| w + gap).sum::<f32>();
    while shown > 2 && room(shown) < 104.0 {
        shown -= 1;
    }
    let mut left = area.left() + room(shown).max(60.0);
    let mut columns = [None; 5];
    columns[0] = Some(Rect::from_min_max(area.min, pos2(left, area.bottom())));
    for (i, width) in widths[..shown].iter().enumerate() {
        left += gap;
        columns[i + 1] = Some(Rect::from_min_max(pos2(left, area.top()), pos2(left + width, area.bottom())));
        left += width;
    }
    columns
}

/// Types that are listed below the tensors.
const TYPES: usize = 5;

/// A lower page has no room to list them.
const LOW: f32 = 340.0;

fn totals_height(types: usize) -> f32 {
    space::S + 14.0 + 20.0 * types as f32
}

/// What each type takes of the file; a click lists its tensors.
fn totals(ui: &mut Ui, subject: &Subject, types: usize, t: &Tokens, send: &impl Fn(ModelCommand)) {
    ui.spacing_mut().item_spacing.y = 0.0;
    let ternary = |i: &usize| subject.totals[*i].ty.known().is_some_and(|ty| ty.is_ternary());
    let color = |i: usize| {
        // The place among those of its kind.
        let nth = (0..i).filter(|j| ternary(j) == ternary(&i)).count();
        match ternary(&i) {
            true => [t.plus, t.warn][nth % 2],
            false => [t.minus, t.zero, t.series[2], t.series[3], t.series[4]][nth % 5],
        }
    };
    let parts: Vec<_> = subject
        .totals
        .iter()
        .enumerate()
        .map(|(i, total)| (total.bytes as f64, color(i), total.ty.name().to_owned()))
        .collect();
    if !parts.is_empty() {
        chart::share_bar(ui, 6.0, "Bytes by type", &parts);
        ui.add_space(space::XS);
    }
    for (i, total) in subject.totals.iter().take(types).enumerate() {
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 20.0), Sense::hover());
        let name = total.ty.name();
        let response = ui.interact(rect, Id::unique(("type", name)), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("List {name} tensors")));
        if response.hovered() || response.has_focus() {
            ui.painter().rect_filled(rect, 4.0, t.raised);
        }
        let area = inside(rect);
        ui.painter().circle_filled(pos2(area.left() + 4.0, area.center().y), 3.5, color(i));
        let at = |from: f32, to: f32| {
            Rect::from_min_max(
                pos2(area.left() + from * area.width(), area.top()),
                pos2(area.left() + to * area.width(), area.bottom()),
            )
        };
        let mut first = at(0.0, 0.24);
        first.min.x += 14.0;
        cell(ui, first, Align::Min, name, t.text);
        let tensors = if total.tensors == 1 {
            "1 tensor".to_owned()
        } else {
            format!("{} tensors", count(total.tensors))
        };
        cell(ui, at(0.22, 0.44), Align::Max, &tensors, t.text_dim);
        cell(ui, at(0.44, 0.62), Align::Max, &millions(total.weights), t.text_dim);
        cell(ui, at(0.62, 0.8), Align::Max, &bytes(total.bytes), t.text_dim);
        cell(ui, at(0.8, 1.0), Align::Max, &format!("{:.2} bits", total.bits_per_weight()), t.text_dim);
        let hint = format!(
            "{} weights in {} bytes, {:.3} bits a weight",
            count(total.weights),
            count(total.bytes),
            total.bits_per_weight()
        );
        if response.on_hover_text(hint).clicked() {
            send(ModelCommand::FindTensors(name.to_owned()));
        }
    }
}
