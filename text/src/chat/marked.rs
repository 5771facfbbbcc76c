//! A conversation rendered so that what people say can be told from what the template adds, whatever the template does with it.
//!
//! The template runs on stand-ins of the words. A string that it looks for in them (`'</think>' in content`) is in stand-ins too, so that
//! it finds what it would have found; one that it writes is not. Which is which is found out by trying. A rendering counts only if, with
//! every stand-in taken back, it is to the letter what the template makes of the words themselves.

use std::ops::Range;

use super::literals::{encode, literals, value};
use super::stand_ins::StandIns;
use super::template::{FUEL, Given, Made, RENDERED_BYTES_MAX, render};
use crate::error::{Error, Result};

/// Renderings that may be tried, and bytes of template that they compile together.
const TRIES: usize = 400;
const COMPILED_BYTES: usize = 16 << 20;
/// Steps that all of them may take.
const TRIES_FUEL: u64 = 16 * FUEL;
/// Strings of a template that are compared with what we pass besides words.
const OURS: [&str; 5] = ["role", "content", "system", "user", "assistant"];

/// A rendered conversation. What comes of somebody's words is in stand-ins, but for white space, quotes and backslashes.
#[derive(Debug)]
pub struct Marked {
    /// The text.
    pub text: String,
    /// The stand-ins in it.
    pub stand_ins: StandIns,
}

impl Marked {
    /// The template's text of these messages.
    ///
    /// # Errors
    /// What the template says to them; one that takes words apart in a way that its own text cannot be told from theirs.
    pub fn render(source: &str, given: Given<'_>) -> Result<Marked> {
        let plain = render(source, given, FUEL, RENDERED_BYTES_MAX)?;
        let said = || given.messages.iter().map(|(_, words)| &words[..]);
        let marked = StandIns::new(said(), &[source, given.bos, given.eos]).and_then(|stand_ins| {
            let others = StandIns::new(said(), &[source, given.bos, given.eos, &stand_ins.all()])?;
            let text = Search::new(source, given, [&stand_ins, &others], &plain).text()?;
            Some(Marked { text, stand_ins })
        });
        let problem = "what is said cannot be told from what the template adds to it; leave names of control tokens out of it";
        marked.ok_or_else(|| Error::Template { problem: problem.to_owned() })
    }

    /// Whether any of this part of the text comes of somebody's words.
    pub fn is_said(&self, part: &str) -> bool {
        part.chars().any(|c| self.stand_ins.original(c).is_some())
    }

    /// A part of the text as it is.
    pub fn plain(&self, part: &str) -> String {
        self.stand_ins.decode(part)
    }
}

/// Something of the template's that it may look into words with.
struct Probe {
    place: Place,
    spelled: Spelled,
}

/// Where it stands.
enum Place {
    /// Between quotes in the source.
    Source(Range<usize>),
    /// In what the template is given: the names of its tokens.
    Bos,
    Eos,
}

/// What it is written in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelled {
    /// As it is.
    Plain,
    /// In the stand-ins of the words: it is looked for in them.
    Words,
    /// In others, which nothing else is in: it is written, and seen to be.
    Others,
}

/// How well a rendering goes with the plain one: how many characters do from the start on, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Until(usize),
    Whole,
}

/// A rendering that was tried.
struct Tried {
    fit: Fit,
    text: String,
}

