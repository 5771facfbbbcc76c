//! Strings that are not ours, made safe to print: a name, a value or a message from a file can hold anything, at any length.

use std::path::Path;

/// Characters of a foreign string that a message shows before it is cut: enough for the sentence of a parser.
const CHARS_MAX: usize = 200;

/// A string from a file: escaped, and cut where it would be longer than some 200 characters. Quotation marks stay as they are:
/// they harm nobody, and the messages of parsers are full of them.
pub fn shown(s: &str) -> String {
    let (mut out, mut count) = (String::new(), 0);
    for c in s.chars() {
        let from = out.len();
        match c {
            '"' | '\'' => out.push(c),
            c => out.extend(c.escape_debug()),
        }
        count += out[from..].chars().count();
        if count > CHARS_MAX {
            out.truncate(from);
            out.push('…');
            break;
        }
    }
    out
}

/// A path: escaped, but never cut, because it is what the reader has to find.
pub fn shown_path(path: &Path) -> String {
    path.to_string_lossy().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_escapes_control_bytes_and_cuts() {
        assert_eq!(shown("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(shown("\u{202e}x"), "\\u{202e}x");
        assert_eq!(shown("it's \"a\\b\""), "it's \"a\\\\b\"");
        assert_eq!(shown(&"é".repeat(CHARS_MAX)), "é".repeat(CHARS_MAX));
        // What escaping makes of a string counts, not what it was.
        for long in ["é".repeat(CHARS_MAX + 1), "\u{10ffff}".repeat(1000), "x".repeat(1 << 20)] {
            let short = shown(&long);
            assert!(short.ends_with('…') && short.chars().count() <= CHARS_MAX + 1, "{short}");
        }
    }
}
