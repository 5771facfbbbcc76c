//! The roofline by numbers: which limits count, where they meet, what the axes span and where their ticks are. `roofline_ui` draws it.

use super::figure::Dot;
use super::machine::Machine;
use super::results::{Results, Roof};
use super::view::View;

/// A limit of reading: so many bytes a second out of some memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Slope {
    /// "memory", "L1 cache".
    pub name: String,
    /// 10^9 bytes per second.
    pub gbs: f64,
}

/// A mark under the limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    pub name: String,
    /// The kernel or adapter.
    pub family: String,
    pub dot: Dot,
}

/// What is to be drawn for one number of threads.
#[derive(Clone, Debug, PartialEq)]
pub struct Roofline {
    /// Threads of everything in it.
    pub threads: usize,
    /// Multiply-adds from registers, 10^9 operations per second.
    pub ceiling: Option<f64>,
    /// Memory first, then caches, the slowest first.
    pub slopes: Vec<Slope>,
    pub marks: Vec<Mark>,
    /// Operations per byte.
    pub x: LogAxis,
    /// 10^9 operations per second.
    pub y: LogAxis,
}

/// A logarithmic axis, by the logarithms of its ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogAxis {
    /// Of the lower end.
    pub from: f64,
    /// Of the upper end.
    pub to: f64,
}

impl LogAxis {
    /// Around these figures, with some room.
    fn around(values: impl Iterator<Item = f64>, below: f64, above: f64) -> Option<LogAxis> {
        let logs = values.filter(|v| v.is_finite() && *v > 0.0).map(f64::log10);
        let (least, most) = logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        (least <= most).then(|| LogAxis { from: least - below.log10(), to: most + above.log10() })
    }

    /// Where a figure lies, 0 to 1.
    pub fn share(self, value: f64) -> f64 {
        (value.log10() - self.from) / (self.to - self.from)
    }

    /// Figures to mark, and whether they are powers of ten; each with its label, if there is room for one: 1, 2 and 5 of each power
    /// where fewer than three powers are seen, else the powers alone.
    pub fn ticks(self) -> Vec<(f64, bool)> {
        let few = self.to - self.from < 3.2;
        let mut ticks = Vec::new();
        for power in self.from.floor() as i32..=self.to.ceil() as i32 {
            for step in 1..10 {
                let value = f64::from(step) * 10f64.powi(power);
                if (self.from..=self.to).contains(&value.log10()) {
                    ticks.push((value, step == 1 || (few && (step == 2 || step == 5))));
                }
            }
        }
        ticks
    }
}

impl Roofline {
    /// Of a result, as it is looked at; `None` where no limit was measured.
    pub fn new(results: &Results, earlier: Option<&Results>, view: &View) -> Option<Roofline> {
        let threads = view.threads.filter(|&n| results.roofs.iter().any(|r| r.threads == n));
        let threads = threads.or_else(|| results.roofs.iter().map(|r| r.threads).max())?;
        let roof = results.roofs.iter().find(|r| r.threads == threads)?;
        let slopes = slopes(roof, &results.machine);
        let marks = marks(results, view, threads);
        let ghosts = earlier.map_or_else(Vec::new, |e| marks_of_all(e, threads));
        if roof.ceiling_gops.is_none() && slopes.is_empty() && marks.is_empty() {
            return None;
        }
        let memory = slopes.first().map(|s| s.gbs);
        let ridge = roof.ceiling_gops.zip(memory).map(|(c, m)| c / m);
        let dots = || marks.iter().chain(&ghosts).map(|m| &m.dot);
        let x = LogAxis::around(dots().map(|d| d.ops_per_byte).chain(ridge).chain([1.0]), 2.0, 3.0)?;
        let left = memory.map(|m| m * 10f64.powf(x.from));
        let y = LogAxis::around(dots().map(|d| d.gops).chain(roof.ceiling_gops).chain(left), 1.5, 2.2)?;
        Some(Roofline { threads, ceiling: roof.ceiling_gops, slopes, marks, x, y })
    }

