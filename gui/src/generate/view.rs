//! The text as it is seen: what the model wrote in the accent colour, or every token by how surprising it was, and the card of
//! what else it could have been.

use std::sync::Arc;

use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{
    Area, Color32, FontFamily, FontId, Frame, Galley, Id, Order, Pos2, Rect, Role, Sense, Stroke, TextBuffer,
    TextEdit, Ui, WidgetInfo, pos2, vec2,
};
use formats::tokenizer::Tokenizer;

use super::manuscript::{Manuscript, Token};
use super::surprise;
use crate::tokens::{Tokens, size, space};
use crate::widgets::small;

/// A token that the pointer rests on, and where its card is.
#[derive(Clone, Copy, Debug)]
pub struct Card {
    token: usize,
    /// Where the pointer may be while the card stays.
    keep: Rect,
    at: Pos2,
}

/// How the text is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Colours tokens by their probability.
    pub probabilities: bool,
    /// The text can be edited.
    pub editable: bool,
    /// A token to point out, and whether to scroll to it.
    pub marked: Option<(usize, bool)>,
}

/// Draws the text; answers whether a person changed it and which token the pointer is on.
pub fn text(ui: &mut Ui, text: &mut Manuscript, look: Look, id: Id) -> (bool, Option<(usize, Rect)>) {
    let t = Tokens::of(ui.ctx());
    let (words, tokens) = text.parts();
    let mut layouter = |ui: &Ui, buffer: &dyn TextBuffer, width: f32| -> Arc<Galley> {
        let job = layout(buffer.as_str(), tokens, look, t, width);
        ui.fonts_mut(|f| f.layout_job(job))
    };
    let edit = TextEdit::multiline(words)
        .id(id)
        .frame(Frame::NONE)
        .hint_text("Write the beginning of a text; the model goes on from there")
        .desired_width(f32::INFINITY)
        .desired_rows(12)
        .lock_focus(true)
        .interactive(look.editable)
        .layouter(&mut layouter);
    let output = edit.show(ui);
    let response = &output.response.response;
    response.widget_info(|| WidgetInfo::labeled(Role::TextInput, look.editable, "Text"));
    let changed = response.changed();
    if let Some((token, scroll)) = look.marked
        && let Some(rect) = text.tokens().get(token).and_then(|k| rect_of(&output.galley, &text.buffer, k))
    {
        let rect = rect.translate(output.galley_pos.to_vec2());
        ui.painter().rect_filled(rect.expand2(vec2(2.0, 0.0)), 3.0, t.plus.gamma_multiply(0.3));
        if scroll {
            ui.scroll_to_rect(rect, Some(eframe::egui::Align::Center));
        }
    }
    let hovered =
        ui.input(|i| i.pointer.hover_pos()).filter(|p| response.rect.contains(*p)).and_then(|pointer| {
            let cursor = output.galley.cursor_from_pos(pointer - output.galley_pos);
            let byte = text.buffer.char_indices().nth(cursor.index.into()).map(|(i, _)| i)?;
            // A cursor stands between two characters: the pointer is on the one before or the one behind.
            [byte, previous(&text.buffer, byte)].into_iter().find_map(|byte| {
                let token = text.token_at(byte)?;
                let rect = rect_of(&output.galley, &text.buffer, &text.tokens()[token])?;
                let rect = rect.translate(output.galley_pos.to_vec2());
                rect.expand(1.0).contains(pointer).then_some((token, rect))
            })
        });
    (changed, hovered)
}

fn previous(text: &str, byte: usize) -> usize {
    text[..byte].char_indices().next_back().map_or(0, |(i, _)| i)
}

/// Where a token's first line is drawn.
fn rect_of(galley: &Galley, text: &str, token: &Token) -> Option<Rect> {
    let index = |byte: usize| eframe::egui::text::CCursor::new(text[..byte].chars().count());
    let from = galley.pos_from_cursor(index(token.range.start));
    let to = galley.pos_from_cursor(index(token.range.end));
    if from.min.y == to.min.y {
        return Some(Rect::from_min_max(from.min, to.max));
    }
    let row = galley.rows.iter().find(|r| r.rect().y_range().contains(from.center().y))?;
    Some(Rect::from_min_max(from.min, pos2(row.rect().right(), from.max.y)))
}

fn layout(text: &str, tokens: &[Token], look: Look, t: &Tokens, width: f32) -> LayoutJob {
    let mut job = LayoutJob { text: text.to_owned(), ..LayoutJob::default() };
    job.wrap.max_width = width;
    let font = FontId::new(size::MANUSCRIPT, FontFamily::Proportional);
    let format = |color| TextFormat {
        line_height: Some(size::MANUSCRIPT * 1.65),
        ..TextFormat::simple(font.clone(), color)
    };
    let mut sections: Vec<(std::ops::Range<usize>, Color32)> = Vec::new();
    let mut add = |range: std::ops::Range<usize>, color| match sections.last_mut() {
        _ if range.is_empty() => {}
        Some((last, c)) if *c == color && last.end == range.start => last.end = range.end,
        _ => sections.push((range, color)),
    };
    let mut at = 0;
    for token in tokens {
        // The text may be a keystroke ahead of its tokens; then they are drawn again right after.
        let (start, end) = (token.range.start, token.range.end);
        if start < at || end > text.len() || !text.is_char_boundary(start) || !text.is_char_boundary(end) {
            continue;
        }
        add(at..start, t.text);
        let color = match token.log_prob {
            Some(p) if look.probabilities => surprise::color(p, t),
            None if look.probabilities => t.text_dim,
            _ => t.plus,
        };
        add(start..end, color);
        at = end;
    }
    add(at..text.len(), t.text);
    job.sections = sections
        .into_iter()
        .map(|(range, color)| eframe::egui::text::LayoutSection {
            leading_space: 0.0,
            byte_range: eframe::egui::text::ByteIndex(range.start)..eframe::egui::text::ByteIndex(range.end),
            format: format(color),
        })
        .collect();
    job
}

