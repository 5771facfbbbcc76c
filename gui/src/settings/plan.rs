//! What is to be measured, as the panel shows it and the settings keep it, and the options that `bench` makes of it. Numbers are
//! lists as a person types them; what cannot be read is said beside the field.

use std::path::Path;
use std::time::Duration;

use bench::{ModelOptions, Options, ProductOptions, Shape, Source};
use cpu::{Kernels, Pool};
use runtime::gpu::AdapterInfo;
use serde::{Deserialize, Serialize};

/// Most numbers in one list.
const LIST_MAX: usize = 32;

/// See the top of this file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BenchmarkPlan {
    /// Whether the open model is measured.
    pub model: bool,
    /// Whether matrix products are measured.
    pub products: bool,
    /// Kernels that are left out; new ones are in.
    pub without: Vec<String>,
    /// Adapters that are measured as well.
    pub adapters: Vec<String>,
    /// Numbers of threads, each measured in turn.
    pub threads: String,
    /// Lengths of prompts, in tokens.
    pub prompts: String,
    /// Tokens to write, one test for each number.
    pub generate: String,
    /// Prompts and tokens after them, timed together, as in 512+128.
    pub pairs: String,
    /// Tokens in the cache before a test begins.
    pub depths: String,
    /// Repetitions of each test of a model, 1 to 1000.
    pub repetitions: usize,
    /// Seconds of rest before each test, 600 at most.
    pub pause: f32,
    /// Shapes of the matrices of products, as 2048x2048.
    pub shapes: String,
    /// Tokens that are multiplied at once.
    pub batches: String,
    /// Whether products are measured from memory as well.
    pub cold: bool,
    /// Whether all caches are measured, and a token is set beside its products.
    pub whole: bool,
}

impl Default for BenchmarkPlan {
    fn default() -> Self {
        BenchmarkPlan::quick()
    }
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|i| i.to_string()).collect::<Vec<_>>().join(", ")
}

fn all_threads() -> String {
    let all = Pool::threads_available();
    if all > 1 { format!("1, {all}") } else { "1".to_owned() }
}

impl BenchmarkPlan {
    /// A small part that shows the whole, in well under a minute on most machines.
    pub fn quick() -> BenchmarkPlan {
        let products = ProductOptions::quick();
        BenchmarkPlan {
            model: true,
            products: true,
            without: vec!["plain".into()],
            adapters: Vec::new(),
            threads: all_threads(),
            prompts: "128".into(),
            generate: "32".into(),
            pairs: String::new(),
            depths: "0".into(),
            repetitions: 5,
            pause: 0.0,
            shapes: list(&products.shapes),
            batches: list(&products.batches),
            cold: true,
            whole: false,
        }
    }

    /// Every shape, batch and cache; minutes to much more, by the model.
    pub fn full() -> BenchmarkPlan {
        let products = ProductOptions::default();
        BenchmarkPlan {
            without: Vec::new(),
            prompts: "512".into(),
            generate: "128".into(),
            depths: "0, 128".into(),
            shapes: list(&products.shapes),
            batches: list(&products.batches),
            whole: true,
            ..BenchmarkPlan::quick()
        }
    }

    /// The same tests as another plan, on the same backends as this one.
    pub fn with_tests_of(&self, other: BenchmarkPlan) -> BenchmarkPlan {
        BenchmarkPlan { adapters: self.adapters.clone(), threads: self.threads.clone(), ..other }
    }

    /// Whether a kernel is measured.
    pub fn has(&self, kernel: &str) -> bool {
        !self.without.iter().any(|k| k == kernel)
    }

    /// Takes a kernel in, or out.
    pub fn toggle(&mut self, kernel: &str) {
        if self.has(kernel) {
            self.without.push(kernel.to_owned());
        } else {
            self.without.retain(|k| k != kernel);
        }
    }

    /// What `bench` is to measure, devices aside, given the open model's file; or a sentence about the field that is wrong.
    pub fn options(&self, model: Option<&Path>, commit: &str) -> Result<Options, (PlanField, String)> {
        let products = self.products.then(|| self.product_options()).transpose()?;
        let model = model.filter(|_| self.model).map(|path| self.model_options(path)).transpose()?;
        let threads = numbers(PlanField::Threads, &self.threads)?;
        if threads.is_empty() {
            return Err((PlanField::Threads, "at least one number of threads is needed".into()));
        }
        let options = Options {
            threads,
            whole_machine: self.whole,
            products,
            model,
            gpus: Vec::new(),
            // A number of a settings file may be none.
            delay: Duration::try_from_secs_f32(self.pause.min(600.0)).unwrap_or_default(),
            commit: commit.to_owned(),
        };
        options.check().map_err(|e| (PlanField::All, e.to_string()))?;
        Ok(options)
    }

