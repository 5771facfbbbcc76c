//! The left side: what to measure, on what, how long it will take, and the one button.

use std::sync::OnceLock;

use bench::ProductOptions;
use cpu::Kernels;
use eframe::egui::{
    Align2, Button, Checkbox, DragValue, FontId, Frame, Label, Margin, Panel, ProgressBar, RichText, Role,
    ScrollArea, Sense, TextEdit, Ui, WidgetInfo, pos2, vec2,
};

use super::Benchmark;
use super::bars::fit;
use super::machine::{SOFTWARE, short};
use crate::command::{BenchmarkCommand, Command};
use crate::settings::{BenchmarkPlan, BenchmarkPreset, PlanField};
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{chip, duration, primary_button, section, small};

/// Width of the names of fields.
const LABEL: f32 = 92.0;

/// Every kernel of this processor, and what it is.
fn kernels() -> &'static [(String, &'static str)] {
    static ALL: OnceLock<Vec<(String, &'static str)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let about = |name: &str| {
            Kernels::named(name).map_or("what somebody would write first; of products alone", |k| k.about)
        };
        ProductOptions::kernels_available().into_iter().map(|name| (name.clone(), about(&name))).collect()
    })
}

impl Benchmark {
    pub(super) fn panel(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let t = Tokens::of(ui.ctx());
        let bottom = Frame::new().fill(t.panel).inner_margin(Margin { bottom: 14, top: 10, ..Margin::ZERO });
        Panel::bottom("benchmark start").frame(bottom).resizable(false).show(ui, |ui| self.start(ui, shared));
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 5.0;
            ui.add_space(space::M);
            let running = self.running.is_some();
            ui.add_enabled_ui(!running, |ui| self.choices(ui, shared));
            ui.add_space(space::M);
        });
    }

    fn choices(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let wrong = self.forecast.as_ref().and_then(|f| f.result.as_ref().err()).cloned();
        let preset = BenchmarkPreset::of(&shared.settings.measuring);
        ui.horizontal(|ui| {
            for one in BenchmarkPreset::ALL {
                if chip(ui, one.name(), preset == Some(one)).on_hover_text(one.about()).clicked() {
                    shared.send(Command::Benchmark(BenchmarkCommand::Preset(one)));
                }
            }
        });
        ui.add_space(space::S);
        let open = shared.model.get().map(|m| m.facts.name.clone());
        let adapters = shared.model.adapters().to_vec();
        let plan = &mut shared.settings.measuring;
        section(ui, "What");
        ui.add_enabled_ui(open.is_some(), |ui| {
            let hint = "Reading prompts and writing tokens with the open model";
            ui.add(Checkbox::new(&mut plan.model, "Open model")).on_hover_text(hint);
        });
        match &open {
            Some(name) => drop(ui.add(Label::new(small(name)).truncate())),
            None => drop(ui.label(small("no model is open"))),
        }
        if plan.model && open.is_some() {
            list(
                ui,
                "Prompt",
                "pp",
                "Lengths of prompts that are read at once, as 128, 512",
                &mut plan.prompts,
                PlanField::Prompts,
                &wrong,
            );
            list(
                ui,
                "Text",
                "tg",
                "Tokens written one after the other",
                &mut plan.generate,
                PlanField::Generate,
                &wrong,
            );
            list(
                ui,
                "Both",
                "pg",
                "A prompt and tokens after it timed together, as 512+128",
                &mut plan.pairs,
                PlanField::Pairs,
                &wrong,
            );
            list(
                ui,
                "Depth",
                "d",
                "Tokens that the model holds before",
                &mut plan.depths,
                PlanField::Depths,
                &wrong,
            );
            numbers(ui, plan);
        }
        ui.add_space(space::XS);
        ui.add(Checkbox::new(&mut plan.products, "Matrix products"))
            .on_hover_text("Every kernel by itself, on matrices of chosen shapes");
        if plan.products {
            list(
                ui,
                "Matrices",
                "",
                "Shapes of matrices, columns a multiple of 128",
                &mut plan.shapes,
                PlanField::Shapes,
                &wrong,
            );
            list(ui, "Batch", "", "Tokens multiplied at once", &mut plan.batches, PlanField::Batches, &wrong);
            let hint = "Also on matrices that come from memory, not from caches; the roofline needs them";
            ui.add(Checkbox::new(&mut plan.cold, "From memory too")).on_hover_text(hint);
        }
        let hint = "How fast every cache is read, and a token beside its matrix products";
        ui.add(Checkbox::new(&mut plan.whole, "Caches, and a token's parts")).on_hover_text(hint);

        ui.add_space(space::S);
        section(ui, "On what");
        list(
            ui,
            "Threads",
            "t",
            "Each number of threads in turn",
            &mut plan.threads,
            PlanField::Threads,
            &wrong,
        );
        for (name, about) in kernels() {
            let mut on = plan.has(name);
            if ui.checkbox(&mut on, format!("CPU {name}")).on_hover_text(*about).changed() {
                plan.toggle(name);
            }
        }
        for adapter in &adapters {
            let mut on = plan.adapters.contains(&adapter.name);
            let name = if adapter.software {
                format!("{}, {SOFTWARE}", short(&adapter.name))
            } else {
                short(&adapter.name).to_owned()
            };
            let response = ui.add(Checkbox::new(&mut on, name));
            if response.on_hover_text(adapter.to_string()).changed() {
                plan.adapters.retain(|a| *a != adapter.name);
                if on {
                    plan.adapters.push(adapter.name.clone());
                }
            }
        }
        if adapters.is_empty() {
            ui.label(small(if shared.model.knows_adapters() {
                "no graphics adapter was found"
            } else {
                "looking for graphics adapters"
            }));
        }
        if let Some((PlanField::All, why)) = &wrong {
            refusal(ui, why);
        }
    }

    /// The button, or how far it is.
    fn start(&mut self, ui: &mut Ui, shared: &Shared) {
        let t = Tokens::of(ui.ctx());
        ui.spacing_mut().item_spacing.y = 6.0;
        if let Some(running) = &self.running {
            let (begun, all) = running.count();
            let share = begun.saturating_sub(1) as f32 / all.max(1) as f32;
            let cell = running.cell().unwrap_or("getting ready");
            ui.add(Label::new(RichText::new(cell).size(size::SMALL).color(t.text)).truncate())
                .on_hover_text(cell);
            ui.add(ProgressBar::new(share).desired_height(4.0).fill(t.plus));
            let left = if running.is_cancelled() {
                "stopping".to_owned()
            } else {
                format!("{} left", running.left(&self.pace).words())
            };
            ui.label(small(format!("{begun} of {all}, {left}")));
            ui.add_enabled_ui(!running.is_cancelled(), |ui| {
                let size = vec2(ui.available_width(), 30.0);
                let button = ui.add_sized(size, Button::new("Cancel"));
                if button.on_hover_text("Ends it and keeps what has been measured").clicked() {
                    shared.send(Command::Benchmark(BenchmarkCommand::Cancel));
                }
            });
            return;
        }
        let ready = match self.forecast.as_ref().map(|f| &f.result) {
            Some(Ok((0, _))) => Err("Nothing is chosen to be measured".to_owned()),
            Some(Ok((cells, estimate))) => Ok(format!("{cells} measurements, {}", estimate.words())),
            Some(Err(_)) => Err("A field above cannot be read".to_owned()),
            None => Err(String::new()),
        };
        match &ready {
            Ok(text) | Err(text) => {
                drop(ui.label(small(text)).on_hover_text(
                    "From the least time of each measurement, and from what was measured before",
                ))
            }
        }
        ui.add_enabled_ui(ready.is_ok(), |ui| {
            ui.horizontal(|ui| {
                if primary_button(ui, "Run", "Ctrl+Enter").clicked() {
                    shared.send(Command::Benchmark(BenchmarkCommand::Run));
                }
                ui.label(RichText::new("Ctrl+Enter").size(size::SMALL).color(t.text_faint));
            });
        });
    }

    /// The page's part of the status line.
    pub fn status(&self, ui: &mut Ui, _shared: &Shared) {
        if let Some(running) = &self.running {
            let (begun, all) = running.count();
            ui.label(small(format!("measuring {begun} of {all}")));
            ui.add(Label::new(small(running.cell().unwrap_or("getting ready"))).truncate());
            return;
        }
        let Some(last) = &self.last else { return };
        let end = if last.cancelled { "cancelled after" } else { "measured in" };
        ui.label(small(format!("{} figures {end} {}", self.results.figures.len(), duration(last.took))));
        let wrong = self.results.wrong();
        if wrong > 0 {
            let t = Tokens::of(ui.ctx());
            let text =
                if wrong == 1 { "1 wrong result".to_owned() } else { format!("{wrong} wrong results") };
            ui.label(RichText::new(text).size(size::SMALL).color(t.bad));
        } else if !self.results.figures.is_empty() {
            ui.label(small("all results right"))
                .on_hover_text("Every kernel gave the scalar kernels' results before it was timed");
        }
    }
}

