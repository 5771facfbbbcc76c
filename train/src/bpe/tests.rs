use std::cmp::Reverse;
use std::sync::atomic::AtomicBool;

use super::*;
use pairs::COUNT_MIN;

fn learn_from(documents: &[&str], merges_max: usize) -> Vec<Pair> {
    let bytes = documents.iter().map(|document| document.len()).sum();
    learn(documents.iter().copied(), bytes, Split::Gpt2, merges_max, &mut Watch::nobody()).unwrap()
}

/// The definition: count everything again for every merge.
fn learn_slowly(documents: &[&str], merges_max: usize) -> Vec<Pair> {
    let id_of = |byte: u8| GPT2_ORDER.iter().position(|&b| b == byte).unwrap() as u32;
    let pieces = documents.iter().flat_map(|document| Split::Gpt2.pieces(document));
    let mut words: Vec<Vec<u32>> = pieces.map(|piece| piece.bytes().map(id_of).collect()).collect();
    let mut merges = Vec::new();
    while merges.len() < merges_max {
        let mut counts: HashMap<Pair, u64> = HashMap::new();
        for pair in words.iter().flat_map(|word| word.windows(2)) {
            *counts.entry((pair[0], pair[1])).or_default() += 1;
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
            while i + 1 < word.len() {
                if (word[i], word[i + 1]) == pair {
                    word.splice(i..i + 2, [merged]);
                }
                i += 1;
            }
        }
    }
    merges
}

/// `letters` drawn from an alphabet, the same every time.
fn drawn(alphabet: &[&str], letters: usize, seed: u64) -> String {
    let mut random = model::rng::SplitMix64::new(&[seed]);
    (0..letters).map(|_| alphabet[random.below(alphabet.len() as u64) as usize]).collect()
}

#[test]
fn bpe_learns_the_most_frequent_pair_first() {
    // "ab" four times, "bc" three, within pieces.
    let merges = learn_from(&["ab ab ab ab bc bc bc"], 2);
    let id = |b: u8| GPT2_ORDER.iter().position(|&x| x == b).unwrap() as u32;
    assert_eq!(merges[0], (id(b'a'), id(b'b')));
}

#[test]
fn bpe_counts_incrementally_what_it_could_count_again() {
    let same = |documents: &[&str], merges_max: usize| {
        let (fast, slow) = (learn_from(documents, merges_max), learn_slowly(documents, merges_max));
        assert_eq!(fast, slow, "of {documents:?}");
    };
    let alphabets: [&[&str]; 6] = [
        &["a", "b", " "],
        &["a", "b", "c", " "],
        &["a", "b", "c", "d", "e", "f", " "],
        // One piece as long as the text, and runs in it.
        &["a", "b"],
        &["A", "C", "G", "T", "AAAA"],
        // Letters of several bytes, and pieces that occur from once to often.
        &["中", "文", "字", "é", "Ж", "😀", " the", " the", " the", " cat", "\n"],
    ];
    for alphabet in alphabets {
        for seed in 0..30 {
            same(&[&drawn(alphabet, 300, seed)], 60);
        }
        same(&[&drawn(alphabet, 4000, 30)], 300);
    }
    // Runs of one letter overlap themselves.
    same(&["a aa aaa aaaa aaaaa aaaaaaa aaaaaaaaaaa"], 60);
    for length in 1..70 {
        same(&[&"a".repeat(length)], 60);
    }
    same(&["", "a", "\n\n"], 9);
    // Where one document ends and the next begins nothing merges: "abab" is nowhere.
    same(&["ab", "ab", "ab", "abc", "bc"], 9);
    assert_eq!(learn_from(&["ab", "ab", "ab"], 9).len(), 1);
}

/// A megabyte without a space is one piece. Looking it through for each merge, or moving its rest up, took three minutes.
#[test]
fn bpe_looks_at_each_byte_of_a_long_piece_three_times_at_most() {
    let looked_at = |letters: usize| {
        let text = drawn(&["A", "C", "G", "T"], letters, 1);
        let watch = &mut Watch::nobody();
        let mut learner = Learner::new(&HashMap::from([(&*text, 1)]), SLOTS_MAX, watch).unwrap();
        assert_eq!(learner.learn(768, watch).unwrap().len(), 768);
        learner.looked_at
    };
    let (short, long) = (looked_at(1 << 17), looked_at(1 << 20));
    assert!(long <= 3 << 20 && long <= 9 * short, "{short} and {long} places");
}

#[test]
fn bpe_stops_when_asked() {
    let stopped = AtomicBool::new(true);
    let text = drawn(&["A", "C", "G", "T"], 2 * LOOK, 1);
    let mut nobody = ();
    let mut watch = Watch::new(&mut nobody, &stopped);
    let counted = count_pieces([&*text].into_iter(), text.len(), Split::Gpt2, &mut watch);
    assert!(matches!(counted, Err(Error::Stopped)));
    let pieces = HashMap::from([(&*text, 1)]);
    assert!(matches!(Learner::new(&pieces, SLOTS_MAX, &mut watch), Err(Error::Stopped)));
    let mut learner = Learner::new(&pieces, SLOTS_MAX, &mut Watch::nobody()).unwrap();
    assert!(matches!(learner.learn(9, &mut watch), Err(Error::Stopped)));
}

#[test]
fn bpe_refuses_more_pieces_than_it_has_places_for() {
    let pieces = HashMap::from([("four", 1), ("five", 2)]);
    let watch = &mut Watch::nobody();
    let error = Learner::new(&pieces, 10, watch).err().unwrap().to_string();
    assert!(error.contains("8 bytes") && error.contains("tokenizer.kind = bytes"), "{error}");
    assert!(Learner::new(&pieces, 11, watch).is_ok());
}
