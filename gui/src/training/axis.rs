//! Scales: from values to points on the screen and back, plain or logarithmic, with ticks at round numbers; and how values on them
//! read.

use crate::command::CurveAxis;
use crate::widgets::count;

/// A stretch of values laid over a stretch of the screen. The screen's may run backwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Values at the two ends.
    pub low: f64,
    /// See `low`; above it.
    pub high: f64,
    /// Whether equal distances are equal factors.
    pub log: bool,
    /// Where `low` is.
    pub from: f32,
    /// Where `high` is.
    pub to: f32,
}

impl Scale {
    /// A scale over values; an empty or single-valued stretch is widened, and a logarithmic one starts above zero.
    pub fn new(low: f64, high: f64, log: bool, from: f32, to: f32) -> Scale {
        let (mut low, mut high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
        if log {
            high = high.max(f64::MIN_POSITIVE * 1e10);
            low = low.clamp(high * 1e-300, high);
            if high / low < 1.0 + 1e-9 {
                (low, high) = (low / 1.1, high * 1.1);
            }
        } else if high - low <= 1e-12 * high.abs().max(low.abs()) {
            let around = if high == 0.0 { 1.0 } else { high.abs() * 0.1 };
            (low, high) = (low - around, high + around);
        }
        Scale { low, high, log, from, to }
    }

    fn bent(&self, v: f64) -> f64 {
        if self.log { v.max(1e-300).log10() } else { v }
    }

    /// Where a value is.
    pub fn place(&self, v: f64) -> f32 {
        let (low, high) = (self.bent(self.low), self.bent(self.high));
        let share = (self.bent(v) - low) / (high - low);
        // Far outside is as good as anywhere outside, and safe to draw.
        self.from + share.clamp(-50.0, 50.0) as f32 * (self.to - self.from)
    }

    /// The value at a place.
    pub fn value(&self, place: f32) -> f64 {
        let share = f64::from((place - self.from) / (self.to - self.from));
        let (low, high) = (self.bent(self.low), self.bent(self.high));
        let bent = low + share * (high - low);
        if self.log { 10f64.powf(bent) } else { bent }
    }

    /// The stretch around a place that is `factor` times as long.
    pub fn zoomed(&self, place: f32, factor: f64) -> (f64, f64) {
        let (low, high, at) = (self.bent(self.low), self.bent(self.high), self.bent(self.value(place)));
        let back = |b: f64| if self.log { 10f64.powf(b) } else { b };
        (back(at + (low - at) * factor), back(at + (high - at) * factor))
    }

    /// The stretch moved by so many points of the screen.
    pub fn moved(&self, by: f32) -> (f64, f64) {
        (self.value(self.from - by), self.value(self.to - by))
    }

    /// Round values, at most about `most` of them.
    pub fn ticks(&self, most: usize) -> Vec<f64> {
        let most = most.max(2);
        if self.log && self.high / self.low > 4.0 {
            return self.log_ticks(most);
        }
        let step = round_step((self.high - self.low) / most as f64);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last.min(first + 100)).map(|i| i as f64 * step).collect()
    }

    fn log_ticks(&self, most: usize) -> Vec<f64> {
        let (low, high) = (self.low.log10(), self.high.log10());
        let decades = high - low;
        let parts: &[f64] = match decades * 3.0 {
            n if n <= most as f64 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let every = (decades / most as f64).ceil().max(1.0) as i32;
        let mut ticks = Vec::new();
        for exponent in (low.floor() as i32)..=(high.ceil() as i32) {
            if exponent.rem_euclid(every) == 0 {
                let round = parts.iter().map(|p| p * 10f64.powi(exponent));
                ticks.extend(round.filter(|v| (self.low..=self.high * (1.0 + 1e-9)).contains(v)));
            }
        }
        ticks
    }
}

/// 1, 2 or 5 times a power of ten, at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.max(1e-300).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= least * (1.0 - 1e-9));
    step.unwrap_or(10.0 * power)
}

