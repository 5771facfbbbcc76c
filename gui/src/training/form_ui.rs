//! The form for a new run, drawn: what most people set as fields, all keys as text on demand, and beside them what the run will need.

use std::time::Duration;

use eframe::egui::{
    Align, CentralPanel, DragValue, FontFamily, FontId, Frame, Grid, Key, Layout, Margin, Panel, RichText,
    Role, ScrollArea, Spinner, TextEdit, Ui, WidgetInfo, emath::Numeric,
};
use train::needs::Vocab;
use train::preset::PRESETS;

use super::Training;
use super::cards::{Cards, Place};
use super::device_ui;
use super::form::{Form, Wrong};
use crate::command::{Command, TrainingCommand};
use crate::icons::{Icon, icon_button};
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{
    bytes, card, chip, count, duration, error_card, primary_button, section, small, title, typed_path,
};

/// Width that the needs want beside the fields.
const BESIDE: f32 = 250.0;
/// Size of a field for a number.
const FIELD: [f32; 2] = [92.0, 26.0];

impl Training {
    pub(super) fn form_ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let fetching = self.work.is_fetching();
        let (Some(form), cards) = (&mut self.form, &self.cards) else { return };
        let wrong = form.wrong();
        let bottom = Frame::new().inner_margin(Margin::symmetric(space::XL as i8, space::M as i8));
        Panel::bottom("begin")
            .frame(bottom)
            .resizable(false)
            .show(ui, |ui| begin(ui, form, wrong.as_ref(), shared));
        let wide = ui.available_width() > 620.0;
        if wide {
            Panel::right("needs")
                .exact_size(BESIDE + space::XL)
                .resizable(false)
                .show_separator_line(false)
                .frame(Frame::new().inner_margin(Margin {
                    left: 0,
                    right: space::XL as i8,
                    top: 64,
                    bottom: 0,
                }))
                .show(ui, |ui| needs(ui, form));
        }
        CentralPanel::default().frame(Frame::new()).show(ui, |ui| {
            ScrollArea::vertical().id_salt("form").auto_shrink(false).show(ui, |ui| {
                Frame::new().inner_margin(Margin::same(space::XL as i8)).show(ui, |ui| {
                    title(ui, "New run");
                    ui.add_space(space::S);
                    if let Some(why) = form.failed.clone()
                        && error_card(ui, "The run did not start", &why)
                    {
                        form.failed = None;
                    }
                    ui.add_enabled_ui(form.starting.is_none(), |ui| {
                        fields(ui, form, cards, wrong.as_ref(), fetching, shared);
                        if !wide {
                            ui.add_space(space::L);
                            needs(ui, form);
                        }
                    });
                });
            });
        });
    }
}

fn begin(ui: &mut Ui, form: &Form, wrong: Option<&Wrong>, shared: &Shared) {
    let t = Tokens::of(ui.ctx());
    let send = |c| shared.send(Command::Training(c));
    ui.horizontal(|ui| {
        ui.set_min_height(30.0);
        ui.add_enabled_ui(wrong.is_none() && form.starting.is_none(), |ui| {
            if primary_button(ui, "Start training", "").clicked() {
                send(TrainingCommand::Start);
            }
        });
        // A trainer that is starting is not stopped by it.
        let away = if form.starting.is_some() { "Hide" } else { "Cancel" };
        if ui.add(eframe::egui::Button::new(away).min_size(eframe::egui::vec2(0.0, 30.0))).clicked() {
            send(TrainingCommand::Cancel);
        }
        match (&form.starting, wrong) {
            (Some(name), _) => {
                ui.add(Spinner::new().size(14.0));
                ui.label(small(format!("Starting {name}: reading the text and making its vocabulary")));
            }
            (None, Some(wrong)) => {
                let why = RichText::new(&wrong.why).size(size::SMALL).color(t.warn);
                ui.add(eframe::egui::Label::new(why).truncate());
            }
            (None, None) => {
                ui.label(small("It trains in a process of its own and goes on when this window is closed"));
            }
        }
    });
}

