//! The learning rate as a function of the step alone, so that resuming needs no state.
//! Which rates it multiplies is the optimisers' business.

use crate::config::Schedule;

/// The factor of the learning rates for the step with index `step` (the first is 0) of `steps`: set before that step.
///
/// Rises linearly over the warm-up (the first step already moves; at most a quarter of a short
/// run), stays at 1, then falls linearly so that the step after the last would run at `floor`.
pub fn factor(schedule: &Schedule, step: u64, steps: u64) -> f64 {
    let rise = match schedule.warmup_steps.min(steps / 4) {
        0 => 1.0,
        warmup => ((step + 1) as f64 / warmup as f64).min(1.0),
    };
    let fall_steps = schedule.warmdown * steps as f64;
    let left = steps.saturating_sub(step) as f64;
    let fall =
        if left < fall_steps { schedule.floor + (1.0 - schedule.floor) * (left / fall_steps) } else { 1.0 };
    rise.min(fall)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Schedule = Schedule { warmup_steps: 10, warmdown: 0.4, floor: 0.1 };

    #[test]
    fn schedule_rises_stays_and_falls() {
        assert_eq!(factor(&S, 0, 100), 0.1);
        assert_eq!(factor(&S, 9, 100), 1.0);
        assert_eq!(factor(&S, 60, 100), 1.0);
        assert!((factor(&S, 80, 100) - 0.55).abs() < 1e-12);
        assert!((factor(&S, 99, 100) - (0.1 + 0.9 / 40.0)).abs() < 1e-12);
        assert_eq!(factor(&S, 100, 100), 0.1);
    }

    #[test]
    fn schedule_short_run_still_reaches_the_full_rate() {
        assert!((0..8).any(|step| factor(&S, step, 8) == 1.0));
    }

    #[test]
    fn schedule_never_stands_still_nor_exceeds_one() {
        for steps in [1, 2, 5, 13, 1000] {
            for step in 0..steps {
                let f = factor(&S, step, steps);
                assert!(f > 0.0 && f <= 1.0, "{step} of {steps}: {f}");
            }
        }
    }

    #[test]
    fn schedule_without_phases_is_flat() {
        let flat = Schedule { warmup_steps: 0, warmdown: 0.0, floor: 0.0 };
        assert!((0..50).all(|s| factor(&flat, s, 50) == 1.0));
    }
}
