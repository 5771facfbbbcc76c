//! The file that the page is about: what its header says, counted and put in order. It may be a file that cannot run; nothing here
//! reads a weight.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use formats::blocks::TypeId;
use formats::gguf::{Header, Metadata, TensorInfo};

use super::streams::Connection;
use super::tensors::shape;
use crate::open::{Facts, Loaded, Stamp};
use crate::widgets::count;
use formats::{sentence, shown};

/// What is to be shown.
#[derive(Clone, Debug)]
pub enum Source {
    /// The open model.
    Open(Arc<Loaded>),
    /// A file that could not be opened.
    Refused(PathBuf),
}

impl Source {
    /// Whether both are the very same.
    pub fn is(&self, other: &Source) -> bool {
        match (self, other) {
            (Source::Open(a), Source::Open(b)) => Arc::ptr_eq(a, b),
            (Source::Refused(a), Source::Refused(b)) => a == b,
            _ => false,
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Source::Open(loaded) => &loaded.opened.path,
            Source::Refused(path) => path,
        }
    }
}

/// What the metadata says of a model's shape, under the names that llama.cpp and we give its keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// `general.name`.
    pub name: Option<String>,
    /// `general.architecture`.
    pub architecture: Option<String>,
    /// Longest sequence it was trained on.
    pub context: Option<u64>,
    /// Token ids.
    pub vocab: Option<u64>,
    /// Blocks.
    pub layers: Option<u64>,
    /// Query heads.
    pub heads: Option<u64>,
    /// Residual width.
    pub width: Option<u64>,
    /// Bytes that a token's keys and values take as halves.
    pub cache_bytes: Option<u64>,
}

impl Shape {
    fn of(meta: &Metadata) -> Shape {
        let text = |key| meta.str(key).ok().flatten();
        let architecture = text("general.architecture");
        let number = |key: &str| meta.u64(&format!("{}.{key}", architecture?)).ok().flatten();
        let (layers, heads, width) =
            (number("block_count"), number("attention.head_count"), number("embedding_length"));
        let kv_heads = number("attention.head_count_kv").or(heads);
        // The width of a head is the width over the heads where the file does not say otherwise.
        let head = width.zip(heads).and_then(|(w, h)| w.checked_div(h));
        let key = number("attention.key_length").or(head);
        let value = number("attention.value_length").or(head);
        let halves = || layers?.checked_mul(kv_heads?)?.checked_mul(key?.checked_add(value?)?);
        let tokens = || Some(meta.strs("tokenizer.ggml.tokens").ok()??.len() as u64);
        Shape {
            name: text("general.name").map(shown),
            context: number("context_length"),
            vocab: number("vocab_size").or_else(tokens),
            cache_bytes: halves().and_then(|n| n.checked_mul(2)),
            layers,
            heads,
            width,
            architecture: architecture.map(shown),
        }
    }
}

/// All tensors of one type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Total {
    pub ty: TypeId,
    /// How many there are.
    pub tensors: u64,
    /// Weights of all of them together.
    pub weights: u64,
    /// Bytes in the file, of all of them together.
    pub bytes: u64,
}

impl Total {
    /// Bits of a weight on disk.
    pub fn bits_per_weight(&self) -> f64 {
        self.bytes as f64 * 8.0 / self.weights.max(1) as f64
    }
}

/// The file, taken in.
#[derive(Debug)]
pub struct Subject {
    /// Where it is from.
    pub source: Source,
    /// What it says before its weights.
    pub header: Arc<Header>,
    pub facts: Facts,
    /// The version of the file.
    pub stamp: Stamp,
    pub shape: Shape,
    /// Its types, the one with the most bytes first.
    pub totals: Vec<Total>,
    /// The longest shape, size and offset, as they are shown.
    pub longest: [String; 3],
    /// The hyper-connections, in order; none with one stream or where the model does not run.
    pub connections: Vec<Connection>,
    /// The farthest that a row or column of a mixing matrix is from summing to 1.
    pub mixing_error: Option<f32>,
}

impl Subject {
    /// Takes a file in.
    ///
    /// # Errors
    /// A sentence, where not even its header can be read.
    pub fn new(source: Source) -> Result<Subject, String> {
        let path = source.path().to_owned();
        let (header, stamp, connections, mixing_error) = match &source {
            Source::Open(loaded) => {
                let model = &loaded.opened.model;
                (
                    Arc::clone(&loaded.header),
                    loaded.stamp,
                    super::streams::connections(model),
                    model.mixing_error(),
                )
            }
            Source::Refused(path) => {
                let stamp = Stamp::of(path);
                let header = Header::open(path).map_err(|e| sentence(&e))?;
                (Arc::new(header), stamp, Vec::new(), None)
            }
        };
        let facts = Facts::new(&path, &header, stamp.len);
        let of_model = Shape::of(header.metadata());
        let totals = totals(&header);
        let most = |of: fn(&TensorInfo) -> String| {
            header.tensors().iter().map(of).max_by_key(String::len).unwrap_or_default()
        };
        let longest = [most(shape), most(|t| count(t.bytes)), most(|t| count(t.offset))];
        Ok(Subject {
            source,
            header,
            facts,
            stamp,
            shape: of_model,
            totals,
            longest,
            connections,
            mixing_error,
        })
    }

    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// The open model, if it is that.
    pub fn loaded(&self) -> Option<&Arc<Loaded>> {
        match &self.source {
            Source::Open(loaded) => Some(loaded),
            Source::Refused(_) => None,
        }
    }

    /// Whether it has a chat template.
    pub fn converses(&self) -> bool {
        self.loaded().is_some_and(|m| m.opened.chat_template.is_some())
    }

