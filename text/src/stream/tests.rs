//! Texts out of events that a script tells in an engine's place, and one out of a real engine.

use std::collections::VecDeque;
use std::path::Path;

use formats::tokenizer::{Parts, Scheme, Special, Split, TokenKind, Tokens};
use runtime::engine::EngineOptions;
use runtime::request::WhenFull;
use runtime::sampler::Sampling;

use super::*;
use crate::Opened;

/// Ids behind the single bytes.
const THE: u32 = 256;
const END: u32 = 257;

/// Single bytes, a word, and what ends a text.
fn tokenizer() -> Tokenizer {
    let mut tokens = Tokens::new();
    for byte in 0..=255u8 {
        tokens.push(&[byte], TokenKind::Normal);
    }
    tokens.push(b"the ", TokenKind::Normal);
    tokens.push(b"<end>", TokenKind::Control);
    let scheme = Scheme::ByteLevel { split: Split::Gpt2, merges: vec![] };
    let special = Special { eos: Some(END), ..Special::default() };
    Tokenizer::new(Parts { tokens, scheme, special }, "a test").unwrap()
}

/// Tells a list of events; `None` in it is a moment in which there is nothing to tell.
#[derive(Default)]
struct Script {
    events: VecDeque<Option<Event>>,
    cancelled: usize,
    /// The device fails once so many events are left.
    fault_at: Option<usize>,
}

