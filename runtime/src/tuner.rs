//! How many threads work on what comes next: measured, not guessed. With idle processors all of them win; beside a training run
//! or a busy browser, waiting for a thread from which the system took the processor costs more than it saves. Any number computes
//! the same bits, so trying costs time alone.
//!
//! It climbs: what is in use is timed all along, its neighbours now and then for as long as it takes to tell, and the best goes on.
//! There is no clock in here; time is the sum of what it is told.

use std::time::Duration;

/// A number of threads is turned down by its mean over this long, ten time slices of the system (3 to 4 ms each), for what is
/// lost on a busy machine is lost in few and long waits; and is taken by its mean over four times that.
const TRIAL: f64 = 0.040;
const TRIAL_WON: f64 = 4.0 * TRIAL;
/// A trial that goes this much worse or better is over sooner: on an idle machine that is clear at once.
const CLEAR: f64 = 1.3;
const CLEAR_LOST: f64 = TRIAL / 10.0;
const CLEAR_WON: f64 = TRIAL / 2.0;
/// Another number must be better by this factor: noise moves nothing.
const BETTER: f64 = 0.95;
/// What is in use is known by its mean over about this long ...
const LONG: f64 = 2.0;
/// ... and the machine has changed when the mean over about this long leaves that by this factor.
const RECENT: f64 = 0.100;
const CHANGED: f64 = 1.25;
/// Time between trials: after the machine or the number has changed; and at most, each trial in vain having doubled it. With all
/// threads in use there is only a change to wait for; else processors may have become free, which shows in nothing but a trial.
const WAIT: f64 = 0.020;
const WAIT_MAX: f64 = 0.5;
const WAIT_MAX_ALL: f64 = 8.0;
/// Trials take at most about this share of the time: the first tile of a long prompt is no time to try others.
const SHARE: f64 = 0.1;

/// Seconds and units of work, of which older ones count less.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    seconds: f64,
    work: f64,
}

impl Mean {
    fn add(&mut self, seconds: f64, work: f64) {
        self.seconds += seconds;
        self.work += work;
    }

    /// Adds, and forgets what is older than about `span` seconds.
    fn drift(&mut self, seconds: f64, work: f64, span: f64) {
        let keep = (-seconds / span).exp();
        self.seconds *= keep;
        self.work *= keep;
        self.add(seconds, work);
    }

    /// Seconds for a unit of work.
    fn cost(self) -> f64 {
        self.seconds / self.work
    }
}

/// The numbers of threads and what is known of them.
#[derive(Debug)]
pub struct Tuner {
    /// Numbers to choose from, rising, each at most half as much again as the one before.
    counts: Vec<usize>,
    /// Index of the one in use.
    at: usize,
    /// Index of the one in use before.
    left: Option<usize>,
    recent: Mean,
    long: Mean,
    /// Index of a neighbour being tried, and what it took.
    trial: Option<(usize, Mean)>,
    /// Whether the next trial is of more threads.
    up: bool,
    /// Seconds until the next trial, and after the next one in vain.
    wait: f64,
    wait_next: f64,
    /// Seconds since the last trial.
    since: f64,
}

impl Tuner {
    /// Starts with `most` threads, at least one.
    pub fn new(most: usize) -> Self {
        let mut counts: Vec<usize> =
            std::iter::successors(Some(1), |&n| Some(n + (n / 2).max(1))).take_while(|&n| n < most).collect();
        counts.push(most.max(1));
        Tuner {
            at: counts.len() - 1,
            counts,
            left: None,
            recent: Mean::default(),
            long: Mean::default(),
            trial: None,
            up: false,
            wait: WAIT,
            wait_next: WAIT,
            since: 0.0,
        }
    }

    /// How many threads should do the next piece of work.
    pub fn threads(&self) -> usize {
        self.counts[self.trial.map_or(self.at, |(i, _)| i)]
    }

    /// Takes note of how long so many units of work took on [`threads`](Self::threads).
    pub fn took(&mut self, time: Duration, work: usize) {
        let (seconds, work) = (time.as_secs_f64(), work as f64);
        match &mut self.trial {
            Some((_, mean)) => {
                mean.add(seconds, work);
                self.judge();
            }
            None => {
                self.recent.drift(seconds, work, RECENT);
                self.long.drift(seconds, work, LONG);
                let ratio = self.recent.cost() / self.long.cost();
                if !(1.0 / CHANGED..=CHANGED).contains(&ratio) {
                    // From here on this is what it is compared with.
                    self.long = self.recent;
                    self.hurry();
                }
                self.wait -= seconds;
                self.since += seconds;
                // A trial takes a piece of work at least.
                if self.wait <= 0.0 && self.since >= seconds / SHARE && self.counts.len() > 1 {
                    self.trial = Some((self.neighbour(), Mean::default()));
                }
            }
        }
    }

    fn hurry(&mut self) {
        self.wait = self.wait.min(WAIT);
        self.wait_next = self.wait_next.min(WAIT_MAX / 4.0);
    }

    /// The next to try.
    fn neighbour(&mut self) -> usize {
        let last = self.counts.len() - 1;
        self.up = (self.up || self.at == 0) && self.at < last;
        if self.up { self.at + 1 } else { self.at - 1 }
    }

