//! Characters that stand in for those of somebody's words while a template is at work, one for one. What comes out can be told apart
//! from the template's own text, whatever the template did with it.

use std::collections::{HashMap, HashSet};

/// Scripts of capitals and small letters that no prompt is written in: the first capital, the first small letter, how many. A letter's
/// stand-in is one of these, so that a template may change the case of words.
const CASED: [(u32, u32, u32); 6] = [
    (0x10400, 0x10428, 40), // Deseret
    (0x104B0, 0x104D8, 36), // Osage
    (0x10C80, 0x10CC0, 51), // Old Hungarian
    (0x118A0, 0x118C0, 32), // Warang Citi
    (0x16E40, 0x16E60, 32), // Medefaidrin
    (0x1E900, 0x1E922, 34), // Adlam
];
/// Ten digits that are digits to every test, and no letters.
const DIGITS: u32 = 0x1D7CE;
/// For all else: planes of characters that stand for nothing, and the private ones. They are more than there are characters that do.
const PRIVATE: std::ops::RangeInclusive<u32> = 0x4_0000..=0x10_FFFD;

/// No stand-in is before this one, so that most characters of most texts need not be looked up.
const FIRST: char = '\u{10400}';

/// Pairs of a character and its stand-in.
#[derive(Debug)]
pub struct StandIns {
    /// Of the characters that most texts are made of; themselves if they have none.
    ascii: [char; 128],
    stand_in: HashMap<char, char>,
    original: HashMap<char, char>,
}

/// The capital and the small letter, where `c` is one of a pair.
fn pair(c: char) -> Option<(char, char)> {
    let only = |mut all: std::char::ToUppercase| all.next().filter(|_| all.next().is_none());
    let upper = only(c.to_uppercase())?;
    let mut lowers = upper.to_lowercase();
    let lower = lowers.next().filter(|_| lowers.next().is_none())?;
    (upper != lower && (c == upper || c == lower) && only(lower.to_uppercase()) == Some(upper))
        .then_some((upper, lower))
}

impl StandIns {
    /// Whether a character gets a stand-in. White space is what templates strip and split at, and quotes, backslashes and control
    /// characters are what JSON writes with more than one character: those stay as they are.
    pub fn has(c: char) -> bool {
        !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\\')
    }

    /// For every character of `words`; none of them is in `words` or in `others`. `None` if those have nearly all that there are.
    pub fn new<'t>(words: impl Iterator<Item = &'t str> + Clone, others: &[&str]) -> Option<StandIns> {
        let all = words.clone().flat_map(str::chars).chain(others.iter().flat_map(|text| text.chars()));
        let taken: HashSet<char> = all.filter(|&c| c >= FIRST).collect();
        let free = |c: &char| !taken.contains(c);
        let at = |first: u32, i: u32| char::from_u32(first + i);
        let mut cased = CASED
            .iter()
            .flat_map(|&(upper, lower, n)| (0..n).filter_map(move |i| at(upper, i).zip(at(lower, i))))
            .filter(|(upper, lower)| free(upper) && free(lower));
        let mut private = PRIVATE.filter_map(char::from_u32).filter(free);
        let digits = (0..10).all(|i| at(DIGITS, i).is_some_and(|c| free(&c)));
        let mut all = StandIns {
            ascii: std::array::from_fn(|i| char::from(i as u8)),
            stand_in: HashMap::new(),
            original: HashMap::new(),
        };
        for c in words.flat_map(str::chars).filter(|&c| Self::has(c)) {
            if all.of(c) != c {
                continue;
            }
            let digit = c.to_digit(10).filter(|_| digits).and_then(|i| at(DIGITS, i));
            match (pair(c), digit) {
                (Some(letters), _) => match cased.next() {
                    Some(stand_ins) => {
                        all.add(letters.0, stand_ins.0);
                        all.add(letters.1, stand_ins.1);
                    }
                    None => all.add(c, private.next()?),
                },
                (_, digit) => all.add(c, digit.or_else(|| private.next())?),
            }
        }
        Some(all)
    }

    fn add(&mut self, c: char, stand_in: char) {
        match self.ascii.get_mut(c as usize) {
            Some(ascii) => *ascii = stand_in,
            None => drop(self.stand_in.insert(c, stand_in)),
        }
        self.original.insert(stand_in, c);
    }

    /// The stand-in of a character; itself if it has none.
    pub fn of(&self, c: char) -> char {
        match self.ascii.get(c as usize) {
            Some(&stand_in) => stand_in,
            None => self.stand_in.get(&c).copied().unwrap_or(c),
        }
    }

    /// A text in stand-ins.
    pub fn encode(&self, text: &str) -> String {
        text.chars().map(|c| self.of(c)).collect()
    }

    /// All of them.
    pub fn all(&self) -> String {
        self.original.keys().collect()
    }

    /// What a character stands in for, if it does.
    pub fn original(&self, c: char) -> Option<char> {
        (c >= FIRST).then(|| self.original.get(&c).copied())?
    }

    /// A text as it was.
    pub fn decode(&self, text: &str) -> String {
        text.chars().map(|c| self.original(c).unwrap_or(c)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_change_case_as_their_letters_do() {
        let words = "Ab|<ß> Ж1７ é漢";
        let s = StandIns::new([words].into_iter(), &["𐐀 template", "\u{40000}"]).unwrap();
        let stood = s.encode(words);
        assert_eq!(stood.chars().count(), words.chars().count());
        assert_eq!(s.decode(&stood), words);
        // Nothing but the white space is as it was, and nothing is what the template has.
        let same: Vec<char> =
            stood.chars().zip(words.chars()).filter(|(a, b)| a == b).map(|(a, _)| a).collect();
        assert_eq!(same, [' ', ' ']);
        assert!(!stood.contains('𐐀') && !stood.contains('\u{40000}'));
        for word in ["Ab", "Ж", "é"] {
            assert_eq!(s.decode(&s.encode(word).to_uppercase()), word.to_uppercase());
            assert_eq!(s.decode(&s.encode(word).to_lowercase()), word.to_lowercase());
        }
        assert!(s.of('1').is_numeric() && !s.of('1').is_alphabetic() && s.of('A').is_alphabetic());
    }

    #[test]
    fn stand_ins_of_letters_are_pairs_of_letters() {
        for (upper, lower, n) in CASED {
            for i in 0..n {
                let (upper, lower) = (char::from_u32(upper + i).unwrap(), char::from_u32(lower + i).unwrap());
                assert_eq!(
                    (pair(upper), pair(lower)),
                    (Some((upper, lower)), Some((upper, lower))),
                    "{upper}"
                );
            }
        }
        assert_eq!(['ß', 'ı', 'ſ', '1', '|', '\u{212A}'].map(pair), [None; 6]);
    }

    #[test]
    fn stand_ins_are_enough_for_every_script() {
        let up_to = |end| (0..end).filter_map(char::from_u32).collect::<String>();
        let words = up_to(0x4_0000);
        let s = StandIns::new([&words[..]].into_iter(), &[]).unwrap();
        assert!(s.encode(&words).chars().filter(|&c| StandIns::has(c)).all(|c| s.original(c).is_some()));
        assert!(s.decode(&s.encode(&words)) == words);
        assert!(StandIns::new([&up_to(0x11_0000)[..]].into_iter(), &[]).is_none());
    }
}
