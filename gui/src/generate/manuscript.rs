//! The text on the page, and which parts of it the model wrote, token by token. Whatever a person types, the tokens that
//! were not touched stay known; how it is drawn is `view`'s business.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use text::Opened;

/// A token that the model wrote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Its bytes in the text; empty for one that is part of a character completed later.
    pub range: Range<usize>,
    /// Its place in the vocabulary.
    pub id: u32,
    /// Natural logarithm of its probability under the model, if that was asked for.
    #[serde(skip)]
    pub log_prob: Option<f64>,
    /// The likeliest ids in its place and the logarithms of their probabilities, likewise; shared by all versions that hold the token.
    #[serde(skip)]
    pub likeliest: Arc<[(u32, f32)]>,
}

/// Text, and where it is the model's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manuscript {
    /// As the person edits it.
    #[serde(rename = "text")]
    pub buffer: String,
    /// As the tokens know it.
    #[serde(skip)]
    known: String,
    tokens: Vec<Token>,
    /// Whose ids the tokens are: see `Tokenizer::fingerprint`.
    vocabulary: u64,
    /// Where the last part that the model wrote begins, as long as that can be told.
    part: Option<usize>,
}

impl Manuscript {
    /// Text that a person wrote.
    pub fn typed(text: impl Into<String>) -> Manuscript {
        let buffer = text.into();
        Manuscript { known: buffer.clone(), buffer, ..Manuscript::default() }
    }

    /// One that was kept on disk. Tokens that do not fit the text are dropped.
    pub fn restored(mut self) -> Manuscript {
        let text = &self.buffer;
        let mut end = 0;
        self.tokens.retain(|t| {
            let Range { start, end: stop } = t.range;
            let fits = start >= end
                && start <= stop
                && stop <= text.len()
                && text.is_char_boundary(start)
                && text.is_char_boundary(stop);
            if fits {
                end = stop;
            }
            fits
        });
        self.part = self.part.filter(|&at| text.is_char_boundary(at));
        self.known = self.buffer.clone();
        self
    }

    /// Where the last part that the model wrote begins; a character does. Whatever is typed before it moves it, and typing over its beginning
    /// loses it.
    pub fn part(&self) -> Option<usize> {
        self.part.filter(|&at| at < self.buffer.len() && self.buffer.is_char_boundary(at))
    }

    /// What follows is a new part, from the end of the text or from a byte before it.
    pub fn begin_part(&mut self, at: Option<usize>) {
        self.part = Some(at.unwrap_or(self.buffer.len()));
    }

    /// The tokens that the model wrote, in the order of the text.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The text to be edited, beside the tokens as they were before.
    pub fn parts(&mut self) -> (&mut String, &[Token]) {
        (&mut self.buffer, &self.tokens)
    }

    /// Appends what the model wrote.
    pub fn push(&mut self, id: u32, piece: &str, log_prob: Option<f64>, likeliest: Arc<[(u32, f32)]>) {
        let start = self.buffer.len();
        self.buffer.push_str(piece);
        self.known.push_str(piece);
        self.tokens.push(Token { range: start..self.buffer.len(), id, log_prob, likeliest });
    }

    /// Appends text that belongs to the last token: the rest of a character.
    pub fn complete(&mut self, piece: &str) {
        self.buffer.push_str(piece);
        self.known.push_str(piece);
        if let Some(last) = self.tokens.last_mut() {
            last.range.end = self.buffer.len();
        }
    }

    /// Cuts the text off at a byte, which must begin a character, and forgets tokens that reach beyond it: also the first halves of that
    /// character, which have no bytes of their own.
    pub fn cut(&mut self, at: usize) {
        debug_assert!(self.buffer.is_char_boundary(at));
        self.buffer.truncate(at);
        self.known.truncate(at);
        self.tokens.retain(|t| t.range.start < at && t.range.end <= at);
    }

    /// Cuts the text off before a token, which another is to stand in the place of. Gives the ids before it that have begun the same character:
    /// they stay, because the other was thought of behind them.
    pub fn cut_before(&mut self, token: usize) -> Vec<u32> {
        let at = self.tokens[token].range.start;
        self.buffer.truncate(at);
        self.known.truncate(at);
        self.tokens.truncate(token);
        let begun = self.tokens.iter().rev().take_while(|t| t.range == (at..at)).count();
        self.tokens[token - begun..].iter().map(|t| t.id).collect()
    }

