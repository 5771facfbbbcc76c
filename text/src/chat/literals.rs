//! Where the quoted strings of a template are. A template looks into somebody's words with those: `'</think>' in content`.

use std::ops::Range;

use super::stand_ins::StandIns;

/// The texts between quotes in the expressions of a template, in order. One that this misses is taken for the template's own words.
pub fn literals(source: &str) -> Vec<Range<usize>> {
    let bytes = source.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(open) = bytes[at..].windows(2).position(|w| matches!(w, b"{{" | b"{%" | b"{#")) {
        at += open + 2;
        if bytes[at - 1] == b'#' {
            at = source[at..].find("#}").map_or(bytes.len(), |end| at + end + 2);
            continue;
        }
        let mut depth = 0;
        while at < bytes.len() {
            match bytes[at] {
                quote @ (b'\'' | b'"') => {
                    let from = at + 1;
                    at = from;
                    while at < bytes.len() && bytes[at] != quote {
                        at += if bytes[at] == b'\\' { 2 } else { 1 };
                    }
                    out.push(from..at.min(bytes.len()));
                }
                b'{' | b'[' | b'(' => depth += 1,
                b'%' | b'}' if depth <= 0 && bytes.get(at + 1) == Some(&b'}') => break,
                b'}' | b']' | b')' => depth -= 1,
                _ => {}
            }
            at += 1;
        }
        at = at.min(bytes.len());
    }
    out
}

/// What a literal says.
pub fn value(literal: &str) -> String {
    let mut out = String::with_capacity(literal.len());
    let mut chars = literal.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some(c) => out.push(c),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

/// A literal that says the same in stand-ins.
pub fn encode(literal: &str, stand_ins: &StandIns) -> String {
    let mut out = String::with_capacity(4 * literal.len());
    let mut chars = literal.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(stand_ins.of(c));
            continue;
        }
        out.push(c);
        let Some(escaped) = chars.next() else { break };
        out.push(escaped);
        let digits = match escaped {
            'u' => 4,
            'x' => 2,
            _ => 0,
        };
        out.extend(chars.by_ref().take(digits));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<&str> {
        literals(source).into_iter().map(|range| &source[range]).collect()
    }

    #[test]
    fn literals_are_found_where_templates_compute() {
        let source =
            r#"it's {# 'no' }} #}{%- if "a\"b" in m['c'] -%}don't{{ {'d': {'e': "é}}"}} ~ 'f' }}'g'{{ 'h"#;
        assert_eq!(found(source), [r#"a\"b"#, "c", "d", "e", "é}}", "f", "h"]);
        assert!(
            ["", "{", "{{", "{#", "{{ '", "{{ '\\", "{% '\\é", "}} ) {{ ) 'x' }}"]
                .iter()
                .all(|s| found(s).len() < 2)
        );
    }

    #[test]
    fn literals_keep_their_escapes_in_stand_ins() {
        let s = StandIns::new(["ntu0061x"].into_iter(), &[]).unwrap();
        let (n, a) = (s.of('n'), s.of('a'));
        assert_eq!(encode(r"n\n\u0061\x61a\", &s), format!(r"{n}\n\u0061\x61{a}\"));
        assert_eq!(value(r"a\n\t\r\'\\b\"), "a\n\t\r'\\b");
    }
}
