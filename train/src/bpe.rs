//! Learns byte-pair merges from a text: again and again the pair of neighbours that occurs most
//! becomes a token (Sennrich et al., arXiv 1508.07909). Using the merges is `formats::tokenizer`'s business.

use formats::tokenizer::{GPT2_ORDER, Split};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

type Pair = (u32, u32);

/// A pair that occurs once teaches nothing.
const COUNT_MIN: u64 = 2;

/// A piece of the text and how often it occurs.
struct Word {
    ids: Vec<u32>,
    count: u64,
}

/// How often each pair occurs, and in which words it may.
#[derive(Default)]
struct Counts {
    of: HashMap<Pair, (u64, Vec<u32>)>,
}

impl Counts {
    fn add(&mut self, pair: Pair, word: u32, count: u64) {
        let (total, words) = self.of.entry(pair).or_default();
        *total += count;
        if words.last() != Some(&word) {
            words.push(word);
        }
    }

    fn subtract(&mut self, pair: Pair, count: u64) {
        if let Some((total, _)) = self.of.get_mut(&pair) {
            *total -= count;
        }
    }

    fn count(&self, pair: Pair) -> u64 {
        self.of.get(&pair).map_or(0, |(total, _)| *total)
    }
}

/// At most `merges_max` merges, first ones first; fewer when no pair is left that occurs twice.
/// Ids 0..256 are the bytes in [`GPT2_ORDER`], and merge `i` makes id `256 + i`.
///
/// Of pairs that occur equally often the one with the smaller ids comes first: the result is a
/// function of the text alone. Merges never cross the pieces that `split` cuts.
pub fn learn(text: &str, split: Split, merges_max: usize) -> Vec<Pair> {
    let mut words = words(text, split);
    let mut counts = Counts::default();
    for (w, word) in words.iter().enumerate() {
        for pair in word.ids.windows(2) {
            counts.add((pair[0], pair[1]), w as u32, word.count);
        }
    }
    // Counts in the heap may be too high by now; one on top is looked up again before it is believed.
    let mut heap: BinaryHeap<(u64, Reverse<Pair>)> =
        counts.of.iter().map(|(&pair, &(count, _))| (count, Reverse(pair))).collect();

    let mut merges = Vec::new();
    while merges.len() < merges_max {
        let Some((count, Reverse(pair))) = heap.pop() else { break };
        let now = counts.count(pair);
        if now < COUNT_MIN {
            continue;
        }
        if now < count {
            heap.push((now, Reverse(pair)));
            continue;
        }
        let merged = 256 + merges.len() as u32;
        merges.push(pair);
        let (_, places) = counts.of.remove(&pair).unwrap_or_default();
        let mut grown: Vec<Pair> = Vec::new();
        for w in places {
            merge_word(&mut words[w as usize], w, pair, merged, &mut counts, &mut grown);
        }
        grown.sort_unstable();
        grown.dedup();
        heap.extend(grown.into_iter().map(|p| (counts.count(p), Reverse(p))));
    }
    merges
}

/// The distinct pieces, in the order of their text.
fn words(text: &str, split: Split) -> Vec<Word> {
    let mut id_of = [0u32; 256];
    for (byte, id) in GPT2_ORDER.iter().zip(0..) {
        id_of[*byte as usize] = id;
    }
    let mut pieces: HashMap<&str, u64> = HashMap::new();
    for piece in split.pieces(text) {
        *pieces.entry(piece).or_default() += 1;
    }
    let mut pieces: Vec<(&str, u64)> = pieces.into_iter().collect();
    pieces.sort_unstable();
    let ids = |piece: &str| piece.bytes().map(|b| id_of[b as usize]).collect();
    pieces.into_iter().map(|(piece, count)| Word { ids: ids(piece), count }).collect()
}

/// Merges every occurrence of `pair` in a word, left to right, and corrects the counts around it.
fn merge_word(word: &mut Word, w: u32, pair: Pair, merged: u32, counts: &mut Counts, grown: &mut Vec<Pair>) {
    let mut i = 0;
    while i + 1 < word.ids.len() {
        if (word.ids[i], word.ids[i + 1]) != pair {
            i += 1;
            continue;
        }
        if i > 0 {
            let before = word.ids[i - 1];
            counts.subtract((before, pair.0), word.count);
            counts.add((before, merged), w, word.count);
            grown.push((before, merged));
        }
        if let Some(&after) = word.ids.get(i + 2) {
            counts.subtract((pair.1, after), word.count);
            counts.add((merged, after), w, word.count);
            grown.push((merged, after));
        }
        word.ids[i] = merged;
        word.ids.remove(i + 1);
        i += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: count everything again for every merge.
    fn learn_slowly(text: &str, split: Split, merges_max: usize) -> Vec<Pair> {
        let mut words = words(text, split);
        let mut merges = Vec::new();
        while merges.len() < merges_max {
            let mut counts: HashMap<Pair, u64> = HashMap::new();
            for word in &words {
                for p in word.ids.windows(2) {
                    *counts.entry((p[0], p[1])).or_default() += word.count;
                }
            }
            let best = counts.into_iter().max_by_key(|&(pair, count)| (count, Reverse(pair)));
            let Some((pair, count)) = best else { break };
            if count < COUNT_MIN {
                break;
            }
            let merged = 256 + merges.len() as u32;
            merges.push(pair);
            for word in &mut words {
                let mut i = 0;
                while i + 1 < word.ids.len() {
                    if (word.ids[i], word.ids[i + 1]) == pair {
                        word.ids.splice(i..i + 2, [merged]);
                    }
                    i += 1;
                }
            }
        }
        merges
    }

    #[test]
    fn bpe_learns_the_most_frequent_pair_first() {
        // "ab" four times, "bc" three, within pieces.
        let merges = learn("ab ab ab ab bc bc bc", Split::Gpt2, 2);
        let id = |b: u8| GPT2_ORDER.iter().position(|&x| x == b).unwrap() as u32;
        assert_eq!(merges[0], (id(b'a'), id(b'b')));
    }

    #[test]
    fn bpe_counts_incrementally_what_it_could_count_again() {
        let mut x = 1u64;
        for alphabet in [2, 3, 6] {
            for round in 0..30 {
                let text: String = (0..300)
                    .map(|_| {
                        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        let letter = (x >> 33) % (alphabet + 1);
                        if letter == alphabet { ' ' } else { (b'a' + letter as u8) as char }
                    })
                    .collect();
                let fast = learn(&text, Split::Gpt2, 60);
                assert_eq!(
                    fast,
                    learn_slowly(&text, Split::Gpt2, 60),
                    "alphabet {alphabet}, round {round}: {text}"
                );
            }
        }
        // Runs of one letter overlap themselves.
        let runs = "a aa aaa aaaa aaaaa aaaaaaa aaaaaaaaaaa";
        assert_eq!(learn(runs, Split::Gpt2, 60), learn_slowly(runs, Split::Gpt2, 60));
    }
}
