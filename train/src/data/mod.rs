//! What a run reads: a text, cut into a training and a validation part, each in token ids, and
//! the order in which training sees it. What happens to a batch is the trainer's business.

mod text;

pub use text::Text;

use crate::batch::Batch;
use crate::config::{CONTEXT_MIN, Config};
use crate::error::{Error, Result};
use crate::run::Observer;
use crate::tokenizers::Kind;
use crate::watch::Watch;
use formats::tokenizer::Tokenizer;
use model::rng::SplitMix64;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// Keeps the draws of batches apart from everything else a seed decides.
const BATCHES: u64 = 0x0062_6174_6368_6573;

/// The same for replaced inputs.
const NOISE: u64 = 0x6e6f_6973;

/// A text in token ids.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// How it became ids.
    pub tokenizer: Tokenizer,
    /// The training part.
    pub train: Vec<u32>,
    /// The validation part, tokenised by itself.
    pub validation: Vec<u32>,
    /// Hash of the text, [`Text::hash`].
    pub hash: String,
    token_bytes: Vec<u32>, // by id
}

impl Dataset {
    /// Reads the text of a configuration; makes its tokenizer unless one is given. `observer` hears what a person should know of the
    /// text, and how far it is where that takes long.
    ///
    /// # Errors
    /// A text that cannot be read, is empty, too short for one window of the model's context, or
    /// too small for the vocabulary; a tokenizer that cannot be used; [`Error::Stopped`] soon after `cancel` was set.
    pub fn load(
        config: &Config,
        tokenizer: Option<Tokenizer>,
        observer: &mut dyn Observer,
        cancel: &AtomicBool,
    ) -> Result<Dataset> {
        let watch = &mut Watch::new(observer, cancel);
        let files: Vec<PathBuf> = config.data.text.iter().map(PathBuf::from).collect();
        let text = Text::load(&files, &config.data.separator, watch)?;
        text.remarks.iter().for_each(|remark| watch.note(remark));
        let dataset = match tokenizer {
            Some(tokenizer) => Dataset::new(&text, tokenizer, watch)?,
            None => {
                let tokenizer = config.tokenizer.kind.parse::<Kind>()?.build(&text, watch)?;
                let dataset = Dataset::new(&text, tokenizer, watch)?;
                if config.tokenizer.compact { dataset.compacted(&text, watch)? } else { dataset }
            }
        };
        dataset.fits(config.model.context, &text.place)?;
        Ok(dataset)
    }

    /// Tokenises each part alone.
    ///
    /// # Errors
    /// A separator, and a tokenizer without a token for it; it was stopped.
    pub fn new(text: &Text, tokenizer: Tokenizer, watch: &mut Watch<'_>) -> Result<Dataset> {
        let token_bytes =
            (0..tokenizer.vocab_size() as u32).map(|id| text.bytes_of(id, &tokenizer) as u32).collect();
        Ok(Dataset {
            train: text.encode(text.train(), &tokenizer, watch)?,
            validation: text.encode(text.validation(), &tokenizer, watch)?,
            hash: text.hash(),
            token_bytes,
            tokenizer,
        })
    }

    /// Again, with the vocabulary that the training part uses and the bytes; the validation part
    /// may then take more tokens than before.
    fn compacted(&self, text: &Text, watch: &mut Watch<'_>) -> Result<Dataset> {
        let (small, _) = self.tokenizer.restrict(&self.train);
        Dataset::new(text, small, watch)
    }

    /// Whether there is a window of `context` tokens and one more to train on, and something to validate.
    fn fits(&self, context: usize, place: &str) -> Result<()> {
        let (train, validation) = (self.train.len(), self.validation.len());
        let problem = if train <= context {
            let smaller = train.saturating_sub(1);
            let or =
                if smaller < CONTEXT_MIN { String::new() } else { format!(", or model.context = {smaller}") };
            format!(
                "the training part has {train} tokens, too few for one window of {context} and the token after it; \
                 use a longer text{or}"
            )
        } else if validation < 2 {
            format!("the validation part has {validation} tokens and needs 2; use a longer text")
        } else {
            return Ok(());
        };
        Err(Error::Text { place: place.to_owned(), problem })
    }

