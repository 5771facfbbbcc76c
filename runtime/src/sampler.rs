//! Choosing the next token from logits: greedy, or drawn after penalty and truncation. It sees ids and
//! numbers only; what the ids spell is the caller's business.
//!
//! The order is fixed and part of the promise that one seed gives one text:
//! 1. penalties over the last `repetition_window` tokens (prompt included). The repetition penalty, each distinct id once: a
//!    positive logit is divided by it, a negative one multiplied (CTRL, arXiv 1909.05858). Then the presence penalty is taken
//!    off once, and the frequency penalty as often as the id is there (as OpenAI's interface defines them);
//! 2. `temperature` 0: the largest logit, the lowest id among equals. Otherwise:
//! 3. top-k keeps the `k` largest (the lowest ids among equals);
//! 4. softmax of `logit / temperature` over what is left;
//! 5. top-p keeps the fewest, most likely first, whose probabilities reach `p` (arXiv 1904.09751);
//! 6. min-p drops those below `min_p` times the most likely one (arXiv 2407.01082);
//! 7. one uniform number from [`Xoshiro256`] picks by cumulative probability.

use std::cmp::Ordering;
use std::collections::VecDeque;

use formats::gguf::Metadata;

use crate::error::{Error, Result};
use crate::pass::Want;
use cpu::Kernels;
use cpu::ops::exp;
use model::xoshiro::Xoshiro256;

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 is greedy. 0 to 100.
    pub temperature: f32,
    /// Keeps this many candidates; 0 keeps all.
    pub top_k: usize,
    /// Keeps this share of probability; 1 keeps all.
    pub top_p: f32,
    /// Drops candidates this much less likely than the best; 0 drops none.
    pub min_p: f32,
    /// Makes recent tokens less likely; 1 does nothing.
    pub repetition_penalty: f32,
    /// Taken off the logits of recent tokens; 0 does nothing. -2 to 2.
    pub presence_penalty: f32,
    /// Taken off the logits of recent tokens for each time they are there; 0 does nothing. -2 to 2.
    pub frequency_penalty: f32,
    /// How many tokens are recent.
    pub repetition_window: usize,
    /// Seed of the random generator.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling {
            temperature: 0.8,
            top_k: 0,
            top_p: 0.95,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repetition_window: 64,
            seed: 0,
        }
    }
}

impl Sampling {
    /// Always the most likely token.
    pub fn greedy() -> Self {
        Sampling { temperature: 0.0, ..Sampling::default() }
    }

    /// The defaults that travel in a model file (`general.sampling.*`), else our own.
    ///
    /// # Errors
    /// A key of another type, or a value that [`validate`](Self::validate) refuses.
    pub fn from_gguf(meta: &Metadata) -> Result<Self> {
        let mut s = Sampling::default();
        if let Some(v) = meta.f32("general.sampling.temp")? {
            s.temperature = v;
        }
        if let Some(v) = meta.u32("general.sampling.top_k")? {
            s.top_k = v as usize;
        }
        if let Some(v) = meta.f32("general.sampling.top_p")? {
            s.top_p = v;
        }
        if let Some(v) = meta.f32("general.sampling.min_p")? {
            s.min_p = v;
        }
        if let Some(v) = meta.f32("general.sampling.penalty_repeat")? {
            s.repetition_penalty = v;
        }
        if let Some(v) = meta.u32("general.sampling.penalty_last_n")? {
            s.repetition_window = v as usize;
        }
        s.validate()?;
        Ok(s)
    }

