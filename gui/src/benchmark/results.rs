//! A result: its rows as they come, and what the page makes of them: figures by test, the machine and its limits, what one should
//! know who reads it.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::figure::{Dot, Figure, Object, token_dots};
use super::machine::Machine;
use crate::command::FigureKind;

/// Limits of the machine with so many threads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roof {
    pub threads: usize,
    /// Multiply-adds from registers, 10^9 operations per second, the best of the run.
    pub ceiling_gops: Option<f64>,
    /// Bytes that each thread reads again and again, whether from huge pages, and 10^9 bytes per second of all of them.
    pub reads: Vec<(u64, bool, f64)>,
}

/// One test, and every figure of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What is measured.
    pub test: String,
    /// In which unit.
    pub kind: FigureKind,
    /// Of a product, the matrix.
    pub shape: Option<String>,
    /// Places of its figures.
    pub figures: Vec<usize>,
}

/// See the top of this file.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// The machine it was measured on.
    pub machine: Machine,
    /// All figures, in the order of measuring.
    pub figures: Vec<Figure>,
    /// The same by test.
    pub groups: Vec<Group>,
    /// Places of groups by their test.
    by_test: HashMap<String, usize>,
    /// Limits by number of threads.
    pub roofs: Vec<Roof>,
    /// Tokens beside their products, by what they are called.
    pub tokens: Vec<(String, Dot)>,
    /// What could not be measured, and why.
    pub skipped: Vec<String>,
}

impl Results {
    /// All rows of a file.
    pub fn of(rows: &[Map<String, Value>]) -> Results {
        let mut results = Results::default();
        rows.iter().for_each(|row| results.push(row));
        results
    }

    /// Takes in a row.
    pub fn push(&mut self, row: &Map<String, Value>) {
        if let Some(figure) = Figure::of(row) {
            self.beside(row);
            let at = self.figures.len();
            match self.by_test.get(&figure.test) {
                Some(&group) => self.groups[group].figures.push(at),
                None => {
                    self.by_test.insert(figure.test.clone(), self.groups.len());
                    let (test, kind, shape) = (figure.test.clone(), figure.kind, figure.shape.clone());
                    self.groups.push(Group { test, kind, shape, figures: vec![at] });
                }
            }
            self.figures.push(figure);
            return;
        }
        let o = Object(row);
        match o.text("test") {
            Some("ceiling") => {
                if let Some(threads) = o.count("threads") {
                    self.roof(threads).ceiling_gops = o.number("ceiling_gops");
                }
            }
            Some("read") => {
                let read = (o.count("working_set_bytes"), o.flag("huge_pages"), o.number("bandwidth_gbs"));
                if let (Some(threads), (Some(bytes), Some(huge), Some(gbs))) = (o.count("threads"), read) {
                    self.roof(threads).reads.push((bytes as u64, huge, gbs));
                }
            }
            Some("matmuls") => self.tokens.extend(token_dots(row)),
            Some(test) if row.contains_key("reason") => {
                self.skipped
                    .push(format!("{test} was not measured: {}", o.text("reason").unwrap_or_default()));
            }
            _ => self.machine.take(&o),
        }
    }

    /// Limits are measured again beside every product: clocks move, and the best of the run is what the machine can do.
    fn beside(&mut self, row: &Map<String, Value>) {
        let o = Object(row);
        let (Some("product"), Some(threads)) = (o.text("test"), o.count("threads")) else { return };
        let Some(roof) = self.roofs.iter_mut().find(|r| r.threads == threads) else { return };
        if let Some(gops) = o.number("ceiling_gops") {
            roof.ceiling_gops = Some(roof.ceiling_gops.map_or(gops, |most| most.max(gops)));
        }
        let memory = roof.reads.iter_mut().max_by_key(|r| (r.1, r.0));
        if let (Some(gbs), Some(memory)) = (o.number("bandwidth_gbs"), memory) {
            memory.2 = memory.2.max(gbs);
        }
    }

    fn roof(&mut self, threads: usize) -> &mut Roof {
        let at = self.roofs.iter().position(|r| r.threads == threads).unwrap_or_else(|| {
            self.roofs.push(Roof { threads, ..Roof::default() });
            self.roofs.len() - 1
        });
        &mut self.roofs[at]
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.figures.is_empty() && self.roofs.is_empty()
    }

    /// Whether there is anything of a kind.
    pub fn has(&self, kind: FigureKind) -> bool {
        self.groups.iter().any(|g| g.kind == kind)
    }

    /// The figure of a test on a backend.
    pub fn find(&self, kind: FigureKind, test: &str, backend: &str) -> Option<&Figure> {
        let group = self.groups.get(*self.by_test.get(test)?).filter(|g| g.kind == kind)?;
        group.figures.iter().map(|&i| &self.figures[i]).find(|f| f.backend == backend)
    }

    /// Every backend, in the order of measuring.
    pub fn backends(&self) -> Vec<String> {
        distinct(self.figures.iter().map(|f| &f.backend))
    }

    /// Every kernel and adapter, in the order of measuring.
    pub fn families(&self) -> Vec<String> {
        distinct(self.figures.iter().map(|f| &f.family))
    }

    /// Every matrix, in the order of measuring.
    pub fn shapes(&self) -> Vec<String> {
        distinct(self.figures.iter().filter_map(|f| f.shape.as_ref()))
    }