    /// The tensor to look at first, of those that can be read: the largest ternary one, or the largest.
    pub fn first_look(&self) -> Option<&str> {
        let rank = |t: &TensorInfo| {
            let ty = t.ty.known();
            (t.fault.is_none(), ty.is_some_and(|ty| ty.is_ternary()), ty.is_some(), t.dims.weights())
        };
        let mut best: Option<&TensorInfo> = None;
        for t in self.header.tensors() {
            // Of several as large, the first.
            if best.is_none_or(|best| rank(t) > rank(best)) {
                best = Some(t);
            }
        }
        best.map(|t| t.name.as_str())
    }
}

fn totals(header: &Header) -> Vec<Total> {
    let mut totals: Vec<Total> = Vec::new();
    for t in header.tensors() {
        let at = totals.iter().position(|total| total.ty == t.ty).unwrap_or_else(|| {
            totals.push(Total { ty: t.ty, tensors: 0, weights: 0, bytes: 0 });
            totals.len() - 1
        });
        let total = &mut totals[at];
        total.tensors += 1;
        total.weights = total.weights.saturating_add(t.dims.weights());
        total.bytes = total.bytes.saturating_add(t.bytes);
    }
    totals.sort_by_key(|t| std::cmp::Reverse(t.bytes));
    totals
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::blocks::TensorType;
    use formats::gguf::{Fault, GgufWriter};

    fn subject(fill: impl FnOnce(&mut GgufWriter)) -> Subject {
        let mut writer = GgufWriter::new(Metadata::new());
        fill(&mut writer);
        let file = tempfile::NamedTempFile::new().unwrap();
        writer.write(file.path()).unwrap();
        Subject::new(Source::Refused(file.path().to_owned())).unwrap()
    }

    #[test]
    fn sizes_are_counted_even_where_a_type_claims_more_weights_than_there_are_numbers() {
        // The size of neither Q2_0 is what these have, so their shape may be anything.
        let unmeasured = TypeId::from_id(42).unwrap();
        let s = subject(|w| {
            for name in ["a", "b", "c", "d", "e"] {
                w.add_tensor(name, unmeasured, &[1 << 62], vec![0; 64]).unwrap();
            }
            w.add_tensor("norm", TensorType::F32, &[4], vec![0; 16]).unwrap();
        });
        assert_eq!((s.facts.weights, s.totals[0].weights), (u64::MAX, u64::MAX));
        assert_eq!((s.facts.tensor_bytes, s.totals[0].tensors, s.totals[1].bytes), (5 * 64 + 16, 5, 16));
        assert_eq!(s.first_look(), Some("norm"), "what can be read comes first");
        assert_eq!(s.longest[0], (1u64 << 62).to_string());
    }

    #[test]
    fn the_first_look_is_at_the_largest_ternary_tensor() {
        let ternary = |w: &mut GgufWriter, name: &str, rows: u64| {
            w.add_tensor(name, TensorType::Q1_58, &[128, rows], vec![0; 34 * rows as usize]).unwrap();
        };
        let s = subject(|w| {
            w.add_tensor("embedding", TensorType::F16, &[128, 90], vec![0; 2 * 128 * 90]).unwrap();
            ternary(w, "small", 2);
            ternary(w, "large", 8);
            ternary(w, "as large", 8);
        });
        assert_eq!(s.first_look(), Some("large"));
        assert_eq!(subject(|_| ()).first_look(), None);
    }

    #[test]
    fn a_file_that_was_cut_is_shown_as_far_as_it_goes() {
        let mut writer = GgufWriter::new(Metadata::new());
        for name in ["small", "large"] {
            let rows = if name == "small" { 8 } else { 64 };
            writer.add_tensor(name, TensorType::Q1_58, &[128, rows], vec![0; 34 * rows as usize]).unwrap();
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes = writer.to_bytes().unwrap();
        std::fs::write(file.path(), &bytes[..bytes.len() - 64]).unwrap();
        let s = Subject::new(Source::Refused(file.path().to_owned())).unwrap();
        assert_eq!(
            s.header.tensors().iter().map(|t| t.fault).collect::<Vec<_>>(),
            [None, Some(Fault::OutOfFile)]
        );
        assert_eq!(s.first_look(), Some("small"));
    }

    #[test]
    fn shapes_are_read_under_the_architectures_own_names() {
        let mut meta = Metadata::new();
        meta.insert("general.architecture", "llama");
        for (key, value) in [
            ("block_count", 3),
            ("embedding_length", 64),
            ("attention.head_count", 4),
            ("attention.head_count_kv", 2),
        ] {
            meta.insert(&format!("llama.{key}"), value as u32);
        }
        meta.insert("tokenizer.ggml.tokens", vec!["a".to_owned(), "b".to_owned()]);
        let shape = Shape::of(&meta);
        assert_eq!(
            (shape.layers, shape.heads, shape.width, shape.vocab),
            (Some(3), Some(4), Some(64), Some(2))
        );
        // 3 layers, 2 heads of 16 for keys and for values, two bytes each.
        assert_eq!(shape.cache_bytes, Some(3 * 2 * (16 + 16) * 2));
        assert_eq!((shape.context, shape.name.as_deref()), (None, None));
        meta.insert("llama.attention.head_count", 0u32);
        assert_eq!(Shape::of(&meta).cache_bytes, None, "nothing is divided by no heads");
        meta.insert("llama.attention.key_length", u64::MAX);
        assert_eq!(Shape::of(&meta).cache_bytes, None, "nor multiplied beyond all numbers");
        assert_eq!(Shape::of(&Metadata::new()), Shape::default());
        meta.insert("general.architecture", "x".repeat(1 << 20));
        assert!(Shape::of(&meta).architecture.unwrap().len() < 300);
    }
}
