//! The panel beside the text: presets, then every setting of the sampler with its number, the seed, and what ends a text.

use eframe::egui::{Align, DragValue, Layout, Role, ScrollArea, TextEdit, Ui, WidgetInfo};
use runtime::sampler::Sampling;

use super::engine;
use crate::command::{Command, GenerateCommand};
use crate::icons::{Icon, icon_button};
use crate::settings::{SamplingPreset, Writing};
use crate::shared::Shared;
use crate::tokens::space;
use crate::widgets::{Range, chip, section, slider_row, small};

pub fn ui(ui: &mut Ui, shared: &mut Shared, stops: &mut Stops, chat: bool) {
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 6.0;
        ui.add_space(space::M);
        let usual = shared.model.get().map_or_else(Sampling::default, |m| m.opened.sampling);
        ui.horizontal(|ui| {
            let on = SamplingPreset::of(&shared.settings.writing, &usual);
            for preset in SamplingPreset::ALL {
                if chip(ui, preset.name(), on == Some(preset)).on_hover_text(preset.about()).clicked() {
                    shared.send(Command::Generate(GenerateCommand::Preset(preset)));
                }
            }
        });
        let converses = shared.model.get().is_some_and(|m| m.opened.chat_template.is_some());
        if converses {
            ui.horizontal(|ui| {
                for (name, on) in [("Conversation", chat), ("Notebook", !chat)] {
                    if chip(ui, name, on).clicked() && !on {
                        shared.send(Command::Generate(GenerateCommand::Notebook));
                    }
                }
            });
        }
        if chat {
            ui.label(small("What holds for the whole conversation"));
            let field = TextEdit::multiline(&mut shared.settings.writing.system).desired_rows(2);
            let field = ui.add(field.hint_text("You are …").desired_width(f32::INFINITY));
            field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "System prompt"));
        }
        ui.add_space(space::S);
        section(ui, "Sampling");
        sampling(ui, &mut shared.settings.writing, &usual);
        ui.add_space(space::S);
        section(ui, "Seed");
        seed(ui, &mut shared.settings.writing);
        ui.add_space(space::S);
        section(ui, "Length");
        let range = Range { slider: 1..=2000usize, most: 1 << 20, usual: 400, digits: 0, logarithmic: true };
        slider_row(
            ui,
            "Most tokens",
            "A text ends after so many tokens",
            &mut shared.settings.writing.max_tokens,
            &range,
        );
        stops.ui(ui, &mut shared.settings.writing);
        ui.add_space(space::S);
        engine::ui(ui, shared);
        ui.add_space(space::XL);
    });
}

fn sampling(ui: &mut Ui, w: &mut Writing, usual: &Sampling) {
    let real = |slider, most, usual, digits| Range { slider, most, usual, digits, logarithmic: false };
    let mut changed = slider_row(
        ui,
        "Temperature",
        "Above 1 bolder, below 1 safer, 0 always the likeliest token",
        &mut w.temperature,
        &real(0.0..=2.0, 5.0, usual.temperature, 2),
    );
    let drawn = w.temperature > 0.0;
    ui.add_enabled_ui(drawn, |ui| {
        let range =
            Range { slider: 0..=200, most: 1 << 20, usual: usual.top_k, digits: 0, logarithmic: false };
        changed |= slider_row(ui, "Top-k", "Only the k likeliest tokens; 0 keeps all", &mut w.top_k, &range);
        changed |= slider_row(
            ui,
            "Top-p",
            "Only the likeliest tokens that together have this probability; 1 keeps all",
            &mut w.top_p,
            &real(0.01..=1.0, 1.0, usual.top_p, 3),
        );
        changed |= slider_row(
            ui,
            "Min-p",
            "Drops tokens this much less likely than the best; 0 drops none",
            &mut w.min_p,
            &real(0.0..=1.0, 1.0, usual.min_p, 3),
        );
    });
    changed |= slider_row(
        ui,
        "Repetition penalty",
        "Makes recent tokens less likely; 1 does nothing",
        &mut w.repetition_penalty,
        &real(0.5..=2.0, 10.0, usual.repetition_penalty, 2),
    );
    ui.add_enabled_ui(w.repetition_penalty != 1.0, |ui| {
        let range = Range {
            slider: 0..=512,
            most: 1 << 20,
            usual: usual.repetition_window,
            digits: 0,
            logarithmic: false,
        };
        let hint = "How many tokens count as recent";
        changed |= slider_row(ui, "Penalty window", hint, &mut w.repetition_window, &range);
    });
    w.own |= changed;
}

fn seed(ui: &mut Ui, w: &mut Writing) {
    ui.horizontal(|ui| {
        let mut locked = w.seed.is_some();
        if ui
            .checkbox(&mut locked, "Fixed")
            .on_hover_text(
                "The same seed, prompt, settings and backend give the same text, on any number of threads",
            )
            .changed()
        {
            w.seed = locked.then(super::begin::new_seed);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if icon_button(ui, Icon::Die, "New seed").clicked() {
                w.seed = Some(super::begin::new_seed());
            }
            match &mut w.seed {
                Some(seed) => {
                    let field = ui.add(DragValue::new(seed).speed(1.0));
                    field.widget_info(|| WidgetInfo::labeled(Role::SpinButton, true, "Seed"));
                }
                None => {
                    ui.label(small("a new one each time"));
                }
            }
        });
    });
}

/// The field for strings that end a text, as it is typed: what it means follows from it, and not the other way round while it has the keys.
#[derive(Debug, Default)]
pub struct Stops {
    typed: Option<String>,
}

impl Stops {
    fn ui(&mut self, ui: &mut Ui, w: &mut Writing) {
        ui.label(small("Strings that end a text, one a line; \\n is a line break"));
        let typed = self.typed.get_or_insert_with(|| spelled(&w.stop));
        let field = ui.add(TextEdit::multiline(typed).desired_rows(2).desired_width(f32::INFINITY));
        field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Strings that end a text"));
        if field.changed() {
            w.stop = meant(typed);
        }
        if !field.has_focus() {
            self.typed = None;
        }
    }
}

/// Strings as a person types them, one a line.
fn spelled(stop: &[String]) -> String {
    let spell = |s: &String| s.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t");
    stop.iter().map(spell).collect::<Vec<_>>().join("\n")
}

/// What a person typed; empty lines end nothing.
fn meant(typed: &str) -> Vec<String> {
    let line = |line: &str| {
        let mut out = String::new();
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match (c, chars.as_str().chars().next()) {
                ('\\', Some(next @ ('n' | 't' | '\\'))) => {
                    chars.next();
                    out.push(match next {
                        'n' => '\n',
                        't' => '\t',
                        other => other,
                    });
                }
                (c, _) => out.push(c),
            }
        }
        out
    };
    typed.split('\n').map(line).filter(|s| !s.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_that_end_a_text_are_meant_as_they_are_typed() {
        let cases = ["END", "\n\n", "a\tb", "\"'", "\\", "\\n", "\u{e9}\u{1f980}"].map(str::to_owned);
        assert_eq!(meant(&spelled(&cases)), cases);
        assert_eq!(meant("\\n\n\nROMEO:"), ["\n", "ROMEO:"]);
        // On the way to a line break.
        assert_eq!(meant("\\"), ["\\"]);
        assert!(meant("").is_empty());
    }
}
