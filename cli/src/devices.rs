//! `tercet devices`: what models can run and train on here, which of them is taken by itself, and why another is not.

use std::io::Write;
use std::process::ExitCode;

use cpu::Pool;
use train_cuda::driver::{Device, cards};

use crate::bench::table::bytes;
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
    // Only opening a card shows whether it will do.
    let open = |index: usize| Device::open(index).and_then(|device| device.free());
    let opened: Vec<_> = cards.iter().flatten().map(|card| (card, open(card.index))).collect();
    let usable = opened.iter().position(|(_, free)| free.is_ok());
    let taken = |is: bool| if is { "; taken by itself" } else { "" };
    writeln!(out, "cpu: {} threads{}", Pool::threads_available(), taken(usable.is_none()))?;
    match &cards {
        Ok(_) => {
            for (i, (card, free)) in opened.iter().enumerate() {
                let state = match free {
                    Ok(free) => format!("free: {}", bytes(*free)),
                    Err(error) => error.to_string(),
                };
                writeln!(out, "cuda:{}: {card}; {state}{}", card.index, taken(usable == Some(i)))?;
            }
        }
        Err(error) => writeln!(out, "cuda: {error}")?,
    }
    Ok(ExitCode::SUCCESS)
}