/// Keeps a card open while the pointer is on its token or on it.
pub fn follow(card: &mut Option<Card>, hovered: Option<(usize, Rect)>, pointer: Option<Pos2>) {
    let inside = |c: &Card| pointer.is_some_and(|p| c.keep.contains(p));
    match hovered {
        Some((token, rect)) if card.as_ref().is_none_or(|c| c.token != token && !inside(c)) => {
            *card = Some(Card {
                token,
                keep: rect.expand2(vec2(2.0, 6.0)),
                at: rect.left_bottom() + vec2(0.0, 2.0),
            });
        }
        _ => {
            if card.as_ref().is_some_and(|c| !inside(c)) {
                *card = None;
            }
        }
    }
}

/// Draws the card of a token's alternatives; answers which one was chosen to go on with.
pub fn alternatives(
    ui: &Ui,
    card: &mut Card,
    text: &Manuscript,
    tokenizer: &Tokenizer,
) -> Option<(usize, u32)> {
    let token = text.tokens().get(card.token)?;
    let p = token.log_prob?;
    let t = Tokens::of(ui.ctx());
    let mut chosen = None;
    let area =
        Area::new(Id::unique("alternatives")).order(Order::Foreground).fixed_pos(card.at).constrain(true);
    let shown = area.show(ui.ctx(), |ui| {
        Frame::popup(ui.style()).fill(t.panel).show(ui, |ui| {
            ui.set_width(270.0);
            ui.spacing_mut().item_spacing.y = 2.0;
            let bits = surprise::bits(p);
            ui.label(small(format!("{} of 100, {bits:.1} bits of surprise", percent(p))));
            ui.add_space(space::XS);
            for &(id, p) in token.likeliest.iter() {
                if row(ui, tokenizer, id, f64::from(p), id == token.id) && id != token.id {
                    chosen = Some((card.token, id));
                }
            }
            if !token.likeliest.iter().any(|(id, _)| *id == token.id) {
                row(ui, tokenizer, token.id, p, true);
            }
            ui.add_space(2.0);
            ui.label(small("Click another token to go on from it"));
        });
    });
    card.keep = card.keep.union(shown.response.rect.expand(4.0));
    chosen
}

fn row(ui: &mut Ui, tokenizer: &Tokenizer, id: u32, log_prob: f64, own: bool) -> bool {
    let t = Tokens::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 21.0), Sense::click());
    let name = shown(tokenizer, id);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Go on with {name}")));
    let painter = ui.painter();
    if response.hovered() && !own {
        painter.rect_filled(rect, 4.0, t.hover);
    }
    let share = log_prob.exp().clamp(0.0, 1.0) as f32;
    let from = pos2(rect.left() + 118.0, rect.center().y - 4.0);
    let most = rect.width() - 118.0 - 52.0;
    painter.rect_filled(Rect::from_min_size(from, vec2(most, 8.0)), 2.0, t.raised);
    painter.rect_filled(
        Rect::from_min_size(from, vec2((most * share).max(1.0), 8.0)),
        2.0,
        if own { t.plus } else { t.minus },
    );
    let color = if own { t.plus } else { t.text };
    let mono = FontId::monospace(size::SMALL);
    let clip = painter.with_clip_rect(Rect::from_min_max(rect.min, pos2(rect.left() + 112.0, rect.bottom())));
    clip.text(
        pos2(rect.left() + 6.0, rect.center().y),
        eframe::egui::Align2::LEFT_CENTER,
        &name,
        mono.clone(),
        color,
    );
    let figure = format!("{} %", percent(log_prob));
    painter.text(
        pos2(rect.right() - 4.0, rect.center().y),
        eframe::egui::Align2::RIGHT_CENTER,
        figure,
        mono,
        t.text_dim,
    );
    if response.has_focus() {
        painter.rect_stroke(rect, 4.0, Stroke::new(1.0, t.minus), eframe::egui::StrokeKind::Inside);
    }
    response.clicked()
}

fn percent(log_prob: f64) -> String {
    let p = log_prob.exp() * 100.0;
    if p >= 9.95 {
        format!("{p:.0}")
    } else if p >= 0.095 {
        format!("{p:.1}")
    } else {
        "<0.1".to_owned()
    }
}

/// A token as a person can see it.
pub fn shown(tokenizer: &Tokenizer, id: u32) -> String {
    let bytes = tokenizer.token_bytes(id);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.replace('\n', "↵").replace(' ', "·").replace('\t', "→"),
        Err(_) => bytes.iter().map(|b| format!("<{b:02x}>")).collect(),
    }
}
