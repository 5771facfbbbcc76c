//! Learns byte-pair merges from a text: again and again the pair of neighbours that occurs most
//! becomes a token (Sennrich et al., arXiv 1508.07909). Using the merges is `formats::tokenizer`'s business.
//!
//! Time and memory grow with the distinct pieces of the text, whatever their lengths: every place where a pair may stand is looked
//! at once, and there are at most three for each byte, one from the beginning and two that its merge makes. A byte of them takes 4
//! bytes of symbols and 4 for each place; 15 in all were measured where the whole text is one piece, of Chinese or of four letters.

mod pairs;
mod symbols;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use formats::tokenizer::{GPT2_ORDER, Split};

use crate::error::{Error, Result};
use crate::watch::Watch;
use pairs::{Pair, Pairs};
use symbols::Symbols;

/// Bytes or places between two looks whether to stop: a few milliseconds.
const LOOK: usize = 1 << 15;

/// Most slots of [`Symbols`], whose places are 32 bits.
const SLOTS_MAX: usize = u32::MAX as usize;

/// At most `merges_max` merges, first ones first; fewer when no pair is left that occurs twice.
/// Ids 0..256 are the bytes in [`GPT2_ORDER`], and merge `i` makes id `256 + i`.
///
/// Of pairs that occur equally often the one with the smaller ids comes first: the result is a
/// function of the text alone. Merges never cross the pieces that `split` cuts, nor two documents.
/// The documents have `bytes` bytes together.
///
/// # Errors
/// The distinct pieces have more than 4 GiB; it was stopped.
pub fn learn<'t>(
    documents: impl Iterator<Item = &'t str>,
    bytes: usize,
    split: Split,
    merges_max: usize,
    watch: &mut Watch<'_>,
) -> Result<Vec<Pair>> {
    let pieces = count_pieces(documents, bytes, split, watch)?;
    Learner::new(&pieces, SLOTS_MAX, watch)?.learn(merges_max, watch)
}

/// The distinct pieces and how often each occurs.
fn count_pieces<'t>(
    documents: impl Iterator<Item = &'t str>,
    bytes: usize,
    split: Split,
    watch: &mut Watch<'_>,
) -> Result<HashMap<&'t str, u64>> {
    let mut pieces = HashMap::new();
    let (mut done, mut look) = (0, 0);
    for piece in documents.flat_map(|document| split.pieces(document)) {
        *pieces.entry(piece).or_default() += 1;
        done += piece.len();
        if done >= look {
            look = done + LOOK;
            watch.at("counting words", done, bytes)?;
        }
    }
    Ok(pieces)
}

/// A text on its way through the merges.
struct Learner {
    symbols: Symbols,
    pairs: Pairs,
    looked_at: usize, // places, in all
}

impl Learner {
    /// Lays the pieces out and counts their pairs. Their order is no matter: the counts do not depend on it.
    fn new(pieces: &HashMap<&str, u64>, slots_max: usize, watch: &mut Watch<'_>) -> Result<Learner> {
        let bytes: usize = pieces.keys().map(|piece| piece.len()).sum();
        if bytes + pieces.len() >= slots_max {
            return Err(Error::PiecesTooLong { bytes });
        }
        let mut id_of = [0u32; 256];
        for (byte, id) in GPT2_ORDER.iter().zip(0..) {
            id_of[*byte as usize] = id;
        }
        let mut learner = Learner { symbols: Symbols::new(), pairs: Pairs::default(), looked_at: 0 };
        for (piece, &count) in pieces {
            let start = learner.symbols.len() as u32;
            let ids = piece.bytes().map(|byte| id_of[byte as usize]);
            learner.symbols.push(ids.clone(), count);
            for (at, pair) in (start..).zip(ids.clone().zip(ids.skip(1))) {
                learner.pairs.add(pair, at, count);
                learner.look("counting pairs", at as usize, bytes, watch)?;
            }
        }
        learner.pairs.settle();
        Ok(learner)
    }

    fn learn(&mut self, merges_max: usize, watch: &mut Watch<'_>) -> Result<Vec<Pair>> {
        let mut merges = Vec::new();
        while merges.len() < merges_max {
            let Some((pair, places)) = self.pairs.take() else { break };
            let merged = self.symbols.make(pair.0, pair.1);
            for at in places {
                self.merge(pair, at, merged);
                self.look("learning tokens", merges.len(), merges_max, watch)?;
            }
            self.pairs.settle();
            merges.push(pair);
        }
        Ok(merges)
    }

    /// Merges the pair at `at`, if it is still there, and corrects the counts around it. Places come in ascending order, so runs of
    /// one symbol merge from the left.
    fn merge(&mut self, pair: Pair, at: u32, merged: u32) {
        let (symbols, pairs) = (&mut self.symbols, &mut self.pairs);
        if symbols.begins_at(at) != Some(pair.0) {
            return;
        }
        let Some((right, id)) = symbols.after(at, pair.0) else { return };
        if id != pair.1 {
            return;
        }
        let count = symbols.count(at);
        if let Some((left, before)) = symbols.before(at) {
            pairs.subtract((before, pair.0), count);
            pairs.add((before, merged), left, count);
        }
        if let Some((_, after)) = symbols.after(right, pair.1) {
            pairs.subtract((pair.1, after), count);
            pairs.add((merged, after), at, count);
        }
        symbols.merge(at, right, merged);
    }

    /// One more place was looked at; now and then says so.
    fn look(&mut self, what: &str, done: usize, of: usize, watch: &mut Watch<'_>) -> Result<()> {
        self.looked_at += 1;
        if self.looked_at.is_multiple_of(LOOK) { watch.at(what, done, of) } else { Ok(()) }
    }
}
