//! The card at the head of the page: the one big number, what the model is, how large, whether it runs.

use eframe::egui::{
    Align, DragValue, FontId, Label, Layout, Rect, RichText, Role, Sense, Ui, UiBuilder, WidgetInfo, pos2,
    vec2,
};

use super::subject::Subject;
use crate::icons::Icon;
use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{bytes, card, count, share, small};

/// Tokens that the estimate of memory may be asked for where the file does not say how many there are.
const CONTEXT_MAX: u64 = 1 << 20;

/// Height of a figure with what it is under it.
const FIGURE: f32 = 36.0;

/// Draws the card. `context` is how many tokens memory is estimated for.
pub fn ui(ui: &mut Ui, subject: &Subject, context: &mut Option<u64>) {
    let frame = card(ui);
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            hero(ui, subject);
            ui.add_space(space::L);
            ui.vertical(|ui| {
                name(ui, subject);
                ui.add_space(space::XS);
                figures(ui, subject, context);
            });
        });
    });
}

fn hero(ui: &mut Ui, subject: &Subject) {
    let t = Tokens::of(ui.ctx());
    let f = &subject.facts;
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let number = if f.weights == 0 { "–".to_owned() } else { format!("{:.2}", f.bits_per_weight()) };
        let hint = format!("{} bytes of tensors over {} weights", count(f.tensor_bytes), count(f.weights));
        ui.label(RichText::new(number).font(strong_font(size::HERO)).color(t.text)).on_hover_text(hint);
        ui.label(small("bits per weight"));
    });
}

fn name(ui: &mut Ui, subject: &Subject) {
    let t = Tokens::of(ui.ctx());
    let shape = &subject.shape;
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            checks(ui, subject);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let title = shape.name.as_deref().filter(|n| !n.is_empty()).unwrap_or(&subject.facts.name);
                let title = RichText::new(title).font(strong_font(size::SECTION + 2.0)).color(t.text);
                ui.add(Label::new(title).truncate());
                let architecture = shape.architecture.as_deref().unwrap_or("no architecture named");
                let path = subject.path().display().to_string();
                ui.add(Label::new(small(format!("{architecture}, {}", subject.facts.name))).truncate())
                    .on_hover_text(path);
            });
        });
    });
}

fn checks(ui: &mut Ui, subject: &Subject) {
    let t = Tokens::of(ui.ctx());
    let (icon, color, text, hint) = match subject.loaded() {
        Some(loaded) => {
            let mut hint = "Every tensor has its shape; every scale and weight is finite".to_owned();
            if let Some(error) = subject.mixing_error {
                hint.push_str(&format!(
                    "; rows and columns of each mixing matrix sum to 1 within {error:.0e}"
                ));
            }
            (Icon::Check, t.good, format!("Runs on {}", loaded.runs_on()), hint)
        }
        None => (Icon::Warn, t.bad, "Does not run".to_owned(), "The reason is above".to_owned()),
    };
    ui.label(RichText::new(text).size(size::SMALL).color(t.text)).on_hover_text(hint);
    let (rect, _) = ui.allocate_exact_size(vec2(14.0, 14.0), Sense::hover());
    icon.paint(ui.painter(), rect, color);
}

fn figures(ui: &mut Ui, subject: &Subject, context: &mut Option<u64>) {
    let (f, s) = (&subject.facts, &subject.shape);
    let gap = if ui.available_width() < 740.0 { space::M } else { space::XL };
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(gap, space::S);
        let tensors = count(subject.header.tensors().len() as u64);
        one(
            ui,
            &millions(f.weights),
            "weights",
            &format!("{} weights in {tensors} tensors", count(f.weights)),
        );
        let hint = format!("{} bytes, of which {} are tensors", count(f.file_bytes), count(f.tensor_bytes));
        one(ui, &bytes(f.file_bytes), "file", &hint);
        let ternary = f.ternary_weights as f64 / f.weights.max(1) as f64;
        let hint = format!(
            "{} weights are -1, 0 or +1 times a scale; they take {} bytes",
            count(f.ternary_weights),
            count(f.ternary_bytes)
        );
        one(ui, &share(ternary), "ternary", &hint);
        let known = [
            (s.context, "context", "Tokens of the longest text it was trained on"),
            (s.vocab, "vocabulary", "Tokens it knows"),
            (s.layers, "layers", "Blocks of attention and feed-forward network"),
            (s.heads, "heads", "Query heads of each attention"),
            (s.width, "width", "Numbers in the residual stream"),
        ];
        for (value, what, hint) in known {
            if let Some(value) = value {
                one(ui, &count(value), what, hint);
            }
        }
        memory(ui, subject, context);
    });
}

