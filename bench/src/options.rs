//! What to measure.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use cpu::{Kernels, Pool, THREADS_MAX};
use formats::ternary::GROUP;
use runtime::gpu::Gpu;

use crate::error::{Error, Result, refuse};
use crate::plain;
use crate::row::Skipped;

/// Most rows or columns of a shape, and most weights: what one matrix of a very large model has.
const SIDE_MAX: usize = 1 << 20;
const WEIGHTS_MAX: usize = 1 << 28;
/// Most tokens at once.
const BATCH_MAX: usize = 4096;
/// Longest pause between two tests.
const DELAY_MAX: Duration = Duration::from_secs(3600);

/// Everything that one run measures.
#[derive(Clone, Debug)]
pub struct Options {
    /// Thread counts, each measured in turn.
    pub threads: Vec<usize>,
    /// Bandwidth for every working set and both kinds of pages; else from memory and huge pages alone.
    pub whole_machine: bool,
    /// Ternary products, if any.
    pub products: Option<ProductOptions>,
    /// A model, if any.
    pub model: Option<ModelOptions>,
    /// Graphics devices to measure beside the CPU.
    pub gpus: Vec<Arc<Gpu>>,
    /// A pause before each test of a model, for machines that grow hot.
    pub delay: Duration,
    /// The commit that this program was built from, to be recorded.
    pub commit: String,
}

/// Ternary products: every shape with every kernel, batch and number of threads.
#[derive(Clone, Debug)]
pub struct ProductOptions {
    /// Matrices.
    pub shapes: Vec<Shape>,
    /// Names of kernels: rows of the table, or `plain`.
    pub kernels: Vec<String>,
    /// Tokens at once.
    pub batches: Vec<usize>,
    /// Batches that are measured from memory as well.
    pub cold_batches: Vec<usize>,
}

/// Rows x columns of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Outputs.
    pub rows: usize,
    /// Inputs, a multiple of 128.
    pub cols: usize,
}

/// A model and its tests.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// Which.
    pub source: Source,
    /// The rows of the table of kernels that it is laid out for, one after the other; none for the devices alone.
    pub kernels: Vec<&'static Kernels>,
    /// Lengths of prompts.
    pub prompts: Vec<usize>,
    /// Tokens to write.
    pub generate: Vec<usize>,
    /// Prompts that are read, and tokens written after them, timed together.
    pub pairs: Vec<(usize, usize)>,
    /// Tokens that the session holds before.
    pub depths: Vec<usize>,
    /// Repetitions of each test.
    pub repetitions: usize,
    /// Whether a decoded token is set beside its products.
    pub matmuls: bool,
    /// The file's SHA-256, where the caller knows it, to be recorded.
    pub sha256: Option<String>,
}

/// One test of a model.
pub(crate) struct ModelTest {
    /// "pp512", "tg128" or "pp512+tg128", after what the device is called.
    pub name: String,
    /// Tokens that are read all at once,
    pub prompt: usize,
    /// and those written after them.
    pub generate: usize,
}

impl ModelTest {
    /// All tokens, at most the context.
    pub fn tokens(&self) -> usize {
        self.prompt + self.generate
    }
}

impl ModelOptions {
    /// The tests after `depth` tokens; of one that the context has no room for, why it is skipped.
    pub(crate) fn tests(
        &self,
        device: &str,
        depth: usize,
        context: usize,
    ) -> impl Iterator<Item = std::result::Result<ModelTest, Skipped>> {
        let prompts = self.prompts.iter().map(move |&n| (n.min(context), 0));
        let generate = self.generate.iter().map(move |&n| (0, n.min(context)));
        prompts.chain(generate).chain(self.pairs.iter().copied()).map(move |(prompt, generate)| {
            let name = match (prompt, generate) {
                (p, 0) => format!("{device}pp{p}"),
                (0, g) => format!("{device}tg{g}"),
                (p, g) => format!("{device}pp{p}+tg{g}"),
            };
            let test = ModelTest { name, prompt, generate };
            if depth + test.tokens() > context {
                let reason =
                    format!("{} tokens after {depth} exceed the context of {context}", test.tokens());
                return Err(Skipped { test: test.name, reason });
            }
            Ok(test)
        })
    }
}

/// Where a model comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A GGUF file.
    File(PathBuf),
    /// One of the known shapes, filled with random weights.
    Synthetic(String),
}

impl Default for Options {
    /// The machine and its kernels, on one thread and on all.
    fn default() -> Self {
        let all = Pool::threads_available();
        Options {
            threads: if all > 1 { vec![1, all] } else { vec![1] },
            whole_machine: true,
            products: Some(ProductOptions::default()),
            model: None,
            gpus: Vec::new(),
            delay: Duration::ZERO,
            commit: "unknown".into(),
        }
    }
}

