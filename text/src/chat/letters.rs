//! Capitals and small letters of whole words, as Python changes them.

/// Each word begins with a capital, and the rest is small; a word is a run of letters that have a case.
pub fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (before, words) = rest.split_at(rest.find(is_cased).unwrap_or(rest.len()));
        let (word, after) = words.split_at(words.find(|c| !is_cased(c)).unwrap_or(words.len()));
        out.push_str(before);
        out.push_str(&capitalize(word));
        rest = after;
    }
    out
}

/// The first character is a capital, and the rest is small.
pub fn capitalize(text: &str) -> String {
    let Some(first) = text.chars().next() else { return String::new() };
    let small: usize = first.to_lowercase().map(char::len_utf8).sum();
    // Of the whole text: whether a sigma ends a word is seen from what is before it.
    let lower = text.to_lowercase();
    capital(first) + &lower[small..]
}

/// Capitals become small letters and small letters capitals.
pub fn swapcase(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut in_word = false;
    while let Some(c) = chars.next() {
        let ends = in_word && !chars.peek().is_some_and(|&c| is_cased(c));
        in_word = is_cased(c);
        if c == 'Σ' && ends {
            out.push('ς');
        } else if c.is_uppercase() {
            out.extend(c.to_lowercase());
        } else if c.is_lowercase() {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
    }
    out
}

fn is_cased(c: char) -> bool {
    c.is_uppercase() || c.is_lowercase() || is_title(c)
}

/// Whether a letter is a capital in its first part alone.
pub fn is_title(c: char) -> bool {
    capital_of_two(c) == Some(c) || is_capital_with_iota(c)
}

/// The letters of two that have a capital of their own at the start of a word.
fn capital_of_two(c: char) -> Option<char> {
    Some(match c {
        'Ǆ'..='ǆ' => 'ǅ',
        'Ǉ'..='ǉ' => 'ǈ',
        'Ǌ'..='ǌ' => 'ǋ',
        'Ǳ'..='ǳ' => 'ǲ',
        _ => return None,
    })
}

/// Greek capitals with an iota beside them, which count as capitals of the start of a word.
fn is_capital_with_iota(c: char) -> bool {
    let at = u32::from(c);
    (0x1F80..0x1FB0).contains(&at) && at & 8 != 0 || matches!(c, 'ᾼ' | 'ῌ' | 'ῼ')
}

/// A character as a word begins with it.
fn capital(c: char) -> String {
    if let Some(capital) = capital_of_two(c) {
        return capital.into();
    }
    match c {
        // Georgian has capitals for whole words alone.
        'ა'..='ჺ' | 'ჽ'..='ჿ' => return c.into(),
        'ŉ' => return "ʼN".into(),
        'ᾳ' | 'ᾼ' => return 'ᾼ'.into(),
        'ῃ' | 'ῌ' => return 'ῌ'.into(),
        'ῳ' | 'ῼ' => return 'ῼ'.into(),
        '\u{1F80}'..='\u{1FAF}' => return char::from_u32(u32::from(c) | 8).unwrap_or(c).into(),
        _ => {}
    }
    let mut upper = c.to_uppercase();
    let first = upper.next().unwrap_or(c);
    let greek = ('\u{1F80}'..='\u{1FFF}').contains(&c);
    // An iota that was below its letter stays there.
    let small =
        upper.flat_map(|c| if greek && c == 'Ι' { '\u{345}'.to_lowercase() } else { c.to_lowercase() });
    std::iter::once(first).chain(small).collect()
}