    /// Takes note that a person changed `buffer`: tokens before and behind the change stay.
    pub fn edited(&mut self) {
        let (old, new) = (self.known.as_bytes(), self.buffer.as_bytes());
        let most = old.len().min(new.len());
        let front = (0..most).take_while(|&i| old[i] == new[i]).count();
        let back =
            (0..most - front).take_while(|&i| old[old.len() - 1 - i] == new[new.len() - 1 - i]).count();
        let (cut, shift) = (old.len() - back, new.len() as isize - old.len() as isize);
        let moved = |i: usize| (i as isize + shift) as usize;
        self.part = match self.part {
            // What is typed right before it is before it.
            Some(at) if at >= cut => Some(moved(at)),
            Some(at) if at <= front => Some(at),
            _ => None,
        };
        self.tokens.retain_mut(|t| {
            if t.range.end <= front {
                return true;
            }
            if t.range.start < cut {
                return false;
            }
            t.range = moved(t.range.start)..moved(t.range.end);
            true
        });
        self.known.clone_from(&self.buffer);
    }

    /// The token at a byte of the text.
    pub fn token_at(&self, byte: usize) -> Option<usize> {
        let after = self.tokens.partition_point(|t| t.range.end <= byte);
        self.tokens.get(after).filter(|t| t.range.contains(&byte)).map(|_| after)
    }

    /// The ids of a text that follows another, without what begins one.
    pub fn ids_alone(&self, opened: &Opened) -> Vec<u32> {
        let mut ids = Vec::new();
        let mut at = 0;
        for t in &self.tokens {
            if t.range.start > at {
                ids.extend(opened.tokenizer.encode(&self.buffer[at..t.range.start]));
            }
            ids.push(t.id);
            at = at.max(t.range.end);
        }
        ids.extend(opened.tokenizer.encode(&self.buffer[at..]));
        ids
    }

    /// The ids of the whole text: those that the model wrote as it wrote them, the rest encoded. So a text goes on from exactly
    /// where it stopped.
    pub fn ids(&self, opened: &Opened) -> Vec<u32> {
        if self.tokens.is_empty() {
            return opened.prompt_ids(&self.buffer);
        }
        let ids = self.ids_alone(opened);
        match opened.tokenizer.bos().filter(|_| opened.tokenizer.add_bos()) {
            Some(bos) if ids.first() != Some(&bos) => [vec![bos], ids].concat(),
            _ => ids,
        }
    }

