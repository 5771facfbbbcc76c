//! The list of metadata drawn, and the line over both lists.

use eframe::egui::{
    Align, Button, FontId, Id, Layout, Rect, Response, Role, Sense, Ui, WidgetInfo, pos2, vec2,
};
use formats::gguf::Value;

use super::Inspect;
use super::metadata::{Row, brief, element, group_of, rest_of};
use super::subject::Subject;
use super::tensors::shown_name;
use crate::command::{Command, ModelCommand};
use crate::icons::{Icon, icon_button};
use crate::shared::Shared;
use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{cell, cell_in, choice, count, filter_field, inside, rows, section, small, tab};

impl Inspect {
    /// The line over a list: what it is, or where the lists share a place, the choice between them; how long; a button to copy it.
    pub(super) fn list_head(
        &mut self,
        ui: &mut Ui,
        keys: bool,
        shown: usize,
        all: usize,
        copy: &str,
        narrow: bool,
    ) -> bool {
        ui.horizontal(|ui| {
            if narrow {
                for (name, which) in [("Tensors", false), ("Metadata", true)] {
                    if tab(ui, name, which == keys).clicked() {
                        self.keys_first = which;
                    }
                }
            } else {
                section(ui, if keys { "Metadata" } else { "Tensors" });
            }
            let all = count(all as u64);
            let shown = count(shown as u64);
            ui.label(small(if shown == all { all } else { format!("{shown} of {all}") }));
            let right = Layout::right_to_left(Align::Center);
            ui.with_layout(right, |ui| icon_button(ui, Icon::Copy, copy).clicked()).inner
        })
        .inner
    }

    pub(super) fn metadata_ui(&mut self, ui: &mut Ui, subject: &Subject, shared: &Shared, narrow: bool) {
        let t = Tokens::of(ui.ctx());
        let send = |command| shared.send(Command::Model(command));
        let all = subject.header.metadata().len();
        if self.list_head(ui, true, self.keys.keys, all, "Copy all as JSON", narrow) {
            send(ModelCommand::CopyMetadata);
        }
        if filter_field(ui, "Filter metadata", &mut self.key_filter).changed() {
            self.stale = true;
        }
        ui.add_space(space::XS);
        if self.keys.len() == 0 {
            ui.label(small(if self.key_filter.is_empty() {
                "This file has no metadata"
            } else {
                "No key or value contains this"
            }));
            return;
        }
        let (list, unfolded) = (&self.keys, &self.unfolded);
        let mut chosen = None;
        rows(ui, Id::unique("metadata"), list.len(), None, |ui, i, rect| match list.get(i) {
            Some(Row::Group(key)) => {
                let name = subject.header.metadata().iter().nth(key).map_or("", |(k, _)| group_of(k));
                let name = if name.is_empty() { "other" } else { name };
                let low = Rect::from_min_max(pos2(rect.left(), rect.top() + 4.0), rect.max);
                cell_in(ui, low, Align::Min, name, strong_font(size::SMALL), t.text_dim);
            }
            Some(Row::Key(key)) => {
                let Some((key, value)) = subject.header.metadata().iter().nth(key) else { return };
                let open = unfolded.contains(key);
                let selected = self.key.as_deref() == Some(key);
                let response = key_row(ui, rect, key, value, selected, open);
                if response.clicked() {
                    chosen = Some(key.to_owned());
                    if matches!(value, Value::Array(_)) {
                        send(ModelCommand::Unfold(key.to_owned()));
                    }
                }
                response.context_menu(|ui| {
                    for (text, command) in [
                        ("Copy value", ModelCommand::CopyValue(key.to_owned())),
                        ("Copy key", ModelCommand::CopyKey(key.to_owned())),
                        ("Copy both", ModelCommand::CopyRow(key.to_owned())),
                    ] {
                        if ui.button(text).clicked() {
                            send(command);
                            ui.close();
                        }
                    }
                });
                if selected {
                    let place =
                        Rect::from_center_size(pos2(rect.right() - 13.0, rect.center().y), vec2(24.0, 20.0));
                    let button = ui.put(place, copy_button(key));
                    if button.on_hover_text("Copy the value").clicked() {
                        send(ModelCommand::CopyValue(key.to_owned()));
                    }
                    Icon::Copy.paint(
                        ui.painter(),
                        Rect::from_center_size(place.center(), vec2(13.0, 13.0)),
                        t.text_dim,
                    );
                }
            }
            Some(Row::Element(key, index)) => {
                let Some((key, Value::Array(array))) = subject.header.metadata().iter().nth(key) else {
                    return;
                };
                let text = element(array, index);
                let response = ui.interact(rect, Id::unique(("element", key, index)), Sense::CLICK);
                response.widget_info(|| {
                    WidgetInfo::labeled(Role::ListBoxOption, true, format!("{key} {index} {text}"))
                });
                if response.hovered() {
                    ui.painter().rect_filled(rect, 4.0, t.raised);
                }
                let area = inside(rect);
                let number = Rect::from_min_max(area.min, pos2(area.left() + 58.0, area.bottom()));
                cell(ui, number, Align::Max, &count(index as u64), t.text_faint);
                let rest = Rect::from_min_max(pos2(number.right() + space::M, area.top()), area.max);
                if cell_in(ui, rest, Align::Min, &text, FontId::monospace(size::SMALL), t.text) {
                    response.clone().on_hover_text(&text);
                }
                if response.clicked() {
                    send(ModelCommand::CopyElement(key.to_owned(), index));
                }
            }
            None => {}
        });
        if chosen.is_some() {
            self.key = chosen;
        }
    }
}

/// A button that is drawn over; it has a name for who cannot see it.
fn copy_button(key: &str) -> impl eframe::egui::Widget + '_ {
    move |ui: &mut Ui| {
        let response = ui.add(Button::new("").frame(false));
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Copy the value of {key}")));
        response
    }
}

fn key_row(ui: &mut Ui, rect: Rect, key: &str, value: &Value, selected: bool, open: bool) -> Response {
    let t = Tokens::of(ui.ctx());
    let response = choice(ui, Id::unique(("key", key)), rect, selected, key);
    let mut area = inside(rect);
    let is_array = matches!(value, Value::Array(_));
    if is_array {
        let icon = if open { Icon::Down } else { Icon::Right };
        icon.paint(
            ui.painter(),
            Rect::from_center_size(pos2(area.left() + 4.0, area.center().y), vec2(10.0, 10.0)),
            t.text_dim,
        );
    }
    area.min.x += 14.0;
    if selected {
        area.max.x -= 20.0;
    }
    let text = brief(value);
    // The key gets what the value leaves, and at least half.
    let font = FontId::proportional(size::SMALL);
    let wide = ui.painter().layout_no_wrap(text.clone(), font, t.text).size().x.min(area.width());
    let split = area.right() - wide.min(0.5 * area.width()).max(0.3 * area.width()) - space::S;
    let cut_key = cell(
        ui,
        Rect::from_min_max(area.min, pos2(split, area.bottom())),
        Align::Min,
        &shown_name(rest_of(key)),
        t.text_dim,
    );
    let cut = cell(
        ui,
        Rect::from_min_max(pos2(split + space::S, area.top()), area.max),
        Align::Max,
        &text,
        if is_array { t.minus } else { t.text },
    );
    if cut || cut_key {
        response.clone().on_hover_text(format!("{}\n{text}", shown_name(key)));
    }
    response
}