impl Source for Script {
    fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front()? {
                return Some(event);
            }
        }
    }

    fn try_event(&mut self) -> Poll<Option<Event>> {
        match self.events.pop_front() {
            Some(Some(event)) => Poll::Ready(Some(event)),
            Some(None) => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Option<Event>> {
        self.try_event()
    }

    fn cancel(&mut self) {
        self.cancelled += 1;
    }

    fn fault(&self) -> Option<String> {
        self.fault_at.filter(|&left| self.events.len() <= left).map(|_| "the card is gone".into())
    }
}

fn script(ids: &[u32], last: Option<Event>) -> Script {
    let tokens = ids.iter().map(|&id| Some(Event::Token { id, log_probs: None }));
    Script { events: tokens.chain(last.map(Some)).collect(), ..Script::default() }
}

fn bytes(text: &str) -> Vec<u32> {
    text.bytes().map(u32::from).collect()
}

fn done(finish: Finish) -> Option<Event> {
    Some(Event::Done { finish, stats: Stats { generated_tokens: 3, ..Stats::default() } })
}

/// What a stream gives until its end: ids, text, and the end.
fn read(stream: &mut TextStream<'_, Script>) -> (Vec<u32>, String, End) {
    let (mut ids, mut text) = (Vec::new(), String::new());
    for piece in &mut *stream {
        match piece {
            Piece::Prefill { .. } | Piece::Scored { .. } => {}
            Piece::Token { id, text: growth, .. } => {
                ids.push(id);
                text.push_str(&growth.certain);
            }
            Piece::End(end) => {
                text.push_str(&end.text.certain);
                assert!(stream.next().is_none() && stream.try_next().is_ready());
                return (ids, text, end);
            }
        }
    }
    panic!("no end came");
}

#[test]
fn stream_ends_as_the_engine_says() {
    let tokenizer = tokenizer();
    for (finish, ending) in [
        (Finish::Length, Ending::Length),
        (Finish::Stop(END), Ending::Model),
        (Finish::Context, Ending::Context),
        (Finish::Cancelled, Ending::Cancelled),
    ] {
        let ids = [&[THE][..], &bytes("né\n")].concat();
        let mut stream = TextStream::of(script(&ids, done(finish)), &tokenizer, Stops::new(["\n\n"]));
        let (told, text, end) = read(&mut stream);
        assert_eq!((told, text.as_str()), (ids, "the né\n"));
        let (how, stats) = end.how.unwrap();
        assert_eq!((how, stats.generated_tokens, end.fault), (ending, 3, None));
        assert_eq!(stream.source.cancelled, 0);
    }
}

#[test]
fn stream_ends_at_a_stop_string_cancels_the_rest_and_gives_none_of_it() {
    let tokenizer = tokenizer();
    // Across tokens, with the rest on its way; and at the very end, where the engine is through before it hears of it.
    for (rest, finish) in [("lost", Finish::Cancelled), ("", Finish::Length)] {
        let ids = [&[THE][..], &bytes("é"), &bytes("é!")].concat();
        let all = [&ids[..], &bytes(rest)].concat();
        let mut source = script(&all, done(finish));
        source.events.insert(ids.len(), Some(Event::Prefill { done: 1, total: 2 }));
        let mut stream = TextStream::of(source, &tokenizer, Stops::new(["é!"]));
        let (told, text, end) = read(&mut stream);
        assert_eq!((told, text.as_str()), (ids, "the é"));
        assert_eq!(end.how.unwrap().0, Ending::Stop("é!".into()));
        assert_eq!((end.text, stream.source.cancelled), (Growth::default(), 1));
    }
}

#[test]
fn stream_gives_what_it_held_back_whatever_ends_it() {
    let tokenizer = tokenizer();
    let panic = || Event::Error(runtime::Error::Panic { message: "of glass".into() });
    for (last, words) in [(done(Finish::Cancelled), ""), (Some(panic()), "of glass"), (None, "has stopped")] {
        // An unfinished character, and what could begin a stop string.
        let ids = [bytes("a\n"), vec![0xf0, 0x9f]].concat();
        let mut stream = TextStream::of(script(&ids, last), &tokenizer, Stops::new(["\n\u{fffd}\n"]));
        let (_, text, end) = read(&mut stream);
        assert_eq!(text, "a\n\u{fffd}");
        assert_eq!((end.text.certain.as_str(), end.text.decoded.as_str()), ("\n\u{fffd}", "\u{fffd}"));
        let said = end.how.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(said.contains(words) && said.is_empty() == words.is_empty(), "{said}");
    }
}

#[test]
fn stream_tells_of_a_device_that_failed_meanwhile_and_of_no_older_one() {
    let tokenizer = tokenizer();
    let ids = bytes("abc");
    for (fault_at, told) in [(None, None), (Some(9), None), (Some(1), Some("the card is gone"))] {
        let source = Script { fault_at, ..script(&ids, done(Finish::Length)) };
        let (_, text, end) = read(&mut TextStream::of(source, &tokenizer, Stops::default()));
        assert_eq!((text.as_str(), end.fault.as_deref()), ("abc", told));
    }
}

#[test]
fn stream_that_is_asked_does_not_wait() {
    let tokenizer = tokenizer();
    let mut source = script(&bytes("ab"), done(Finish::Length));
    source.events.insert(1, None);
    source.events.push_front(Some(Event::Prefill { done: 4, total: 4 }));
    let mut stream = TextStream::of(source, &tokenizer, Stops::default());
    assert!(matches!(stream.try_next(), Poll::Ready(Some(Piece::Prefill { done: 4, total: 4 }))));
    assert!(matches!(stream.try_next(), Poll::Ready(Some(Piece::Token { id: 97, .. }))));
    assert!(stream.try_next().is_pending());
    assert!(matches!(stream.try_next(), Poll::Ready(Some(Piece::Token { id: 98, .. }))));
    assert!(matches!(stream.try_next(), Poll::Ready(Some(Piece::End(_)))));
    assert!(matches!(stream.try_next(), Poll::Ready(None)));
}

#[test]
fn stream_of_an_engine_stops_cancels_and_joins_to_what_its_ids_decode_to() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shakespeare.gguf");
    let opened = Opened::open(&path).unwrap();
    let options = EngineOptions { threads: Some(1), ..EngineOptions::default() };
    let engine = Engine::start(opened.model.clone(), options).unwrap();
    let request = |max_tokens| GenerateRequest {
        prompt: opened.prompt_ids("ROMEO:"),
        max_tokens,
        sampling: Sampling::greedy(),
        stop: Vec::new(),
        when_full: WhenFull::Slide,
        log_probs: None,
        ..GenerateRequest::default()
    };
    let write = |max_tokens, stops: &[&str], cancel_at: Option<usize>| {
        let stops = Stops::new(stops.iter().copied());
        let mut stream = TextStream::start(&engine, &opened.tokenizer, request(max_tokens), stops).unwrap();
        let canceller = stream.canceller();
        let (mut ids, mut text, mut how) = (Vec::new(), String::new(), None);
        for piece in &mut stream {
            match piece {
                Piece::Prefill { .. } | Piece::Scored { .. } => {}
                Piece::Token { id, text: growth, .. } => {
                    ids.push(id);
                    text.push_str(&growth.certain);
                    if cancel_at == Some(ids.len()) {
                        canceller.cancel();
                    }
                }
                Piece::End(end) => {
                    text.push_str(&end.text.certain);
                    how = Some(end.how.unwrap().0);
                }
            }
        }
        (ids, text, how.unwrap())
    };
    let (ids, whole, how) = write(40, &[], None);
    assert_eq!((ids.len(), how), (40, Ending::Length));
    assert_eq!(whole, opened.tokenizer.decode(&ids));
    let word = whole.split_whitespace().nth(4).unwrap();
    let (fewer, text, how) = write(100_000, &[word], None);
    assert_eq!((text.as_str(), how), (&whole[..whole.find(word).unwrap()], Ending::Stop(word.into())));
    assert!(ids.starts_with(&fewer));
    assert_eq!(write(100_000, &[], Some(3)).2, Ending::Cancelled);
}
