//! The rail: the mark, and the pages with their names under their icons.

use eframe::egui::{Align2, FontId, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use crate::command::Command;
use crate::icons::mark;
use crate::page::Page;
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};

pub fn ui(shared: &Shared, ui: &mut Ui) {
    let t = Tokens::of(ui.ctx());
    ui.spacing_mut().item_spacing.y = 2.0;
    let (rect, _) = ui.allocate_exact_size(vec2(space::RAIL, 52.0), Sense::hover());
    mark(ui.painter(), Rect::from_center_size(rect.center(), vec2(22.0, 22.0)), [t.minus, t.zero, t.plus]);
    for page in Page::ALL {
        let on = shared.settings.page == page;
        let (rect, response) = ui.allocate_exact_size(vec2(space::RAIL, 54.0), Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, page.title()));
        if response.clicked() {
            shared.send(Command::Show(page));
        }
        let color = if on || response.hovered() { t.text } else { t.text_dim };
        let inner = rect.shrink2(vec2(5.0, 2.0));
        if on || response.hovered() {
            ui.painter().rect_filled(inner, f32::from(space::RADIUS), t.raised);
        }
        if on {
            let bar = Rect::from_min_max(
                pos2(rect.left(), rect.top() + 12.0),
                pos2(rect.left() + 3.0, rect.bottom() - 12.0),
            );
            ui.painter().rect_filled(bar, 1.5, t.plus);
        }
        if response.has_focus() {
            ui.painter().rect_stroke(
                inner,
                f32::from(space::RADIUS),
                Stroke::new(1.0, t.minus),
                StrokeKind::Inside,
            );
        }
        let icon = Rect::from_center_size(rect.center() - vec2(0.0, 8.0), vec2(18.0, 18.0));
        page.icon().paint(ui.painter(), icon, if on { t.plus } else { color });
        if page == Page::Server && shared.serving.is_some() {
            ui.painter().circle_filled(icon.right_top() + vec2(3.0, 0.0), 3.0, t.good);
        }
        let font = FontId::proportional(size::SMALL - 1.5);
        ui.painter().text(rect.center() + vec2(0.0, 14.0), Align2::CENTER_CENTER, page.title(), font, color);
    }
}
