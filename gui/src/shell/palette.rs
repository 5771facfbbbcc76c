//! The palette: every command by name, narrowed by typing.

use eframe::egui::{
    Align2, Area, Context, FontId, Frame, Id, Key, Modifiers, Order, Rect, RichText, Role, ScrollArea, Sense,
    Stroke, TextEdit, TextStyle, TextWrapMode, Ui, WidgetInfo, WidgetText, pos2, vec2,
};

use crate::entry::Entry;
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::small;

/// The palette's state.
#[derive(Debug, Default)]
pub struct Palette {
    open: bool,
    query: String,
    chosen: usize,
}

impl Palette {
    /// Opens it, or closes it.
    pub fn toggle(&mut self) {
        self.open = !self.open;
        self.query.clear();
        self.chosen = 0;
    }

    /// Whether it is open, and so has the keys.
    pub fn is_open(&self) -> bool {
        self.open
    }
}

pub fn ui(palette: &mut Palette, entries: &[Entry], shared: &Shared, ctx: &Context) {
    if !palette.open {
        return;
    }
    let t = Tokens::of(ctx);
    let found: Vec<&Entry> =
        entries.iter().filter(|e| e.enabled && matches(&e.text, &palette.query)).collect();
    let before = palette.chosen;
    palette.chosen = palette.chosen.min(found.len().saturating_sub(1));
    ctx.input_mut(|i| {
        if i.consume_key(Modifiers::NONE, Key::ArrowDown) {
            palette.chosen = (palette.chosen + 1).min(found.len().saturating_sub(1));
        }
        if i.consume_key(Modifiers::NONE, Key::ArrowUp) {
            palette.chosen = palette.chosen.saturating_sub(1);
        }
        if i.consume_key(Modifiers::NONE, Key::Escape) || i.consume_key(Modifiers::COMMAND, Key::K) {
            palette.open = false;
        }
    });
    // The wheel may have gone elsewhere since.
    let follow = palette.chosen != before;
    let enter = ctx.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Enter));
    let mut done = enter.then_some(palette.chosen);
    let area =
        Area::new(Id::unique("palette")).order(Order::Foreground).anchor(Align2::CENTER_TOP, vec2(0.0, 80.0));
    let shown = area.show(ctx, |ui| {
        Frame::window(ui.style()).fill(t.panel).stroke(Stroke::new(1.0, t.line)).show(ui, |ui| {
            ui.set_width(460.0);
            ui.set_max_width(460.0);
            let field = TextEdit::singleline(&mut palette.query)
                .hint_text("What do you want to do?")
                .frame(Frame::NONE)
                .font(eframe::egui::FontId::proportional(size::SECTION))
                .desired_width(448.0);
            let field = ui.add(field);
            field.widget_info(|| {
                eframe::egui::WidgetInfo::labeled(eframe::egui::Role::TextInput, true, "Command")
            });
            field.request_focus();
            if field.changed() {
                palette.chosen = 0;
            }
            ui.separator();
            ScrollArea::vertical().max_height(380.0).show(ui, |ui| {
                if found.is_empty() {
                    ui.label(small("No command has these letters in its name"));
                }
                for (i, entry) in found.iter().enumerate() {
                    if row(ui, entry, i == palette.chosen, follow) {
                        done = Some(i);
                    }
                }
            });
        });
    });
    if shown.response.clicked_elsewhere() {
        palette.open = false;
    }
    if let Some(entry) = done.and_then(|i| found.get(i)) {
        palette.open = false;
        shared.send(entry.command.clone());
        ctx.request_repaint();
    }
}

fn row(ui: &mut Ui, entry: &Entry, chosen: bool, follow: bool) -> bool {
    let t = Tokens::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 30.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, chosen, &entry.text));
    if chosen || response.hovered() {
        ui.painter().rect_filled(rect, 4.0, t.hover);
    }
    let keys = entry.keys.map_or(String::new(), |keys| ui.ctx().format_shortcut(&keys));
    let keys = ui.painter().layout_no_wrap(keys, FontId::proportional(size::SMALL), t.text_dim);
    let room = Rect::from_min_max(
        rect.left_top() + vec2(space::S, 0.0),
        rect.right_bottom() - vec2(keys.size().x + space::L, 0.0),
    );
    let at = pos2(rect.right() - space::S - keys.size().x, rect.center().y - keys.size().y / 2.0);
    ui.painter().galley(at, keys, t.text_dim);
    let name = WidgetText::from(RichText::new(&entry.text).color(t.text));
    let name = name.into_galley(ui, Some(TextWrapMode::Truncate), room.width(), TextStyle::Body);
    ui.painter().galley(pos2(room.left(), rect.center().y - name.size().y / 2.0), name, t.text);
    if chosen && follow {
        response.scroll_to_me(None);
    }
    response.clicked()
}

/// Whether the letters of a query occur in a text in this order, whatever the case.
fn matches(text: &str, query: &str) -> bool {
    let mut letters = text.chars().flat_map(char::to_lowercase);
    query.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).all(|q| letters.any(|c| c == q))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn palette_finds_letters_in_order() {
        assert!(
            matches("Go to Training", "gotr") && matches("Go to Training", "") && matches("Größer", "GRÖ")
        );
        assert!(!matches("Go to Training", "tx"));
    }
}
