//! Lists of any length: only the rows in sight are drawn. What is in a row, and what its clicks mean, is its owner's business.

use eframe::egui::text::{LayoutJob, TextWrapping};
use eframe::egui::{
    Align, Color32, CornerRadius, FontId, Id, Rect, Response, Role, ScrollArea, Sense, Stroke, TextEdit, Ui,
    WidgetInfo, pos2, vec2,
};

use crate::icons::Icon;
use crate::tokens::{Tokens, size, space};

/// Height of a row.
pub const ROW: f32 = 22.0;
/// A list's rows beyond these are not shown: positions on the screen have 24 bits.
pub const ROWS_MAX: usize = 500_000;

/// Draws the rows of a list that are in sight, each in its rectangle; brings one into sight if asked to.
pub fn rows(
    ui: &mut Ui,
    id: Id,
    count: usize,
    show: Option<usize>,
    mut add: impl FnMut(&mut Ui, usize, Rect),
) {
    let count = count.min(ROWS_MAX);
    ui.spacing_mut().item_spacing.y = 0.0;
    ScrollArea::vertical().id_salt(id).auto_shrink(false).show_viewport(ui, |ui, viewport| {
        let width = ui.available_width();
        let (all, _) = ui.allocate_exact_size(vec2(width, ROW * count as f32), Sense::hover());
        let row =
            |i: usize| Rect::from_min_size(pos2(all.left(), all.top() + ROW * i as f32), vec2(width, ROW));
        let first = (viewport.top() / ROW).floor().max(0.0) as usize;
        let end = ((viewport.bottom() / ROW).ceil().max(0.0) as usize).min(count);
        for i in first..end {
            add(ui, i, row(i));
        }
        if let Some(i) = show.filter(|i| *i < count) {
            // With its neighbours, so that it is clear of the edge.
            ui.scroll_to_rect(row(i).expand2(vec2(0.0, 3.0 * ROW)), None);
        }
    });
}

/// A row that can be chosen: senses clicks without being a stop of the Tab key, and shows what it is.
pub fn choice(ui: &mut Ui, id: Id, rect: Rect, selected: bool, name: &str) -> Response {
    let t = Tokens::of(ui.ctx());
    let response = ui.interact(rect, id, Sense::CLICK);
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, selected, name));
    if selected || response.hovered() {
        let fill = if selected { t.hover } else { t.raised };
        ui.painter().rect_filled(rect, CornerRadius::same(4), fill);
    }
    if selected {
        let bar = Rect::from_min_size(rect.left_top() + vec2(0.0, 4.0), vec2(3.0, rect.height() - 8.0));
        ui.painter().rect_filled(bar, 1.5, t.plus);
    }
    response
}

/// Text in a cell, cut with … where it is longer. Answers whether it was cut.
pub fn cell(ui: &Ui, rect: Rect, align: Align, text: &str, color: Color32) -> bool {
    cell_in(ui, rect, align, text, FontId::proportional(size::SMALL), color)
}

/// The same in a font of choice.
pub fn cell_in(ui: &Ui, rect: Rect, align: Align, text: &str, font: FontId, color: Color32) -> bool {
    if rect.width() < 4.0 {
        return true;
    }
    let mut job = LayoutJob::simple_singleline(text.to_owned(), font, color);
    job.wrap = TextWrapping::truncate_at_width(rect.width());
    let galley = ui.painter().layout_job(job);
    let cut = galley.elided;
    let left = match align {
        Align::Min => rect.left(),
        Align::Center => rect.center().x - galley.size().x / 2.0,
        Align::Max => rect.right() - galley.size().x,
    };
    let at = pos2(left, rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, color);
    cut
}

/// A field that narrows a list.
pub fn filter_field(ui: &mut Ui, name: &str, text: &mut String) -> Response {
    let t = Tokens::of(ui.ctx());
    let field = TextEdit::singleline(text)
        .hint_text("Filter")
        .desired_width(f32::INFINITY)
        .margin(eframe::egui::Margin { left: 26, right: 6, top: 4, bottom: 4 });
    let response = ui.add(field);
    let now = text.clone();
    response.widget_info(|| WidgetInfo {
        current_text_value: Some(now.clone()),
        ..WidgetInfo::labeled(Role::TextInput, true, name)
    });
    let icon =
        Rect::from_center_size(pos2(response.rect.left() + 14.0, response.rect.center().y), vec2(13.0, 13.0));
    Icon::Search.paint(ui.painter(), icon, t.text_faint);
    response
}

/// A hairline under a header.
pub fn rule(ui: &Ui, rect: Rect) {
    let t = Tokens::of(ui.ctx());
    ui.painter().hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, t.line));
}

/// The inside of a row, without the bar at its left.
pub fn inside(rect: Rect) -> Rect {
    rect.shrink2(vec2(space::S, 0.0))
}
