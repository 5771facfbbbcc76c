//! A text as a file: plain, as Markdown, or as JSON with everything needed to write it again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use formats::atomic::write_atomic;
use serde_json::{Value, json};

use super::chat::{Said, transcript};
use super::made::Made;
use super::manuscript::{Manuscript, Token};
use super::surprise::bits;
use crate::open::Stamp;

/// What is saved.
#[derive(Clone, Debug)]
enum Body {
    Text(Manuscript),
    /// A conversation: its turns, and what holds for all of them.
    Talk(Vec<Said>, String),
}

/// What is saved, and what is told about it.
#[derive(Clone, Debug)]
pub struct Record {
    body: Body,
    /// How its last part was made.
    made: Option<Made>,
    /// SHA-256 of models' files, of the versions that wrote.
    hashes: HashMap<PathBuf, String>,
}

impl Record {
    pub fn text(text: &Manuscript, made: Option<&Made>) -> Record {
        Record { body: Body::Text(text.clone()), made: made.cloned(), hashes: HashMap::new() }
    }

    pub fn talk(turns: &[Said], system: &str) -> Record {
        let made = turns.iter().rev().find_map(|t| t.made.clone());
        Record { body: Body::Talk(turns.to_vec(), system.to_owned()), made, hashes: HashMap::new() }
    }

    /// The kind of file that a name asks for: its whole contents.
    pub fn contents(&self, path: &Path) -> String {
        match path.extension().and_then(|e| e.to_str()) {
            Some("json") => format!("{:#}\n", self.json()),
            Some("md") => self.markdown(),
            Some("tsv") => self.table(),
            _ => match &self.body {
                Body::Text(text) => text.buffer.clone(),
                Body::Talk(turns, _) => transcript(turns),
            },
        }
    }

    /// Writes it, in the kind that the name asks for.
    ///
    /// # Errors
    /// A sentence saying why not.
    pub fn save(mut self, path: &Path) -> Result<(), String> {
        if path.extension().is_some_and(|e| e == "json") {
            let mut models: Vec<&Made> = self.made.iter().collect();
            if let Body::Talk(turns, _) = &self.body {
                models.extend(turns.iter().filter_map(|t| t.made.as_ref()));
            }
            let mut hashes = HashMap::new();
            for made in models {
                // A file that is another one by now says nothing about what wrote this.
                if !hashes.contains_key(&made.model) && Stamp::of(&made.model) == made.stamp {
                    hashes.extend(crate::hash::sha256(&made.model).map(|hash| (made.model.clone(), hash)));
                }
            }
            self.hashes = hashes;
        }
        let contents = self.contents(path);
        write_atomic(path, |w| std::io::Write::write_all(w, contents.as_bytes()))
            .map_err(|e| formats::sentence(&e))
    }

    /// The model's words in bold, and a line about how they came to be.
    fn markdown(&self) -> String {
        let mut out = match &self.body {
            Body::Text(text) => lines(&bold(text)),
            Body::Talk(turns, system) => {
                let head =
                    if system.trim().is_empty() { String::new() } else { format!("*{}*\n\n", system.trim()) };
                let turn = |t: &Said| {
                    format!(
                        "**{}**\n\n{}",
                        if t.by_model { "Model" } else { "You" },
                        lines(t.text.buffer.trim())
                    )
                };
                head + &turns.iter().map(turn).collect::<Vec<_>>().join("\n")
            }
        };
        if let Some(made) = &self.made {
            let s = &made.settings;
            out.push_str(&format!(
                "\n---\n{} tokens by {} on {}, seed {}, temperature {}, top-k {}, top-p {}, min-p {}, repetition penalty {}\n",
                made.figures.tokens,
                made.model.display(),
                made.runs_on,
                made.seed(),
                s.temperature,
                s.top_k,
                s.top_p,
                s.min_p,
                s.repetition_penalty
            ));
        }
        out
    }

