//! What a trainer can be told between two steps, in a person's words.

use train::run::Order;

use super::found::State;

/// An order in a person's words.
pub trait Worded {
    /// As a button says it.
    fn name(self) -> &'static str;
    /// As a sentence about a run begins.
    fn verb(self) -> &'static str;
    fn about(self) -> &'static str;
    /// Whether it makes sense to a run in a state.
    fn fits(self, state: &State) -> bool;
}

impl Worded for Order {
    fn name(self) -> &'static str {
        match self {
            Order::Pause => "Pause",
            Order::Resume => "Resume",
            Order::Save => "Save now",
            Order::Sample => "Sample now",
            Order::Stop => "Stop and save",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Order::Pause => "Pause",
            Order::Resume => "Resume",
            Order::Save => "Save a checkpoint of",
            Order::Sample => "Write a sample with",
            Order::Stop => "Stop and save",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Order::Pause => "Wait after this step; the model stays in memory",
            Order::Resume => "Go on where it waits",
            Order::Save => "Write a checkpoint after this step",
            Order::Sample => "Have the model write a text after this step",
            Order::Stop => "Save after this step and end; the run can go on later to the same bits",
        }
    }

    fn fits(self, state: &State) -> bool {
        match self {
            Order::Pause => *state == State::Live,
            Order::Resume => *state == State::Held,
            _ => state.is_live(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_fit_the_states_they_make_sense_in() {
        assert!(
            Order::Pause.fits(&State::Live)
                && !Order::Pause.fits(&State::Held)
                && !Order::Stop.fits(&State::Lost)
        );
    }
}