    /// Refuses values without a meaning.
    ///
    /// # Errors
    /// [`Error::Sampling`] naming the setting and its range.
    pub fn validate(&self) -> Result<()> {
        let check = |name, v: f32, ok: bool, expected| {
            if ok { Ok(()) } else { Err(Error::Sampling { name, found: f64::from(v), expected }) }
        };
        let t = self.temperature;
        check("temperature", t, (0.0..=100.0).contains(&t), "0 (greedy) to 100")?;
        let p = self.top_p;
        check("top-p", p, p > 0.0 && p <= 1.0, "above 0, at most 1")?;
        check("min-p", self.min_p, (0.0..=1.0).contains(&self.min_p), "0 to 1")?;
        let r = self.repetition_penalty;
        check("repetition penalty", r, (0.1..=10.0).contains(&r), "0.1 to 10 (1 does nothing)")?;
        for (name, v) in
            [("presence penalty", self.presence_penalty), ("frequency penalty", self.frequency_penalty)]
        {
            check(name, v, (-2.0..=2.0).contains(&v), "-2 to 2 (0 does nothing)")?;
        }
        Ok(())
    }

    /// Whether recent tokens count.
    fn penalises(&self) -> bool {
        let neutral =
            self.repetition_penalty == 1.0 && self.presence_penalty == 0.0 && self.frequency_penalty == 0.0;
        !neutral && self.repetition_window > 0
    }
}

/// A candidate: its (penalised) logit, then its weight `exp((logit - max) / temperature)`.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    id: u32,
    logit: f32,
    weight: f32,
}

/// The most likely first; the lowest id among equals.
fn likelier(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id))
}

/// A sampler and its memory of recent tokens.
#[derive(Clone, Debug)]
pub struct Sampler {
    settings: Sampling,
    rng: Xoshiro256,
    recent: VecDeque<u32>,
    /// `recent`, in the order of ids.
    sorted: Vec<u32>,
    /// Logits after the penalty.
    penalised: Vec<f32>,
    /// `exp((logit - max) / temperature)` of every id.
    weights: Vec<f32>,
    candidates: Vec<Candidate>,
}

impl Sampler {
    /// A sampler at the start of its random sequence.
    ///
    /// # Errors
    /// What [`Sampling::validate`] refuses.
    pub fn new(settings: Sampling) -> Result<Self> {
        settings.validate()?;
        Ok(Sampler {
            settings,
            rng: Xoshiro256::from_seed(settings.seed),
            recent: VecDeque::new(),
            sorted: Vec::new(),
            penalised: Vec::new(),
            weights: Vec::new(),
            candidates: Vec::new(),
        })
    }

    /// Remembers a token of the text so far, for the penalties.
    pub fn accept(&mut self, id: u32) {
        if !self.settings.penalises() {
            return;
        }
        if self.recent.len() >= self.settings.repetition_window {
            self.recent.pop_front();
        }
        self.recent.push_back(id);
    }

    /// What is to be known of the next token: its logits, or an id if it may be chosen without showing them here. If it is, [`chosen`](Self::chosen) wants to know.
    pub fn want(&self) -> Want {
        let s = &self.settings;
        if s.penalises() {
            return Want::Last;
        }
        if s.temperature == 0.0 { Want::Likeliest } else { Want::Draw(*s, self.rng.clone().next_f64()) }
    }

    /// Takes note that a token was chosen as [`want`](Self::want) said.
    pub fn chosen(&mut self) {
        if self.settings.temperature != 0.0 {
            self.rng.next_f64();
        }
    }

    /// Chooses the next token. `logits`: one per id of the vocabulary.
    ///
    /// # Errors
    /// [`Error::Logits`] if they are not all finite.
    pub fn sample(&mut self, logits: &[f32]) -> Result<u32> {
        // Looking at all of them, rather than up to the first bad one, is what becomes vector code.
        let finite = Kernels::best().vectorise(|| logits.iter().fold(true, |ok, l| ok & l.is_finite()));
        if !finite || logits.is_empty() {
            return Err(Error::Logits);
        }
        self.penalised.clear();
        self.penalised.extend_from_slice(logits);
        self.sorted.clear();
        self.sorted.extend(&self.recent);
        self.sorted.sort_unstable();
        for times in self.sorted.chunk_by(|a, b| a == b) {
            if let Some(l) = self.penalised.get_mut(times[0] as usize) {
                let s = &self.settings;
                *l = if *l > 0.0 { *l / s.repetition_penalty } else { *l * s.repetition_penalty };
                *l -= s.presence_penalty + s.frequency_penalty * times.len() as f32;
            }
        }
        if self.settings.temperature == 0.0 {
            return Ok(argmax(&self.penalised));
        }
        Ok(self.draw())
    }