    /// Takes note of the vocabulary that comes next. Tokens of another one are forgotten: their ids mean something else in it.
    pub fn belongs_to(&mut self, vocabulary: u64) {
        if self.vocabulary != vocabulary {
            self.tokens.clear();
            self.vocabulary = vocabulary;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manuscript {
        let mut m = Manuscript::typed("ROMEO:");
        for (id, piece) in [(1, " O"), (2, ", my"), (3, " lövé"), (4, ".")] {
            m.push(id, piece, None, Arc::default());
        }
        m
    }

    fn parts(m: &Manuscript) -> Vec<(u32, &str)> {
        m.tokens().iter().map(|t| (t.id, &m.buffer[t.range.clone()])).collect()
    }

    fn edit(m: &mut Manuscript, from: &str, to: &str) {
        m.buffer = m.buffer.replacen(from, to, 1);
        m.edited();
    }

    #[test]
    fn tokens_survive_edits_elsewhere() {
        let mut m = sample();
        edit(&mut m, "ROMEO", "JULIET");
        assert_eq!(parts(&m), [(1, " O"), (2, ", my"), (3, " lövé"), (4, ".")]);
        edit(&mut m, "my", "thy");
        assert_eq!(parts(&m), [(1, " O"), (3, " lövé"), (4, ".")]);
        edit(&mut m, "löv", "lov");
        assert_eq!(parts(&m), [(1, " O"), (4, ".")]);
        m.buffer.clear();
        m.edited();
        assert!(m.tokens().is_empty());
    }

    #[test]
    fn every_edit_of_one_byte_keeps_tokens_on_their_text() {
        let original = sample();
        let whole = parts(&original).into_iter().map(|(id, s)| (id, s.to_owned())).collect::<Vec<_>>();
        for at in (0..original.buffer.len()).filter(|&i| original.buffer.is_char_boundary(i)) {
            for put in ["", "é", "oo"] {
                let mut m = original.clone();
                let end = m.buffer[at..].chars().next().map_or(at, |c| at + c.len_utf8());
                m.buffer.replace_range(at..end, put);
                m.edited();
                for (id, text) in parts(&m) {
                    assert_eq!(text, whole.iter().find(|w| w.0 == id).unwrap().1, "at {at}, {put:?}");
                }
            }
        }
    }

    #[test]
    fn the_last_part_is_found_again_whatever_is_typed() {
        let mut m = Manuscript::typed("abc");
        m.begin_part(None);
        m.push(1, "xyz", None, Arc::default());
        let part = |m: &Manuscript| m.part().map(|at| m.buffer[at..].to_owned());
        assert_eq!(part(&m).as_deref(), Some("xyz"));
        for (from, to, after) in [
            ("abc", "ab\u{e9}", Some("xyz")),
            ("ab\u{e9}", "", Some("xyz")),
            ("xyz", "Romeo xyz", Some("xyz")),
            ("xyz", "xyz!", Some("xyz!")),
            ("z!", "", Some("xy")),
            ("o xy", "o, y", None),
        ] {
            edit(&mut m, from, to);
            assert_eq!(part(&m).as_deref(), after, "{from} {to} {}", m.buffer);
        }
        let kept = Manuscript { part: Some(1), ..Manuscript::typed("\u{e9}\u{e9}") };
        assert_eq!(kept.restored().part(), None);
    }

    #[test]
    fn ids_of_another_vocabulary_are_forgotten_and_the_words_stay() {
        let mut m = sample();
        let words = m.buffer.clone();
        m.belongs_to(0);
        assert_eq!(m.tokens().len(), 4);
        m.belongs_to(7);
        assert!(m.tokens().is_empty() && m.buffer == words);
        m.push(9, "!", None, Arc::default());
        let kept: Manuscript = serde_json::from_str(&serde_json::to_string(&m).unwrap()).unwrap();
        let mut kept = kept.restored();
        kept.belongs_to(7);
        assert_eq!(parts(&kept), [(9, "!")]);
        kept.belongs_to(8);
        assert!(kept.tokens().is_empty());
    }

    #[test]
    fn cutting_forgets_what_is_cut() {
        let mut m = sample();
        let at = m.tokens()[2].range.start;
        m.cut(at);
        assert_eq!((m.buffer.as_str(), m.tokens().len()), ("ROMEO: O, my", 2));
        assert_eq!((m.token_at(7), m.token_at(0), m.token_at(12)), (Some(0), None, None));
    }

    /// Another try of a text that began with the first half of a character once was asked for behind that half.
    #[test]
    fn cutting_at_a_character_forgets_its_first_half_too() {
        let mut m = Manuscript::typed("a");
        m.begin_part(None);
        for (id, piece) in [(1, ""), (2, ""), (3, "\u{1f600}"), (4, "!")] {
            m.push(id, piece, None, Arc::default());
        }
        let mut again = m.clone();
        again.cut(again.part().unwrap());
        assert_eq!((again.buffer.as_str(), again.tokens()), ("a", &[][..]));
        // Another end of the character goes on with its halves.
        let mut branch = m.clone();
        assert_eq!(branch.cut_before(2), [1, 2]);
        assert_eq!((branch.buffer.as_str(), parts(&branch)), ("a", vec![(1, ""), (2, "")]));
        // And another beginning of it is without them, as is what follows it.
        assert!(m.clone().cut_before(0).is_empty() && m.clone().cut_before(3).is_empty());
        m.cut(5);
        assert_eq!(parts(&m), [(1, ""), (2, ""), (3, "\u{1f600}")]);
    }

    #[test]
    fn what_was_kept_is_checked() {
        let m = sample();
        let json = serde_json::to_string(&m).unwrap();
        assert_eq!(serde_json::from_str::<Manuscript>(&json).unwrap().restored(), m);
        let bad = r#"{"text":"né","tokens":[{"range":{"start":0,"end":1},"id":1},{"range":{"start":2,"end":9},"id":2},{"range":{"start":0,"end":1},"id":3}]}"#;
        let m = serde_json::from_str::<Manuscript>(bad).unwrap().restored();
        assert_eq!(parts(&m), [(1, "n")]);
    }
}