    fn product_options(&self) -> Result<ProductOptions, (PlanField, String)> {
        let shapes =
            items(&self.shapes).map(|t| t.parse::<Shape>().map_err(|e| (PlanField::Shapes, e.to_string())));
        let batches = numbers(PlanField::Batches, &self.batches)?;
        let kernels = ProductOptions::kernels_available().into_iter().filter(|k| self.has(k)).collect();
        let cold_batches = if self.cold { batches.clone() } else { Vec::new() };
        Ok(ProductOptions { shapes: shapes.collect::<Result<_, _>>()?, kernels, batches, cold_batches })
    }

    fn model_options(&self, path: &Path) -> Result<ModelOptions, (PlanField, String)> {
        let pair = |text: &str| {
            let both = text
                .split_once('+')
                .and_then(|(p, g)| Some((p.trim().parse().ok()?, g.trim().parse().ok()?)));
            both.ok_or_else(|| {
                (
                    PlanField::Pairs,
                    format!("\"{text}\" is not read; expected a prompt and tokens, as in 512+128"),
                )
            })
        };
        let depths = numbers(PlanField::Depths, &self.depths)?;
        Ok(ModelOptions {
            source: Source::File(path.to_owned()),
            kernels: Kernels::available().into_iter().filter(|k| self.has(k.name)).collect(),
            prompts: numbers(PlanField::Prompts, &self.prompts)?,
            generate: numbers(PlanField::Generate, &self.generate)?,
            pairs: items(&self.pairs).map(pair).collect::<Result<_, _>>()?,
            depths: if depths.is_empty() { vec![0] } else { depths },
            repetitions: self.repetitions.clamp(1, 1000),
            matmuls: self.whole,
            sha256: None,
        })
    }

    /// The adapters of this machine that are measured.
    pub fn chosen_adapters(&self, there: &[AdapterInfo]) -> Vec<String> {
        there.iter().map(|a| a.name.clone()).filter(|name| self.adapters.contains(name)).collect()
    }
}

/// Where a number is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is what it is called")]
pub enum PlanField {
    Threads,
    Prompts,
    Generate,
    Pairs,
    Depths,
    Shapes,
    Batches,
    All,
}

/// The parts of a list, wherever it has commas or gaps.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ', ';']).map(str::trim).filter(|t| !t.is_empty())
}

fn numbers(field: PlanField, text: &str) -> Result<Vec<usize>, (PlanField, String)> {
    let mut found = Vec::new();
    for item in items(text) {
        let number = item.parse().map_err(|_| (field, format!("\"{item}\" is no whole number")))?;
        if !found.contains(&number) {
            found.push(number);
        }
    }
    if found.len() > LIST_MAX {
        return Err((field, format!("there are {} numbers; expected {LIST_MAX} at most", found.len())));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_can_be_measured() {
        for plan in [BenchmarkPlan::quick(), BenchmarkPlan::full()] {
            let options = plan.options(Some(Path::new("a.gguf")), "c0ffee").unwrap();
            let model = options.model.as_ref().unwrap();
            assert_eq!((model.kernels.len(), model.repetitions), (Kernels::available().len(), 5));
            assert!(options.cells(Some(256), &[]).len() > 10 && options.commit == "c0ffee");
            assert!(plan.options(None, "").unwrap().model.is_none());
        }
        assert!(
            BenchmarkPlan::full()
                .options(None, "")
                .unwrap()
                .products
                .unwrap()
                .kernels
                .contains(&"plain".to_owned())
        );
    }

    #[test]
    fn what_cannot_be_read_is_said_of_its_field() {
        type Change = fn(&mut BenchmarkPlan);
        let cases: [(Change, PlanField, &str); 8] = [
            (|p| p.threads = "two".into(), PlanField::Threads, "two"),
            (|p| p.threads = " , ".into(), PlanField::Threads, "at least one"),
            (|p| p.threads = "0".into(), PlanField::All, "threads is 0"),
            (|p| p.prompts = "12x".into(), PlanField::Prompts, "12x"),
            (|p| p.pairs = "512".into(), PlanField::Pairs, "512+128"),
            (|p| p.shapes = "64x100".into(), PlanField::Shapes, "64x100"),
            (|p| p.batches = "-1".into(), PlanField::Batches, "-1"),
            (|p| p.depths = (0..40).map(|i| format!("{i} ")).collect(), PlanField::Depths, "40"),
        ];
        for (change, field, part) in cases {
            let mut plan = BenchmarkPlan::quick();
            change(&mut plan);
            let (found, why) = plan.options(Some(Path::new("a.gguf")), "").unwrap_err();
            assert!(found == field && why.contains(part), "{found:?}: {why}");
        }
        let mut plan =
            BenchmarkPlan { pairs: "8+2, 4+1".into(), threads: "1 2;2".into(), ..BenchmarkPlan::quick() };
        plan.toggle("scalar");
        let options = plan.options(Some(Path::new("a.gguf")), "").unwrap();
        let model = options.model.unwrap();
        assert_eq!((options.threads, model.pairs), (vec![1, 2], vec![(8, 2), (4, 1)]));
        assert!(model.kernels.iter().all(|k| k.name != "scalar"));
        plan.toggle("scalar");
        assert!(plan.has("scalar"));
    }
}