    /// Each token that the model wrote, a line each, with the likeliest in its place: what is known of them.
    fn table(&self) -> String {
        let mut out = String::from("start\tid\ttoken\tlog_prob\tbits\tlikeliest ids and their log_probs\n");
        let texts: Vec<&Manuscript> = match &self.body {
            Body::Text(text) => vec![text],
            Body::Talk(turns, _) => turns.iter().filter(|t| t.by_model).map(|t| &t.text).collect(),
        };
        for text in texts {
            for t in text.tokens() {
                let known = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
                let piece = text.buffer[t.range.clone()].escape_debug();
                let line = [
                    t.range.start.to_string(),
                    t.id.to_string(),
                    piece.to_string(),
                    known(t.log_prob),
                    known(t.log_prob.map(bits)),
                ];
                out.push_str(&line.join("\t"));
                for (id, p) in t.likeliest.iter() {
                    out.push_str(&format!("\t{id}\t{p}"));
                }
                out.push('\n');
            }
        }
        out
    }

    fn json(&self) -> Value {
        let version = env!("CARGO_PKG_VERSION");
        match &self.body {
            Body::Text(text) => {
                let mut out = json!({ "text": text.buffer, "written": written(text) });
                self.tell(self.made.as_ref(), text.part(), &mut out);
                out["version"] = version.into();
                out
            }
            Body::Talk(turns, system) => {
                let turns = turns.iter().map(|t| {
                    let role = if t.by_model { "assistant" } else { "user" };
                    let mut out = json!({ "role": role, "content": t.text.buffer });
                    if t.by_model {
                        out["written"] = written(&t.text);
                        self.tell(t.made.as_ref(), None, &mut out);
                    }
                    out
                });
                json!({ "system": system, "messages": turns.collect::<Vec<_>>(), "version": version })
            }
        }
    }

    /// Puts into an object how its text was made: all that it takes to make it again, and what it cost.
    fn tell(&self, made: Option<&Made>, from: Option<usize>, out: &mut Value) {
        let Some(made) = made else { return };
        let (s, f) = (&made.settings, &made.figures);
        let seconds = |d: Duration| d.as_secs_f64();
        out["model"] = made.model.display().to_string().into();
        out["model_sha256"] = self.hashes.get(&made.model).cloned().into();
        out["runs_on"] = made.runs_on.clone().into();
        out["context"] = f.context.into();
        if let Some(from) = from {
            out["last_part_begins"] = from.into();
        }
        out["sampling"] = json!({
            "temperature": s.temperature,
            "top_k": s.top_k,
            "top_p": s.top_p,
            "min_p": s.min_p,
            "repetition_penalty": s.repetition_penalty,
            "repetition_window": s.repetition_window,
            "seed": made.seed(),
        });
        out["max_tokens"] = s.max_tokens.into();
        out["stop"] = s.stop.clone().into();
        out["figures"] = json!({
            "prompt_tokens": f.prompt_tokens,
            "prompt_tokens_dropped": f.dropped,
            "generated_tokens": f.tokens,
            "first_token_seconds": f.first_token.map(seconds),
            "prefill_tokens_per_sec": f.prompt_rate,
            "decode_tokens_per_sec": f.rate,
            "seconds": seconds(f.elapsed),
        });
    }
}

/// The tokens that the model wrote.
fn written(text: &Manuscript) -> Value {
    let token =
        |t: &Token| json!({ "id": t.id, "start": t.range.start, "end": t.range.end, "log_prob": t.log_prob });
    text.tokens().iter().map(token).collect()
}

/// A text with the model's words in bold, line by line.
fn bold(text: &Manuscript) -> String {
    let (mut out, mut at) = (String::new(), 0);
    let words = &text.buffer;
    for (start, end) in merged(text) {
        out.push_str(&words[at..start]);
        for (i, line) in words[start..end].split('\n').enumerate() {
            if i > 0 {
                out.push('\n');
            }
            let bare = line.trim();
            if bare.is_empty() {
                out.push_str(line);
            } else {
                let from = line.find(bare).unwrap_or(0);
                out.push_str(&format!("{}**{bare}**{}", &line[..from], &line[from + bare.len()..]));
            }
        }
        at = end;
    }
    out.push_str(&words[at..]);
    out
}

/// Lines that stay lines in Markdown, where two spaces at the end are a line break.
fn lines(text: &str) -> String {
    text.split('\n').map(|l| if l.is_empty() { "\n".into() } else { format!("{l}  \n") }).collect()
}

