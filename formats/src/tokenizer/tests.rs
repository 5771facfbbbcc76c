//! Cases over a small vocabulary: what encodes to what, what survives a file, what is refused.

use super::*;
use crate::gguf::Metadata;

/// A generator for test texts.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }

    /// Text of words, odd spaces, digits and characters of every length.
    fn text(&mut self, words: usize) -> String {
        const BITS: [&str; 24] = [
            "the", " the", "th", "e", " cat", " sat", "\n", "\n\n", "  ", "\t", " ", "12", "345", "'s",
            "'LL", "!?", ".\n", "é", "\u{301}", "€", "😀", "\u{3000}", "<|end|>", "\0",
        ];
        (0..words).map(|_| BITS[self.below(BITS.len())]).collect()
    }
}

/// Merges by the texts they join, over all bytes; `<|end|>` and a hole at the end.
fn small(split: Split) -> Tokenizer {
    let mut tokens = Tokens::new();
    for byte in GPT2_ORDER {
        tokens.push(&[byte], TokenKind::Normal);
    }
    let joins = [
        ("t", "h"),
        ("th", "e"),
        (" ", "the"),
        (" ", "th"),
        ("t", "e"),
        (" ", "c"),
        ("a", "t"),
        (" c", "at"),
        (" ", "s"),
        (" s", "at"),
        ("3", "4"),
        ("1", "2"),
        ("34", "5"),
        ("12", "345"),
        ("\n", "\n"),
        (" ", " "),
        ("!", "?"),
        ("'", "s"),
    ];
    let mut merges = Vec::new();
    let id = |tokens: &Tokens, text: &str| tokens.iter().find(|(_, b, _)| *b == text.as_bytes()).unwrap().0;
    for (left, right) in joins {
        merges.push((id(&tokens, left), id(&tokens, right)));
        tokens.push(format!("{left}{right}").as_bytes(), TokenKind::Normal);
    }
    // Characters of two and three bytes.
    for bytes in ["é".as_bytes(), &"€".as_bytes()[..2], "€".as_bytes()] {
        let (left, right) = bytes.split_at(bytes.len() - 1);
        let find = |part: &[u8]| tokens.iter().find(|(_, b, _)| *b == part).unwrap().0;
        merges.push((find(left), find(right)));
        tokens.push(bytes, TokenKind::Normal);
    }
    tokens.push(b"[PAD277]", TokenKind::Unused);
    tokens.push("<｜turn｜>".as_bytes(), TokenKind::UserDefined);
    let end = tokens.push(b"<|end|>", TokenKind::Control);
    let special = Special { eos: Some(end), ..Special::default() };
    Tokenizer::new(Parts { tokens, scheme: Scheme::ByteLevel { split, merges }, special }, "a test").unwrap()
}

/// A text as it comes back.
fn kept(split: Split, text: &str) -> String {
    if split.normalises() { normal::nfc(text).into() } else { text.into() }
}

fn pieces(t: &Tokenizer, ids: &[u32]) -> Vec<Vec<u8>> {
    ids.iter().map(|&id| t.token_bytes(id).to_vec()).collect()
}

#[test]
fn tokenizer_merges_inside_pieces() {
    let t = small(Split::Gpt2);
    let texts = |text: &str| -> Vec<String> {
        pieces(&t, &t.encode(text)).into_iter().map(|b| String::from_utf8(b).unwrap()).collect()
    };
    assert_eq!(texts("the cat  sat"), ["the", " cat", " ", " sat"]);
    assert_eq!(texts("12345€"), ["12345", "€"]);
    assert_eq!(texts(" thx"), [" th", "x"]);
}

#[test]
fn encoder_goes_on_after_each_text_and_breaks_off_when_told() {
    let t = small(Split::Gpt2);
    let text = Rng(5).text(60_000);
    let mut encoder = Encoder::new(&t);
    let mut heard = Vec::new();
    for part in ["the cat", &text] {
        encoder
            .text(part, &mut |done| {
                heard.push(done);
                Ok::<(), ()>(())
            })
            .unwrap();
        encoder.id(3);
    }
    assert_eq!(encoder.finish(), [&t.encode("the cat")[..], &[3], &t.encode(&text), &[3]].concat());
    assert!(heard.len() >= 2 && heard.is_sorted() && heard.last().unwrap() < &text.len(), "{heard:?}");
    assert_eq!(Encoder::new(&t).text(&text, &mut |_| Err("enough")), Err("enough"));
}