struct Search<'a> {
    source: &'a str,
    given: Given<'a>,
    /// The messages in stand-ins.
    messages: Vec<(&'static str, String)>,
    /// Of the words, and others.
    stand_ins: [&'a StandIns; 2],
    plain: &'a str,
    probes: Vec<Probe>,
    tries: usize,
    fuel: u64,
}

impl<'a> Search<'a> {
    fn new(source: &'a str, given: Given<'a>, stand_ins: [&'a StandIns; 2], plain: &'a Made) -> Self {
        let messages =
            given.messages.iter().map(|(role, words)| (*role, stand_ins[0].encode(words))).collect();
        let places = literals(source).into_iter().map(Place::Source).chain([Place::Bos, Place::Eos]);
        // A stand-in has up to four times the bytes of what it stands for.
        let fuel = 4 * plain.fuel + 1000;
        Search {
            source,
            given,
            messages,
            stand_ins,
            plain: &plain.text,
            probes: places.map(|place| Probe { place, spelled: Spelled::Plain }).collect(),
            tries: TRIES.min(COMPILED_BYTES / source.len().max(1)).min((TRIES_FUEL / fuel) as usize),
            fuel,
        }
    }

    /// The rendering that fits.
    fn text(mut self) -> Option<String> {
        // Strings that are in the words; then those that have a letter in common with them: whatever is cut out of words.
        for candidate in [Search::is_in_words, Search::has_letters_of_words] {
            for i in 0..self.probes.len() {
                let is = candidate(&self, &self.value(&self.probes[i].place));
                self.probes[i].spelled = if is { Spelled::Words } else { Spelled::Plain };
            }
            let mut best = self.attempt()?;
            self.spell_keys_plain(&mut best)?;
            if best.fit == Fit::Whole {
                self.spell_written_apart(&mut best)?;
                return Some(best.text.chars().map(|c| self.stand_ins[1].original(c).unwrap_or(c)).collect());
            }
        }
        None
    }

    /// Finds strings that must not be in stand-ins: keys, roles and the like.
    fn spell_keys_plain(&mut self, best: &mut Tried) -> Option<()> {
        loop {
            let before = best.fit;
            for i in 0..self.probes.len() {
                if best.fit == Fit::Whole {
                    return Some(());
                }
                if self.probes[i].spelled == Spelled::Words {
                    self.probes[i].spelled = Spelled::Plain;
                    let tried = self.attempt()?;
                    if tried.fit > best.fit {
                        *best = tried;
                    } else {
                        self.probes[i].spelled = Spelled::Words;
                    }
                }
            }
            if best.fit == before {
                return Some(());
            }
        }
    }

    /// Finds strings that are written rather than looked for: in other stand-ins nothing changes but the places where they are.
    fn spell_written_apart(&mut self, best: &mut Tried) -> Option<()> {
        for i in 0..self.probes.len() {
            if self.probes[i].spelled == Spelled::Words {
                self.probes[i].spelled = Spelled::Others;
                let tried = self.attempt()?;
                if tried.fit == Fit::Whole && self.is_written_apart(&tried.text, &best.text) {
                    *best = tried;
                } else {
                    self.probes[i].spelled = Spelled::Words;
                }
            }
        }
        Some(())
    }

    fn is_written_apart(&self, now: &str, before: &str) -> bool {
        let [words, others] = self.stand_ins;
        let apart = |now, before| others.original(now).is_some() && words.original(before).is_some();
        let both = || now.chars().zip(before.chars()).filter(|(now, before)| now != before);
        both().next().is_some() && both().all(|(now, before)| apart(now, before))
    }

    fn value(&self, place: &Place) -> String {
        match place {
            Place::Source(range) => value(&self.source[range.clone()]),
            Place::Bos => self.given.bos.to_owned(),
            Place::Eos => self.given.eos.to_owned(),
        }
    }

    fn is_in_words(&self, value: &str) -> bool {
        self.has_letters_of_words(value) && self.given.messages.iter().any(|(_, words)| words.contains(value))
    }

    fn has_letters_of_words(&self, value: &str) -> bool {
        !OURS.contains(&value) && value.chars().any(|c| self.stand_ins[0].of(c) != c)
    }

    /// Renders with the probes as they are spelled; `None` if there were enough tries.
    fn attempt(&mut self) -> Option<Tried> {
        self.tries = self.tries.checked_sub(1)?;
        let mut source = String::with_capacity(self.source.len());
        let (mut bos, mut eos, mut from) = (self.given.bos.to_owned(), self.given.eos.to_owned(), 0);
        for probe in &self.probes {
            let stand_ins = match probe.spelled {
                Spelled::Plain => continue,
                Spelled::Words => self.stand_ins[0],
                Spelled::Others => self.stand_ins[1],
            };
            match &probe.place {
                Place::Source(range) => {
                    source.push_str(&self.source[from..range.start]);
                    source.push_str(&encode(&self.source[range.clone()], stand_ins));
                    from = range.end;
                }
                Place::Bos => bos = stand_ins.encode(&bos),
                Place::Eos => eos = stand_ins.encode(&eos),
            }
        }
        source.push_str(&self.source[from..]);
        let given = Given { messages: &self.messages, bos: &bos, eos: &eos };
        // A template that fails on stand-ins went another way than it did with the words.
        let text = render(&source, given, self.fuel, 4 * RENDERED_BYTES_MAX)
            .map_or_else(|_| String::new(), |m| m.text);
        Some(Tried { fit: self.fit(&text), text })
    }

    fn fit(&self, text: &str) -> Fit {
        let mut same = 0;
        let mut plain = self.plain.chars();
        for c in text.chars() {
            let original = self.stand_ins.iter().find_map(|s| s.original(c));
            if plain.next() != Some(original.unwrap_or(c)) {
                return Fit::Until(same);
            }
            same += 1;
        }
        if plain.next().is_none() { Fit::Whole } else { Fit::Until(same) }
    }
}
