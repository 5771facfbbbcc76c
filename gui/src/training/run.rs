//! A run as the page has it: what the folder says of it, what was read of its logs, and whether it is drawn.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::child::Trainers;
use super::curves::Curves;
use super::follow::Lines;
use super::found::{Found, State};
use crate::shared::Shared;
use crate::tokens::DARK;

/// Colours that runs are told apart by.
const COLOURS: usize = DARK.series.len();
/// The stretch of time that the pace of a live run is taken over.
const PACE: Duration = Duration::from_secs(30);
/// And from how much of it on it is told.
const PACE_FROM: Duration = Duration::from_secs(2);

/// See the top of this file.
#[derive(Debug)]
pub struct RunView {
    /// What the folder says.
    pub found: Found,
    /// What was read of its logs.
    pub curves: Curves,
    /// Whether it is drawn, and so read.
    pub drawn: bool,
    /// Whether its logs were read to their ends once.
    pub ready: bool,
    /// What it is asked for with.
    pub ticket: u64,
    /// Not seen before.
    pub fresh: bool,
    /// Why its logs cannot be read.
    pub problem: String,
    /// When the last new line of it came.
    pub news: Option<Instant>,
    /// Steps and when they came.
    arrivals: Vec<(Instant, f64)>,
    spark: (u64, Vec<f32>),
}

impl RunView {
    /// One that was just found.
    pub fn new(found: Found) -> RunView {
        RunView {
            found,
            curves: Curves::default(),
            drawn: false,
            ready: false,
            ticket: 0,
            fresh: true,
            problem: String::new(),
            news: None,
            arrivals: Vec::new(),
            spark: (0, Vec::new()),
        }
    }

    /// Begins to be drawn, or no longer is.
    pub fn draw(&mut self, draw: bool, ticket: u64) {
        (self.drawn, self.ticket, self.ready) = (draw, ticket, false);
        self.curves = Curves::default();
        self.spark = (0, Vec::new());
        self.arrivals.clear();
        self.problem.clear();
    }

    /// Takes in a piece of its logs.
    pub fn take(&mut self, lines: Lines) {
        if lines.restarted {
            self.curves.forget_points();
            self.arrivals.clear();
        }
        if lines.samples_restarted {
            self.curves.samples.clear();
        }
        self.curves.reserve(lines.points.len() + lines.to_come);
        for point in &lines.points {
            self.curves.push(point);
        }
        self.curves.push_bad(lines.bad);
        self.curves.push_samples(lines.samples);
        if let Some(problem) = lines.problem {
            self.problem = problem;
        }
        if self.ready && !lines.points.is_empty() {
            let now = Instant::now();
            self.news = Some(now);
            self.arrivals.extend(self.curves.last_step().map(|step| (now, step)));
            self.arrivals.retain(|(at, _)| now.duration_since(*at) <= PACE);
        }
        self.ready |= !lines.more;
    }

    /// The name it is shown by.
    pub fn shown_name(&self, shared: &Shared) -> String {
        let names = &shared.settings.following.names;
        names.get(&self.found.name).unwrap_or(&self.found.name).clone()
    }

    /// Its place among the colours.
    pub fn colour(&self, shared: &Shared) -> eframe::egui::Color32 {
        let index = shared.settings.following.colours.get(&self.found.name).copied().unwrap_or(0);
        shared.tokens().series[index % COLOURS]
    }

    /// The last step of its log.
    pub fn step(&self) -> u64 {
        self.curves.last_step().map_or(self.found.step, |s| s as u64)
    }

    /// The last loss of its log.
    pub fn loss(&self) -> Option<f32> {
        self.curves.last_loss().or(self.found.loss)
    }

    /// A few losses for a small picture.
    pub fn spark(&mut self) -> &[f32] {
        if !self.drawn || self.curves.steps.rows() == 0 {
            return &self.found.spark;
        }
        let points = self.curves.steps.points();
        // Redrawn when the log grew by a hundredth.
        if self.spark.1.is_empty() || points > self.spark.0 + self.spark.0 / 100 || points < self.spark.0 {
            self.spark = (points, self.curves.spark(64));
        }
        &self.spark.1
    }

    /// Steps a second: as they come in, or as the log's times have it.
    pub fn pace(&self) -> Option<f64> {
        let arrived = self.arrivals.first().zip(self.arrivals.last()).and_then(|(a, b)| {
            let time = b.0.duration_since(a.0);
            (time >= PACE_FROM && b.1 > a.1).then(|| (b.1 - a.1) / time.as_secs_f64())
        });
        arrived.or_else(|| self.curves.seconds_per_step().map(|s| 1.0 / s))
    }

    /// Time to the last step, at the present pace.
    pub fn time_left(&self) -> Option<Duration> {
        let left = self.found.steps.checked_sub(self.step()).filter(|n| *n > 0)?;
        let seconds = left as f64 / self.pace()?;
        (self.found.state == State::Live && seconds < 1e8).then(|| Duration::from_secs_f64(seconds))
    }

    /// Whether a trainer could take it up again.
    pub fn can_resume(&self, trainers: &Trainers) -> bool {
        let stopped = matches!(self.found.state, State::Stopped | State::Failed(_) | State::Lost);
        stopped
            && !trainers.has(&self.found.path)
            && (self.found.steps == 0 || self.step() < self.found.steps)
    }
}

/// Gives a run a colour, the least used one, unless it has one already.
pub fn colour(colours: &mut BTreeMap<String, usize>, name: &str) {
    if colours.contains_key(name) {
        return;
    }
    let used = |colour: usize| colours.values().filter(|&&c| c == colour).count();
    let least = (0..COLOURS).min_by_key(|&colour| used(colour)).unwrap_or(0);
    colours.insert(name.to_owned(), least);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_keep_their_colours_and_new_ones_get_the_least_used() {
        let mut colours = BTreeMap::new();
        for i in 0..COLOURS + 2 {
            colour(&mut colours, &format!("run {i}"));
        }
        assert_eq!((colours["run 0"], colours["run 3"], colours["run 8"]), (0, 3, 0));
        let before = colours.clone();
        colour(&mut colours, "run 3");
        assert_eq!(colours, before);
    }
}