fn fields(
    ui: &mut Ui,
    form: &mut Form,
    cards: &Cards,
    wrong: Option<&Wrong>,
    fetching: bool,
    shared: &Shared,
) {
    ui.horizontal_wrapped(|ui| {
        for (name, about) in PRESETS {
            if chip(ui, name, form.preset == name).on_hover_text(about).clicked() {
                form.take_preset(name);
            }
        }
    });
    if let Some((_, about)) = PRESETS.iter().find(|(name, _)| *name == form.preset) {
        ui.label(small(*about));
    }
    ui.add_space(space::S);
    ui.horizontal(|ui| {
        let label = ui.label("Name");
        let field = ui.add(TextEdit::singleline(&mut form.name).desired_width(220.0)).labelled_by(label.id);
        form.named |= field.changed();
    });
    mark(ui, wrong, "name");
    device_ui::row(ui, cards, form.device(), shared);
    mark(ui, wrong, "device");
    ui.add_space(space::M);
    section(ui, "Text to learn from");
    texts(ui, form, fetching, shared);
    mark(ui, wrong, "text");
    ui.add_space(space::M);
    ui.horizontal(|ui| {
        section(ui, "Configuration");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if chip(ui, "All keys", form.toml.is_some())
                .on_hover_text("Every key of the configuration, as TOML")
                .clicked()
            {
                if form.toml.is_some() { form.edit_fields() } else { form.edit_all() }
            }
        });
    });
    if let Some(text) = &mut form.toml {
        let font = FontId::new(size::SMALL, FontFamily::Monospace);
        let field = ui.add(
            TextEdit::multiline(text).font(font).desired_rows(18).desired_width(f32::INFINITY).code_editor(),
        );
        field.widget_info(|| WidgetInfo::labeled(Role::MultilineTextInput, true, "All keys as TOML"));
        if field.changed() {
            form.typed();
        }
        if let Some(wrong) = wrong.filter(|w| !matches!(&*w.field, "name" | "device" | "text")) {
            mark(ui, Some(wrong), &wrong.field);
        }
        return;
    }
    Grid::new("keys").num_columns(4).spacing([space::L, space::S]).show(ui, |ui| {
        let c = &mut form.config;
        number(
            ui,
            "Steps",
            "Optimiser steps of the whole run; the learning rate falls towards the last",
            &mut c.train.steps,
            1..=u64::from(u32::MAX),
            10.0,
        );
        number(ui, "Batch", "Sequences per step", &mut c.train.batch, 1..=1 << 16, 0.2);
        ui.end_row();
        number(
            ui,
            "Context",
            "Tokens of a sequence, and of the model's view",
            &mut c.model.context,
            2..=1 << 20,
            4.0,
        );
        number(ui, "Width", "Residual width, a multiple of 128", &mut c.model.width, 1..=1 << 16, 4.0);
        ui.end_row();
        number(ui, "Blocks", "Each is attention, then feed-forward", &mut c.model.blocks, 1..=1024, 0.05);
        number(ui, "Heads", "Query heads; each is width / heads wide", &mut c.model.heads, 1..=1024, 0.05);
        ui.end_row();
        number(ui, "Feed-forward", "Its width, a multiple of 128", &mut c.model.ffn, 1..=1 << 18, 4.0);
        number(
            ui,
            "Seed",
            "Decides first weights, order of the data and dropout",
            &mut c.train.seed,
            0..=i64::MAX as u64,
            1.0,
        );
        ui.end_row();
        real(ui, "Learning rate", "Of the ternary matrices under Muon", &mut c.optimiser.muon_lr, 0.0001);
        real(ui, "Dropout", "Share of sub-layer outputs dropped, 0 to below 1", &mut c.train.dropout, 0.002);
        ui.end_row();
        number(
            ui,
            "Validate every",
            "Steps between validations",
            &mut c.report.eval_every,
            0..=u64::from(u32::MAX),
            1.0,
        );
        number(
            ui,
            "Sample every",
            "Steps between samples",
            &mut c.report.sample_every,
            0..=u64::from(u32::MAX),
            1.0,
        );
        ui.end_row();
    });
    ui.add_space(space::XS);
    ui.horizontal(|ui| {
        ui.label("Residual streams");
        for n in [1, 2, 4] {
            if chip(ui, &n.to_string(), form.config.model.streams == n).clicked() {
                form.config.model.streams = n;
            }
        }
    });
    ui.horizontal(|ui| {
        let label = ui.label("Tokenizer");
        let hint = "bytes, gpt2, bpe:N for one of N ids made from the text, or the path of a tokenizer.json";
        let field = TextEdit::singleline(&mut form.config.tokenizer.kind).desired_width(150.0);
        ui.add(field).labelled_by(label.id).on_hover_text(hint);
        for kind in ["bytes", "bpe:2048", "gpt2"] {
            if chip(ui, kind, form.config.tokenizer.kind == kind).clicked() {
                form.config.tokenizer.kind = kind.into();
            }
        }
    });
    ui.horizontal(|ui| {
        let label = ui.label("Samples continue");
        ui.add(TextEdit::singleline(&mut form.config.report.sample_prompt).desired_width(220.0))
            .labelled_by(label.id);
    });
    if let Some(wrong) = wrong.filter(|w| !matches!(&*w.field, "name" | "device" | "text")) {
        mark(ui, Some(wrong), &wrong.field);
    }
}