#[test]
fn tokenizer_keeps_every_byte() {
    let mut rng = Rng(1);
    for split in Split::ALL {
        let t = small(split);
        for _ in 0..500 {
            let written = rng.text(12);
            let ids = t.encode(&written);
            let text = kept(split, &written);
            assert_eq!(t.decode_bytes(&ids), text.as_bytes(), "{written:?}");
            let mut stream = DecodeStream::new();
            let mut streamed: String = ids.iter().filter_map(|&id| stream.push(&t, id)).collect();
            streamed.extend(stream.flush());
            assert_eq!(streamed, text);
        }
        // One huge piece, and text that no merge knows.
        for text in ["a".repeat(200_000), " ".repeat(200_000), "\u{ffff}".repeat(1000)] {
            assert_eq!(t.decode(&t.encode(&text)), text);
        }
    }
}

#[test]
fn tokenizer_takes_special_names_only_when_asked() {
    let t = small(Split::Gpt2);
    let end = t.eos().unwrap();
    let text = "the<|end|> cat<｜turn｜>";
    assert!(!t.encode(text).contains(&end));
    let ids = t.encode_with_special(text);
    let turn = t.special_id("<｜turn｜>").unwrap();
    assert_eq!(ids.iter().filter(|&&id| id == end || id == turn).count(), 2);
    // Control tokens are not text, user-defined ones are.
    assert_eq!(t.decode(&ids), "the cat<｜turn｜>");
    assert_eq!((t.token_bytes(end), t.token_bytes(9999)), (&b"<|end|>"[..], &b""[..]));
    assert_eq!(t.ends(), [end]);
}

#[test]
fn tokenizer_takes_user_defined_names_everywhere() {
    let t = small(Split::Gpt2);
    let turn = t.special_id("<｜turn｜>").unwrap();
    assert_eq!(
        pieces(&t, &t.encode(" the<｜turn｜> cat")),
        [" the", "<｜turn｜>", " cat"].map(str::as_bytes)
    );
    assert_eq!(t.encode("<｜turn｜><｜turn｜"), [vec![turn], t.encode("<｜turn｜")].concat());
    // A smaller vocabulary keeps them, used or not.
    let (little, map) = t.restrict(&[]);
    assert_eq!(little.encode("<｜turn｜>"), [map[turn as usize].unwrap()]);
    assert_eq!(little.token_kind(map[turn as usize].unwrap()), TokenKind::UserDefined);
}

#[test]
fn tokenizer_survives_gguf() {
    for split in Split::ALL {
        let t = small(split);
        let mut meta = Metadata::new();
        t.to_gguf(&mut meta);
        let back = Tokenizer::from_gguf(&meta).unwrap();
        assert_eq!(back, t);
        assert_eq!(back.encode("a<｜turn｜>"), t.encode("a<｜turn｜>"));
        let mut rng = Rng(2);
        for _ in 0..200 {
            let text = rng.text(10);
            assert_eq!(back.encode(&text), t.encode(&text));
        }
    }
}

