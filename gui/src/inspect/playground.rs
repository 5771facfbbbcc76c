//! Text as the model's tokenizer cuts it: each token a coloured piece with its id. The text is cut in the background, whenever it has
//! changed.

use eframe::egui::{Color32, FontId, Role, ScrollArea, Sense, TextEdit, Ui, WidgetInfo, pos2, vec2};
use formats::tokenizer::Tokenizer;

use super::paint::blend;
use super::subject::Subject;
use crate::jobs::{self, Job};
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{count, small};

/// Tokens that are drawn.
const SHOWN: usize = 4000;

/// A text and its tokens.
#[derive(Debug)]
pub struct Playground {
    pub text: String,
    cutting: Option<(String, Job<Vec<Piece>>)>,
    cut: Option<(String, Vec<Piece>)>,
}

impl Default for Playground {
    fn default() -> Playground {
        let text = "Every action is a choice among three: less, nothing, more.".into();
        Playground { text, cutting: None, cut: None }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Piece {
    id: u32,
    shown: String,
}

fn cut(tokenizer: &Tokenizer, text: &str) -> Vec<Piece> {
    let piece = |id: u32| {
        let bytes = tokenizer.token_bytes(id);
        let shown = match std::str::from_utf8(bytes) {
            Ok(s) => s.replace('\n', "⏎").replace('\t', "⇥").replace(' ', "·"),
            // A part of a character.
            Err(_) => bytes.iter().map(|b| format!("<{b:02x}>")).collect(),
        };
        Piece { id, shown }
    };
    tokenizer.encode(text).into_iter().map(piece).collect()
}

impl Playground {
    /// Forgets what another tokenizer made of the text.
    pub fn turn(&mut self) {
        (self.cut, self.cutting) = (None, None);
    }

    /// Has the text cut, if it is seen and another one.
    pub fn logic(&mut self, seen: bool, subject: Option<&Subject>, shared: &mut Shared) {
        if let Some((text, job)) = self.cutting.take() {
            let mut slot = Some(job);
            match jobs::take(&mut slot) {
                None => self.cutting = slot.map(|job| (text, job)),
                Some(pieces) => self.cut = Some((text, pieces.unwrap_or_default())),
            }
        }
        let known = self.cut.as_ref().is_some_and(|(text, _)| *text == self.text);
        if !seen || known || self.cutting.is_some() {
            return;
        }
        let Some(loaded) = subject.and_then(Subject::loaded) else { return };
        let (tokenizer, text) = (loaded.opened.tokenizer.clone(), self.text.clone());
        let here = text.clone();
        let job = shared.jobs.start("Cutting text into tokens", move |_| cut(&tokenizer, &here));
        self.cutting = job.map(|job| (text, job));
    }

    /// Draws the text and its tokens.
    pub fn ui(&mut self, ui: &mut Ui) {
        let t = Tokens::of(ui.ctx());
        let field = TextEdit::multiline(&mut self.text).desired_rows(3).desired_width(f32::INFINITY);
        let field = ui.add(field.hint_text("Type a text to see its tokens"));
        let now = self.text.clone();
        let named = WidgetInfo::labeled(Role::MultilineTextInput, true, "Text to cut into tokens");
        field.widget_info(|| WidgetInfo { current_text_value: Some(now.clone()), ..named.clone() });
        let Some((text, pieces)) = &self.cut else { return };
        let (tokens, bytes) = (pieces.len(), text.len());
        let each = bytes as f64 / tokens.max(1) as f64;
        ui.add_space(space::XS);
        ui.label(small(format!(
            "{} tokens for {} bytes, {each:.2} bytes a token",
            count(tokens as u64),
            count(bytes as u64)
        )));
        ui.add_space(space::S);
        ScrollArea::vertical().id_salt("tokens").auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing = vec2(3.0, 6.0);
            ui.horizontal_wrapped(|ui| {
                for (i, piece) in pieces.iter().take(SHOWN).enumerate() {
                    token(ui, piece, blend(t.panel, t.series[i % t.series.len()], 0.34), t);
                }
            });
            if pieces.len() > SHOWN {
                ui.label(small(format!("and {} more", count((pieces.len() - SHOWN) as u64))));
            }
        });
    }
}

/// A token over its id, on its colour.
fn token(ui: &mut Ui, piece: &Piece, color: Color32, t: &Tokens) {
    let shown = ui.painter().layout_no_wrap(piece.shown.clone(), FontId::monospace(size::BODY), t.text);
    let id = ui.painter().layout_no_wrap(
        piece.id.to_string(),
        FontId::proportional(size::SMALL - 1.5),
        t.text_dim,
    );
    let wide = shown.size().x.max(id.size().x) + 8.0;
    let (rect, response) =
        ui.allocate_exact_size(vec2(wide, shown.size().y + id.size().y + 4.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{} {}", piece.shown, piece.id)));
    if ui.is_rect_visible(rect) {
        ui.painter().rect_filled(rect, 3.0, color);
        let low = rect.top() + 2.0 + shown.size().y;
        ui.painter().galley(rect.min + vec2(4.0, 2.0), shown, t.text);
        ui.painter().galley(pos2(rect.left() + 4.0, low), id, t.text_dim);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_shown_with_what_cannot_be_seen() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shakespeare.gguf");
        let header = formats::gguf::Header::open(&path).unwrap();
        let tokenizer = Tokenizer::from_gguf(header.metadata()).unwrap();
        let pieces = cut(&tokenizer, "To be\n\tor \u{1f980}");
        let text: String = pieces.iter().map(|p| p.shown.as_str()).collect();
        assert_eq!(text, "To·be⏎⇥or·<f0><9f><a6><80>");
        let ids: Vec<u32> = pieces.iter().map(|p| p.id).collect();
        assert_eq!(ids, tokenizer.encode("To be\n\tor \u{1f980}"));
    }
}
