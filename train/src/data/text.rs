//! A text before it is tokens: files joined, cut into a training and a validation part, and into documents where a separator stands.
//! How a model reads the ids is the dataset's business.

use std::path::PathBuf;

use formats::tokenizer::{Encoder, Tokenizer};
use formats::utf8;

use crate::error::{Error, Result};
use crate::tokenizers::END;
use crate::watch::{Watch, size};

/// See the top of this file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Its files, for messages.
    pub place: String,
    /// The files' contents, one after the other with nothing between, each without its byte order mark.
    pub whole: String,
    /// Where the validation part begins, a byte of `whole`: nine tenths of the length, rounded
    /// down, and further down to the start of a character or of a separator.
    pub split: usize,
    /// What stands between documents; empty: the text is one.
    pub separator: String,
    /// What a person should know before a model learns this, a sentence each.
    pub remarks: Vec<String>,
}

impl Text {
    /// Reads files in the given order. `separator` stands between documents; empty for none.
    ///
    /// # Errors
    /// A file that cannot be read, is not UTF-8, or no text at all; it was stopped.
    pub fn load(files: &[PathBuf], separator: &str, watch: &mut Watch<'_>) -> Result<Text> {
        let mut whole = String::new();
        let mut windows = Vec::new();
        for (i, path) in files.iter().enumerate() {
            watch.at("reading the text", i, files.len())?;
            let text = utf8::read(path, u64::MAX)?;
            if text.contains("\r\n") {
                windows.push(path.display().to_string());
            }
            if whole.is_empty() { whole = text } else { whole.push_str(&text) }
        }
        let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        let mut text = Text::new(whole, names.join(", "), separator)?;
        if let [first, more @ ..] = &windows[..] {
            let more =
                if more.is_empty() { String::new() } else { format!(" (as have {} more)", more.len()) };
            text.remarks.push(format!(
                "{first} has Windows line ends{more}: the model will write \\r\\n as it reads it; convert the file if it should not"
            ));
        }
        Ok(text)
    }

    /// A text from memory; `place` names it in messages.
    ///
    /// # Errors
    /// The text is empty.
    pub fn new(whole: String, place: String, separator: &str) -> Result<Text> {
        if whole.is_empty() {
            return Err(Error::Text { place, problem: "the text is empty".into() });
        }
        let nine_tenths = (whole.len() as u128 * 9 / 10) as usize;
        let split = before_separator(&whole, separator, whole.floor_char_boundary(nine_tenths));
        let mut text = Text { place, whole, split, separator: separator.into(), remarks: Vec::new() };
        text.remarks.extend(text.remark_on_documents());
        Ok(text)
    }

    fn remark_on_documents(&self) -> Option<String> {
        let Text { place, separator, .. } = self;
        if separator.is_empty() {
            return self.whole.contains(END).then(|| {
                format!(
                    "{place} contains {END}, which the model learns as letters; in a new run, --set 'data.separator={END}' makes it the end of a document"
                )
            });
        }
        (!self.train().contains(&**separator)).then(|| {
            format!("the separator {separator:?} is nowhere in the training part of {place}: the model will not learn to end a text")
        })
    }

    /// What the model, and a tokenizer, learn from.
    pub fn train(&self) -> &str {
        &self.whole[..self.split]
    }

    /// What neither ever sees.
    pub fn validation(&self) -> &str {
        &self.whole[self.split..]
    }

    /// BLAKE3 of the whole, in hexadecimal.
    pub fn hash(&self) -> String {
        blake3::hash(self.whole.as_bytes()).to_hex().to_string()
    }

    /// The documents of a part: what stands before, between and after separators, and may be empty.
    pub fn documents<'t>(&self, part: &'t str) -> impl Iterator<Item = &'t str> {
        let mut rest = Some(part);
        std::iter::from_fn(move || {
            let text = rest.take()?;
            let cut = if self.separator.is_empty() { None } else { text.split_once(&*self.separator) };
            let (document, after) = cut.map_or((text, None), |(document, after)| (document, Some(after)));
            rest = after;
            Some(document)
        })
    }

    /// The ids of a part: those of its documents, each encoded by itself, with the end-of-text token for each separator.
    ///
    /// # Errors
    /// There is a separator, and the tokenizer has no such token; it was stopped.
    pub fn encode(&self, part: &str, tokenizer: &Tokenizer, watch: &mut Watch<'_>) -> Result<Vec<u32>> {
        if !self.separator.is_empty() && tokenizer.eos().is_none() {
            return Err(Error::NoEndToken);
        }
        watch.begin(format!("encoding {} of text", size(part.len())));
        let mut encoder = Encoder::new(tokenizer);
        let mut done = 0;
        for document in self.documents(part) {
            watch.at("encoding the text", done, part.len())?;
            if done > 0 {
                tokenizer.eos().into_iter().for_each(|end| encoder.id(end));
            }
            encoder.text(document, &mut |bytes| watch.at("encoding the text", done + bytes, part.len()))?;
            done += document.len() + self.separator.len();
        }
        Ok(encoder.finish())
    }

    /// Bytes of this text that an id stands for: the end of a document for its separator's, so that bits per byte are those of the
    /// whole text.
    pub fn bytes_of(&self, id: u32, tokenizer: &Tokenizer) -> usize {
        if !self.separator.is_empty() && tokenizer.eos() == Some(id) {
            return self.separator.len();
        }
        tokenizer.decode_bytes(&[id]).len()
    }
}

