//! Where a new run is trained, drawn: the choice, and what a card will take.

use eframe::egui::{Spinner, Ui};
use train_cuda::choice::{CardSet, Choice};
use train_cuda::driver::Card;

use super::cards::Cards;
use super::fitting::{Fit, Takes};
use crate::command::{Command, TrainingCommand};
use crate::icons::{Icon, icon_button};
use crate::shared::Shared;
use crate::widgets::{chip, count, small};

/// The choice, in a row. Where there is no card there is none to make.
pub fn row(ui: &mut Ui, cards: &Cards, chosen: Choice, shared: &Shared) {
    let send = |c| shared.send(Command::Training(c));
    ui.horizontal_wrapped(|ui| {
        ui.set_min_height(26.0);
        ui.label("Train on");
        let listed = match cards.listed() {
            Some(Err(why)) if !cards.is_looking() => {
                ui.label(small(format!("processor: {why}")));
                return;
            }
            listed => listed.and_then(Result::ok).unwrap_or_default(),
        };
        let offer = |ui: &mut Ui, name: &str, about: &str, choice: Choice| {
            if chip(ui, name, chosen == choice).on_hover_text(about).clicked() {
                send(TrainingCommand::On(choice));
            }
        };
        offer(
            ui,
            "auto",
            "The first card that can train, and where there is none the processor",
            Choice::Auto,
        );
        offer(
            ui,
            "processor",
            "Training takes every thread of it that the configuration allows",
            Choice::Cpu,
        );
        for card in listed {
            let number = if listed.len() > 1 { format!("{}: ", card.index) } else { String::new() };
            let name = format!("{number}{}, {} MiB", card.name, mib(card.memory));
            if let Some(choice) = Choice::card(card.index) {
                offer(ui, &name, &card.to_string(), choice);
            }
        }
        if let (2.., Some(all)) = (listed.len(), CardSet::new(listed.iter().map(|card| card.index))) {
            let name = format!("all {} cards", listed.len());
            let about = "Each takes a share of every batch; they must be of one kind, and NVIDIA's NCCL must be installed";
            offer(ui, &name, about, Choice::Cards(all));
        }
        if cards.is_looking() {
            ui.add(Spinner::new().size(14.0));
            ui.label(small("Looking for NVIDIA cards"));
        } else if icon_button(ui, Icon::Redo, "Look for NVIDIA cards").clicked() {
            send(TrainingCommand::LookForCards);
        }
    });
}

/// What each of so many cards will take, line by line: a value, and what it is of.
pub fn takes(card: &Card, cards: usize, fit: Option<&Fit>, line: &mut impl FnMut(String, &str)) {
    match fit {
        Some(Ok(Some(Takes { memory, sequences, of, twice }))) => {
            line(
                format!("{} MiB", mib(*memory)),
                &format!(
                    "of the {} MiB of {}{}",
                    mib(card.memory),
                    if cards > 1 { "each " } else { "" },
                    card.name
                ),
            );
            let together = if sequences == of { format!("all {of}") } else { format!("{sequences} of {of}") };
            let of_what = if cards > 1 { "sequences of its share" } else { "sequences of a step" };
            line(together, &format!("{of_what} at a time, if nothing else uses the card"));
            if *twice {
                line(
                    "twice".into(),
                    "is how often activations are computed, for want of memory: a third slower",
                );
            }
        }
        Some(Ok(None)) => line(card.name.clone(), "trains it; what it takes depends on the vocabulary"),
        Some(Err(_)) => line(card.name.clone(), "cannot train it"),
        None => line("…".into(), &format!("of the memory of {}", card.name)),
    }
}

fn mib(bytes: u64) -> String {
    count(bytes >> 20)
}
