//! `tercet devices`: what models can run and train on here, which of them is taken by itself, and why another is not.

use std::io::Write;
use std::process::ExitCode;

use cpu::Pool;
use train_cuda::driver::{Card, Device, cards};
use train_cuda::run::taken_by_itself;

use crate::bench_table::bytes;
use crate::device;

/// Runs `tercet devices`.
pub fn run() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "Models run on (--device of generate, chat, eval, bench and app; cpu if nothing is said):"
    )?;
    device::write_list(&mut out)?;
    writeln!(out, "\nModels train on (--device of train):")?;
    let cards = cards();
    let usable = cards.as_ref().ok().and_then(|cards| taken_by_itself(cards));
    let taken = |is: bool| if is { "; taken by itself" } else { "" };
    writeln!(out, "cpu: {} threads{}", Pool::threads_available(), taken(usable.is_none()))?;
    match &cards {
        Ok(cards) => {
            for card in cards {
                let index = card.index;
                writeln!(out, "cuda:{index}: {card}{}{}", state(card), taken(usable == Some(card)))?;
            }
        }
        Err(error) => writeln!(out, "cuda: {error}")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What a card has left, or why it cannot train.
fn state(card: &Card) -> String {
    match Device::open(card.index).and_then(|device| device.free()) {
        Ok(free) => format!("; free: {}", bytes(free)),
        Err(error) => format!("; {error}"),
    }
}
