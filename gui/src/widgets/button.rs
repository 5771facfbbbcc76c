//! Buttons: the one that matters on a page, chips for a choice of a few, tabs, links.

use eframe::egui::{
    Button, CornerRadius, Response, RichText, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2,
};

use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};

/// The one primary button of a page; `keys` are shown behind its name.
pub fn primary_button(ui: &mut Ui, name: &str, keys: &str) -> Response {
    let t = Tokens::of(ui.ctx());
    let fill = if ui.is_enabled() { t.plus } else { t.hover };
    let text = if ui.is_enabled() { t.on_plus } else { t.text_dim };
    let label = RichText::new(name).font(strong_font(size::BODY)).color(text);
    let button = Button::new(label).fill(fill).stroke(Stroke::NONE).min_size(vec2(84.0, 30.0));
    let response = ui.add(button);
    if keys.is_empty() { response } else { response.on_hover_text(format!("{name} ({keys})")) }
}

/// A choice among a few that stand side by side.
pub fn chip(ui: &mut Ui, name: &str, selected: bool) -> Response {
    let t = Tokens::of(ui.ctx());
    let color = if selected { t.text } else { t.text_dim };
    let stroke = if selected { t.plus } else { t.line };
    let button = Button::new(RichText::new(name).size(size::SMALL).color(color))
        .fill(if selected { t.hover } else { t.raised })
        .stroke(Stroke::new(1.0, stroke))
        .corner_radius(CornerRadius::same(12))
        .min_size(vec2(0.0, 24.0));
    let response = ui.add(button);
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::selected(Role::Button, enabled, selected, name));
    response
}

/// A tab: a word that is underlined while it is on.
pub fn tab(ui: &mut Ui, name: &str, selected: bool) -> Response {
    let t = Tokens::of(ui.ctx());
    let font = strong_font(size::BODY);
    let galley = ui.painter().layout_no_wrap(name.to_owned(), font, t.text);
    let (rect, response) = ui.allocate_exact_size(galley.size() + vec2(space::S, 10.0), Sense::click());
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::selected(Role::Button, enabled, selected, name));
    let color = if selected || response.hovered() { t.text } else { t.text_dim };
    let at = rect.center() - galley.size() / 2.0;
    ui.painter().galley_with_override_text_color(at, galley, color);
    if selected {
        ui.painter().hline(rect.x_range(), rect.bottom(), Stroke::new(2.0, t.plus));
    }
    if response.has_focus() {
        ui.painter().rect_stroke(rect, 3.0, Stroke::new(1.0, t.minus), StrokeKind::Outside);
    }
    response
}