/// The stretches that the model wrote.
fn merged(text: &Manuscript) -> Vec<(usize, usize)> {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for t in text.tokens() {
        match spans.last_mut() {
            Some(last) if last.1 == t.range.start => last.1 = t.range.end,
            _ => spans.push((t.range.start, t.range.end)),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::generate::writer::Figures;
    use crate::settings::Writing;

    fn made(model: PathBuf, stamp: Stamp) -> Made {
        let figures = Figures { tokens: 2, ..Figures::default() };
        let settings = Writing { seed: Some(42), stop: vec!["END".into()], ..Writing::default() };
        Made { model, stamp, settings, figures, runs_on: "CPU".into() }
    }

    fn json(record: &Record) -> Value {
        serde_json::from_str(&record.contents(Path::new("a.json"))).unwrap()
    }

    #[test]
    fn a_saved_text_says_how_it_was_made() {
        let mut text = Manuscript::typed("ROMEO:\n");
        text.begin_part(None);
        text.push(7, "O, my", Some(-0.5), Arc::from([(7, -0.5)]));
        text.push(8, " love.\nAy", Some(-1.0), Arc::from([(9, -0.1)]));
        let record = Record::text(&text, Some(&made("m.gguf".into(), Stamp::default())));
        assert_eq!(record.contents(Path::new("a.txt")), "ROMEO:\nO, my love.\nAy");
        let md = record.contents(Path::new("a.md"));
        assert!(
            md.starts_with("ROMEO:  \n**O, my love.**  \n**Ay**  \n\n---\n2 tokens by m.gguf on CPU"),
            "{md}"
        );
        let told = json(&record);
        assert_eq!((&told["sampling"]["seed"], &told["written"][1]["start"]), (&42.into(), &12.into()));
        assert_eq!((&told["stop"][0], &told["last_part_begins"]), (&"END".into(), &7.into()));
        let table = record.contents(Path::new("a.tsv"));
        let lines: Vec<Vec<&str>> = table.lines().map(|l| l.split('\t').collect()).collect();
        assert_eq!(lines[1], ["7", "7", "O, my", "-0.5", "0.7213475204444817", "7", "-0.5"]);
        assert_eq!((lines.len(), lines[2][2]), (3, " love.\\nAy"));
        // What nobody knows is not told.
        assert_eq!(json(&Record::text(&text, None)).get("sampling"), None);
        let folder = tempfile::tempdir().unwrap();
        record.clone().save(&folder.path().join("b.txt")).unwrap();
        assert!(record.save(&folder.path().join("none/b.txt")).unwrap_err().contains("none"));
    }

    #[test]
    fn the_hash_is_that_of_the_file_that_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let (model, to) = (folder.path().join("m.gguf"), folder.path().join("a.json"));
        std::fs::write(&model, "GGUF").unwrap();
        let text = Manuscript::typed("x");
        let record = Record::text(&text, Some(&made(model.clone(), Stamp::of(&model))));
        let saved = || serde_json::from_slice::<Value>(&std::fs::read(&to).unwrap()).unwrap();
        record.clone().save(&to).unwrap();
        assert_eq!(saved()["model_sha256"].as_str().map(str::len), Some(64));
        std::fs::write(&model, "GGUF of another run").unwrap();
        record.save(&to).unwrap();
        assert_eq!(saved()["model_sha256"], Value::Null);
    }

    #[test]
    fn a_conversation_is_saved_turn_by_turn() {
        let mut answer = Manuscript::default();
        answer.push(5, "Good day", None, Arc::default());
        let made = made("m.gguf".into(), Stamp::default());
        let turns = [
            Said { by_model: false, text: Manuscript::typed("Hello"), made: None },
            Said { by_model: true, text: answer, made: Some(made) },
        ];
        let record = Record::talk(&turns, "Be kind.");
        assert_eq!(record.contents(Path::new("a.txt")), "You\nHello\n\nModel\nGood day\n");
        let md = record.contents(Path::new("a.md"));
        assert!(
            md.starts_with("*Be kind.*\n\n**You**\n\nHello  \n\n**Model**\n\nGood day  \n\n---\n2 tokens"),
            "{md}"
        );
        let told = json(&record);
        assert_eq!((&told["system"], &told["messages"][0]["content"]), (&"Be kind.".into(), &"Hello".into()));
        let answer = &told["messages"][1];
        assert_eq!((&answer["role"], &answer["written"][0]["id"]), (&"assistant".into(), &5.into()));
        assert_eq!(answer["sampling"]["seed"], 42);
    }
}