/// `at`, or where the separator begins that reaches across it.
fn before_separator(text: &str, separator: &str, at: usize) -> usize {
    if separator.is_empty() {
        return at;
    }
    // From the start on, because a separator may overlap itself: which ones there are depends on those before.
    let last = text.match_indices(separator).map(|(start, _)| start).take_while(|&start| start < at).last();
    last.filter(|start| start + separator.len() > at).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizers;

    fn text(whole: &str, separator: &str) -> Text {
        Text::new(whole.into(), "a.txt".into(), separator).unwrap()
    }

    #[test]
    fn text_splits_at_nine_tenths_on_a_character() {
        let ascii = text("0123456789abcdefghi", "");
        assert_eq!((ascii.train().len(), ascii.validation()), (17, "hi"));
        // Byte 9 of 10 is inside the last character.
        let wide = text("0123456\u{20ac}", "");
        assert_eq!((wide.train(), wide.validation()), ("0123456", "\u{20ac}"));
        let one = text("x", "");
        assert_eq!((one.train(), one.validation()), ("", "x"));
        let empty = Text::new(String::new(), "a.txt".into(), "").unwrap_err();
        assert_eq!(empty.to_string(), "the text is empty (in a.txt)");
    }

    #[test]
    fn text_never_splits_a_separator() {
        for (whole, separator, validation) in [
            ("0123456789abcde<|>hi", "<|>", "<|>hi"), // byte 18 of 20 is the first after it
            ("0123456789abcdef<|>h", "<|>", "<|>h"),
            ("0123456789abcdefg<|>", "<|>", "<|>"),
            ("0123456789abcdefgh<>", "<>", "<>"),
            ("0123456789abcdefgh<>", "", "<>"),
            // Three line ends: the second and the third are none.
            ("0123456789abcdef\n\n\nh", "\n\n", "\nh"),
        ] {
            let text = text(whole, separator);
            let expected = if whole.contains("e<|>") { "hi" } else { validation };
            assert_eq!(text.validation(), expected, "{whole:?} at {separator:?}");
        }
    }

    #[test]
    fn text_is_documents_with_the_end_token_between() {
        let t = text("one<|>two<|><|>three<|>", "<|>");
        let documents: Vec<&str> = t.documents(&t.whole).collect();
        assert_eq!(documents, ["one", "two", "", "three", ""]);
        assert_eq!(text("one<|>two", "").documents("one<|>two").collect::<Vec<_>>(), ["one<|>two"]);

        let tokenizer = tokenizers::gpt2();
        let end = tokenizer.eos().unwrap();
        let ids = t.encode(&t.whole, &tokenizer, &mut Watch::nobody()).unwrap();
        let document = |text| tokenizer.encode(text);
        let expected =
            [document("one"), vec![end], document("two"), vec![end, end], document("three"), vec![end]];
        assert_eq!(ids, expected.concat());
        // Every byte of the text is some id's.
        assert_eq!(ids.iter().map(|&id| t.bytes_of(id, &tokenizer)).sum::<usize>(), t.whole.len());
        // A separator at the very beginning is the end of an empty document.
        assert_eq!(text("<|>a", "<|>").encode("<|>a", &tokenizer, &mut Watch::nobody()).unwrap()[0], end);

        let none = t.encode(&t.whole, &tokenizers::bytes(), &mut Watch::nobody()).unwrap_err().to_string();
        assert!(none.contains("data.separator") && !none.contains('\n'), "{none}");
    }

    #[test]
    fn text_remarks_on_what_a_person_should_know() {
        let unsaid = text("a<|endoftext|>b", "").remarks;
        assert!(unsaid[0].contains("--set 'data.separator=<|endoftext|>'"), "{unsaid:?}");
        let nowhere = text("a<|endoftext|>b", "<end>").remarks;
        assert!(nowhere[0].contains("\"<end>\" is nowhere"), "{nowhere:?}");
        for quiet in [text("a b", ""), text("a<|endoftext|>b and a few words", "<|endoftext|>")] {
            assert!(quiet.remarks.is_empty(), "{:?}", quiet.remarks);
        }
    }

    #[test]
    fn text_files_lose_their_marks_and_line_ends_are_remarked() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let (a, b) = (file("a.txt", b"\xef\xbb\xbfone\n"), file("b.txt", b"\xef\xbb\xbftwo\n"));
        let joined = Text::load(&[a.clone(), b], "", &mut Watch::nobody()).unwrap();
        assert_eq!((&*joined.whole, joined.remarks.len()), ("one\ntwo\n", 0));

        let (c, d) = (file("c.txt", b"one\r\ntwo\r\n"), file("d.txt", b"three\r\n"));
        let windows = Text::load(&[a, c, d], "", &mut Watch::nobody()).unwrap();
        let [remark] = &windows.remarks[..] else { panic!("{:?}", windows.remarks) };
        assert!(
            remark.contains("c.txt") && remark.contains("1 more") && !remark.contains("a.txt"),
            "{remark}"
        );
        assert_eq!(windows.whole, "one\none\r\ntwo\r\nthree\r\n");
    }
}
