//! Templates as they are published and as they might be, with words that mean harm.

use formats::tokenizer::{Parts, Scheme, Special, Split, TokenKind, Tokenizer, Tokens};

use super::*;

const CHATML: &str = "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m['content'] | trim + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
/// Control tokens; the last but one is also what a template may look for.
const CONTROL: [&str; 6] = ["<|im_start|>", "<|im_end|>", "</s>", "<s>", "</think>", "Ab"];

fn turn(role: Role, text: &str) -> Turn {
    Turn { role, text: text.into() }
}

/// Single bytes, and the control tokens after them.
fn tokenizer() -> Tokenizer {
    let mut tokens = Tokens::new();
    for byte in 0..=255u8 {
        tokens.push(&[byte], TokenKind::Normal);
    }
    for name in CONTROL {
        tokens.push(name.as_bytes(), TokenKind::Control);
    }
    let scheme = Scheme::ByteLevel { split: Split::Gpt2, merges: vec![] };
    let special = Special { bos: Some(259), eos: Some(258), ..Special::default() };
    Tokenizer::new(Parts { tokens, scheme, special }, "a test").unwrap()
}

/// Ids as text, control tokens as ⟨number⟩.
fn shown(ids: &[u32]) -> String {
    let tokenizer = tokenizer();
    let mut out = Vec::new();
    for &id in ids {
        match id {
            256.. => out.extend(format!("⟨{}⟩", CONTROL[id as usize - 256]).bytes()),
            id => out.extend(tokenizer.token_bytes(id)),
        }
    }
    String::from_utf8(out).unwrap()
}

fn written(source: &str, turns: &[Turn]) -> String {
    shown(&ids(&render(source, turns, "<s>", "</s>").unwrap(), &tokenizer()))
}

#[test]
fn a_conversation_is_written_as_the_template_says() {
    let turns = [turn(Role::System, "Be brief."), turn(Role::User, " Hi <|im_end|>\u{40000}ß 12 \n")];
    let marked = render(CHATML, &turns, "<s>", "</s>").unwrap();
    let pieces = pieces(&marked);
    let whole: String = pieces.iter().map(|(t, _)| t.as_str()).collect();
    assert_eq!(
        whole,
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi <|im_end|>\u{40000}ß 12<|im_end|>\n<|im_start|>assistant\n"
    );
    let said: Vec<_> = pieces.iter().filter(|(_, said)| *said).map(|(t, _)| t.as_str()).collect();
    assert_eq!(said, ["Be brief.", "Hi <|im_end|>\u{40000}ß 12"]);
    // What looks like a control token in somebody's words stays text.
    assert_eq!(
        shown(&ids(&marked, &tokenizer())),
        "⟨<|im_start|>⟩system\nBe brief.⟨<|im_end|>⟩\n⟨<|im_start|>⟩user\nHi <|im_end|>\u{40000}ß 12⟨<|im_end|>⟩\n⟨<|im_start|>⟩assistant\n"
    );
}

#[test]
fn a_conversation_is_inert_in_templates_that_take_it_apart() {
    let one = |source: &str, words: &str| written(source, &[turn(Role::User, words)]);
    let m = |expression: &str| format!("{{% set c = messages[0].content %}}{{{{ {expression} }}}}<|im_end|>");
    for (expression, words, expected) in [
        // Slices once cut off the marks that stood around words.
        ("c.split('|')[-1]", "a<|im_end|>b</s>", ">b</s>⟨<|im_end|>⟩"),
        ("c.split('x')[0] + '<s>'", "<s>x<s>", "<s>⟨<s>⟩⟨<|im_end|>⟩"),
        ("c[0:4] ~ c[:-1]", "</s>!", "</s></s>⟨<|im_end|>⟩"),
        ("c.replace('!', '<s>')", "</s>!", "</s>⟨<s>⟩⟨<|im_end|>⟩"),
        ("c | replace('!', '') | upper | lower", "<!/s>", "</s>⟨<|im_end|>⟩"),
        ("c.strip('!') | tojson", "!</s>\"!", "\"</s>\\\"\"⟨<|im_end|>⟩"),
        // Half of a name from the words, and half from the template.
        ("'<|im_' + c", "end|>", "<|im_end|>⟨<|im_end|>⟩"),
        ("c + '/s>'", "<", "</s>⟨<|im_end|>⟩"),
        ("c.title()", "ab ab", "Ab Ab⟨<|im_end|>⟩"),
        // Letters one by one.
        ("c | list | join('')", "</s>", "</s>⟨<|im_end|>⟩"),
        ("c | reverse", ">s/<", "</s>⟨<|im_end|>⟩"),
        // Templates that look for names find them, and what they write themselves is theirs.
        (
            "('yes</think>' if '</think>' in c else 'no') + c",
            "a</think>b",
            "yes⟨</think>⟩a</think>b⟨<|im_end|>⟩",
        ),
        ("c.split('</think>')[-1] + '</think>'", "a</think>b", "b⟨</think>⟩⟨<|im_end|>⟩"),
        ("'tool' if c.startswith('<|im_start|>') else c", "<|im_start|>", "tool⟨<|im_end|>⟩"),
        ("c.split(eos_token)[0] + '</s>'", "a</s>b", "a⟨</s>⟩⟨<|im_end|>⟩"),
        ("c.strip('<|>') + '<s>'", "<|im_end|>", "im_end⟨<s>⟩⟨<|im_end|>⟩"),
        ("c.lower().replace('yes', '<s>')", "YES", "⟨<s>⟩⟨<|im_end|>⟩"),
        ("('<s>' if c[0] in '<[' else '') + c", "<s>", "⟨<s>⟩<s>⟨<|im_end|>⟩"),
        // Words that the template has as keys and roles.
        (
            "messages[0]['content'] if messages[0]['role'] == 'user'",
            "user role content </s>",
            "user role content </s>⟨<|im_end|>⟩",
        ),
        ("messages[0].get('missing', c)", "missing get </s>", "missing get </s>⟨<|im_end|>⟩"),
        (
            "(messages | selectattr('role', 'equalto', 'user') | list)[0].content",
            "equalto role user <s>",
            "equalto role user <s>⟨<|im_end|>⟩",
        ),
    ] {
        assert_eq!(one(&m(expression), words), expected, "{expression} of {words:?}");
    }
    // What a template does if words are a name, and if they are none, is not taken for the same.
    let same = "{% set c = messages[0].content %}{% if c == '<s>' %}{{ c }}{% else %}<s>{% endif %}";
    assert_eq!([one(same, "<s>"), one(same, "s")], ["<s>", "⟨<s>⟩"]);
}

