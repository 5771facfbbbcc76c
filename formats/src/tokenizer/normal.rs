//! Unicode's normal form C, by the library: letters that are written in parts become the whole letters that a vocabulary was learnt from.

use std::borrow::Cow;
use tokenizers::{NormalizedString, Normalizer, normalizers::NFC};

/// Every character before this one is in its normal form, joins none before it and stays where it is.
const SETTLED: char = '\u{300}';

/// Bytes given to the library at once. It keeps sixteen for each, of where it came from.
const STRETCH: usize = 1 << 16;

/// A text in its normal form.
pub fn nfc(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| c < SETTLED) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let from = rest.floor_char_boundary(STRETCH);
        let end = rest[from..].find(|c| c < SETTLED).map_or(rest.len(), |at| from + at);
        let (stretch, after) = rest.split_at(end);
        let mut normal = NormalizedString::from(stretch);
        // It has no way to fail.
        match NFC.normalize(&mut normal) {
            Ok(()) => out.push_str(normal.get()),
            Err(_) => out.push_str(stretch),
        }
        rest = after;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nfc_joins_what_belongs_together() {
        let cases = [
            ("plain \u{e9}", "plain \u{e9}"),
            ("e\u{301}", "\u{e9}"),
            ("\u{212b}", "\u{c5}"),
            ("\u{1100}\u{1161}\u{11a8}", "\u{ac01}"),
            // Marks are put into their order before they join.
            ("q\u{307}\u{323}", "q\u{323}\u{307}"),
            ("👩\u{200d}🚀", "👩\u{200d}🚀"),
            ("", ""),
        ];
        for (text, normal) in cases {
            assert_eq!(nfc(text), normal, "{text:?}");
        }
        assert!(matches!(nfc("all of this is settled: \u{2ff}"), Cow::Borrowed(_)));
    }

    #[test]
    fn nfc_is_the_same_whatever_the_stretches_are() {
        // A joint at every place around the end of a stretch, and a text without a settled character.
        for before in STRETCH - 5..STRETCH + 5 {
            let text = "x".repeat(before) + "e\u{301}\u{323}e\u{301}" + &"y\u{301}".repeat(30_000);
            let normal = "x".repeat(before) + "\u{1eb9}\u{301}\u{e9}" + &"\u{fd}".repeat(30_000);
            assert_eq!(nfc(&text), normal, "{before}");
        }
        let marks = "\u{4e2d}\u{301}".repeat(STRETCH);
        assert_eq!(nfc(&marks), marks);
    }
}