#[test]
fn tokenizer_refuses_hostile_metadata() {
    let mut sound = Metadata::new();
    small(Split::Gpt2).to_gguf(&mut sound);
    let texts: Vec<String> =
        sound.require_strs("tokenizer.ggml.tokens").unwrap().iter().map(String::from).collect();
    type Edit = fn(&mut Metadata, Vec<String>);
    let cases: [(Edit, &str); 14] = [
        (
            |m, _| m.insert("tokenizer.ggml.model", "bert"),
            "`tokenizer.ggml.model` is \"bert\"; expected \"gpt2\", byte-level BPE, or \"llama\", SentencePiece's",
        ),
        (|m, _| m.insert("tokenizer.ggml.model", 3u32), "expected a string"),
        (
            |m, _| m.insert("tokenizer.ggml.pre", "te\u{1b}kken"),
            "is \"te\\u{1b}kken\"; the pre-tokenizers we know are",
        ),
        (|m, _| m.insert("tokenizer.ggml.tokens", vec![1u8]), "expected an array of strings"),
        (|m, _| m.insert("tokenizer.ggml.token_type", vec![1i8; 280]), "expected an array of i32"),
        (
            |m, _| m.insert("tokenizer.ggml.token_type", vec![1i32]),
            "has 1 entries; tokenizer.ggml.tokens has 280",
        ),
        (|m, t| m.insert("tokenizer.ggml.token_type", vec![9i32; t.len()]), "is 9 for token 0"),
        (|m, _| m.insert("tokenizer.ggml.eos_token_id", 280u32), "is 280; there are 280 tokens"),
        (|m, _| m.insert("tokenizer.ggml.bos_token_id", u64::MAX), "`tokenizer.ggml.bos_token_id`"),
        (
            |m, mut t| {
                t[7] = t[8].clone();
                m.insert("tokenizer.ggml.tokens", t)
            },
            "tokens 7 and 8 are both",
        ),
        (
            |m, mut t| {
                t[7] = "▁the".into();
                m.insert("tokenizer.ggml.tokens", t)
            },
            "with '▁', which is not in the byte alphabet",
        ),
        (
            |m, mut t| {
                t[200] = "zzz".into();
                m.insert("tokenizer.ggml.tokens", t)
            },
            "has no token",
        ),
        (
            |m, _| m.insert("tokenizer.ggml.merges", vec!["t".to_string()]),
            "as merge 0; expected two texts and a space",
        ),
        (
            |m, _| m.insert("tokenizer.ggml.merges", vec!["q q".to_string()]),
            "merge 0 makes \"qq\", which is not a token",
        ),
    ];
    for (edit, expected) in cases {
        let mut meta = sound.clone();
        edit(&mut meta, texts.clone());
        let error = Tokenizer::from_gguf(&meta).unwrap_err().to_string();
        assert!(error.contains(expected), "expected ..{expected}.., found: {error}");
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
    let mut merges = sound.clone();
    merges.insert("tokenizer.ggml.merges", vec!["t <|end|>".to_string()]);
    assert!(Tokenizer::from_gguf(&merges).unwrap_err().to_string().contains("no token of text"));
    assert!(Tokenizer::from_gguf(&Metadata::new()).is_err());
}

#[test]
fn restrict_keeps_the_pieces_of_what_it_saw() {
    let mut rng = Rng(3);
    for split in Split::ALL {
        let t = small(split);
        for _ in 0..100 {
            let seen = rng.text(8);
            let used = t.encode(&seen);
            let (little, map) = t.restrict(&used);
            assert_eq!(pieces(&little, &little.encode(&seen)), pieces(&t, &used), "{seen:?}");
            assert_eq!(
                little.encode(&seen),
                used.iter().map(|&id| map[id as usize].unwrap()).collect::<Vec<_>>()
            );
            // Any other text still encodes.
            let other = rng.text(8);
            assert_eq!(little.decode(&little.encode(&other)), kept(split, &other));
            // And it is as small as promised: bytes, specials, and what merging to the used ids passes through.
            assert!(little.vocab_size() <= 256 + 2 + used.len() * 5, "{}", little.vocab_size());
            assert!(map.iter().flatten().count() == little.vocab_size());
        }
        let (least, _) = t.restrict(&[]);
        assert_eq!(least.vocab_size(), 258);
        let (all, map) = t.restrict(&(0..t.vocab_size() as u32).collect::<Vec<_>>());
        assert_eq!(all, t);
        assert!(map.iter().enumerate().all(|(i, new)| *new == Some(i as u32)));
    }
}

#[test]
fn restrict_keeps_every_way_to_a_token() {
    // "abc" by (ab, c) and by (a, bc); which one runs depends on ranks around it.
    let mut tokens = Tokens::new();
    for byte in GPT2_ORDER {
        tokens.push(&[byte], TokenKind::Normal);
    }
    let id = |b: u8| GPT2_ORDER.iter().position(|&x| x == b).unwrap() as u32;
    let bc = tokens.push(b"bc", TokenKind::Normal);
    let ab = tokens.push(b"ab", TokenKind::Normal);
    let abc = tokens.push(b"abc", TokenKind::Normal);
    let merges = vec![(id(b'b'), id(b'c')), (id(b'a'), id(b'b')), (ab, id(b'c')), (id(b'a'), bc)];
    let scheme = Scheme::ByteLevel { split: Split::Gpt2, merges };
    let t = Tokenizer::new(Parts { tokens, scheme, special: Special::default() }, "a test").unwrap();
    assert_eq!(t.encode("abc"), [abc]);
    let (little, _) = t.restrict(&[abc]);
    assert_eq!(little.vocab_size(), 259);
    assert_eq!(pieces(&little, &little.encode("abc ab")), pieces(&t, &t.encode("abc ab")));
}

/// A `tokenizer.json` of the bytes and one merge, with the given parts replaced.
fn json(edits: &[(&str, &str)]) -> String {
    let vocab: Vec<String> = GPT2_ORDER
        .iter()
        .enumerate()
        .map(|(id, &b)| format!("{}:{id}", serde_json::to_string(&alphabet::spelling(&[b])).unwrap()))
        .collect();
    let mut text = format!(
        r#"{{"version":"1.0","truncation":null,"padding":null,
        "added_tokens":[{{"id":257,"content":"<|endoftext|>","single_word":false,"special":true}}],
        "normalizer":null,
        "pre_tokenizer":{{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}},
        "post_processor":{{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true}},
        "decoder":{{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}},
        "model":{{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"","end_of_word_suffix":"",
        "fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{{{},"th":256}},"merges":["t h"]}}}}"#,
        vocab.join(",")
    );
    for (from, to) in edits {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    text
}

#[test]
fn json_reads_both_forms_of_merges() {
    let lines = Tokenizer::from_json(json(&[]).as_bytes(), "a").unwrap();
    let pairs = Tokenizer::from_json(json(&[("[\"t h\"]", "[[\"t\", \"h\"]]")]).as_bytes(), "a").unwrap();
    assert_eq!(lines, pairs);
    assert_eq!(lines.encode("the"), [256, lines.encode("e")[0]]);
    assert_eq!((lines.vocab_size(), lines.eos(), lines.add_bos()), (258, Some(257), false));
}

/// `(added tokens as id, text and whether special; text; its ids; its ids where special tokens are asked for)`, as Hugging Face's
/// `tokenizers` 0.23.3 encodes with `add_special_tokens=False` and `encode_special_tokens` true and false.
type AddedCase =
    (&'static [(u32, &'static str, bool)], &'static [(&'static str, &'static [u32], &'static [u32])]);

