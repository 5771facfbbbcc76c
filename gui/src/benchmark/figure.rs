//! One figure of a result, as the page compares it: which test, on what, how fast with every repetition, and whether it is right.
//! Made from the objects that results are written as, so that a run and an earlier file are the same to everybody else.

use bench::Stats;
use serde_json::{Map, Value};

use crate::command::FigureKind;

/// Where a figure lies under the machine's limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Dot {
    /// 10^9 operations per second, of the median repetition.
    pub gops: f64,
    /// Operations for each byte of weights that is read.
    pub ops_per_byte: f64,
    /// Whether caches may hold the matrix.
    pub hot: bool,
    /// Threads that it had.
    pub threads: usize,
    /// What was reached of what bounds it, by the limits measured beside it.
    pub share: Option<f64>,
    /// What belongs to one line: the same matrix by the same kernel.
    pub line: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub kind: FigureKind,
    /// What it is compared under: "pp512 @ d64", "2048x2048, batch 8, from memory".
    pub test: String,
    /// Of a product, the matrix.
    pub shape: Option<String>,
    /// The kernel or the adapter.
    pub family: String,
    /// The same with its threads: "avx2 ×2".
    pub backend: String,
    /// Each repetition.
    pub each: Vec<f64>,
    /// What they say; nothing of a wrong result.
    pub stats: Option<Stats>,
    /// Milliseconds to the first token, of prompts.
    pub first_token_ms: Option<f64>,
    /// What is wrong.
    pub error: Option<String>,
    /// Largest difference from the scalar kernels' result.
    pub max_abs_err: Option<f64>,
    /// Where it lies under the machine's limits.
    pub dot: Option<Dot>,
    /// What else is known, a line each.
    pub more: Vec<String>,
}

/// A row's object, looked into by name.
pub struct Object<'a>(pub &'a Map<String, Value>);

impl Object<'_> {
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    /// A number that is one.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.0.get(key)?.as_f64().filter(|v| v.is_finite())
    }

    /// A number of things.
    pub fn count(&self, key: &str) -> Option<usize> {
        usize::try_from(self.0.get(key)?.as_u64()?).ok()
    }

    /// Yes or no.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.0.get(key)?.as_bool()
    }

    /// A list of numbers; what is none is left out.
    pub fn numbers(&self, key: &str) -> Vec<f64> {
        let list = self.0.get(key).and_then(Value::as_array);
        list.map_or_else(Vec::new, |l| l.iter().filter_map(Value::as_f64).filter(|v| v.is_finite()).collect())
    }
}

/// A kernel on so many threads.
pub fn on_threads(kernel: &str, threads: usize) -> String {
    format!("{kernel} ×{threads}")
}

impl Figure {
    /// Out of a row that has one.
    pub fn of(row: &Map<String, Value>) -> Option<Figure> {
        let o = Object(row);
        match o.text("test")? {
            "product" | "gpu product" => Self::product(&o),
            _ if row.contains_key("tokens_per_second") => Self::model(&o),
            _ => None,
        }
    }

    fn model(o: &Object<'_>) -> Option<Figure> {
        let name = o.text("test")?.trim_start_matches("gpu ");
        let depth = o.count("depth").unwrap_or(0);
        let mut each = o.numbers("tokens_per_second_each");
        let mut stats = Stats::of(&each);
        if let (None, Some(mean)) = (stats, o.number("tokens_per_second")) {
            // Written before repetitions were kept.
            each = vec![mean];
            stats = Stats::of(&each).map(|s| Stats { sd: o.number("sd").unwrap_or(0.0), ..s });
        }
        let (family, backend) = place(o)?;
        Some(Figure {
            kind: FigureKind::Model,
            test: if depth > 0 { format!("{name} @ d{depth}") } else { name.to_owned() },
            shape: None,
            family,
            backend,
            each,
            stats,
            first_token_ms: o.number("first_token_ms"),
            error: o.text("error").map(str::to_owned),
            max_abs_err: o.number("max_abs_err"),
            dot: None,
            more: more(o, o.number("device_share")),
        })
    }

    fn product(o: &Object<'_>) -> Option<Figure> {
        let (shape, batch) = (o.text("shape")?, o.count("batch")?);
        // A device multiplies by the same matrix every time.
        let hot = o.flag("hot").unwrap_or(true);
        let (family, backend) = place(o)?;
        let (gops, gbs) = (o.number("gops"), o.number("gbs"));
        let (rows, cols) = shape.split_once('x')?;
        let ops = 2.0 * rows.parse::<f64>().ok()? * cols.parse::<f64>().ok()? * batch as f64;
        let us = o.numbers("us_each");
        let each: Vec<f64> = if us.is_empty() {
            gops.into_iter().collect()
        } else {
            us.iter().map(|us| ops / us / 1e3).collect()
        };
        let dot = gops.zip(gbs).zip(o.count("threads")).map(|((gops, gbs), threads)| Dot {
            gops,
            ops_per_byte: gops / gbs,
            hot,
            threads,
            share: o.number("share"),
            line: format!("{shape} {family} {hot}"),
        });
        Some(Figure {
            kind: FigureKind::Product,
            test: format!("{shape}, batch {batch}, from {}", if hot { "caches" } else { "memory" }),
            shape: Some(shape.to_owned()),
            family,
            backend,
            stats: Stats::of(&each),
            each,
            first_token_ms: None,
            error: o.text("error").map(str::to_owned),
            max_abs_err: o.number("max_abs_err"),
            dot,
            more: more(o, o.number("device_us").zip(o.number("us")).map(|(d, us)| d / us)),
        })
    }

