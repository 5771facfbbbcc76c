//! How surprising each token was: the colour it has in the text, and a strip with a bar for every one, which shows at a glance where the model
//! was sure and where it guessed.

use eframe::egui::{
    Align, Align2, Color32, FontId, Layout, Rect, RichText, Role, Sense, Ui, WidgetInfo, lerp, pos2, vec2,
};

use super::manuscript::Token;
use crate::tokens::{Tokens, size, space};
use crate::widgets::small;

/// Bits of surprise at which a token is as red, and its bar as high, as it gets.
const MOST_BITS: f64 = 10.0;
/// Height of the strip, and the width that a bar has where there is room.
const HEIGHT: f32 = 30.0;
const BAR: f32 = 6.0;

/// Bits of surprise of a natural logarithm of a probability.
pub fn bits(log_prob: f64) -> f64 {
    -log_prob / std::f64::consts::LN_2
}

/// From `text` for a certain token to `bad` for one of a thousandth.
pub fn color(log_prob: f64, t: &Tokens) -> Color32 {
    let share = (bits(log_prob) / MOST_BITS).clamp(0.0, 1.0) as f32;
    let mix = |a: u8, b: u8| lerp(f32::from(a)..=f32::from(b), share).round() as u8;
    Color32::from_rgb(mix(t.text.r(), t.bad.r()), mix(t.text.g(), t.bad.g()), mix(t.text.b(), t.bad.b()))
}

/// A line that says what the colours mean.
pub fn legend(ui: &mut Ui) {
    let t = Tokens::of(ui.ctx());
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        // From the right, as the buttons beside it.
        for (word, p) in
            [("one in 1000", 1e-3f64), ("one in 30", 1.0 / 30.0), ("one in 6", 1.0 / 6.0), ("expected", 1.0)]
        {
            ui.label(RichText::new(word).size(size::SMALL).color(color(p.ln(), t)));
        }
    });
}

/// What the pointer does on the strip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pointed {
    /// The token it is on.
    pub token: Option<usize>,
    /// It was clicked.
    pub clicked: bool,
}

/// The strip of a text's tokens; nothing where no probability is known.
pub fn strip(ui: &mut Ui, tokens: &[Token]) -> Pointed {
    let Some(mean) = mean_bits(tokens) else { return Pointed::default() };
    let t = Tokens::of(ui.ctx());
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.allocate_ui(vec2(64.0, HEIGHT), |ui| {
                ui.with_layout(Layout::top_down(Align::Max), |ui| {
                    ui.spacing_mut().item_spacing.y = 0.0;
                    let hint =
                        "Mean surprise of the tokens that the model wrote; 0 bits is certain, 1 is a coin toss each time";
                    ui.label(RichText::new(format!("{mean:.2} bits")).size(size::SMALL).color(t.text))
                        .on_hover_text(hint);
                    ui.label(small("a token")).on_hover_text(hint);
                });
            });
            bars(ui, tokens, mean)
        })
        .inner
    })
    .inner
}

fn bars(ui: &mut Ui, tokens: &[Token], mean: f64) -> Pointed {
    let t = Tokens::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::click());
    let said = format!("Surprise of {} tokens, {mean:.2} bits on average", tokens.len());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &said));
    let width = (rect.width() / tokens.len() as f32).min(BAR);
    let pointed = response.hover_pos().and_then(|at| {
        let token = ((at.x - rect.left()) / width) as usize;
        (token < tokens.len()).then_some(token)
    });
    let painter = ui.painter();
    painter.hline(rect.x_range(), rect.bottom(), eframe::egui::Stroke::new(1.0, t.line));
    for (at, (first, worst)) in columns(tokens, width) {
        let Some(p) = worst else { continue };
        let height = (HEIGHT * (bits(p) / MOST_BITS).clamp(0.04, 1.0) as f32).max(1.0);
        let left = rect.left() + at;
        let wide = (width - 1.0).max(1.0);
        let bar = Rect::from_min_max(pos2(left, rect.bottom() - height), pos2(left + wide, rect.bottom()));
        let on = pointed.is_some_and(|token| (first..first + per_column(width)).contains(&token));
        painter.rect_filled(bar, 0.0, if on { t.plus } else { color(p, t).gamma_multiply(0.85) });
    }
    if let Some(token) = pointed
        && let Some(p) = tokens[token].log_prob
    {
        let text = format!("{:.1} bits", bits(p));
        let at = pos2(rect.left() + width * (token as f32 + 0.5), rect.top() - 3.0);
        painter.text(at, Align2::CENTER_BOTTOM, text, FontId::proportional(size::SMALL), t.text);
    }
    Pointed { token: pointed, clicked: response.clicked() }
}

/// Tokens that share a column of the screen.
fn per_column(width: f32) -> usize {
    (1.0 / width).ceil().max(1.0) as usize
}

/// Columns from the left: where each is, its first token, and the most surprising of its tokens. No spike is left out.
fn columns(tokens: &[Token], width: f32) -> impl Iterator<Item = (f32, (usize, Option<f64>))> {
    let each = per_column(width);
    tokens.chunks(each).enumerate().map(move |(i, chunk)| {
        let worst = chunk.iter().filter_map(|t| t.log_prob).min_by(f64::total_cmp);
        (width * (i * each) as f32, (i * each, worst))
    })
}

/// The mean over tokens whose probability is known.
fn mean_bits(tokens: &[Token]) -> Option<f64> {
    let known = tokens.iter().filter_map(|t| t.log_prob).map(bits);
    let (count, sum) = known.fold((0u32, 0.0), |(n, sum), b| (n + 1, sum + b));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(log_prob: Option<f64>) -> Token {
        Token { range: 0..1, id: 1, log_prob, likeliest: std::sync::Arc::default() }
    }

    #[test]
    fn no_spike_is_left_out_where_tokens_share_a_column() {
        let mut tokens = vec![token(Some(-0.1)); 1000];
        tokens[517] = token(Some(-9.0));
        tokens[3] = token(None);
        for width in [6.0, 1.0, 0.7, 0.1] {
            let columns: Vec<_> = columns(&tokens, width).collect();
            assert!(columns.iter().any(|c| c.1.1 == Some(-9.0)), "{width}");
            assert!(columns.windows(2).all(|c| c[1].0 - c[0].0 >= 0.99), "{width}");
            assert_eq!(columns.len(), 1000usize.div_ceil(per_column(width)));
        }
    }

    #[test]
    fn surprise_is_counted_in_bits_of_what_is_known() {
        let half = 0.5f64.ln();
        assert_eq!(mean_bits(&[token(Some(half)), token(None), token(Some(3.0 * half))]), Some(2.0));
        assert_eq!(mean_bits(&[token(None)]), None);
    }
}