    fn draw(&mut self) -> u32 {
        let s = &self.settings;
        let (logits, weights, c) = (&self.penalised[..], &mut self.weights, &mut self.candidates);
        weights.resize(logits.len(), 0.0);
        let max = largest(logits);
        Kernels::best().vectorise(|| {
            for (w, l) in weights.iter_mut().zip(logits) {
                // A tiny temperature may overflow the quotient; exp then gives its smallest value.
                *w = exp((l - max) / s.temperature);
            }
        });
        let top_k = if s.top_k == 0 { logits.len() } else { s.top_k.min(logits.len()) };
        let cut = top_k < logits.len() || s.top_p < 1.0;
        if top_k < logits.len() {
            let bound = lower_bound(max, s.temperature, |b| count_from(logits, b) >= top_k);
            collect_from(logits, weights, bound, c);
            c.select_nth_unstable_by(top_k - 1, likelier);
            c.truncate(top_k);
            if s.top_p < 1.0 {
                keep_top_p(c, weight_of(c) * f64::from(s.top_p));
            }
        } else if s.top_p < 1.0 {
            let enough = weight_from(logits, weights, f32::NEG_INFINITY) * f64::from(s.top_p);
            let bound = lower_bound(max, s.temperature, |b| weight_from(logits, weights, b) >= enough);
            collect_from(logits, weights, bound, c);
            keep_top_p(c, enough);
        } else {
            collect_from(logits, weights, f32::NEG_INFINITY, c);
        }
        if s.min_p > 0.0 {
            c.retain(|c| c.weight >= s.min_p);
        }
        let mut left = self.rng.next_f64() * weight_of(c);
        if cut {
            let i = select_by_weight(c, |sum| sum > left);
            return c[i].id;
        }
        for candidate in c.iter() {
            left -= f64::from(candidate.weight);
            if left < 0.0 {
                return candidate.id;
            }
        }
        // Rounding may leave a crumb at the end; the last candidate takes it.
        c.last().map_or(0, |c| c.id)
    }
}

/// A logit that the candidates of interest reach, found by going down from the largest: a truncated softmax nearly always
/// lives in a few hundred ids, and a pass over the vocabulary costs less than sorting a part of it.
fn lower_bound(max: f32, temperature: f32, enough_from: impl Fn(f32) -> bool) -> f32 {
    let mut nats = 2.0;
    // Further down, weights are nothing beside the largest.
    while nats < 100.0 {
        let bound = max - nats * temperature;
        if enough_from(bound) {
            return bound;
        }
        nats *= 2.0;
    }
    f32::NEG_INFINITY
}

/// The largest of some finite numbers.
fn largest(values: &[f32]) -> f32 {
    Kernels::best().vectorise(|| {
        let mut lanes = [f32::NEG_INFINITY; 32];
        let (chunks, tail) = values.as_chunks::<32>();
        for c in chunks {
            for i in 0..32 {
                lanes[i] = if c[i] > lanes[i] { c[i] } else { lanes[i] };
            }
        }
        lanes.iter().chain(tail).fold(f32::NEG_INFINITY, |m, &v| m.max(v))
    })
}

/// How many logits reach `bound`.
fn count_from(logits: &[f32], bound: f32) -> usize {
    Kernels::best().vectorise(|| logits.iter().map(|l| u32::from(*l >= bound)).sum::<u32>() as usize)
}