/// Ticks of a time axis: round in seconds, minutes, hours or days.
pub fn time_ticks(scale: &Scale, most: usize) -> Vec<f64> {
    if scale.log {
        return scale.ticks(most);
    }
    const STEPS: [f64; 18] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0,
        28_800.0, 43_200.0, 86_400.0,
    ];
    let least = (scale.high - scale.low) / most.max(2) as f64;
    let Some(step) = STEPS.into_iter().find(|&s| s >= least).filter(|_| least > 0.5) else {
        return scale.ticks(most);
    };
    let (first, last) = ((scale.low / step).ceil() as i64, (scale.high / step).floor() as i64);
    (first..=last.min(first + 100)).map(|i| i as f64 * step).collect()
}

/// A number on an axis: as many digits as its neighbours differ in.
pub fn tick_text(v: f64, step: f64) -> String {
    let (size, step) = (v.abs(), step.abs());
    if v == 0.0 {
        return "0".into();
    }
    if !(1e-4..1e15).contains(&size) {
        return trimmed(&format!("{v:.2e}"));
    }
    let (unit, name) = match size.max(step) {
        n if n >= 1e12 => (1e12, "T"),
        n if n >= 1e9 => (1e9, "B"),
        n if n >= 1e6 => (1e6, "M"),
        n if n >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let digits = (-(step / unit).max(1e-9).log10() - 1e-9).ceil().clamp(0.0, 8.0) as usize;
    format!("{:.*}{name}", digits, v / unit)
}

/// `1.50e-5` as `1.5e-5`.
fn trimmed(text: &str) -> String {
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => {
            format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text.to_owned(),
    }
}

/// A moment of training on an axis: `40 s`, `5:00`, `1:02:03`, `2 d 3:00`.
pub fn time_text(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    let (days, hours, minutes, rest) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    match whole {
        0 if seconds > 0.0 => format!("{seconds:.2} s"),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{minutes}:{rest:02}"),
        3600..86_400 => format!("{hours}:{minutes:02}:{rest:02}"),
        _ => format!("{days} d {hours}:{minutes:02}"),
    }
}

/// The numbers of the x axis: where each stands, and how it reads.
pub fn axis_ticks(axis: CurveAxis, x: &Scale, most: usize) -> Vec<(f32, String)> {
    let ticks = if axis == CurveAxis::Time { time_ticks(x, most) } else { x.ticks(most) };
    let step = if ticks.len() > 1 { ticks[1] - ticks[0] } else { 1.0 };
    let text = |tick| match axis {
        CurveAxis::Time => time_text(tick),
        _ => tick_text(tick, if x.log { tick } else { step }),
    };
    ticks.into_iter().map(|tick| (x.place(tick), text(tick))).collect()
}

/// A value of an axis in words.
pub fn place_text(axis: CurveAxis, v: f64) -> String {
    match axis {
        CurveAxis::Step => format!("step {}", count(v.round().max(0.0) as u64)),
        CurveAxis::Tokens => format!("{} tokens", tick_text(v, (v / 1000.0).max(1.0))),
        CurveAxis::Time => time_text(v),
    }
}

/// A measured value in a readout: four digits that count.
pub fn value_text(v: f64) -> String {
    let size = v.abs();
    match size {
        0.0 => "0".into(),
        _ if !v.is_finite() => "not a number".into(),
        _ if size >= 1e7 => tick_text(v, size / 1e3),
        _ if size >= 1000.0 => count(v.round().abs() as u64).replacen("", if v < 0.0 { "-" } else { "" }, 1),
        _ if size >= 0.001 => {
            let digits = 3 - size.log10().floor() as i32;
            format!("{v:.*}", digits.clamp(0, 6) as usize)
        }
        _ => trimmed(&format!("{v:.2e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: &Scale, most: usize) -> Vec<String> {
        let ticks = scale.ticks(most);
        let step = if ticks.len() > 1 { ticks[1] - ticks[0] } else { ticks[0] };
        ticks.iter().map(|&t| tick_text(t, step)).collect()
    }

    #[test]
    fn ticks_are_at_round_numbers() {
        let scale = |low, high| Scale::new(low, high, false, 0.0, 100.0);
        assert_eq!(texts(&scale(0.0, 1000.0), 5), ["0", "200", "400", "600", "800", "1000"]);
        assert_eq!(texts(&scale(1.93, 2.11), 4), ["1.95", "2.00", "2.05", "2.10"]);
        assert_eq!(texts(&scale(0.0, 41_000.0), 5), ["0", "10k", "20k", "30k", "40k"]);
        assert_eq!(texts(&scale(0.0, 2.2e6), 3), ["0", "1.0M", "2.0M"].map(|s| s.replace(".0M", "M")));
        assert_eq!(texts(&scale(0.0, 3e-5), 3), ["0", "1e-5", "2e-5", "3e-5"]);
        assert_eq!(texts(&scale(-1.0, 1.0), 4), ["-1.0", "-0.5", "0", "0.5", "1.0"]);
    }

    #[test]
    fn ticks_of_a_logarithmic_scale_are_at_decades() {
        let ticks = |low, high, most| Scale::new(low, high, true, 0.0, 1.0).ticks(most);
        assert_eq!(ticks(1.0, 1000.0, 5), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(ticks(1.0, 12.0, 6), [1.0, 2.0, 5.0, 10.0]);
        assert_eq!(ticks(1e-9, 1e9, 4), [1e-5, 1.0, 1e5]);
        // Less than a decade: as on a plain one.
        assert_eq!(ticks(2.0, 3.0, 3), [2.0, 2.5, 3.0]);
    }

    #[test]
    fn scale_goes_there_and_back_whatever_it_is_made_of() {
        for (low, high, log) in
            [(0.0, 10.0, false), (1.0, 1e6, true), (5.0, 5.0, false), (0.0, 0.0, true), (-3.0, 4.0, true)]
        {
            let scale = Scale::new(low, high, log, 200.0, 20.0);
            assert!(scale.low < scale.high, "{scale:?}");
            for share in [0.0f32, 0.3, 1.0] {
                let place = 200.0 - 180.0 * share;
                assert!((scale.place(scale.value(place)) - place).abs() < 0.01, "{scale:?}");
            }
            let (low, high) = scale.zoomed(110.0, 0.5);
            assert!(scale.low <= low && low < high && high <= scale.high, "{scale:?}");
            assert!(!scale.ticks(5).iter().any(|t| t.is_nan()));
        }
        assert!(Scale::new(f64::NAN, 1.0, false, 0.0, 1.0).place(f64::NAN).is_nan());
        let (low, high) = Scale::new(0.0, 10.0, false, 0.0, 100.0).moved(10.0);
        assert!((low + 1.0).abs() < 1e-6 && (high - 9.0).abs() < 1e-6);
    }

    #[test]
    fn values_and_times_read_as_people_write_them() {
        let values = [0.0, 1.23456, 12.3456, 0.034567, 1234.5, -2345.0, 3.2e7, 1.5e-6, f64::INFINITY];
        let expected =
            ["0", "1.235", "12.35", "0.03457", "1,235", "-2,345", "32.00M", "1.5e-6", "not a number"];
        assert_eq!(values.map(value_text), expected);
        let times = [0.0, 0.25, 40.0, 300.0, 3723.0, 180_000.0].map(time_text);
        assert_eq!(times, ["0 s", "0.25 s", "40 s", "5:00", "1:02:03", "2 d 2:00"]);
        let hours = Scale::new(0.0, 9000.0, false, 0.0, 1.0);
        assert_eq!(time_ticks(&hours, 5), [0.0, 1800.0, 3600.0, 5400.0, 7200.0, 9000.0]);
    }
}
