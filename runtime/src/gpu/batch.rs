//! What one submission takes: the tokens of some pieces in the order that [`Step`] says, where each stands, and which next tokens are chosen.

use shaders::{Draw, Place, Step};

use crate::kv::PageId;
use crate::pass::{TextId, Want};
use crate::pieces::Piece;
use crate::sampler::Sampling;

/// A submission.
#[derive(Debug, Default)]
pub struct Batch {
    pub step: Step,
    pub tokens: Vec<u32>,
    pub places: Vec<Place>,
    /// Pages of each text, one after another.
    pub tables: Vec<u32>,
    /// How tokens are drawn.
    pub draws: Vec<Draw>,
    /// The span of each token whose next one is chosen on the device.
    pub choices: Vec<usize>,
}

impl Batch {
    /// Of some pieces of texts, whose pages `pages` knows.
    pub fn new<'p>(pieces: &[Piece<'_>], pages: impl Fn(TextId) -> &'p [PageId]) -> Self {
        let mut batch = Batch::default();
        let mut rows = Vec::new();
        for piece in pieces {
            let table = batch.tables.len() as u32;
            batch.tables.extend(pages(piece.text).iter().map(|page| page.index() as u32));
            let unwanted = piece.tokens.len() - piece.wanted();
            for (i, &token) in piece.tokens.iter().enumerate() {
                let want = if i < unwanted { Want::Nothing } else { piece.want };
                rows.push((want, token, Place { position: (piece.first + i) as u32, table }, piece.span));
            }
        }
        // Tokens of one kind stay in the order of their spans.
        rows.sort_by_key(|row| rank(row.0));
        let before = |kind: u32| rows.partition_point(|row| rank(row.0) < kind) as u32;
        let head_first = before(1);
        batch.step = Step {
            count: rows.len() as u32,
            head_first,
            likeliest_first: before(2) - head_first,
            drawn_first: before(3) - head_first,
        };
        for (want, token, place, span) in rows {
            batch.tokens.push(token);
            batch.places.push(place);
            if let Want::Likeliest | Want::Draw(..) = want {
                batch.choices.push(span);
            }
            if let Want::Draw(sampling, point) = want {
                batch.draws.push(draw(&sampling, point));
            }
        }
        batch
    }
}

/// The order of [`Step`].
fn rank(want: Want) -> u32 {
    match want {
        Want::Nothing => 0,
        Want::Last | Want::All => 1,
        Want::Likeliest => 2,
        Want::Draw(..) => 3,
    }
}

/// A draw as the shader takes it.
fn draw(s: &Sampling, point: f64) -> Draw {
    Draw {
        temperature: s.temperature,
        top_k: u32::try_from(s.top_k).unwrap_or(0),
        top_p: s.top_p,
        min_p: s.min_p,
        // The largest f32 below 1, should rounding reach it.
        point: (point as f32).min(1.0 - f32::EPSILON / 2.0),
        pad: [0; 3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::{HostPages, PagePool, PageShape};
    use crate::synthetic;

    #[test]
    fn batch_has_tokens_by_what_is_wanted_and_then_by_span() {
        let shape = PageShape::new(&synthetic::config("shakespeare").expect("a known shape"));
        let mut pool = PagePool::new(HostPages::new(shape));
        let pages: [Vec<PageId>; 2] = [2, 1].map(|n| (0..n).map(|_| pool.take()).collect());
        let drawn = Want::Draw(Sampling { top_k: 5, ..Sampling::default() }, 1.0);
        let wants = [drawn, Want::All, Want::Likeliest, Want::Nothing, Want::Last];
        let tokens = [10, 11];
        let piece = |(span, want)| Piece {
            span,
            text: TextId(span % 2),
            first: 100 * span,
            tokens: &tokens[..1 + usize::from(span != 2)],
            want,
        };
        let pieces: Vec<_> = wants.into_iter().enumerate().map(piece).collect();
        let batch = Batch::new(&pieces, |text| &pages[text.0][..]);
        // Nothing: of the draw, the span that only reads, and the last. Logits: both of one, one of another.
        assert_eq!(batch.step, Step { count: 9, head_first: 4, likeliest_first: 3, drawn_first: 4 });
        assert_eq!((batch.step.wanted(), batch.step.likeliest(), batch.step.drawn()), (5, 1, 1));
        assert_eq!(batch.tokens, [10, 10, 11, 10, 10, 11, 11, 10, 11]);
        let places: Vec<_> = batch.places.iter().map(|place| (place.position, place.table)).collect();
        let of_nothing = [(0, 0), (300, 5), (301, 5), (400, 6)];
        assert_eq!(places, [&of_nothing[..], &[(100, 2), (101, 2), (401, 6), (200, 3), (1, 0)]].concat());
        assert_eq!(batch.tables, [0, 1, 2, 0, 1, 2, 0, 1]);
        assert_eq!(batch.choices, [2, 0]);
        assert!(batch.draws.len() == 1 && batch.draws[0].top_k == 5 && batch.draws[0].point < 1.0);
    }
}