impl Default for ProductOptions {
    /// Shapes of published models and of ours, every kernel, decode to prefill.
    fn default() -> Self {
        let shapes = [
            (256, 256),
            (768, 256),
            (1152, 384),
            (2048, 2048),
            (6912, 2560),
            (2560, 6912),
            (4096, 4096),
            (50_257, 256),
        ];
        let batches = vec![1, 2, 4, 8, 16, 32, 128];
        ProductOptions {
            shapes: shapes.map(|(rows, cols)| Shape { rows, cols }).to_vec(),
            kernels: Self::kernels_available(),
            cold_batches: batches.clone(),
            batches,
        }
    }
}

impl ProductOptions {
    /// Every name that [`kernels`](Self::kernels) may hold on this machine.
    pub fn kernels_available() -> Vec<String> {
        let table = Kernels::available().into_iter().map(|k| k.name);
        std::iter::once(plain::NAME).chain(table).map(str::to_owned).collect()
    }

    /// A small part that shows the whole: a small and a middling shape, decode and prefill.
    pub fn quick() -> Self {
        ProductOptions {
            shapes: vec![Shape { rows: 256, cols: 256 }, Shape { rows: 2048, cols: 2048 }],
            batches: vec![1, 8, 128],
            cold_batches: vec![1],
            ..Self::default()
        }
    }
}

impl Options {
    /// Refuses what cannot be measured.
    ///
    /// # Errors
    /// [`Error::Option`] naming the first such thing.
    pub fn check(&self) -> Result<()> {
        each("threads", &self.threads, 1, THREADS_MAX)?;
        if let Some(products) = &self.products {
            each("batch", &products.batches, 1, BATCH_MAX)?;
            let known = ProductOptions::kernels_available();
            if let Some(name) = products.kernels.iter().find(|name| !known.contains(name)) {
                return refuse("kernel", format!("\"{}\"", name.escape_debug()), known.join(", "));
            }
            products.shapes.iter().try_for_each(Shape::check)?;
        }
        if let Some(model) = &self.model {
            each("prompt length", &model.prompts, 1, SIDE_MAX)?;
            each("number of tokens", &model.generate, 1, SIDE_MAX)?;
            for &(prompt, generate) in &model.pairs {
                each("prompt length", &[prompt], 1, SIDE_MAX)?;
                each("number of tokens", &[generate], 1, SIDE_MAX)?;
            }
            each("depth", &model.depths, 0, SIDE_MAX)?;
            each("number of repetitions", &[model.repetitions], 1, 1000)?;
        }
        if self.delay > DELAY_MAX {
            return refuse(
                "pause",
                format!("{} s", self.delay.as_secs()),
                format!("{} s at most", DELAY_MAX.as_secs()),
            );
        }
        Ok(())
    }
}

fn each(what: &'static str, values: &[usize], least: usize, most: usize) -> Result<()> {
    match values.iter().find(|v| !(least..=most).contains(v)) {
        Some(bad) => refuse(what, bad, format!("{least} to {most}")),
        None => Ok(()),
    }
}

impl Shape {
    fn check(&self) -> Result<()> {
        let Shape { rows, cols } = *self;
        let sides = (1..=SIDE_MAX).contains(&rows) && (1..=SIDE_MAX).contains(&cols);
        if !sides || !cols.is_multiple_of(GROUP) || rows * cols > WEIGHTS_MAX {
            let expected =
                format!("rows x columns, columns a multiple of {GROUP}, {WEIGHTS_MAX} weights at most");
            return refuse("shape", self, expected);
        }
        Ok(())
    }

    /// Weights.
    pub fn weights(&self) -> usize {
        self.rows * self.cols
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.cols)
    }
}

impl FromStr for Shape {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let sides = text.split_once('x').and_then(|(r, c)| Some((r.parse().ok()?, c.parse().ok()?)));
        let Some((rows, cols)) = sides else {
            return refuse(
                "shape",
                format!("\"{}\"", text.escape_debug()),
                "rows x columns, as in 2048x2048",
            );
        };
        let shape = Shape { rows, cols };
        shape.check()?;
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_and_refused() {
        assert_eq!("50257x256".parse::<Shape>().unwrap(), Shape { rows: 50_257, cols: 256 });
        for text in ["", "256", "0x128", "5x100", "128x0", "1048576x1048576", "axb", "1x128x1", "-1x128"] {
            let error = text.parse::<Shape>().unwrap_err().to_string();
            assert!(error.starts_with("shape is "), "{text}: {error}");
        }
    }

    #[test]
    fn options_refuse_what_cannot_be() {
        Options::default().check().unwrap();
        let with = |change: fn(&mut ProductOptions)| {
            let mut products = ProductOptions::quick();
            change(&mut products);
            Options { products: Some(products), ..Options::default() }.check().map_err(|e| e.to_string())
        };
        assert!(with(|p| p.kernels = vec!["avx9".into()]).unwrap_err().contains("scalar"));
        assert!(with(|p| p.batches = vec![0]).unwrap_err().contains("batch is 0"));
        assert!(with(|p| p.shapes[0].cols = 64).unwrap_err().contains("256x64"));
        assert!(Options { threads: vec![0], ..Options::default() }.check().is_err());
    }
}