/// The weight of the logits that reach `bound`, summed in eight lanes.
fn weight_from(logits: &[f32], weights: &[f32], bound: f32) -> f64 {
    Kernels::best().vectorise(|| {
        let mut lanes = [0.0f64; 8];
        let (logits, logits_tail) = logits.as_chunks::<8>();
        let (weights, weights_tail) = weights.as_chunks::<8>();
        let reached = |l: f32, w: f32| f64::from(if l >= bound { w } else { 0.0 });
        for (l, w) in logits.iter().zip(weights) {
            for i in 0..8 {
                lanes[i] += reached(l[i], w[i]);
            }
        }
        let tail = logits_tail.iter().zip(weights_tail).map(|(&l, &w)| reached(l, w));
        lanes.into_iter().chain(tail).sum()
    })
}

/// The candidates that reach `bound`, in order of id.
fn collect_from(logits: &[f32], weights: &[f32], bound: f32, candidates: &mut Vec<Candidate>) {
    candidates.clear();
    Kernels::best().vectorise(|| {
        for (i, chunk) in logits.chunks(32).enumerate() {
            if !chunk.iter().fold(false, |any, l| any | (*l >= bound)) {
                continue;
            }
            for (j, &logit) in chunk.iter().enumerate().filter(|(_, l)| **l >= bound) {
                let id = 32 * i + j;
                candidates.push(Candidate { id: id as u32, logit, weight: weights[id] });
            }
        }
    });
}

fn weight_of(c: &[Candidate]) -> f64 {
    c.iter().map(|c| f64::from(c.weight)).sum()
}

/// Keeps the fewest candidates, most likely first, whose weight is `enough`. At least one stays.
fn keep_top_p(c: &mut Vec<Candidate>, enough: f64) {
    let last = select_by_weight(c, |sum| sum >= enough);
    c.truncate(last + 1);
}

/// Counting from the most likely candidate on: the index of the first whose weight, with that of all before it, is what
/// `reached` waits for; else the last. Those before it are the likelier ones, in no order: halving costs as
/// much as looking at all twice, sorting a flat distribution far more than a small model's forward pass.
fn select_by_weight(c: &mut [Candidate], reached: impl Fn(f64) -> bool) -> usize {
    let (mut start, mut end, mut before) = (0, c.len(), 0.0);
    while end - start > 1 {
        let half = (end - start) / 2;
        let part = &mut c[start..end];
        part.select_nth_unstable_by(half, likelier);
        let sum = before + weight_of(&part[..half]);
        if reached(sum) {
            end = start + half;
        } else {
            (start, before) = (start + half, sum);
        }
    }
    start
}

/// Index of the largest value, the first among equals. Without finite values, 0.
pub fn argmax(values: &[f32]) -> u32 {
    let max = largest(values);
    // Most chunks do not hold it, and those are quickly passed over.
    let hit = Kernels::best().vectorise(|| {
        values.chunks(32).position(|chunk| chunk.iter().fold(false, |any, v| any | (*v == max)))
    });
    let start = 32 * hit.unwrap_or(0);
    (start + values[start..].iter().position(|v| *v == max).unwrap_or(0)) as u32
}