/// A list of numbers with its name, and what is wrong with it.
fn list(
    ui: &mut Ui,
    name: &str,
    short: &str,
    hint: &str,
    text: &mut String,
    field: PlanField,
    wrong: &Option<(PlanField, String)>,
) {
    let t = Tokens::of(ui.ctx());
    ui.horizontal(|ui| {
        label(ui, name, short, hint);
        let refused = wrong.as_ref().is_some_and(|w| w.0 == field);
        let edit =
            TextEdit::singleline(text).desired_width(f32::INFINITY).font(FontId::proportional(size::SMALL));
        let edit = if refused { edit.text_color(t.bad) } else { edit };
        let response = ui.add(edit);
        response.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, name));
        response.on_hover_text(hint);
    });
    if let Some((_, why)) = wrong.as_ref().filter(|w| w.0 == field) {
        refusal(ui, why);
    }
}

/// The name of a field, as wide as all of them, and what llama-bench calls it.
fn label(ui: &mut Ui, name: &str, short: &str, hint: &str) {
    let t = Tokens::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(LABEL, 24.0), Sense::hover());
    let painter = ui.painter_at(rect);
    let galley = fit(&painter, name, t.text_dim, LABEL - 22.0);
    painter.galley(pos2(rect.left(), rect.center().y - galley.size().y / 2.0), galley, t.text_dim);
    painter.text(
        rect.right_center(),
        Align2::RIGHT_CENTER,
        short,
        FontId::monospace(size::SMALL),
        t.text_faint,
    );
    response.on_hover_text(hint);
}

fn refusal(ui: &mut Ui, why: &str) {
    let t = Tokens::of(ui.ctx());
    ui.label(RichText::new(why).size(size::SMALL).color(t.bad));
}

fn numbers(ui: &mut Ui, plan: &mut BenchmarkPlan) {
    ui.horizontal(|ui| {
        label(ui, "Repetitions", "r", "Of each test, after one that is not counted");
        let number = ui.add(DragValue::new(&mut plan.repetitions).range(1..=1000).speed(0.1));
        number.widget_info(|| WidgetInfo::labeled(Role::SpinButton, true, "Repetitions"));
    });
    ui.horizontal(|ui| {
        label(ui, "Pause", "", "Seconds of rest before each test, for machines that grow hot");
        let number =
            DragValue::new(&mut plan.pause).range(0.0..=600.0).speed(0.1).suffix(" s").max_decimals(1);
        let number = ui.add(number);
        number.widget_info(|| WidgetInfo::labeled(Role::SpinButton, true, "Pause between tests"));
    });
}