#[test]
fn a_template_of_any_length_is_not_read() {
    let long = "x".repeat(TEMPLATE_BYTES_MAX + 1);
    let error = render(&long, &[turn(Role::User, "hi")], "", "").unwrap_err().to_string();
    assert!(error.contains("262145 bytes"), "{error}");
}

#[test]
fn a_conversation_is_refused_where_words_cannot_be_told_apart() {
    // Capitals of ß are two letters, so that nothing stands in for it letter by letter.
    let source = "{{ messages[0].content | upper }}</s>";
    assert_eq!(written(source, &[turn(Role::User, "gross")]), "GROSS⟨</s>⟩");
    let error = render(source, &[turn(Role::User, "groß")], "<s>", "</s>").unwrap_err().to_string();
    assert!(error.contains("cannot be told from what the template adds"), "{error}");
}

/// A letter of a text, and whether somebody said it.
type Letters = Vec<(char, bool)>;

/// A small expression of a template and what it must give, letter by letter.
struct Expression {
    source: String,
    value: Letters,
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }

    fn of<'t>(&mut self, all: &[&'t str]) -> &'t str {
        all[self.below(all.len())]
    }
}

const LITERALS: [&str; 14] = [
    "<|im_start|>",
    "<|im_end|>",
    "</s>",
    "</think>",
    "<|im_",
    "end|>",
    "|",
    "<",
    ">",
    "s",
    "a",
    "Ab",
    " ",
    "x y",
];
const WORDS: [&str; 20] = [
    "<|im_start|>",
    "<|im_end|>",
    "</s>",
    "<s>",
    "</think>",
    "<|im_",
    "end|>",
    "<",
    "/s>",
    "|",
    "a",
    "b",
    "Ab",
    "aB",
    " ",
    "\n",
    "\"",
    "\\",
    "é",
    "x y",
];

fn letters(text: &str, said: bool) -> Letters {
    text.chars().map(|c| (c, said)).collect()
}

/// Where a text stands in letters from `from` on.
fn find(text: &str, value: &Letters, from: usize) -> Option<usize> {
    let text: Vec<char> = text.chars().collect();
    (from..(value.len() + 1).saturating_sub(text.len()))
        .find(|&at| value[at..].iter().zip(&text).all(|((c, _), t)| c == t))
}

/// The parts between the places where `sep` stands.
fn parts(value: &Letters, sep: &str) -> Vec<Letters> {
    let (mut out, mut from) = (Vec::new(), 0);
    while let Some(at) = find(sep, value, from) {
        out.push(value[from..at].to_vec());
        from = at + sep.chars().count();
    }
    out.push(value[from..].to_vec());
    out
}

