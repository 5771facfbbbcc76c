//! A text as a file: plain, as Markdown, or as JSON with everything needed to write it again.

use std::path::Path;

use formats::atomic::write_atomic;
use serde_json::json;

use super::manuscript::Manuscript;
use super::writer::Figures;
use crate::open::Loaded;
use runtime::sampler::Sampling;

/// What is saved beside the text.
#[derive(Clone, Debug)]
pub struct Record {
    /// The text.
    pub text: Manuscript,
    /// How its last part was drawn.
    pub sampling: Sampling,
    /// Its figures.
    pub figures: Option<Figures>,
    /// The model's file.
    pub model: String,
    /// SHA-256 of that file, as far as it could be read.
    pub model_sha256: Option<String>,
    /// Where it ran.
    pub runs_on: String,
}

impl Record {
    /// Of a text and the model that is open.
    pub fn new(
        text: &Manuscript,
        sampling: Sampling,
        figures: Option<Figures>,
        model: Option<&Loaded>,
    ) -> Record {
        Record {
            text: text.clone(),
            sampling,
            figures,
            model: model.map_or_else(String::new, |m| m.opened.path.display().to_string()),
            model_sha256: None,
            runs_on: model.map_or_else(String::new, Loaded::runs_on),
        }
    }

    /// The kind of file that a name asks for: its whole contents.
    pub fn contents(&self, path: &Path) -> String {
        match path.extension().and_then(|e| e.to_str()) {
            Some("json") => format!("{:#}\n", self.json()),
            Some("md") => self.markdown(),
            _ => self.text.buffer.clone(),
        }
    }

    /// Writes it, in the kind that the name asks for.
    ///
    /// # Errors
    /// A sentence saying why not.
    pub fn save(mut self, path: &Path) -> Result<(), String> {
        if path.extension().is_some_and(|e| e == "json") && !self.model.is_empty() {
            self.model_sha256 = crate::hash::sha256(Path::new(&self.model)).ok();
        }
        let contents = self.contents(path);
        write_atomic(path, |w| std::io::Write::write_all(w, contents.as_bytes()))
            .map_err(|e| formats::sentence(&e))
    }

    /// The model's words in bold, and a line about how they came to be.
    fn markdown(&self) -> String {
        let mut out = String::new();
        let mut at = 0;
        let text = &self.text.buffer;
        let spans = merged(&self.text);
        for (start, end) in spans {
            out.push_str(&text[at..start]);
            for (i, line) in text[start..end].split('\n').enumerate() {
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
        out.push_str(&text[at..]);
        // Two spaces at the end of a line are a line break in Markdown.
        let mut out: String =
            out.split('\n').map(|l| if l.is_empty() { "\n".into() } else { format!("{l}  \n") }).collect();
        if let Some(f) = &self.figures {
            let s = &self.sampling;
            out.push_str(&format!(
                "\n---\n{} tokens by {} on {}, seed {}, temperature {}, top-k {}, top-p {}, min-p {}\n",
                f.tokens, self.model, self.runs_on, f.seed, s.temperature, s.top_k, s.top_p, s.min_p
            ));
        }
        out
    }

    fn json(&self) -> serde_json::Value {
        let s = &self.sampling;
        let seconds = |d: std::time::Duration| d.as_secs_f64();
        json!({
            "text": self.text.buffer,
            "written": self.text.tokens().iter().map(|t| json!({
                "id": t.id,
                "start": t.range.start,
                "end": t.range.end,
                "log_prob": t.log_prob,
            })).collect::<Vec<_>>(),
            "model": self.model,
            "model_sha256": self.model_sha256,
            "runs_on": self.runs_on,
            "sampling": {
                "temperature": s.temperature,
                "top_k": s.top_k,
                "top_p": s.top_p,
                "min_p": s.min_p,
                "repetition_penalty": s.repetition_penalty,
                "repetition_window": s.repetition_window,
                "seed": s.seed,
            },
            "figures": self.figures.as_ref().map(|f| json!({
                "prompt_tokens": f.prompt_tokens,
                "generated_tokens": f.tokens,
                "context": f.context,
                "first_token_seconds": f.first_token.map(seconds),
                "prefill_tokens_per_sec": f.prompt_rate,
                "decode_tokens_per_sec": f.rate,
                "seconds": seconds(f.elapsed),
            })),
            "version": env!("CARGO_PKG_VERSION"),
        })
    }
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
    use super::*;

    #[test]
    fn a_saved_text_says_how_it_was_made() {
        let mut text = Manuscript::typed("ROMEO:\n");
        text.push(7, "O, my", Some(-0.5), vec![(7, -0.5)]);
        text.push(8, " love.\nAy", Some(-1.0), vec![(9, -0.1)]);
        let figures = Figures { tokens: 2, seed: 42, ..Figures::default() };
        let record = Record::new(&text, Sampling { seed: 42, ..Sampling::default() }, Some(figures), None);
        assert_eq!(record.contents(Path::new("a.txt")), "ROMEO:\nO, my love.\nAy");
        let md = record.contents(Path::new("a.md"));
        assert!(md.starts_with("ROMEO:  \n**O, my love.**  \n**Ay**  \n\n---\n2 tokens"), "{md}");
        let json: serde_json::Value = serde_json::from_str(&record.contents(Path::new("a.json"))).unwrap();
        assert_eq!(json["sampling"]["seed"], 42);
        assert_eq!(json["written"][1]["start"], 12);
        let folder = tempfile::tempdir().unwrap();
        record.clone().save(&folder.path().join("b.txt")).unwrap();
        assert!(record.save(&folder.path().join("none/b.txt")).unwrap_err().contains("none"));
    }
}
