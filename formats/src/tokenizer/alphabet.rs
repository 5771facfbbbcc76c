//! The printable alphabet of byte-level BPE: every byte is spelt as one character, so that token
//! texts can live in JSON and GGUF strings. Which tokens exist is the vocabulary's business.

/// The 256 bytes in the order GPT-2 numbers them: the printable ones first, then the rest.
///
/// Also the inverse of [`spelling`]'s construction: byte `GPT2_ORDER[i]` spells as itself for the
/// first 188 and as `U+0100 + i - 188` after that.
pub const GPT2_ORDER: [u8; 256] = gpt2_order();

/// Bytes that spell as the Latin-1 character of the same number.
const PRINTABLE: usize = 188;

const fn is_printable(b: u8) -> bool {
    matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

const fn gpt2_order() -> [u8; 256] {
    let mut order = [0u8; 256];
    let mut n = 0;
    let mut pass = 0;
    while pass < 2 {
        let mut b = 0;
        while b < 256 {
            if is_printable(b as u8) == (pass == 0) {
                order[n] = b as u8;
                n += 1;
            }
            b += 1;
        }
        pass += 1;
    }
    assert!(n == 256);
    order
}

/// The character that spells each byte.
const SPELLING: [char; 256] = {
    let mut table = ['\0'; 256];
    let mut i = 0;
    while i < 256 {
        let b = GPT2_ORDER[i];
        table[b as usize] = if i < PRINTABLE {
            b as char
        } else {
            match char::from_u32(0x100 + (i - PRINTABLE) as u32) {
                Some(c) => c,
                None => panic!("U+0100 + 67 at most"),
            }
        };
        i += 1;
    }
    table
};

/// Spells bytes in the alphabet.
pub fn spelling(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| SPELLING[b as usize]).collect()
}

/// Reads a spelling back, or gives the first character outside the alphabet.
pub fn unspelled(text: &str) -> Result<Vec<u8>, char> {
    text.chars().map(|c| byte_of(c).ok_or(c)).collect()
}

fn byte_of(c: char) -> Option<u8> {
    let n = c as usize;
    if n < 0x100 {
        is_printable(n as u8).then_some(n as u8)
    } else {
        GPT2_ORDER[PRINTABLE..].get(n - 0x100).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_spell_and_read_back() {
        let all: Vec<u8> = (0..=255).collect();
        let text = spelling(&all);
        assert_eq!(text.chars().count(), 256);
        assert!(text.chars().all(|c| !c.is_whitespace() && !c.is_control()));
        assert_eq!(unspelled(&text), Ok(all));
        // The three that everybody meets.
        assert_eq!(spelling(b" \n\xad"), "\u{120}\u{10a}\u{143}");
    }

    #[test]
    fn bytes_outside_the_alphabet_are_named() {
        assert_eq!(unspelled("a b"), Err(' '));
        assert_eq!(unspelled("\u{144}"), Err('\u{144}'));
        assert_eq!(unspelled("\u{2581}the"), Err('\u{2581}'));
    }
}
