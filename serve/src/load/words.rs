//! Prompts of words at random: no two begin alike, so that no server has read one before, but where that is asked for.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Words that every tokenizer of English has.
const WORDS: [&str; 48] = [
    "the", "of", "and", "to", "in", "is", "that", "for", "it", "was", "on", "are", "with", "they", "be",
    "at", "one", "have", "this", "from", "word", "but", "what", "some", "you", "had", "out", "other", "were",
    "all", "your", "when", "up", "use", "how", "said", "an", "each", "she", "which", "do", "their", "time",
    "if", "will", "way", "about", "many",
];

/// So many words, others for each seed.
pub fn words(seed: u64, count: usize) -> String {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count).map(|_| WORDS[rng.random_range(0..WORDS.len())]).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_a_function_of_their_seed() {
        assert_eq!(words(1, 20), words(1, 20));
        assert_ne!(words(1, 20), words(2, 20));
        assert_eq!(words(3, 20).split(' ').count(), 20);
        assert_eq!(words(3, 0), "");
    }
}
