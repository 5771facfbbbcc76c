//! The palette: every command by name, narrowed by typing.

use eframe::egui::{
    Align, Align2, Area, Context, Frame, Id, Key, Layout, Modifiers, Order, RichText, ScrollArea, Stroke,
    TextEdit, Ui, vec2,
};

use crate::app::App;
use crate::command::Entry;
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

/// Draws it.
pub fn ui(app: &mut App, ctx: &Context) {
    if !app.palette.open {
        return;
    }
    let t = Tokens::of(ctx);
    let found: Vec<Entry> =
        app.entries().into_iter().filter(|e| e.enabled && matches(&e.text, &app.palette.query)).collect();
    let palette = &mut app.palette;
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
    let enter = ctx.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Enter));
    let mut done = enter.then_some(palette.chosen);
    let area =
        Area::new(Id::unique("palette")).order(Order::Foreground).anchor(Align2::CENTER_TOP, vec2(0.0, 80.0));
    let shown = area.show(ctx, |ui| {
        Frame::window(ui.style()).fill(t.panel).stroke(Stroke::new(1.0, t.line)).show(ui, |ui| {
            ui.set_width(460.0);
            let field = TextEdit::singleline(&mut palette.query)
                .hint_text("What do you want to do?")
                .frame(Frame::NONE)
                .font(eframe::egui::FontId::proportional(size::SECTION))
                .desired_width(f32::INFINITY);
            let field = ui.add(field);
            field.widget_info(|| {
                eframe::egui::WidgetInfo::labeled(eframe::egui::Role::TextInput, true, "Command")
            });
            field.request_focus();
            if field.changed() {
                palette.chosen = 0;
            }
            ui.separator();
            ScrollArea::vertical().max_height(360.0).show(ui, |ui| {
                if found.is_empty() {
                    ui.label(small("No command has these letters in its name"));
                }
                for (i, entry) in found.iter().enumerate() {
                    if row(ui, entry, i == palette.chosen) {
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
        app.send(entry.command.clone());
        ctx.request_repaint();
    }
}

fn row(ui: &mut Ui, entry: &Entry, chosen: bool) -> bool {
    let t = Tokens::of(ui.ctx());
    let fill = if chosen { t.hover } else { t.panel };
    let response =
        Frame::new().fill(fill).corner_radius(4.0).inner_margin(vec2(space::S, 5.0)).show(ui, |ui| {
            ui.horizontal(|ui| {
                let label = ui.selectable_label(false, RichText::new(&entry.text).color(t.text));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if let Some(keys) = entry.keys {
                        ui.label(small(ui.ctx().format_shortcut(&keys)));
                    }
                });
                label
            })
            .inner
        });
    if chosen {
        response.response.scroll_to_me(None);
    }
    response.inner.clicked()
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