    /// The batch of a step: `batch` windows of `context` tokens, each starting anywhere in the
    /// training part. A pure function of the seed and the step, so nothing has to be saved to resume.
    pub fn batch(&self, seed: u64, step: u64, batch: usize, context: usize) -> Batch {
        let starts = self.train.len().checked_sub(context).expect("`load` checked that a window fits");
        let mut random = SplitMix64::new(&[BATCHES, seed, step]);
        let mut out = Batch {
            tokens: Vec::with_capacity(batch * context),
            targets: Vec::with_capacity(batch * context),
        };
        for _ in 0..batch {
            let at = random.below(starts as u64) as usize;
            out.tokens.extend_from_slice(&self.train[at..at + context]);
            out.targets.extend_from_slice(&self.train[at + 1..at + context + 1]);
        }
        out
    }

    /// Replaces a share of a batch's inputs by ids drawn from the training part, targets untouched: the model must not trust any
    /// single token, which on a small text keeps it from learning it by heart. A pure function of the seed and the step.
    pub fn replace_inputs(&self, batch: &mut Batch, seed: u64, step: u64, share: f64) {
        if share > 0.0 {
            let mut random = SplitMix64::new(&[NOISE, seed, step]);
            for id in &mut batch.tokens {
                if random.uniform() < share {
                    *id = self.train[random.below(self.train.len() as u64) as usize];
                }
            }
        }
    }

    /// The whole validation part in windows of `context` tokens, at most `batch` of them at a time.
    ///
    /// The windows do not overlap and the last one may be short: every token but the first is a
    /// target exactly once, predicted from what precedes it in its window.
    pub fn validation_batches(&self, batch: usize, context: usize) -> impl Iterator<Item = Batch> {
        let (inputs, targets) = (&self.validation[..self.validation.len() - 1], &self.validation[1..]);
        let size = batch * context;
        let chunks = inputs.chunks(size).zip(targets.chunks(size));
        chunks.map(|(tokens, targets)| Batch { tokens: tokens.to_vec(), targets: targets.to_vec() })
    }