/// The sentence about a field, under it.
fn mark(ui: &mut Ui, wrong: Option<&Wrong>, field: &str) {
    let t = Tokens::of(ui.ctx());
    if let Some(wrong) = wrong.filter(|w| w.field == field) {
        ui.label(RichText::new(&wrong.why).size(size::SMALL).color(t.warn));
    }
}

fn texts(ui: &mut Ui, form: &mut Form, fetching: bool, shared: &Shared) {
    let t = Tokens::of(ui.ctx());
    let mut gone = None;
    for (i, text) in form.config.data.text.iter().enumerate() {
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, Icon::Close, &format!("Remove {text}")).clicked() {
                    gone = Some(i);
                }
                match form.size_of(text) {
                    Some(Ok(n)) => ui.label(small(bytes(*n))),
                    Some(Err(why)) => ui.label(RichText::new(why).size(size::SMALL).color(t.bad)),
                    None => ui.label(small("…")),
                };
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(eframe::egui::Label::new(RichText::new(text).color(t.text)).truncate());
                });
            });
        });
    }
    if let Some(i) = gone {
        form.config.data.text.remove(i);
    }
    ui.horizontal(|ui| {
        if ui.button("Add a file…").clicked() {
            shared.send(Command::Training(TrainingCommand::AskText));
        }
        let field = TextEdit::singleline(&mut form.path).hint_text("or type a path").desired_width(220.0);
        let field = ui.add(field);
        field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Path of a text"));
        let entered = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        let path = typed_path(&form.path);
        if (ui.add_enabled(path.is_some(), eframe::egui::Button::new("Add")).clicked() || entered)
            && let Some(path) = path
        {
            form.add_text(&path);
            form.path.clear();
        }
        if fetching {
            ui.add(Spinner::new().size(14.0));
            ui.label(small("Fetching Tiny Shakespeare"));
        } else if form.config.data.text.is_empty() {
            let hint = "1.1 MB of plays, the text that the shipped model learned from; fetched from the internet and checked by its hash";
            if ui.button("Fetch Tiny Shakespeare").on_hover_text(hint).clicked() {
                shared.send(Command::Training(TrainingCommand::FetchText));
            }
        }
    });
    if let Some(why) = form.text_wrong.clone()
        && error_card(ui, "The text is not there", &why)
    {
        form.text_wrong = None;
    }
}

fn number<T: Numeric>(
    ui: &mut Ui,
    name: &str,
    hint: &str,
    value: &mut T,
    range: std::ops::RangeInclusive<T>,
    speed: f64,
) {
    let label = ui.label(name).on_hover_text(hint);
    let field = DragValue::new(value).range(range).speed(speed);
    ui.add_sized(FIELD, field).labelled_by(label.id).on_hover_text(hint);
}

fn real(ui: &mut Ui, name: &str, hint: &str, value: &mut f64, speed: f64) {
    let label = ui.label(name).on_hover_text(hint);
    let field = DragValue::new(value).range(0.0..=1e9).speed(speed).max_decimals(8);
    ui.add_sized(FIELD, field).labelled_by(label.id).on_hover_text(hint);
}

/// What the run will need.
fn needs(ui: &mut Ui, form: &Form) {
    let t = Tokens::of(ui.ctx());
    card(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().interact_size.y = 18.0;
        section(ui, "What it will need");
        let Some((needs, vocab)) = form.needs() else {
            let text = match form.config.vocab() {
                Ok(Vocab::InFile) => "Parameters and memory depend on the tokenizer in the file",
                _ => "To be told once the configuration is right",
            };
            ui.label(small(text));
            return;
        };
        let mut line = |value: String, what: &str| {
            ui.horizontal_wrapped(|ui| {
                ui.label(RichText::new(value).color(t.text));
                ui.label(small(what));
            });
        };
        let at_most = if matches!(vocab, Vocab::AtMost(_)) { "at most " } else { "" };
        line(format!("{at_most}{}", count(needs.parameters)), "parameters");
        line(count(needs.ternary), "of them ternary");
        match form.place() {
            Place::Cards(card, cards) => device_ui::takes(card, *cards, form.fit(), &mut line),
            _ => line(format!("about {}", bytes(needs.memory_bytes)), "of memory while training"),
        }
        line(count(needs.tokens), "tokens to learn from");
        if form.text_bytes() > 0 && form.config.tokenizer.kind == "bytes" {
            let times = needs.tokens as f64 / form.text_bytes() as f64;
            line(format!("{times:.1} times"), "through the text");
        }
        if let Some((seconds, name)) = form.time(&needs).filter(|(seconds, _)| *seconds < 1e8) {
            let place = match form.place() {
                Place::Cards(_, 1) => "a card",
                Place::Cards(..) => "as many cards",
                _ => "the processor",
            };
            line(
                format!("about {}", duration(Duration::from_secs_f64(seconds))),
                &format!("at the speed of {name}, a run of the same shape on {place}"),
            );
        }
    });
}