    /// Whether its result is that of the scalar kernels, in words.
    pub fn verdict(&self) -> String {
        match (&self.error, self.max_abs_err) {
            (Some(error), _) => format!("wrong: {error}"),
            (None, Some(0.0)) => "right, same bits".to_owned(),
            (None, Some(most)) => format!("right, off by {most:.0e} at most"),
            (None, None) => "not compared".to_owned(),
        }
    }
}

/// The share of a device's own clock, and memory.
fn more(o: &Object<'_>, in_shaders: Option<f64>) -> Vec<String> {
    let shaders = in_shaders
        .map(|s| format!("{:.0} % of the time in shaders, the rest recording and waiting", 100.0 * s));
    let memory =
        o.number("peak_memory_bytes").map(|b| format!("{} memory at most", crate::widgets::bytes(b as u64)));
    shaders.into_iter().chain(memory).collect()
}

/// The kernel or adapter of a row, and the same with its threads.
fn place(o: &Object<'_>) -> Option<(String, String)> {
    match (o.text("adapter"), o.text("kernel"), o.count("threads")) {
        (Some(adapter), ..) => Some((adapter.to_owned(), adapter.to_owned())),
        (None, Some(kernel), Some(threads)) => Some((kernel.to_owned(), on_threads(kernel, threads))),
        _ => None,
    }
}

/// The dots of a token and of its products alone, of a row that sets them side by side.
pub fn token_dots(row: &Map<String, Value>) -> Vec<(String, Dot)> {
    let o = Object(row);
    let found = || {
        let (ops, bytes) = (o.number("matmul_ops")?, o.number("matmul_bytes")?);
        let (kernel, threads, depth) = (o.text("kernel")?, o.count("threads")?, o.count("depth")?);
        let dot = |what: &str, us: f64| {
            let gops = ops / us / 1e3;
            let name = format!("{what}, {}, depth {depth}", on_threads(kernel, threads));
            let share = o.number("bandwidth_gbs").map(|most| bytes / us / 1e3 / most);
            let line = format!("token {kernel} {depth}");
            (name, Dot { gops, ops_per_byte: ops / bytes, hot: false, threads, share, line })
        };
        Some(vec![
            dot("products of one token", o.number("matmuls_us")?),
            dot("one token", o.number("token_us")?),
        ])
    };
    found().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(text: &str) -> Option<Figure> {
        Figure::of(serde_json::from_str::<Value>(text).unwrap().as_object().unwrap())
    }

    #[test]
    fn models_on_processors_and_devices_are_compared_under_one_name() {
        let cpu = figure(
            r#"{"test":"tg8","kernel":"avx2","threads":2,"depth":64,"tokens_per_second":20.0,"sd":1.0,
                "max_abs_err":0.0,"error":null,"tokens_per_second_each":[19.0,20.0,21.0]}"#,
        )
        .unwrap();
        assert_eq!((cpu.test.as_str(), cpu.backend.as_str()), ("tg8 @ d64", "avx2 ×2"));
        assert_eq!(cpu.stats.map(|s| (s.count, s.mean, s.sd, s.min)), Some((3, 20.0, 1.0, 19.0)));
        assert_eq!(cpu.verdict(), "right, same bits");
        let gpu = figure(
            r#"{"test":"gpu tg8","adapter":"A card","depth":64,"tokens_per_second":null,
                "max_abs_err":null,"error":"token 9 is 1","tokens_per_second_each":[]}"#,
        )
        .unwrap();
        assert_eq!((gpu.test.as_str(), gpu.backend.as_str(), gpu.stats), ("tg8 @ d64", "A card", None));
        assert_eq!(gpu.verdict(), "wrong: token 9 is 1");
        // A file from before repetitions were kept.
        let old = figure(
            r#"{"test":"pp4","kernel":"avx2","threads":1,"depth":0,"tokens_per_second":9.0,"sd":0.5}"#,
        );
        assert_eq!(old.unwrap().stats.map(|s| (s.mean, s.sd)), Some((9.0, 0.5)));
    }

    #[test]
    fn products_lie_where_their_bytes_put_them() {
        let row = r#"{"test":"product","shape":"128x256","kernel":"avx2","batch":2,"threads":1,"hot":false,
            "us":2.0,"gops":65.536,"gbs":4.352,"share":0.5,"max_abs_err":0.0,"us_each":[2.0,4.0]}"#;
        let f = figure(row).unwrap();
        assert_eq!((f.test.as_str(), f.shape.as_deref()), ("128x256, batch 2, from memory", Some("128x256")));
        assert_eq!(f.each, [65.536, 32.768]);
        let dot = f.dot.unwrap();
        // Two operations for each of 256 weights and 2 tokens, over 34 bytes for each 128 weights.
        assert!((dot.ops_per_byte - 2.0 * 2.0 * 128.0 / 34.0).abs() < 0.01 && !dot.hot, "{dot:?}");
        for nothing in
            ["{}", r#"{"test":"ceiling","threads":1}"#, r#"{"test":"product","shape":"x","batch":1}"#]
        {
            assert_eq!(figure(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_token_is_two_dots() {
        let row = r#"{"test":"matmuls","kernel":"avx2","threads":2,"depth":0,"token_us":200.0,"matmuls_us":100.0,
            "matmul_bytes":1000,"matmul_ops":7000,"bandwidth_gbs":20.0}"#;
        let dots = token_dots(serde_json::from_str::<Value>(row).unwrap().as_object().unwrap());
        assert_eq!(dots.len(), 2);
        assert!((dots[0].1.gops - 0.07).abs() < 1e-9 && (dots[1].1.gops - 0.035).abs() < 1e-9);
        assert_eq!((dots[0].1.ops_per_byte, dots[0].1.share), (7.0, Some(0.0005)));
        assert!(dots[1].0.starts_with("one token, avx2 ×2"));
        assert!(token_dots(&Map::new()).is_empty());
    }
}