    /// Bytes of text that ids stand for: the divisor of bits per byte.
    pub fn bytes(&self, ids: &[u32]) -> u64 {
        ids.iter().map(|&id| u64::from(self.token_bytes[id as usize])).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizers;

    fn dataset(text: &str) -> Dataset {
        let text = Text::new(text.into(), "a test".into(), "").unwrap();
        Dataset::new(&text, tokenizers::bytes(), &mut Watch::nobody()).unwrap()
    }

    #[test]
    fn batch_is_a_function_of_seed_and_step() {
        let d = dataset(&(0..200u8).map(|i| (b' ' + i % 90) as char).collect::<String>());
        let a = d.batch(1, 7, 4, 16);
        assert_eq!(a, d.batch(1, 7, 4, 16));
        assert_ne!(a, d.batch(1, 8, 4, 16));
        assert_ne!(a, d.batch(2, 7, 4, 16));
        assert_eq!((a.tokens.len(), a.targets.len()), (64, 64));
        for row in 0..4 {
            let (t, n) = (&a.tokens[row * 16..][..16], &a.targets[row * 16..][..16]);
            assert_eq!(t[1..], n[..15]);
            assert!(d.train.windows(17).any(|w| w[..16] == *t && w[1..] == *n));
        }
    }

    #[test]
    fn batch_reaches_both_ends_of_the_text() {
        let d = dataset("abcdefghijklmnopqrst");
        let (mut first, mut last) = (false, false);
        for step in 0..200 {
            let b = d.batch(3, step, 1, 4);
            first |= b.tokens[0] == d.train[0];
            last |= b.targets[3] == *d.train.last().unwrap();
        }
        assert!(first && last);
        // One window exactly fits.
        let only = d.batch(0, 0, 3, d.train.len() - 1);
        assert_eq!(only.tokens[..17], d.train[..17]);
    }

    #[test]
    fn validation_targets_every_token_but_the_first_once() {
        let d = dataset(&"0123456789".repeat(23));
        assert_eq!(d.validation.len(), 23);
        for (batch, context) in [(1, 4), (3, 4), (1, 22), (2, 50), (4, 1)] {
            let batches: Vec<Batch> = d.validation_batches(batch, context).collect();
            let targets: Vec<u32> = batches.iter().flat_map(|b| b.targets.clone()).collect();
            assert_eq!(targets, d.validation[1..], "batch {batch}, context {context}");
            for b in &batches[..batches.len() - 1] {
                assert_eq!(b.tokens.len(), batch * context);
            }
        }
        assert_eq!(d.bytes(&d.validation), 23);
    }

    /// The published counts for GPT-2's tokenizer on Karpathy's split, and bytes of each part.
    #[test]
    fn dataset_of_tiny_shakespeare_has_the_published_counts() {
        let Some(path) = std::env::var_os("TERCET_SHAKESPEARE") else {
            eprintln!("skipped: TERCET_SHAKESPEARE does not name the text");
            return;
        };
        let watch = &mut Watch::nobody();
        let text = Text::load(&[path.into()], "", watch).unwrap();
        assert_eq!((text.train().len(), text.validation().len()), (1_003_854, 111_540));
        let d = Dataset::new(&text, tokenizers::gpt2(), watch).unwrap();
        assert_eq!((d.train.len(), d.validation.len()), (301_966, 36_059));
        assert_eq!(d.train.len() + d.validation.len(), 338_025);
        assert_eq!(d.bytes(&d.train) + d.bytes(&d.validation), text.whole.len() as u64);
        let compact = d.compacted(&text, watch).unwrap();
        assert_eq!(compact.train.len(), d.train.len());
        assert_eq!(compact.tokenizer.decode(&compact.validation), text.validation());
        let learnt = Kind::Bpe(1024).build(&text, watch).unwrap();
        let learnt = Dataset::new(&text, learnt, watch).unwrap();
        eprintln!(
            "gpt2 compacted: {} ids, {} validation tokens; bpe:1024: {} + {} tokens",
            compact.tokenizer.vocab_size(),
            compact.validation.len(),
            learnt.train.len(),
            learnt.validation.len()
        );
    }

    #[test]
    fn dataset_of_documents_keeps_the_end_token_through_compacting() {
        let mut config = crate::preset::named("tiny").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("text.txt");
        std::fs::write(&file, "a cat sat on a mat<|endoftext|>\n".repeat(60)).unwrap();
        config.data.text = vec![file.display().to_string()];
        config.data.separator = "<|endoftext|>".into();
        for (kind, compact) in [("gpt2", true), ("gpt2", false), ("bytes", true), ("bpe:264", true)] {
            (config.tokenizer.kind, config.tokenizer.compact) = (kind.into(), compact);
            let d = Dataset::load(&config, None, &mut (), &AtomicBool::new(false)).unwrap();
            let end = d.tokenizer.eos().unwrap();
            assert_eq!(d.train.iter().filter(|&&id| id == end).count(), 54, "{kind}");
            assert_eq!(d.bytes(&d.train) + d.bytes(&d.validation), 60 * 32, "{kind}");
        }
    }

    #[test]
    fn dataset_errors_are_one_sentence() {
        let mut config = crate::preset::named("tiny").unwrap();
        let dir = std::env::temp_dir().join(format!("tercet-data-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("text.txt");
        config.data.text = vec![file.display().to_string()];
        config.tokenizer.kind = "bytes".into();
        config.model.context = 64;
        let mut error_of = |bytes: &[u8], kind: &str| {
            std::fs::write(&file, bytes).unwrap();
            config.tokenizer.kind = kind.into();
            Dataset::load(&config, None, &mut (), &AtomicBool::new(false)).unwrap_err().to_string()
        };
        let cases: [(&[u8], &str, &str); 6] = [
            (b"", "bytes", "the text is empty"),
            (b"one line", "bytes", "the training part has 7 tokens, too few for one window of 64"),
            (b"abc", "bytes", "too few for one window of 64 and the token after it; use a longer text (in"),
            (b"one line", "bpe:300", "supports"),
            (b"abc \xff\xfe", "bytes", "byte 4 is not UTF-8"),
            (b"abc", "bpe:12", "bpe:N with N from 257"),
        ];
        for (bytes, kind, expected) in cases {
            let error = error_of(bytes, kind);
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        }
        // What it says would do does.
        let error = error_of(b"twenty letters or so", "bytes");
        let context = error.split_once("model.context = ").unwrap().1;
        config.model.context = context.split_once(' ').unwrap().0.parse().unwrap();
        config.validate().unwrap();
        Dataset::load(&config, None, &mut (), &AtomicBool::new(false)).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