#[rustfmt::skip]
const ADDED: [AddedCase; 4] = [
    (
        &[(257, "<tool>", false), (258, "<tool_call>", false), (259, "<|end|>", true), (260, "  ", false), (261, "of the", false)],
        &[
            ("<tool>", &[257], &[257]),
            ("x<tool><tool_call>y", &[87, 257, 258, 88], &[87, 257, 258, 88]),
            ("<tool_calls", &[27, 83, 78, 78, 75, 62, 66, 64, 75, 75, 82], &[27, 83, 78, 78, 75, 62, 66, 64, 75, 75, 82]),
            ("th <|end|> th", &[256, 220, 27, 91, 68, 77, 67, 91, 29, 220, 256], &[256, 220, 259, 220, 256]),
            ("a    b   c", &[64, 260, 260, 65, 260, 220, 66], &[64, 260, 260, 65, 260, 220, 66]),
            ("an end of the th", &[64, 77, 220, 68, 77, 67, 220, 261, 220, 256], &[64, 77, 220, 68, 77, 67, 220, 261, 220, 256]),
            (" <tool> ", &[220, 257, 220], &[220, 257, 220]),
            ("<|end|><tool>", &[27, 91, 68, 77, 67, 91, 29, 257], &[259, 257]),
        ],
    ),
    (
        &[(257, "abc", false), (258, "bcde", false), (259, "ab", false), (260, "c|", false), (261, "|x|", true)],
        &[
            ("abcde", &[257, 67, 68], &[257, 67, 68]),
            ("xabcd", &[87, 257, 67], &[87, 257, 67]),
            ("ab|x|c|", &[259, 91, 87, 91, 260], &[259, 261, 260]),
            ("abc|x|", &[257, 91, 87, 91], &[257, 261]),
            ("bcdeabc", &[258, 257], &[258, 257]),
            ("c|x|", &[260, 87, 91], &[260, 87, 91]),
        ],
    ),
    // Words and bytes of the vocabulary, added once more.
    (
        &[(256, "th", false), (257, "t hé", false)],
        &[
            ("th", &[256], &[256]),
            ("oth th", &[78, 256, 220, 256], &[78, 256, 220, 256]),
            ("t hé tht hé", &[257, 220, 256, 257], &[257, 220, 256, 257]),
            ("Ġth", &[128, 254, 256], &[128, 254, 256]),
        ],
    ),
    (
        &[(257, "\n", false), (64, "a", false)],
        &[
            ("a\n\nb a", &[64, 257, 257, 65, 220, 64], &[64, 257, 257, 65, 220, 64]),
            ("\n ath\n", &[257, 220, 64, 256, 257], &[257, 220, 64, 256, 257]),
        ],
    ),
];