    /// Ends a trial that has told enough.
    fn judge(&mut self) {
        let Some((tried, mean)) = self.trial else { return };
        let ratio = mean.cost() / self.long.cost();
        let lost = ratio > CLEAR && mean.seconds >= CLEAR_LOST || ratio >= BETTER && mean.seconds >= TRIAL;
        let won = ratio * CLEAR < 1.0 && mean.seconds >= CLEAR_WON || mean.seconds >= TRIAL_WON;
        if lost {
            self.up = !self.up;
            self.back_off(mean.seconds / SHARE);
        } else if won {
            if self.left == Some(tried) {
                // Back again: one of the two trials erred, so the next can wait.
                self.back_off(0.0);
            } else {
                // On in the same direction, soon.
                (self.wait, self.wait_next) = (WAIT, WAIT);
            }
            (self.left, self.at) = (Some(self.at), tried);
            (self.recent, self.long) = (mean, mean);
        } else {
            return;
        }
        (self.trial, self.since) = (None, 0.0);
    }

    /// Waits for the next trial, at least so many seconds, and twice as long the next time.
    fn back_off(&mut self, least: f64) {
        self.wait = self.wait_next.max(least);
        let most = if self.at + 1 == self.counts.len() { WAIT_MAX_ALL } else { WAIT_MAX };
        self.wait_next = (2.0 * self.wait).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine where a token takes `token` seconds on one of `free` processors, and one more thread costs a two-hundredth of
    /// that; threads beyond the processors get in each other's way. Every 4 ms or so somebody waits for 3.
    struct Machine {
        token: f64,
        free: usize,
        noisy: bool,
        since: f64,
        random: u64,
    }

    impl Machine {
        fn new(token: f64, free: usize, noisy: bool) -> Machine {
            Machine { token, free, noisy, since: 0.0, random: 1 }
        }

        fn seconds(&mut self, threads: usize) -> f64 {
            let ideal =
                self.token / threads.min(self.free) as f64 + self.token / 200.0 * (threads - 1) as f64;
            let mut seconds = ideal * (1.0 + 2.0 * threads.saturating_sub(self.free) as f64);
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            self.since += seconds;
            if self.noisy && self.since > 0.002 + 0.004 * (self.random >> 40) as f64 / (1 << 24) as f64 {
                self.since = 0.0;
                seconds += 0.003;
            }
            seconds
        }

        /// Serves tokens for so long; returns the share of the time in which `best` threads worked, and how often the
        /// number in use changed.
        fn serve(&mut self, tuner: &mut Tuner, seconds: f64, best: usize) -> (f64, usize) {
            let (mut time, mut with_best, mut changes) = (0.0, 0.0, 0);
            while time < seconds {
                let (threads, at) = (tuner.threads(), tuner.at);
                let token = self.seconds(threads);
                tuner.took(Duration::from_secs_f64(token), 1);
                time += token;
                with_best += if threads == best { token } else { 0.0 };
                changes += usize::from(tuner.at != at);
            }
            (with_best / time, changes)
        }
    }

    #[test]
    fn tuner_keeps_all_threads_where_all_are_best_and_tries_others_ever_less() {
        for token in [0.0001, 0.001, 0.02, 0.2] {
            let mut tuner = Tuner::new(2);
            let (share, changes) = Machine::new(token, 2, false).serve(&mut tuner, 60.0, 2);
            assert!(share > 0.96 && changes == 0, "{token}: {share}, {changes} changes");
        }
    }

    #[test]
    fn tuner_settles_on_the_best_count_from_above() {
        // Of 16 threads, with ever fewer processors free.
        for (free, best) in [(12, 9), (4, 4), (3, 3), (2, 2), (1, 1)] {
            for noisy in [false, true] {
                let mut tuner = Tuner::new(16);
                let mut machine = Machine::new(0.001, free, noisy);
                machine.serve(&mut tuner, 1.5, best);
                let (share, _) = machine.serve(&mut tuner, 20.0, best);
                assert!(share > 0.8, "{free} free, noisy: {noisy}: {share}");
            }
        }
    }

    #[test]
    fn tuner_notices_within_two_seconds_that_the_machine_is_free_or_busy() {
        for most in [2, 8] {
            let mut tuner = Tuner::new(most);
            let mut machine = Machine::new(0.0005, 4, true);
            let best = most.min(4);
            machine.serve(&mut tuner, 20.0, best);
            for _ in 0..3 {
                machine.free = 1;
                machine.serve(&mut tuner, 1.0, 1);
                assert!(machine.serve(&mut tuner, 10.0, 1).0 > 0.8);
                machine.free = 4;
                machine.serve(&mut tuner, 2.0, best);
                assert!(machine.serve(&mut tuner, 10.0, best).0 > 0.8);
            }
        }
    }

    #[test]
    fn tuner_does_not_flap_under_noise() {
        let mut machine = Machine::new(0.0002, 1, true);
        // Two counts that cost the same: whichever it is, it stays.
        let mut tuner = Tuner::new(2);
        let mut changes = 0;
        for _ in 0..100_000 {
            let at = tuner.at;
            tuner.took(Duration::from_secs_f64(machine.seconds(1)), 1);
            changes += usize::from(tuner.at != at);
        }
        assert!(changes <= 6, "{changes} changes in 20 seconds and more");
    }

    #[test]
    fn tuner_of_one_thread_tries_nothing() {
        let mut tuner = Tuner::new(1);
        assert_eq!(Machine::new(0.001, 1, true).serve(&mut tuner, 5.0, 1), (1.0, 0));
    }

    #[test]
    fn tuner_counts_rise_to_the_most() {
        assert_eq!(Tuner::new(16).counts, [1, 2, 3, 4, 6, 9, 13, 16]);
        assert_eq!(Tuner::new(2).counts, [1, 2]);
        assert_eq!(Tuner::new(0).counts, [1]);
    }
}
