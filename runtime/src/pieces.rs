//! The tokens of a pass on their way, in the order of its spans: a worker takes off the front what it can carry at once.

use std::collections::VecDeque;

use crate::pass::{TextId, Want};

/// Some tokens of a span.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'t> {
    /// Which span of the pass.
    pub span: usize,
    /// Which text.
    pub text: TextId,
    /// Position of the first.
    pub first: usize,
    /// The tokens.
    pub tokens: &'t [u32],
    /// What is wanted of them.
    pub want: Want,
}

impl<'t> Piece<'t> {
    /// How many of them, the last ones, something is wanted after.
    pub fn wanted(&self) -> usize {
        self.want.count(self.tokens.len())
    }

    /// The first `count` tokens, and the others.
    fn split(self, count: usize) -> (Piece<'t>, Piece<'t>) {
        let (now, later) = self.tokens.split_at(count);
        let want = if self.want == Want::All || later.is_empty() { self.want } else { Want::Nothing };
        (Piece { tokens: now, want, ..self }, Piece { tokens: later, first: self.first + count, ..self })
    }
}

/// Takes the first `most` tokens off, or fewer if something would be wanted after more than `wanted_most` of them.
pub fn take<'t>(rest: &mut VecDeque<Piece<'t>>, most: usize, wanted_most: usize) -> Vec<Piece<'t>> {
    let (mut taken, mut room, mut wanted_room) = (Vec::new(), most, wanted_most);
    while let Some(piece) = rest.pop_front() {
        let fits = match piece.want {
            Want::All => wanted_room,
            _ if piece.wanted() > wanted_room => piece.tokens.len() - 1,
            _ => usize::MAX,
        };
        let (now, later) = piece.split(fits.min(room).min(piece.tokens.len()));
        room -= now.tokens.len();
        wanted_room -= now.wanted();
        let went = !now.tokens.is_empty();
        taken.extend(went.then_some(now));
        if !later.tokens.is_empty() {
            rest.push_front(later);
            break;
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::Sampling;

    #[test]
    fn pieces_are_taken_in_order_within_both_limits() {
        let ids: Vec<u32> = (0..10).collect();
        let draw = Want::Draw(Sampling::default(), 0.5);
        let piece = |span, count, want| Piece {
            span,
            text: TextId(span),
            first: 100 * span,
            tokens: &ids[..count],
            want,
        };
        let all =
            [piece(0, 5, Want::Nothing), piece(1, 4, Want::All), piece(2, 1, draw), piece(3, 3, Want::Last)];
        // Span, position, tokens and how many wanted of each that was taken, time after time.
        let taken = |most, wanted_most| {
            let (mut rest, mut times) = (VecDeque::from(all), Vec::new());
            while !rest.is_empty() {
                let now = take(&mut rest, most, wanted_most);
                assert!(!now.is_empty());
                let of = |p: &Piece<'_>| (p.span, p.first, p.tokens.len(), p.wanted());
                times.push(now.iter().map(of).collect::<Vec<_>>());
            }
            times
        };
        let whole = vec![(0, 0, 5, 0), (1, 100, 4, 4), (2, 200, 1, 1), (3, 300, 3, 1)];
        assert_eq!(taken(13, 6), [whole]);
        assert_eq!(
            taken(4, usize::MAX),
            [
                vec![(0, 0, 4, 0)],
                vec![(0, 4, 1, 0), (1, 100, 3, 3)],
                vec![(1, 103, 1, 1), (2, 200, 1, 1), (3, 300, 2, 0)],
                vec![(3, 302, 1, 1)],
            ]
        );
        assert_eq!(
            taken(100, 2),
            [vec![(0, 0, 5, 0), (1, 100, 2, 2)], vec![(1, 102, 2, 2)], vec![(2, 200, 1, 1), (3, 300, 3, 1)],]
        );
        assert_eq!(taken(100, 1).split_off(4), [vec![(2, 200, 1, 1), (3, 300, 2, 0)], vec![(3, 302, 1, 1)]]);
    }
}