    /// The most that memory and registers allow at so many operations per byte.
    pub fn limit(&self, ops_per_byte: f64) -> Option<f64> {
        let memory = self.slopes.first().map(|s| s.gbs * ops_per_byte);
        match (memory, self.ceiling) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Operations per byte from which on registers bound and memory no longer does.
    pub fn ridge(&self) -> Option<f64> {
        Some(self.ceiling? / self.slopes.first()?.gbs)
    }
}

/// Products and tokens that are shown.
pub fn marks(results: &Results, view: &View, threads: usize) -> Vec<Mark> {
    let all = marks_of_all(results, threads).into_iter();
    let shape_of = |m: &Mark| m.name.split(',').next().unwrap_or_default().to_owned();
    all.filter(|m| !view.hidden.contains(&m.family))
        .filter(|m| m.family == TOKENS || view.shape.as_ref().is_none_or(|s| *s == shape_of(m)))
        .collect()
}

/// What holds what no cache does.
const MEMORY: &str = "memory";

/// What tokens of a model are counted under.
pub const TOKENS: &str = "whole model";

/// The same whatever is looked at.
pub fn marks_of_all(results: &Results, threads: usize) -> Vec<Mark> {
    let products = results.figures.iter().filter_map(|f| {
        let dot = f.dot.clone().filter(|d| d.threads == threads)?;
        Some(Mark {
            name: format!(
                "{}, {}",
                f.test.replacen(',', &format!(", {},", f.family), 1),
                threads_name(threads)
            ),
            family: f.family.clone(),
            dot,
        })
    });
    let tokens = results.tokens.iter().filter(|(_, dot)| dot.threads == threads);
    products
        .chain(tokens.map(|(name, dot)| Mark { name: name.clone(), family: TOKENS.into(), dot: dot.clone() }))
        .collect()
}

/// In words.
pub fn threads_name(n: usize) -> String {
    if n == 1 { "1 thread".into() } else { format!("{n} threads") }
}

/// The limits of reading that count: from memory, and from each cache by the fastest set that it holds. Huge pages before small ones.
fn slopes(roof: &Roof, machine: &Machine) -> Vec<Slope> {
    let huge = roof.reads.iter().any(|r| r.1);
    let mut reads: Vec<(u64, f64)> = roof.reads.iter().filter(|r| r.1 == huge).map(|r| (r.0, r.2)).collect();
    reads.sort_by_key(|r| std::cmp::Reverse(r.0));
    let mut slopes: Vec<Slope> = Vec::new();
    for (bytes, gbs) in reads {
        let name = level(bytes, roof.threads, &machine.cache_bytes);
        match slopes.iter_mut().find(|s| s.name == name) {
            Some(slope) => slope.gbs = slope.gbs.max(gbs),
            None => slopes.push(Slope { name, gbs }),
        }
    }
    // A cache is no slower than memory; one that was measured so shared its minute with something else and bounds nothing.
    let memory = slopes.first().filter(|s| s.name == MEMORY).map_or(0.0, |s| s.gbs);
    slopes.retain(|s| s.name == MEMORY || s.gbs > 1.1 * memory);
    slopes
}

/// Where so many bytes of each thread lie.
fn level(bytes: u64, threads: usize, caches: &[u64]) -> String {
    let last = caches.len().saturating_sub(1);
    // The last cache is shared, the others belong to one core.
    let holds =
        |(i, size): (usize, &u64)| if i == last { bytes * threads as u64 <= *size } else { bytes <= *size };
    match caches.iter().enumerate().position(holds) {
        Some(i) => format!("L{} cache", i + 1),
        // Nothing that large fits into a cache, whatever the system tells of them.
        None if caches.is_empty() && bytes < 128 << 20 => format!("{} KiB", bytes >> 10),
        None => MEMORY.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::example;
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_meet_where_their_figures_say() {
        let chart = Roofline::new(&Results::of(&example()), None, &View::default()).unwrap();
        let names: Vec<(&str, f64)> = chart.slopes.iter().map(|s| (s.name.as_str(), s.gbs)).collect();
        assert_eq!(names, [("memory", 25.0), ("L1 cache", 400.0)]);
        assert_eq!((chart.threads, chart.ceiling, chart.ridge()), (2, Some(800.0), Some(32.0)));
        assert_eq!([1.0, 32.0, 100.0].map(|x| chart.limit(x)), [Some(25.0), Some(800.0), Some(800.0)]);
        // The ridge and one operation per byte are in sight, with room on both sides.
        assert!(chart.x.share(1.0) > 0.0 && chart.x.share(32.0) < 1.0 && chart.y.share(800.0) < 1.0);
        assert_eq!(Roofline::new(&Results::default(), None, &View::default()), None);
        let mut busy = Results::of(&example());
        busy.roofs[0].reads[0].2 = 26.0;
        assert_eq!(
            Roofline::new(&busy, None, &View::default()).unwrap().slopes.len(),
            1,
            "a cache as slow as memory"
        );
    }

    #[test]
    fn axes_are_logarithmic_and_marked_at_round_figures() {
        let axis = LogAxis { from: 0.0, to: 2.0 };
        assert_eq!([axis.share(1.0), axis.share(10.0), axis.share(100.0)], [0.0, 0.5, 1.0]);
        let named: Vec<f64> = axis.ticks().into_iter().filter(|t| t.1).map(|t| t.0).collect();
        assert_eq!(named, [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        let wide = LogAxis { from: -1.5, to: 3.0 };
        let named: Vec<f64> = wide.ticks().into_iter().filter(|t| t.1).map(|t| t.0).collect();
        assert_eq!(named, [0.1, 1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(LogAxis::around([0.0, f64::NAN, -1.0].into_iter(), 1.0, 1.0), None);
    }

    #[test]
    fn marks_are_those_of_the_threads_and_the_kernels_that_are_shown() {
        let mut rows = example();
        for (threads, kernel) in [(1, "avx2"), (2, "avx2"), (2, "scalar")] {
            let row = json!({"test":"product","shape":"64x128","kernel":kernel,"batch":2,"threads":threads,"hot":true,
                "gops":8.0,"gbs":0.5,"us_each":[1.0]});
            rows.push(row.as_object().unwrap().clone());
        }
        let results = Results::of(&rows);
        let mut view = View::default();
        let chart = Roofline::new(&results, None, &view).unwrap();
        let names: Vec<&str> = chart.marks.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "64x128, avx2, batch 2, from caches, 2 threads",
                "64x128, scalar, batch 2, from caches, 2 threads"
            ]
        );
        assert_eq!(chart.marks[0].dot.ops_per_byte, 16.0);
        view.hidden.insert("scalar".into());
        assert_eq!(Roofline::new(&results, None, &view).unwrap().marks.len(), 1);
        view.shape = Some("8x128".into());
        assert_eq!(Roofline::new(&results, None, &view).unwrap().marks.len(), 0);
    }

    #[test]
    fn levels_are_the_smallest_cache_that_holds_it() {
        let caches = [32 << 10, 1 << 20, 32 << 20];
        let at = |bytes| level(bytes, 2, &caches);
        assert_eq!(
            [16 << 10, 128 << 10, 4 << 20, 24 << 20, 256 << 20].map(at),
            ["L1 cache", "L2 cache", "L3 cache", "memory", "memory"]
        );
        assert_eq!([level(16 << 10, 1, &[]), level(256 << 20, 1, &[])], ["16 KiB", "memory"]);
    }
}