    /// What speed-ups are counted from unless something else is chosen: the scalar kernels on the fewest threads, else the first.
    pub fn usual_baseline(&self) -> Option<String> {
        let right = self.figures.iter().filter(|f| f.stats.is_some());
        let scalar = right.clone().find(|f| f.family == "scalar");
        scalar.or_else(|| right.clone().next()).map(|f| f.backend.clone())
    }

    /// How many times as fast as the baseline at the same test.
    pub fn speedup(&self, figure: &Figure, baseline: &str) -> Option<f64> {
        let base = self.find(figure.kind, &figure.test, baseline)?.stats?;
        Some(figure.stats?.mean / base.mean).filter(|x| x.is_finite())
    }

    /// Figures whose results are wrong.
    pub fn wrong(&self) -> usize {
        self.figures.iter().filter(|f| f.error.is_some()).count()
    }
}

fn distinct<'a>(all: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    for one in all {
        if !list.contains(one) {
            list.push(one.clone());
        }
    }
    list
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A small result as a file has it: two kernels, one of them wrong at a test, limits, a machine.
    pub fn example() -> Vec<Map<String, Value>> {
        let text = r#"[
            {"test":"machine","cpu":"Example 9000","features":["avx2"],"cores":2,"cache_bytes":[32768,1048576,33554432],
             "huge_pages":null,"system":"linux x86_64","version":"0.1.0","commit":"c0ffee","debug_build":true,
             "date":"2026-11-25T13:12:54Z","ram_bytes":8589934592,"governor":null,"load_average":1.8,"on_battery":true},
            {"test":"ceiling","threads":2,"ceiling_gops":800.0},
            {"test":"read","threads":2,"working_set_bytes":16384,"huge_pages":true,"bandwidth_gbs":400.0},
            {"test":"read","threads":2,"working_set_bytes":268435456,"huge_pages":false,"bandwidth_gbs":20.0},
            {"test":"read","threads":2,"working_set_bytes":268435456,"huge_pages":true,"bandwidth_gbs":25.0},
            {"test":"load","model":"a.gguf","size_bytes":1000,"params":4000,"kernel":"avx2","load_ms":2.0,"sha256":"00ff"},
            {"test":"tg8","kernel":"scalar","threads":1,"depth":0,"tokens_per_second_each":[9.0,10.0,11.0],
             "tokens_per_second":10.0,"sd":1.0,"max_abs_err":0.0,"error":null},
            {"test":"tg8","kernel":"avx2","threads":2,"depth":0,"tokens_per_second_each":[40.0,50.0,60.0],
             "tokens_per_second":50.0,"sd":10.0,"max_abs_err":0.0,"error":null},
            {"test":"pp8","kernel":"avx2","threads":2,"depth":0,"tokens_per_second_each":[],"tokens_per_second":null,
             "sd":null,"max_abs_err":0.5,"error":"token 9 is 1, by the scalar kernels 2"},
            {"test":"device","adapter":"llvmpipe","backend":"Vulkan","driver":"x","software":true,"shaders":"f16"},
            {"test":"gpu tg8","adapter":"llvmpipe","depth":0,"tokens_per_second_each":[2.0],"tokens_per_second":2.0,
             "sd":0.0,"max_abs_err":1e-5,"error":null},
            {"test":"tg9000","reason":"no room"},
            {"test":"note","note":"Text was written meanwhile."}
        ]"#;
        let list: Vec<Value> = serde_json::from_str(text).unwrap();
        list.into_iter().map(|v| v.as_object().unwrap().clone()).collect()
    }

    #[test]
    fn limits_are_the_best_of_the_run() {
        let mut rows = example();
        for (ceiling, read) in [(820.0, 24.0), (790.0, 26.0)] {
            let row = serde_json::json!({"test":"product","shape":"64x128","kernel":"avx2","batch":1,"threads":2,"hot":false,
                "gops":8.0,"gbs":1.0,"us_each":[2.0],"ceiling_gops":ceiling,"bandwidth_gbs":read});
            rows.push(row.as_object().unwrap().clone());
        }
        let roof = &Results::of(&rows).roofs[0];
        assert_eq!(roof.ceiling_gops, Some(820.0));
        assert_eq!(
            roof.reads.iter().map(|r| r.2).collect::<Vec<_>>(),
            [400.0, 20.0, 26.0],
            "memory on huge pages"
        );
    }

    #[test]
    fn a_result_is_sorted_by_test_and_compared() {
        let r = Results::of(&example());
        assert_eq!(
            r.groups.iter().map(|g| (g.test.as_str(), g.figures.len())).collect::<Vec<_>>(),
            [("tg8", 3), ("pp8", 1)]
        );
        assert_eq!(r.backends(), ["scalar ×1", "avx2 ×2", "llvmpipe"]);
        assert_eq!(r.usual_baseline().as_deref(), Some("scalar ×1"));
        assert_eq!(r.speedup(&r.figures[1], "scalar ×1"), Some(5.0));
        assert_eq!(r.speedup(&r.figures[1], "llvmpipe"), Some(25.0));
        assert_eq!([r.speedup(&r.figures[2], "scalar ×1"), r.speedup(&r.figures[1], "none")], [None, None]);
        assert_eq!(r.wrong(), 1);
        assert_eq!(
            r.roofs,
            [Roof {
                threads: 2,
                ceiling_gops: Some(800.0),
                reads: vec![(16_384, true, 400.0), (268_435_456, false, 20.0), (268_435_456, true, 25.0)],
            }]
        );
        assert_eq!(r.skipped, ["tg9000 was not measured: no room"]);
        assert!(Results::default().is_empty() && !r.is_empty());
    }
}
