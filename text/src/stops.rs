//! Strings that end a text where they first stand in it. They may come in pieces, so what could be the beginning of one
//! is held back until it is known not to be.

/// Looks for stop strings in a text as it is written.
#[derive(Clone, Debug, Default)]
pub struct Stops {
    strings: Vec<String>,
    held: String,
    found: Option<usize>, // index into `strings`
}

impl Stops {
    /// Looks for these; an empty one stands nowhere.
    pub fn new(strings: impl IntoIterator<Item = impl Into<String>>) -> Stops {
        let strings = strings.into_iter().map(Into::into).filter(|s: &String| !s.is_empty()).collect();
        Stops { strings, held: String::new(), found: None }
    }

    /// Takes what was written; gives what is certain to belong to the text. After the end that is nothing.
    pub fn push(&mut self, piece: &str) -> String {
        if self.found.is_some() {
            return String::new();
        }
        self.held.push_str(piece);
        let places = self.strings.iter().enumerate().filter_map(|(i, s)| Some((self.held.find(s)?, i)));
        let certain = match places.min() {
            Some((at, i)) => {
                self.found = Some(i);
                at
            }
            None => self.held.len() - self.begun(),
        };
        let rest = self.held.split_off(certain);
        std::mem::replace(&mut self.held, rest)
    }

    /// Nothing more is written: gives what was held back.
    pub fn flush(&mut self) -> String {
        let rest = std::mem::take(&mut self.held);
        if self.found.is_some() { String::new() } else { rest }
    }

    /// The string that ended the text, once one has.
    pub fn found(&self) -> Option<&str> {
        self.found.map(|i| &*self.strings[i])
    }

    /// Bytes of what was written that no longer count once a string has ended the text: that string and what came behind it.
    pub fn cut(&self) -> usize {
        if self.found.is_some() { self.held.len() } else { 0 }
    }

    /// Bytes at the end of what is held that may begin a stop string.
    fn begun(&self) -> usize {
        let longest = self.strings.iter().map(|s| s.len() - 1).max().unwrap_or(0).min(self.held.len());
        let may_begin = |len: usize| {
            let at = self.held.len() - len;
            self.held.is_char_boundary(at) && self.strings.iter().any(|s| s.starts_with(&self.held[at..]))
        };
        (1..=longest).rev().find(|&len| may_begin(len)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What of a text in pieces of `size` characters is shown, piece by piece, and what ended it.
    fn shown(stops: &[&str], text: &str, size: usize) -> (String, Option<String>) {
        let mut stops = Stops::new(stops.iter().copied());
        let chars: Vec<char> = text.chars().collect();
        let mut out: String = chars.chunks(size).map(|c| stops.push(&c.iter().collect::<String>())).collect();
        out.push_str(&stops.flush());
        (out, stops.found().map(str::to_owned))
    }

    #[test]
    fn stops_cut_the_text_at_the_first_of_them_however_it_comes() {
        let cases: &[(&[&str], &str, &str, Option<&str>)] = &[
            (&[], "all of it", "all of it", None),
            (&[""], "all of it", "all of it", None),
            (&["\n\n"], "one\ntwo\n\nthree", "one\ntwo", Some("\n\n")),
            (&["\n\n"], "one\n", "one\n", None),
            (&["aab"], "aaaab", "aa", Some("aab")),
            (&["END", "."], "the end. END", "the end", Some(".")),
            (&["ab", "abc"], "xabc", "x", Some("ab")),
            (&["é!"], "né é!", "né ", Some("é!")),
            (&["JULIET:"], "JULIE", "JULIE", None),
        ];
        for (stops, text, expected, found) in cases {
            for size in 1..=text.len() {
                let result = shown(stops, text, size);
                assert_eq!(result, (expected.to_string(), found.map(str::to_owned)), "{text:?} by {size}");
            }
        }
    }

    #[test]
    fn stops_hold_back_no_more_than_could_begin_one() {
        let mut stops = Stops::new(["\n\nROMEO"]);
        assert_eq!(stops.push("light\n"), "light");
        assert_eq!(stops.push("\nROMAN"), "\n\nROMAN");
        assert_eq!(stops.push(" words\n\nROME"), " words");
        assert_eq!(stops.cut(), 0);
        assert_eq!(stops.push("O:"), "");
        assert_eq!(stops.cut(), "\n\nROMEO:".len());
        assert_eq!(stops.push("more"), "");
        assert_eq!(stops.found(), Some("\n\nROMEO"));
    }
}
