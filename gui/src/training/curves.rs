//! Everything that is drawn of one run, as its log is read: the curves, where the loss was no number, whether it runs away, and what
//! could not be read.

use formats::run_log::{BadLine, SampleLine};

use super::metric::{CODES, ODD, Point, STEPS, VALIDATION};
use super::track::Track;
use crate::command::CurveAxis;

/// Places of odd losses that are kept for their marks; the count goes on.
const ODD_MAX: usize = 10_000;
/// Samples that are kept: enough for a scrubber, and a bound for a log that is nothing but samples.
const SAMPLES_MAX: usize = 5_000;
/// How slowly the loss that is watched for running away follows the measured one.
const WATCH_KEEP: f64 = 0.98;
/// Steps before a loss can be said to run away.
const WATCH_FROM: u64 = 100;
/// A smoothed loss this many times its best one runs away.
const RUNAWAY: f64 = 1.5;

/// See the top of this file.
#[derive(Clone, Debug)]
pub struct Curves {
    /// A value a step; see `metric::STEPS`.
    pub steps: Track,
    /// What was measured at validations: see [`VALIDATION`].
    pub validation: Track,
    /// Looks at the codes.
    pub codes: Track,
    /// Where the loss was no number: step, tokens, seconds.
    pub odd: Vec<[f64; 3]>,
    /// Lines that could not be read, and the first of them.
    pub bad: (u64, Option<BadLine>),
    /// What the model wrote, by step.
    pub samples: Vec<SampleLine>,
    /// Whether the log tells tokens and times.
    pub has: [bool; 3],
    watch: Watch,
}

/// The smoothed loss, and its best.
#[derive(Clone, Copy, Debug)]
struct Watch {
    sum: f64,
    weight: f64,
    best: f64,
    best_step: f64,
    points: u64,
}

/// Where curves are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// [`Curves::steps`].
    Steps,
    /// [`Curves::validation`].
    Validation,
    /// [`Curves::codes`].
    Codes,
}

impl Source {
    pub const ALL: [Source; 3] = [Source::Steps, Source::Validation, Source::Codes];
}

/// A loss that runs away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Runaway {
    /// How many times the best it is.
    pub times: f64,
    /// The best, smoothed.
    pub best: f64,
    /// When it was.
    pub step: f64,
}

const WATCH: Watch = Watch { sum: 0.0, weight: 0.0, best: f64::INFINITY, best_step: 0.0, points: 0 };

impl Default for Curves {
    fn default() -> Self {
        Curves {
            steps: Track::new(STEPS, false),
            validation: Track::new(VALIDATION, false),
            codes: Track::new(CODES, true),
            odd: Vec::new(),
            bad: (0, None),
            samples: Vec::new(),
            has: [true, false, false],
            watch: WATCH,
        }
    }
}

impl Curves {
    /// Takes in a line of the metrics log.
    pub fn push(&mut self, p: &Point) {
        let at = [p.step, p.tokens, p.seconds];
        if self.last_step().is_some_and(|last| p.step <= last) {
            self.odd.retain(|odd| odd[0] < p.step);
            self.watch = WATCH;
        }
        self.has[1] |= p.tokens > 0.0;
        self.has[2] |= p.seconds > 0.0;
        self.steps.push(at, &p.steps.map(|v| [v; 3]));
        if let Some(v) = &p.validation {
            self.validation.push(at, &v.map(|v| [v; 3]));
        }
        if let Some(codes) = &p.codes {
            self.codes.push(at, &codes[..]);
        }
        let loss = p.steps[0];
        if loss == ODD && self.odd.len() < ODD_MAX {
            self.odd.push(at);
        }
        if loss.is_finite() {
            self.watch.add(loss.into(), p.step);
        }
    }

    /// Begins anew, but for the samples, which have a log of their own.
    pub fn forget_points(&mut self) {
        let samples = std::mem::take(&mut self.samples);
        *self = Curves { samples, ..Curves::default() };
    }

    /// Makes room for lines to come.
    pub fn reserve(&mut self, lines: usize) {
        self.steps.reserve(lines);
    }

    /// Takes in samples; one of an earlier step replaces what was there from that step on.
    pub fn push_samples(&mut self, lines: Vec<SampleLine>) {
        for line in lines {
            if self.samples.last().is_some_and(|last| last.step > line.step) {
                self.samples.retain(|s| s.step < line.step);
            }
            if self.samples.len() == SAMPLES_MAX {
                self.samples.remove(0);
            }
            self.samples.push(line);
        }
    }

    /// Counts lines that could not be read.
    pub fn push_bad(&mut self, lines: Vec<BadLine>) {
        self.bad.0 += lines.len() as u64;
        if self.bad.1.is_none() {
            self.bad.1 = lines.into_iter().next();
        }
    }