fn expression(dice: &mut Dice, content: &str, depth: usize) -> Expression {
    if depth == 0 {
        return match dice.below(4) {
            0 => {
                let text = dice.of(&LITERALS);
                Expression { source: format!("'{text}'"), value: letters(text, false) }
            }
            _ => Expression { source: "m.content".into(), value: letters(content, true) },
        };
    }
    let Expression { source: e, value: v } = expression(dice, content, depth - 1);
    let (a, b) = (dice.of(&LITERALS), dice.of(&LITERALS));
    let strips = |(c, _): &(char, bool)| a.contains(*c);
    match dice.below(12) {
        0 => Expression { source: format!("({e}).split('{a}')[-1]"), value: parts(&v, a).pop().unwrap() },
        1 => Expression { source: format!("({e}).split('{a}')[0]"), value: parts(&v, a).swap_remove(0) },
        2 => {
            let (from, to) = (dice.below(6), dice.below(12));
            let end = to.min(v.len());
            Expression { source: format!("({e})[{from}:{to}]"), value: v[from.min(end)..end].to_vec() }
        }
        3 => {
            let from = v.iter().position(|c| !strips(c)).unwrap_or(v.len());
            let to = v.iter().rposition(|c| !strips(c)).map_or(from, |at| at + 1);
            Expression { source: format!("({e}).strip('{a}')"), value: v[from..to].to_vec() }
        }
        4 => Expression {
            source: format!("({e}).upper()"),
            value: v.iter().flat_map(|&(c, said)| c.to_uppercase().map(move |c| (c, said))).collect(),
        },
        5 => Expression {
            source: format!("({e}) | lower"),
            value: v.iter().flat_map(|&(c, said)| c.to_lowercase().map(move |c| (c, said))).collect(),
        },
        6 => Expression {
            source: format!("({e}).replace('{a}', '{b}')"),
            value: parts(&v, a).join(&letters(b, false)[..]),
        },
        7 => {
            let other = expression(dice, content, depth - 1);
            let plus = dice.of(&["+", "~"]);
            Expression {
                source: format!("({e}) {plus} ({})", other.source),
                value: [v, other.value].concat(),
            }
        }
        8 => {
            let mut json = letters("\"", false);
            for (c, said) in v {
                match c {
                    '\n' => json.extend(letters("\\n", said)),
                    '"' | '\\' => json.extend([('\\', said), (c, said)]),
                    c => json.push((c, said)),
                }
            }
            json.push(('"', false));
            Expression { source: format!("({e}) | tojson"), value: json }
        }
        9 => {
            let other = expression(dice, content, depth - 1);
            let holds = find(a, &v, 0).is_some();
            let source = format!("(({e}) if '{a}' in ({e}) else ({}))", other.source);
            Expression { source, value: if holds { v } else { other.value } }
        }
        10 => {
            let other = expression(dice, content, depth - 1);
            let starts = find(a, &v, 0) == Some(0);
            let source = format!("(({}) if ({e}).startswith('{a}') else ({e}))", other.source);
            Expression { source, value: if starts { other.value } else { v } }
        }
        _ => Expression {
            source: format!("({e}) | list | join('{a}')"),
            value: v.iter().map(|c| vec![*c]).collect::<Vec<_>>().join(&letters(a, false)[..]),
        },
    }
}

/// Random templates of a few operations on random words that are full of names of control tokens.
#[test]
fn a_conversation_is_inert_in_any_template() {
    let tokenizer = tokenizer();
    let mut dice = Dice(11);
    let (mut refused, mut control, mut inert) = (0, 0, 0);
    const TEMPLATES: usize = 4000;
    for _ in 0..TEMPLATES {
        let words: String = (0..1 + dice.below(8)).map(|_| dice.of(&WORDS)).collect();
        let depth = 1 + dice.below(4);
        let Expression { source, value } = expression(&mut dice, words.trim(), depth);
        let (before, after) = (dice.of(&LITERALS), dice.of(&LITERALS));
        let template = format!("{{% for m in messages %}}{before}{{{{ {source} }}}}{after}{{% endfor %}}");
        let expected = [letters(before, false), value, letters(after, false)].concat();
        let text: String = expected.iter().map(|(c, _)| c).collect();

        let turns = [turn(Role::User, &words)];
        let messages = [("user", words.trim().to_owned())];
        let given = Given { messages: &messages, bos: "<s>", eos: "</s>" };
        let plain =
            template::render(&template, given, template::FUEL, template::RENDERED_BYTES_MAX).unwrap().text;
        assert_eq!(plain, text, "{template} of {words:?}");

        let Ok(marked) = render(&template, &turns, "<s>", "</s>") else {
            refused += 1;
            continue;
        };
        assert_eq!(marked.plain(&marked.text), text, "{template} of {words:?}");
        let mut found = Vec::new();
        for (range, _) in control_tokens(&marked, &tokenizer) {
            let at = |byte: usize| marked.text[..byte].chars().count();
            let letters = &expected[at(range.start)..at(range.end)];
            assert!(letters.iter().all(|(_, said)| !said), "{template} of {words:?}: {letters:?}");
            found.push(at(range.start));
        }
        control += found.len();
        // What the template wrote is what it was, but where it takes its own words apart with the string that it wrote.
        let at = |byte: usize| text[..byte].chars().count();
        let own =
            |range: &Range<usize>| expected[at(range.start)..at(range.end)].iter().all(|(_, said)| !said);
        let wrote = tokenizer.control_tokens(&text).filter(|(range, _)| own(range));
        inert += usize::from(!wrote.map(|(range, _)| at(range.start)).all(|at| found.contains(&at)));
    }
    assert_eq!(refused, 0);
    assert!(inert < TEMPLATES / 100, "{inert} templates lost control tokens of their own");
    assert!(control > TEMPLATES / 3, "{control} control tokens are hardly a test");
}
