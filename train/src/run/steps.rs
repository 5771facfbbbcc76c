//! The loop itself: steps, and what is due after each of them. It reads no clock but to report speed, so that a
//! continued run writes the same log.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use formats::run_log::{EventLine, MetricLine, SampleLine};

use super::control::{Control, Order};
use super::observer::{Best, Event, Observer, Outcome, Summary};
use super::open::Run;
use super::state;
use crate::backend::{Rates, StepReport};
use crate::error::{Error, Result};
use crate::metrics::bits_per_byte;
use crate::optim::Matrices;
use crate::{sample, schedule};

/// A step that is on its way.
pub(super) struct InFlight {
    rates: Rates,
    tokens: usize,
    bytes: u64, // of text in its targets
    began: Instant,
}

impl Run {
    /// Takes the steps that are left. `control` (a flag alone, or one with orders) is looked at between steps.
    ///
    /// # Errors
    /// A loss or gradient that is no number; a disk that is full or broken; a device that failed. All leave the last good
    /// checkpoint and say which one that is.
    pub fn train<'a>(
        mut self,
        observer: &mut dyn Observer,
        control: impl Into<Control<'a>>,
    ) -> Result<Summary> {
        let result = self.go(observer, control.into());
        match &result {
            Ok(summary) => self.record(summary.outcome.word(), "")?,
            // The log may be what failed.
            Err(error) => drop(self.record("failed", &error.to_string())),
        }
        result
    }

    fn go(&mut self, observer: &mut dyn Observer, mut control: Control<'_>) -> Result<Summary> {
        let (began, seconds_before, tokens_before) = (Instant::now(), self.meta.seconds, self.meta.tokens);
        let steps = self.config.train.steps;
        let outcome = loop {
            if self.submitted() >= steps {
                break Outcome::Complete;
            }
            // After the orders too: a run that waited may have been told to stop.
            if control.is_cancelled() || self.obey(observer, &mut control)? || control.is_cancelled() {
                break Outcome::Interrupted;
            }
            if self.pause_after.is_some_and(|pause| self.submitted() >= pause) {
                break Outcome::Paused;
            }
            self.submit()?;
            // What is due after a step is done on the state right after it.
            let lag = if self.anything_due(self.submitted()) { 0 } else { self.trainer.lag() };
            self.collect_all_but(lag, observer)?;
        };
        self.collect_all_but(0, observer)?;
        self.save(observer)?;
        Ok(Summary {
            outcome,
            step: self.step,
            steps,
            tokens: self.meta.tokens - tokens_before,
            step_seconds: self.meta.seconds - seconds_before,
            seconds: began.elapsed().as_secs_f64(),
            best: self.meta.best,
        })
    }

    /// Does what was ordered since the last step, once no step is in flight; says whether the run is to stop. Nothing here touches
    /// what is computed: a checkpoint and a sample read the weights, and a pause is not even seen by the clock, which runs in steps
    /// alone.
    fn obey(&mut self, observer: &mut dyn Observer, control: &mut Control<'_>) -> Result<bool> {
        let mut held = false;
        while let Some(order) = control.next(held) {
            self.collect_all_but(0, observer)?;
            match order {
                Order::Pause if !held => {
                    held = true;
                    self.record("held", "")?;
                    observer.event(Event::Note(&format!("waiting after step {}", self.step)));
                }
                Order::Resume if held => {
                    held = false;
                    self.record("released", "")?;
                    observer.event(Event::Note("going on"));
                }
                Order::Save => {
                    self.save(observer)?;
                    self.record("saved", "")?;
                    observer.event(Event::Note(&format!("saved after step {}", self.step)));
                }
                Order::Sample if self.config.model.float => {
                    observer.event(Event::Note("a float run has no ternary model to write with"));
                }
                Order::Sample if self.sampled == Some(self.step) => {}
                Order::Sample => self.write_sample(observer)?,
                Order::Stop => return Ok(true),
                Order::Pause | Order::Resume => {}
            }
        }
        Ok(false)
    }

    /// Steps behind the trainer once all that are in flight are done.
    fn submitted(&self) -> u64 {
        self.step + self.in_flight.len() as u64
    }

    /// Sends the next step on its way.
    fn submit(&mut self) -> Result<()> {
        let (c, index) = (&self.config, self.submitted());
        let mut batch = self.dataset.batch(c.train.seed, index, c.train.batch, c.model.context);
        self.dataset.replace_inputs(&mut batch, c.train.seed, index, c.train.token_noise);
        let factor = schedule::factor(&c.schedule, index, c.train.steps);
        let rates = Rates {
            muon: (c.optimiser.muon_lr * factor) as f32,
            adam: (c.optimiser.adam_lr * factor) as f32,
        };
        let (tokens, bytes) = (batch.tokens.len(), self.dataset.bytes(&batch.targets));
        let began = Instant::now();
        self.trainer.submit(index, &batch, rates).map_err(|e| self.halted(e))?;
        self.in_flight.push_back(InFlight { rates, tokens, bytes, began });
        Ok(())
    }

    /// Waits until no more than `left` steps are in flight.
    fn collect_all_but(&mut self, left: usize, observer: &mut dyn Observer) -> Result<()> {
        while self.in_flight.len() > left {
            self.collect(observer)?;
        }
        Ok(())
    }

    /// Waits for the oldest step in flight, writes it down, and does what is due after it.
    fn collect(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let report = self.trainer.collect().map_err(|e| self.halted(e))?;
        let (report, sent) = report.zip(self.in_flight.pop_front()).expect("a step is in flight");
        let StepReport { loss, grad_norm, skipped } = report;
        if skipped {
            let (what, value) = if loss.is_finite() { ("gradient norm", grad_norm) } else { ("loss", loss) };
            return Err(self.diverged(what, value, self.step + 1));
        }
        // Steps that overlap share the time: each has what passed since the one before it.
        let now = Instant::now();
        let seconds = (now - sent.began.max(self.collected)).as_secs_f64();
        self.collected = now;

        self.step += 1;
        self.meta.tokens += sent.tokens as u64;
        self.meta.seconds += seconds;
        let mut line = MetricLine {
            step: self.step,
            tokens: self.meta.tokens,
            loss,
            bits_per_byte: Some(bits_per_byte(loss * sent.tokens as f64, sent.bytes)),
            lr: f64::from(match self.config.optimiser.matrices {
                Matrices::Muon => sent.rates.muon,
                Matrices::AdamW => sent.rates.adam,
            }),
            lr_adam: Some(f64::from(sent.rates.adam)),
            grad_norm: Some(grad_norm),
            tokens_per_sec: Some(sent.tokens as f64 / seconds.max(1e-9)),
            seconds: Some(self.meta.seconds),
            ..MetricLine::default()
        };
        if self.codes_due(self.step) {
            let look = self.trainer.look().map_err(|e| self.halted(e))?;
            let report = self.watch.report(&look);
            (line.zeros, line.flips, line.scale_drift) = (report.zeros, report.flips, report.scale_drift);
        }
        let mut best_now = false;
        if self.due(self.config.report.eval_every, self.step) {
            let (nats, bits) = self.validate().map_err(|e| self.halted(e))?;
            line.val_loss = Some(nats);
            line.val_bits_per_byte = Some(bits);
            self.meta.validation = Some(bits);
            best_now = self.meta.best.is_none_or(|best| bits < best.bits_per_byte);
            if best_now {
                self.meta.best = Some(Best { step: self.step, bits_per_byte: bits });
            }
        }
        self.metrics.append(&line).map_err(|e| self.halted(e.into()))?;
        observer.event(Event::Step(&line));
        if self.sample_due(self.step) {
            self.write_sample(observer)?;
        }
        if best_now || self.checkpoint_due(self.step) {
            self.save(observer)?;
        }
        Ok(())
    }

    /// Whether anything is due after a step that works on the trainer's state.
    fn anything_due(&self, step: u64) -> bool {
        self.due(self.config.report.eval_every, step)
            || self.codes_due(step)
            || self.sample_due(step)
            || self.checkpoint_due(step)
    }

    fn codes_due(&self, step: u64) -> bool {
        !self.config.model.float && self.due(self.config.report.codes_every, step)
    }

    fn sample_due(&self, step: u64) -> bool {
        let report = &self.config.report;
        !self.config.model.float && report.sample_tokens > 0 && self.due(report.sample_every, step)
    }

    fn checkpoint_due(&self, step: u64) -> bool {
        let every = self.config.report.checkpoint_every;
        every > 0 && step.is_multiple_of(every)
    }

    /// Every `every` steps, and at the last one.
    fn due(&self, every: u64, step: u64) -> bool {
        (every > 0 && step.is_multiple_of(every)) || step == self.config.train.steps
    }

    /// The whole validation part in non-overlapping windows of the training context: nats a token and bits a byte.
    /// Each token but the first is predicted once, from what precedes it in its window.
    fn validate(&mut self) -> Result<(f64, f64)> {
        let result = self.trainer.evaluate(&self.dataset.validation)?;
        let bytes = self.dataset.bytes(&self.dataset.validation[1..]);
        Ok((result.mean(), bits_per_byte(result.nats, bytes)))
    }

    fn write_sample(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let report = &self.config.report;
        let seed = self.config.train.seed ^ self.step;
        let model = self.config.model_config(self.meta.vocab);
        let settings = sample::Settings {
            prompt: &report.sample_prompt,
            tokens: report.sample_tokens,
            seed,
            documents: !self.config.data.separator.is_empty(),
        };
        match sample::sample(&model, self.trainer.params(), &self.dataset.tokenizer, &settings, self.write) {
            Ok(text) => {
                let line = SampleLine {
                    step: self.step,
                    prompt: report.sample_prompt.clone(),
                    text,
                    temperature: sample::TEMPERATURE,
                    seed,
                };
                self.samples.append(&line).map_err(|e| self.halted(e.into()))?;
                self.sampled = Some(self.step);
                observer.event(Event::Sample(&line));
            }
            Err(error @ Error::Device { .. }) => return Err(self.halted(error)),
            Err(error) => {
                observer.event(Event::Note(&format!("no sample after step {}: {error}", self.step)))
            }
        }
        Ok(())
    }

    /// Saves this moment unless it is saved already. The logs reach the disk first: what a checkpoint has behind it is logged.
    pub(super) fn save(&mut self, observer: &mut dyn Observer) -> Result<()> {
        if self.saved == Some(self.step) {
            return Ok(());
        }
        let path = self.try_save().map_err(|e| match e {
            // An update can break weights whose loss was still a number.
            Error::NotFinite { tensor, value, .. } => self.diverged(&tensor, value.into(), self.step),
            e => self.halted(e),
        })?;
        self.saved = Some(self.step);
        observer.event(Event::Saved { step: self.step, path: &path });
        Ok(())
    }

    fn try_save(&mut self) -> Result<std::path::PathBuf> {
        self.metrics.sync()?;
        self.samples.sync()?;
        let dir = self.dir.checkpoints();
        let path = state::save(&dir, self.step, &self.meta, &mut self.trainer, &self.watch)?;
        self.meta.prune(&self.dir)?;
        Ok(path)
    }

    /// Writes down that something happened.
    pub(super) fn record(&mut self, event: &str, message: &str) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let line =
            EventLine { step: self.step, unix_seconds: now, event: event.into(), message: message.into() };
        self.events.append(&line).map_err(|e| self.halted(e.into()))
    }

    fn halted(&self, cause: Error) -> Error {
        Error::Halted { cause: Box::new(cause), step: self.step, last_good: self.last_good() }
    }

    fn diverged(&self, what: &str, value: f64, step: u64) -> Error {
        Error::Diverged { what: what.to_string(), value, step, last_good: self.last_good() }
    }

    fn last_good(&self) -> String {
        match self.saved {
            Some(step) => format!("the last good checkpoint is step {step}"),
            None => "there is no checkpoint yet".into(),
        }
    }
}
