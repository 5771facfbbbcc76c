//! The figures of the text, while it is written and after.

use eframe::egui::{Rect, RichText, Sense, Ui, pos2, vec2};

use super::Generate;
use super::writer::Ended;
use crate::shared::Shared;
use crate::tokens::{Tokens, size};
use crate::widgets::{count, duration, per_second, small};

impl Generate {
    /// Draws the page's part of the status line.
    pub fn status(&self, ui: &mut Ui, shared: &Shared) {
        let t = Tokens::of(ui.ctx());
        if shared.measuring {
            let text = RichText::new("a benchmark is running").size(size::SMALL).color(t.warn);
            ui.label(text)
                .on_hover_text("Both take the same processor: writing is slower, and its figures too low");
        }
        let made = if self.is_chat(shared) { &self.answered } else { &self.made };
        let Some(made) = made else {
            if let Some(m) = shared.model.get() {
                ui.label(small(format!("Opened in {}", duration(m.open_time))));
            }
            return;
        };
        let f = &made.figures;
        if self.is_writing() && f.tokens == 0 {
            let text = match f.prompt_tokens {
                0 => "making tokens of the text".to_owned(),
                all => format!("reading {} of {} tokens", count(f.prompt_read as u64), count(all as u64)),
            };
            ui.label(small(text));
            return;
        }
        let mut item = |text: String, hint: &str| {
            ui.label(small(text)).on_hover_text(hint);
        };
        item(format!("{} tokens", count(f.tokens as u64)), "Tokens written");
        if let Some(rate) = f.rate_now.filter(|_| self.is_writing()).or(f.rate) {
            let hint = match f.rate {
                Some(whole) => format!("Over the whole text {} tokens/s", per_second(whole)),
                None => "Speed of writing".to_owned(),
            };
            item(format!("{} tok/s", per_second(rate)), &hint);
        }
        if let Some(first) = f.first_token {
            item(format!("first {}", duration(first)), "From the click to the first token");
        }
        if let Some(rate) = f.prompt_rate {
            let hint = format!("Speed of reading the prompt of {} tokens", count(f.prompt_tokens as u64));
            item(format!("prompt {} tok/s", per_second(rate)), &hint);
        }
        item(format!("seed {}", made.seed()), "The seed this text was drawn with");
        let (used, all) = (f.context_used.min(f.context), f.context.max(1));
        ui.label(small(format!("context {used}/{all}")))
            .on_hover_text("Tokens the model has in sight, and can have");
        let (rect, _) = ui.allocate_exact_size(vec2(64.0, 6.0), Sense::hover());
        ui.painter().rect_filled(rect, 3.0, t.raised);
        let filled = rect.left() + rect.width() * used as f32 / all as f32;
        ui.painter().rect_filled(Rect::from_min_max(rect.min, pos2(filled, rect.bottom())), 3.0, t.zero);
        if f.dropped > 0 {
            let text = RichText::new(format!("first {} out of sight", count(f.dropped as u64)));
            ui.label(text.size(size::SMALL).color(t.warn)).on_hover_text(
                "The text has more tokens than the model's context: its beginning was left out",
            );
        }
        let why = match &self.ended {
            Some(Ended::Model) => "the model ended its text".to_owned(),
            Some(Ended::Stop(s)) => format!("ended at \"{}\"", s.escape_default()),
            Some(Ended::Cancelled) => "stopped".to_owned(),
            _ => return,
        };
        ui.label(small(why));
    }
}