    /// The curves of a source.
    pub fn track(&self, source: Source) -> &Track {
        match source {
            Source::Steps => &self.steps,
            Source::Validation => &self.validation,
            Source::Codes => &self.codes,
        }
    }

    /// Has a smoothed curve be that of a smoothing, from 0 to below 1; says whether it was another. Each is smoothed at its own points.
    pub fn set_smoothing(&mut self, source: Source, series: usize, smoothing: f32) -> bool {
        let track = match source {
            Source::Steps => &mut self.steps,
            Source::Validation => &mut self.validation,
            Source::Codes => &mut self.codes,
        };
        track.set_smoothing(series, smoothing)
    }

    /// The last step that was read.
    pub fn last_step(&self) -> Option<f64> {
        self.steps.x(CurveAxis::Step).last().copied()
    }

    /// The last training loss, odd or not.
    pub fn last_loss(&self) -> Option<f32> {
        let rows = self.steps.rows();
        (0..rows).rev().take(64).map(|r| self.steps.mean(0, r)).find(|v| !v.is_nan())
    }

    /// The lowest validation in bits per byte, and its step.
    pub fn best_bits(&self) -> Option<(f32, f64)> {
        let v = &self.validation;
        let rows = (0..v.rows()).map(|r| (v.extremes(1, r).low, v.x(CurveAxis::Step)[r]));
        rows.filter(|(bits, _)| bits.is_finite()).min_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// Training seconds of a step, from the last rows.
    pub fn seconds_per_step(&self) -> Option<f64> {
        let (x, t) = (self.steps.x(CurveAxis::Step), self.steps.x(CurveAxis::Time));
        let from = x.len().saturating_sub(50);
        let (steps, seconds) = (x.last()? - x[from], t.last()? - t[from]);
        (self.has[2] && steps > 0.0 && seconds > 0.0).then(|| seconds / steps)
    }

    /// Whether the loss runs away from its best.
    pub fn runaway(&self) -> Option<Runaway> {
        let w = &self.watch;
        if w.points < WATCH_FROM || w.best <= 0.0 {
            return None;
        }
        let times = w.sum / w.weight / w.best;
        (times > RUNAWAY).then_some(Runaway { times, best: w.best, step: w.best_step })
    }

    /// The loss in few numbers, for a picture a thumb wide: mean of the lowest and the highest of each stretch.
    pub fn spark(&self, wanted: usize) -> Vec<f32> {
        let rows = self.steps.rows();
        let wanted = wanted.min(rows);
        let stretch = |i: usize| self.steps.range(0, false, i * rows / wanted, (i + 1) * rows / wanted);
        (0..wanted).map(stretch).filter(|e| !e.is_empty()).map(|e| e.low / 2.0 + e.high / 2.0).collect()
    }
}

impl Watch {
    fn add(&mut self, loss: f64, step: f64) {
        self.sum = self.sum * WATCH_KEEP + loss * (1.0 - WATCH_KEEP);
        self.weight = self.weight * WATCH_KEEP + (1.0 - WATCH_KEEP);
        self.points += 1;
        let smooth = self.sum / self.weight;
        if smooth < self.best {
            (self.best, self.best_step) = (smooth, step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: u64, loss: f32) -> Point {
        let mut steps = [f32::NAN; STEPS];
        steps[0] = loss;
        Point {
            step: step as f64,
            tokens: 0.0,
            seconds: step as f64 * 0.5,
            steps,
            validation: None,
            codes: None,
        }
    }

    #[test]
    fn curves_notice_a_loss_that_is_no_number_and_one_that_runs_away() {
        let mut curves = Curves::default();
        for step in 1..=300 {
            curves.push(&point(step, 4.0 / (step as f32).sqrt()));
        }
        assert_eq!((curves.odd.len(), curves.runaway()), (0, None));
        assert_eq!(curves.seconds_per_step(), Some(0.5));
        curves.push(&point(301, ODD));
        assert_eq!((curves.odd[0][0], curves.last_loss()), (301.0, Some(ODD)));
        for step in 302..=400 {
            curves.push(&point(step, 3.0));
        }
        let runaway = curves.runaway().unwrap();
        assert!(runaway.times > 2.0 && runaway.step == 300.0, "{runaway:?}");
        // Continued from a checkpoint before all that.
        curves.push(&point(250, 0.3));
        assert_eq!((curves.odd.len(), curves.runaway(), curves.last_step()), (0, None, Some(250.0)));
        assert_eq!(curves.spark(50).len(), 50);
    }

    #[test]
    fn curves_keep_samples_in_the_order_of_their_steps() {
        let mut curves = Curves::default();
        let sample = |step| SampleLine { step, ..SampleLine::default() };
        curves.push_samples(vec![sample(10), sample(20), sample(20), sample(30)]);
        curves.push_samples(vec![sample(20), sample(25)]);
        assert_eq!(curves.samples.iter().map(|s| s.step).collect::<Vec<_>>(), [10, 20, 25]);
    }
}