/// `ln sum exp` of a row of logits; `logits[id] - log_sum_exp(logits)` is a log-probability. The sum runs in f64, in eight
/// lanes.
pub fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = largest(logits);
    let sum: f64 = Kernels::best().vectorise(|| {
        let mut lanes = [0.0f64; 8];
        let (chunks, tail) = logits.as_chunks::<8>();
        for l in chunks {
            for i in 0..8 {
                lanes[i] += f64::from(exp(l[i] - max));
            }
        }
        lanes.into_iter().chain(tail.iter().map(|l| f64::from(exp(l - max)))).sum()
    });
    f64::from(max) + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits(seed: u64, n: usize, spread: f64) -> Vec<f32> {
        let mut rng = Xoshiro256::from_seed(seed);
        (0..n).map(|_| ((rng.next_f64() - 0.5) * spread) as f32).collect()
    }

    fn neutral() -> Sampling {
        Sampling { temperature: 1.0, top_p: 1.0, ..Sampling::default() }
    }

    fn draws(settings: Sampling, logits: &[f32], n: usize) -> Vec<u32> {
        let mut sampler = Sampler::new(settings).unwrap();
        (0..n).map(|_| sampler.sample(logits).unwrap()).collect()
    }

    fn counts(ids: &[u32], vocab: usize) -> Vec<f64> {
        let mut c = vec![0.0; vocab];
        ids.iter().for_each(|&id| c[id as usize] += 1.0);
        c
    }

    #[test]
    fn greedy_takes_the_largest_and_the_lowest_id_among_equals() {
        let l = [0.0, 3.0, -1.0, 3.0];
        assert_eq!(draws(Sampling::greedy(), &l, 3), [1, 1, 1]);
        assert_eq!(draws(Sampling { top_k: 1, ..neutral() }, &l, 3), [1, 1, 1]);
        assert_eq!(draws(Sampling { temperature: 1e-30, ..neutral() }, &[1.0, 2.0], 3), [1, 1, 1]);
    }

    #[test]
    fn draws_follow_the_softmax() {
        // Chi-square over 16 ids: 15 degrees of freedom, 37.7 is the 99.9th percentile. The seed is fixed.
        let l = logits(1, 16, 4.0);
        for temperature in [0.5f32, 1.0, 2.0] {
            let n = 40_000;
            let got = counts(&draws(Sampling { temperature, seed: 5, ..neutral() }, &l, n), 16);
            let w: Vec<f64> = l.iter().map(|&l| f64::from(l / temperature).exp()).collect();
            let total: f64 = w.iter().sum();
            let chi: f64 = got
                .iter()
                .zip(&w)
                .map(|(g, w)| (g - w / total * n as f64).powi(2) / (w / total * n as f64))
                .sum();
            assert!(chi < 37.7, "chi-square {chi} at temperature {temperature}");
        }
    }

    #[test]
    fn top_k_and_min_p_draw_only_from_what_they_keep() {
        let l = logits(2, 50, 6.0);
        let mut order: Vec<u32> = (0..50).collect();
        order.sort_by(|&a, &b| l[b as usize].total_cmp(&l[a as usize]));
        let seen = counts(&draws(Sampling { top_k: 5, ..neutral() }, &l, 5_000), 50);
        for (rank, &id) in order.iter().enumerate() {
            assert_eq!(seen[id as usize] > 0.0, rank < 5, "rank {rank}");
        }
        let best = l[order[0] as usize];
        let seen = counts(&draws(Sampling { min_p: 0.2, ..neutral() }, &l, 5_000), 50);
        for id in 0..50 {
            assert_eq!(seen[id] > 0.0, (l[id] - best).exp() >= 0.2, "id {id}");
        }
    }

    #[test]
    fn top_p_keeps_the_smallest_nucleus_even_when_it_is_wide() {
        // Nearly flat over 5,000 ids: the nucleus is far longer than the first sorted prefix.
        let l = logits(3, 5_000, 0.2);
        for p in [0.001f32, 0.1, 0.9, 0.9999] {
            let mut c: Vec<Candidate> = l
                .iter()
                .enumerate()
                .map(|(id, &logit)| Candidate { id: id as u32, logit, weight: logit.exp() })
                .collect();
            let mut all = c.clone();
            all.sort_by(likelier);
            let enough = c.iter().map(|c| f64::from(c.weight)).sum::<f64>() * f64::from(p);
            let mut sum = 0.0;
            let want: Vec<u32> = all
                .iter()
                .take_while(|c| {
                    let before = sum;
                    sum += f64::from(c.weight);
                    before < enough
                })
                .map(|c| c.id)
                .collect();
            keep_top_p(&mut c, enough);
            c.sort_by(likelier);
            assert_eq!(c.iter().map(|c| c.id).collect::<Vec<_>>(), want, "p = {p}");
        }
    }

    #[test]
    fn repetition_penalty_counts_each_recent_token_once_and_forgets() {
        let settings = Sampling { repetition_penalty: 2.0, repetition_window: 2, ..Sampling::greedy() };
        let mut s = Sampler::new(settings).unwrap();
        let l = [3.0, 2.0, -1.0];
        s.accept(0);
        s.accept(0);
        // Twice seen, once halved: 1.5 < 2.
        assert_eq!(s.sample(&l).unwrap(), 1);
        assert_eq!(s.penalised, [1.5, 2.0, -1.0]);
        s.accept(2);
        s.accept(1);
        assert_eq!(s.sample(&l).unwrap(), 0);
        assert_eq!(s.penalised, [3.0, 1.0, -2.0]);
        s.accept(999); // not in the vocabulary: ignored
        assert_eq!(s.sample(&l).unwrap(), 0);
    }

    #[test]
    fn presence_is_taken_off_once_and_frequency_each_time() {
        let settings = Sampling {
            repetition_penalty: 2.0,
            presence_penalty: 0.5,
            frequency_penalty: 0.25,
            repetition_window: 3,
            ..Sampling::greedy()
        };
        let mut s = Sampler::new(settings).unwrap();
        assert_eq!(s.want(), Want::Last);
        [1, 0, 0, 2].into_iter().for_each(|id| s.accept(id));
        assert_eq!(s.sample(&[4.0, 3.0, -1.0, 0.0]).unwrap(), 1);
        assert_eq!(s.penalised, [2.0 - 0.5 - 0.5, 3.0, -2.0 - 0.5 - 0.25, 0.0]);
        for alone in [
            Sampling { repetition_penalty: 1.0, ..settings },
            Sampling { frequency_penalty: 0.0, ..settings },
        ] {
            let mut s = Sampler::new(alone).unwrap();
            s.accept(0);
            s.sample(&[4.0, 3.0]).unwrap();
            assert!(s.penalised[0] < 4.0 && s.penalised[1] == 3.0);
        }
        let off = Sampler::new(Sampling { repetition_penalty: 1.0, ..Sampling::default() }).unwrap();
        assert_ne!(off.want(), Want::Last);
    }

    #[test]
    fn one_seed_one_sequence() {
        let l = logits(4, 300, 3.0);
        let settings = Sampling { top_k: 40, top_p: 0.9, min_p: 0.01, ..neutral() };
        let a = draws(Sampling { seed: 1, ..settings }, &l, 200);
        assert_eq!(a, draws(Sampling { seed: 1, ..settings }, &l, 200));
        assert_ne!(a, draws(Sampling { seed: 2, ..settings }, &l, 200));
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let d = Sampling::default();
        for (bad, name) in [
            (Sampling { temperature: -1.0, ..d }, "temperature"),
            (Sampling { temperature: f32::NAN, ..d }, "temperature"),
            (Sampling { temperature: 999_999.0, ..d }, "temperature"),
            (Sampling { top_p: 0.0, ..d }, "top-p"),
            (Sampling { top_p: 1.5, ..d }, "top-p"),
            (Sampling { min_p: -0.1, ..d }, "min-p"),
            (Sampling { repetition_penalty: 0.0, ..d }, "repetition penalty"),
            (Sampling { repetition_penalty: f32::INFINITY, ..d }, "repetition penalty"),
            (Sampling { presence_penalty: 2.5, ..d }, "presence penalty"),
            (Sampling { frequency_penalty: f32::NAN, ..d }, "frequency penalty"),
        ] {
            let message = Sampler::new(bad).unwrap_err().to_string();
            assert!(message.starts_with(name), "{message}");
        }
    }

    #[test]
    fn logits_that_are_not_finite_are_refused() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for settings in [Sampling::greedy(), neutral()] {
                let mut s = Sampler::new(settings).unwrap();
                assert!(matches!(s.sample(&[0.0, bad, 1.0]), Err(Error::Logits)));
            }
        }
        assert!(matches!(Sampler::new(neutral()).unwrap().sample(&[]), Err(Error::Logits)));
    }

    #[test]
    fn log_sum_exp_matches_the_formula() {
        let l = logits(5, 1000, 20.0);
        let want = l.iter().map(|&l| f64::from(l).exp()).sum::<f64>().ln();
        assert!((log_sum_exp(&l) - want).abs() < 1e-6);
    }
}