/// An added token as a `tokenizer.json` lists it.
fn added(id: u32, content: &str, special: bool, flags: &str) -> String {
    format!(
        r#"{{"id":{id},"content":{},"special":{special}{flags}}}"#,
        serde_json::to_string(content).unwrap()
    )
}

#[test]
fn json_added_tokens_encode_as_elsewhere() {
    for (tokens, texts) in ADDED {
        let list: Vec<String> =
            tokens.iter().map(|&(id, text, special)| added(id, text, special, "")).collect();
        let edit =
            (r#"{"id":257,"content":"<|endoftext|>","single_word":false,"special":true}"#, &*list.join(","));
        let t = Tokenizer::from_json(json(&[edit]).as_bytes(), "a").unwrap();
        let mut meta = Metadata::new();
        t.to_gguf(&mut meta);
        let back = Tokenizer::from_gguf(&meta).unwrap();
        let (little, map) = t.restrict(&(0..256).collect::<Vec<_>>());
        for &(text, ids, special) in texts {
            assert_eq!(
                (&*t.encode(text), &*t.encode_with_special(text)),
                (ids, special),
                "{text:?} with {tokens:?}"
            );
            assert_eq!(
                (&*back.encode(text), &*back.encode_with_special(text)),
                (ids, special),
                "{text:?} through GGUF"
            );
            let kept: Option<Vec<u32>> = ids.iter().map(|&id| map[id as usize]).collect();
            assert!(kept.is_none_or(|kept| little.encode(text) == kept), "{text:?} in a smaller vocabulary");
        }
    }
}

#[test]
fn json_added_tokens_matched_in_ways_that_gguf_cannot_say_are_refused() {
    let of = |special: bool, flags: &str| {
        let token = added(258, "x y", special, flags);
        let edit = ("\"added_tokens\":[", &*format!("\"added_tokens\":[{token},"));
        Tokenizer::from_json(json(&[edit]).as_bytes(), "a").map_err(|e| e.to_string())
    };
    let whole = of(false, r#","single_word":true"#).unwrap_err();
    assert!(whole.contains("\"x y\" is matched as a whole word only"), "{whole}");
    for flag in ["lstrip", "rstrip"] {
        let why = of(false, &format!(",\"{flag}\":true")).unwrap_err();
        assert!(why.contains("\"x y\" takes the spaces beside it"), "{why}");
        assert!(of(true, &format!(",\"{flag}\":true")).is_ok());
    }
    assert!(of(false, r#","lstrip":false,"rstrip":false,"single_word":false,"normalized":true"#).is_ok());
    let long = added(258, &"x".repeat(257), false, "");
    let edit = ("\"added_tokens\":[", &*format!("\"added_tokens\":[{long},"));
    let why = Tokenizer::from_json(json(&[edit]).as_bytes(), "a").unwrap_err().to_string();
    assert!(why.contains("the name of its token 258 has 257 bytes; at most 256"), "{why}");
}

#[test]
fn json_knows_the_published_splits() {
    let split = |pattern: &str| {
        format!(
            r#"{{"type":"Sequence","pretokenizers":[{{"type":"Split","pattern":{{"Regex":{}}},"behavior":"Isolated","invert":false}},
            {{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}}]}}"#,
            serde_json::to_string(pattern).unwrap()
        )
    };
    let byte_level = r#"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#;
    // As in the tokenizer.json of Qwen3 and of Llama 3.
    let qwen = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let llama = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let nfc = ("\"normalizer\":null", "\"normalizer\":{\"type\":\"NFC\"}");
    let split_of = |edits: &[(&str, &str)]| {
        let t = Tokenizer::from_json(json(edits).as_bytes(), "a").map_err(|e| e.to_string())?;
        let Scheme::ByteLevel { split, .. } = t.parts().scheme else { panic!("of another scheme") };
        Ok::<_, String>(split)
    };
    assert_eq!(split_of(&[(byte_level, &split(qwen)), nfc]), Ok(Split::Qwen2));
    assert_eq!(split_of(&[(byte_level, &split(qwen))]), Ok(Split::DeepseekQwen));
    assert_eq!((split_of(&[]), split_of(&[nfc])), (Ok(Split::Gpt2), Ok(Split::Olmo)));
    // As in SmolLM's.
    let digits = r#"{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},
        {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]}"#;
    assert_eq!(split_of(&[(byte_level, digits)]), Ok(Split::Smollm));
    let why = split_of(&[(byte_level, digits), nfc]).unwrap_err();
    assert!(why.contains("normal form NFC and splits it as smollm, which GGUF cannot say"), "{why}");
    let template = r#""post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<|endoftext|>","type_id":0}},
        {"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{}},"was":{"type":"ByteLevel","#;
    let edits = [
        (byte_level, &*split(llama)),
        ("\"ignore_merges\":false", "\"ignore_merges\":true"),
        ("\"post_processor\":{\"type\":\"ByteLevel\",", template),
    ];
    let t = Tokenizer::from_json(json(&edits).as_bytes(), "a").unwrap();
    assert_eq!((t.bos(), t.add_bos()), (Some(257), true));
    assert_eq!(split_of(&edits), Ok(Split::Llama3));
}

#[test]
fn json_refuses_what_gguf_cannot_say() {
    let cases: [(&[(&str, &str)], &str); 17] = [
        (&[("\"BPE\"", "\"Unigram\"")], "of type \"Unigram\"; only byte-level BPE"),
        (
            &[("\"normalizer\":null", "\"normalizer\":{\"type\":\"Lowercase\"}")],
            "normalizer \"Lowercase\" changes text",
        ),
        (
            &[(
                "\"normalizer\":null",
                "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Strip\"}]}",
            )],
            "\"Strip\"",
        ),
        (&[("\"add_prefix_space\":false", "\"add_prefix_space\":true")], "adds a space before the text"),
        (
            &[("{\"type\":\"ByteLevel\",\"add_prefix_space\":false,", "{\"type\":\"Metaspace\",")],
            "pre-tokenizer is none of those",
        ),
        (&[("\"byte_fallback\":false", "\"byte_fallback\":true")], "SentencePiece"),
        (
            &[("\"continuing_subword_prefix\":\"\"", "\"continuing_subword_prefix\":\"##\"")],
            "prefix or suffix",
        ),
        (&[("\"ignore_merges\":false", "\"ignore_merges\":true")], "ignore_merges = false"),
        (&[("\"dropout\":null", "\"dropout\":0.1")], "model.dropout"),
        (&[("\"t h\"", "\"t h\",\"x y z\"")], "joins \"y z\" in merge 1"),
        (&[("\"t h\"", "\"tooooo long\"")], "joins \"tooooo\" in merge 0"),
        (&[("\"th\":256", "\"th\":255")], "id 255 is both"),
        (&[("\"th\":256", "\"th\":4000000000")], "has the id 4000000000, far beyond"),
        (&[("\"th\":256", "\"th\":-1")], "not the JSON of a BPE tokenizer"),
        (&[("\"t h\"", "7")], "a merge: one string or a pair"),
        (&[("\"!\":0", "\"!!\":0")], "byte 0x21 has no token"),
        (&[("\"model\"", "\"mod\u{7}el\"")], "not the JSON of a BPE tokenizer"),
    ];
    for (edits, expected) in cases {
        let error =
            Tokenizer::from_json(json(edits).as_bytes(), "dir/tokenizer.json").unwrap_err().to_string();
        assert!(
            error.contains(expected) && error.contains("dir/tokenizer.json"),
            "expected ..{expected}.., found: {error}"
        );
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
}

#[test]
fn json_damaged_anywhere_is_an_error_or_a_tokenizer() {
    let sound = json(&[]).into_bytes();
    let mut rng = Rng(4);
    for _ in 0..3000 {
        let mut bytes = sound.clone();
        for _ in 0..1 + rng.below(3) {
            let at = rng.below(bytes.len());
            match rng.below(4) {
                0 => bytes[at] = rng.below(256) as u8,
                1 => bytes.truncate(at.max(1)),
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"\"{}[],:0x\\"[rng.below(10)]),
            }
        }
        if let Ok(t) = Tokenizer::from_json(&bytes, "a") {
            let text = rng.text(6);
            assert_eq!(t.decode(&t.encode(&text)), text);
        }
    }
    let deep = "[".repeat(1 << 20);
    assert!(Tokenizer::from_json(deep.as_bytes(), "a").is_err());
    let deep =
        format!("{{\"pre_tokenizer\":{}", "{\"type\":\"Sequence\",\"pretokenizers\":[".repeat(100_000));
    assert!(Tokenizer::from_json(deep.as_bytes(), "a").is_err());
}
