//! A run as it goes: a bar with the time left on a terminal, a line now and then anywhere else.
//! All on stderr, so that stdout holds results alone.

use std::time::{Duration, Instant};

use ::train::run::{Event, Observer, Outset};
use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal::{move_by_itself, note, printable, stderr_is_terminal};

/// Seconds between two plain lines when nothing else happened.
const QUIET_SECONDS: u64 = 15;
/// The same before the first step.
const PREPARING_SECONDS: u64 = 10;

/// What the bar counts: parts in a thousand of something before the first step, then steps.
const PREPARING: &str = "{bar:24} {percent} %  {msg}";
const STEPS: &str = "{bar:24} {pos}/{len}  {msg}";

/// Shows a training run.
pub struct Progress {
    bar: Option<ProgressBar>,
    outset: Option<Outset>,
    started: Instant,
    last_line: Instant,
    validation: Option<f64>, // bits per byte
}

impl Progress {
    /// Decides how to show things: a bar if a person reads stderr.
    pub fn new() -> Progress {
        let bar = stderr_is_terminal().then(|| {
            let bar = ProgressBar::new(1000).with_style(style(PREPARING));
            move_by_itself(&bar);
            bar
        });
        let now = Instant::now();
        Progress { bar, outset: None, started: now, last_line: now, validation: None }
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => note(format_args!("{text}")),
        }
    }

    /// Seconds until the last step, from this session's pace.
    fn left(&self, step: u64) -> Option<f64> {
        let outset = self.outset.as_ref()?;
        let done = step.checked_sub(outset.step).filter(|&n| n > 0)?;
        let pace = self.started.elapsed().as_secs_f64() / done as f64;
        Some(pace * outset.steps.saturating_sub(step) as f64)
    }
}

impl Observer for Progress {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Outset(outset) => {
                self.line(&format!(
                    "{} parameters, vocabulary {}, {} training and {} validation tokens, {} tokens a step, {} threads",
                    outset.parameters,
                    outset.vocab,
                    outset.train_tokens,
                    outset.validation_tokens,
                    outset.step_tokens,
                    outset.threads,
                ));
                if outset.step > 0 {
                    self.line(&format!("continuing after step {} of {}", outset.step, outset.steps));
                }
                if let Some(bar) = &self.bar {
                    bar.set_style(style(STEPS));
                    bar.set_message("");
                    bar.set_length(outset.steps);
                    bar.set_position(outset.step);
                }
                self.started = Instant::now();
                self.outset = Some(outset.clone());
            }
            Event::Note(text) => self.line(text),
            Event::Preparing { what, share } => match &self.bar {
                Some(bar) => {
                    bar.set_position((share * 1000.0) as u64);
                    bar.set_message(what.to_owned());
                }
                None if self.last_line.elapsed() >= Duration::from_secs(PREPARING_SECONDS) => {
                    note(format_args!("{what}: {:.0} %", 100.0 * share));
                    self.last_line = Instant::now();
                }
                None => {}
            },
            Event::Step(line) => {
                self.validation = line.val_bits_per_byte.or(self.validation);
                let mut text = format!("loss {:.4}", line.loss);
                if let Some(bits) = self.validation {
                    text.push_str(&format!("  validation {bits:.4} bits/byte"));
                }
                if let Some(speed) = line.tokens_per_sec {
                    text.push_str(&format!("  {speed:.0} tokens/s"));
                }
                if let Some(left) = self.left(line.step) {
                    text.push_str(&format!("  {} left", duration(left)));
                }
                if let Some(bar) = &self.bar {
                    bar.set_position(line.step);
                    if let Some(bits) = line.val_bits_per_byte {
                        bar.println(format!("after step {}: validation {bits:.4} bits/byte", line.step));
                    }
                    bar.set_message(text);
                    return;
                }
                let outset = self.outset.as_ref();
                let first = outset.is_some_and(|o| line.step == o.step + 1);
                let quiet = self.last_line.elapsed() >= Duration::from_secs(QUIET_SECONDS);
                if first || quiet || line.val_bits_per_byte.is_some() {
                    let steps = outset.map_or(0, |o| o.steps);
                    note(format_args!("step {}/{steps}  {text}", line.step));
                    self.last_line = Instant::now();
                }
            }
            Event::Sample(sample) => {
                self.line(&format!("-- sample after step {}\n{}\n--", sample.step, printable(&sample.text)));
            }
            Event::Saved { .. } => {}
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is valid")
}

/// `1:02:03`, `2:03` or `3.1 s`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{}:{:02}", whole / 60, whole % 60),
        _ => format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn duration_reads_like_a_clock() {
        assert_eq!(duration(4.56), "4.6 s");
        assert_eq!(duration(123.4), "2:03");
        assert_eq!(duration(3723.0), "1:02:03");
    }
}
