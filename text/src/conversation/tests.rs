//! What is asked of a model as a conversation goes on, without any model that answers.

use std::path::Path;

use super::*;

const PLAIN: &str = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>";
const CONTEXT: usize = 256;

fn opened(template: &str) -> Opened {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shakespeare.gguf");
    Opened { chat_template: Some(template.to_owned()), ..Opened::open(&path).unwrap() }
}

fn manner(tokens: usize) -> Manner {
    let sampling = Sampling { seed: u64::MAX, ..Sampling::default() };
    Manner { sampling, tokens: Some(tokens), ..Manner::default() }
}

fn play() -> Option<Names> {
    Some(Names::default())
}

/// The prompt of what is said, as text.
fn said(talk: &mut Conversation<'_>, words: &str) -> String {
    let ask = talk.say(words).unwrap();
    talk.opened.tokenizer.decode(&ask.request.prompt)
}

#[test]
fn conversation_takes_answers_in_and_forgets_what_had_none() {
    let opened = opened(PLAIN);
    let mut talk = Conversation::new(&opened, CONTEXT, manner(50));
    assert_eq!(said(&mut talk, "one"), "<user>one\n<assistant>");
    // Nobody answered that.
    assert_eq!(said(&mut talk, "two"), "<user>two\n<assistant>");
    talk.answered("second");
    talk.answered("an answer to nothing");
    assert_eq!(said(&mut talk, "three"), "<user>two\n<assistant>second\n<user>three\n<assistant>");
    talk.reset();
    talk.answered("an answer to what is forgotten");
    assert_eq!((said(&mut talk, "four").as_str(), talk.reply()), ("<user>four\n<assistant>", None));
}

#[test]
fn conversation_draws_each_answer_by_the_next_seed() {
    let opened = opened(PLAIN);
    let mut talk = Conversation::new(&opened, CONTEXT, manner(50));
    let seeds = [(); 3].map(|()| talk.say("again").unwrap().request.sampling.seed);
    assert_eq!(seeds, [u64::MAX, 0, 1]);
}

#[test]
fn conversation_is_as_it_was_where_a_template_refuses_what_is_said() {
    let moody = format!(
        "{{% if messages[-1].content == 'no' %}}{{{{ raise_exception('why not') }}}}{{% endif %}}{PLAIN}"
    );
    let opened = opened(&moody);
    let mut talk = Conversation::new(&opened, CONTEXT, manner(50));
    talk.say("yes").unwrap();
    talk.answered("good");
    assert!(talk.say("no").unwrap_err().to_string().contains("why not"));
    let ask = talk.say("yes").unwrap();
    assert_eq!(ask.request.sampling.seed, 0);
    let text = opened.tokenizer.decode(&ask.request.prompt);
    assert_eq!(text, "<user>yes\n<assistant>good\n<user>yes\n<assistant>");
}

#[test]
fn conversation_leaves_room_for_an_answer() {
    let opened = opened(PLAIN);
    for play in [None, play()] {
        for (tokens, most) in [(56, 200), (1024, 128)] {
            let mut talk =
                Conversation::new(&opened, CONTEXT, Manner { play: play.clone(), ..manner(tokens) });
            for i in 0..30 {
                let ask = talk.say(&format!("question {i}")).unwrap();
                assert!(ask.request.prompt.len() <= most, "{i}: {}", ask.request.prompt.len());
                talk.answered(&format!("answer {i}"));
            }
            let text = said(&mut talk, "the last");
            let begins = if play.is_some() { "ROMEO:\nquestion" } else { "<user>question" };
            assert!(text.contains("answer 29") && !text.contains("question 0"), "{text}");
            assert!(text.starts_with(begins) || text.starts_with("JULIET:\nanswer"), "{text}");
            // A single turn that is too long leaves its end.
            let ask = talk.say(&"long ".repeat(400)).unwrap();
            assert_eq!(ask.request.prompt.len(), most);
        }
    }
}

#[test]
fn conversation_as_a_play_sets_speeches_and_ends_at_a_blank_line_or_a_stop_string() {
    let opened = opened(PLAIN);
    let manner = Manner { play: play(), stop: vec!["END".into()], tokens: None, ..manner(0) };
    let mut talk = Conversation::new(&opened, CONTEXT, manner);
    assert_eq!(
        (said(&mut talk, "But soft"), talk.reply()),
        ("ROMEO:\nBut soft\n\nJULIET:\n".into(), Some("JULIET"))
    );
    talk.answered("Ay me!\n");
    let ask = talk.say("She speaks").unwrap();
    let text = opened.tokenizer.decode(&ask.request.prompt);
    assert_eq!(text, "ROMEO:\nBut soft\n\nJULIET:\nAy me!\n\nROMEO:\nShe speaks\n\nJULIET:\n");
    assert_eq!(ask.request.max_tokens, SPEECH_TOKENS);
    for (written, left) in [("Ay me!\n\nROMEO", "Ay me!"), ("the END", "the ")] {
        assert_eq!(ask.stops.clone().push(written), left);
    }
}

#[test]
fn conversation_by_turns_answers_at_length_and_no_longer_than_half_a_context() {
    let opened = opened(PLAIN);
    let longest = |context, tokens| {
        let mut talk = Conversation::new(&opened, context, Manner { tokens, ..Manner::default() });
        talk.say("hello").unwrap().request.max_tokens
    };
    assert_eq!([longest(255, None), longest(1 << 16, None), longest(255, Some(7))], [128, ANSWER_TOKENS, 7]);
}