/// A number over what it is.
fn one(ui: &mut Ui, value: &str, what: &str, hint: &str) {
    let t = Tokens::of(ui.ctx());
    let value_shown = ui.painter().layout_no_wrap(value.to_owned(), strong_font(size::SECTION), t.text);
    let what_shown =
        ui.painter().layout_no_wrap(what.to_owned(), FontId::proportional(size::SMALL), t.text_dim);
    let wide = value_shown.size().x.max(what_shown.size().x);
    let (rect, response) = ui.allocate_exact_size(vec2(wide, FIGURE), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{value} {what}")));
    ui.painter().galley(rect.min, value_shown, t.text);
    ui.painter().galley(pos2(rect.left(), rect.bottom() - what_shown.size().y), what_shown, t.text_dim);
    response.on_hover_text(hint);
}

/// Weights and cache, for a number of tokens that can be changed.
fn memory(ui: &mut Ui, subject: &Subject, context: &mut Option<u64>) {
    let Some(cache_bytes) = subject.shape.cache_bytes else { return };
    let trained = subject.shape.context.unwrap_or(CONTEXT_MAX).clamp(1, CONTEXT_MAX);
    let mut tokens = context.unwrap_or(trained).clamp(1, trained);
    let cache = cache_bytes.saturating_mul(tokens);
    let all = subject.facts.tensor_bytes.saturating_add(cache);
    let hint = format!(
        "{} of weights, and {} of keys and values: {} for each token, as halves",
        bytes(subject.facts.tensor_bytes),
        bytes(cache),
        bytes(cache_bytes)
    );
    let t = Tokens::of(ui.ctx());
    let text = |text: &str| {
        ui.painter().layout_no_wrap(text.to_owned(), FontId::proportional(size::SMALL), t.text_dim)
    };
    let (before, after) = (text("memory at"), text("tokens"));
    let value = ui.painter().layout_no_wrap(bytes(all), strong_font(size::SECTION), t.text);
    let (from, field) = (before.size().x + 5.0, 46.0);
    let wide = value.size().x.max(from + field + 5.0 + after.size().x);
    let (rect, response) = ui.allocate_exact_size(vec2(wide, FIGURE), Sense::hover());
    response.widget_info(|| {
        WidgetInfo::labeled(Role::Label, true, format!("{} memory at {tokens} tokens", bytes(all)))
    });
    let low = rect.bottom() - before.size().y;
    ui.painter().galley(rect.min, value, t.text);
    ui.painter().galley(pos2(rect.left(), low), before, t.text_dim);
    ui.painter().galley(pos2(rect.left() + from + field + 5.0, low), after, t.text_dim);
    response.on_hover_text(hint);
    let place = Rect::from_min_max(
        pos2(rect.left() + from, low - 1.0),
        pos2(rect.left() + from + field, rect.bottom() + 1.0),
    );
    ui.scope_builder(UiBuilder::new().max_rect(place), |ui| {
        ui.spacing_mut().interact_size = place.size();
        ui.spacing_mut().button_padding = vec2(3.0, 0.0);
        ui.style_mut().override_font_id = Some(FontId::proportional(size::SMALL));
        let number = ui.add(DragValue::new(&mut tokens).range(1..=trained).speed(trained as f64 / 300.0));
        let now = tokens as f64;
        number.widget_info(|| WidgetInfo {
            label: Some("Tokens of context".into()),
            ..WidgetInfo::drag_value(true, now)
        });
        if number.on_hover_text("Tokens of context that memory is estimated for").changed() {
            *context = Some(tokens);
        }
    });
}

/// `6.73 M`.
pub fn millions(n: u64) -> String {
    match n {
        1_000_000_000.. => format!("{:.2} B", n as f64 / 1e9),
        1_000_000.. => format!("{:.2} M", n as f64 / 1e6),
        _ => count(n),
    }
}
