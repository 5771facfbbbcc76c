//! The right side: the machine, then the result behind its tabs. Also what a picture of it shows.

use eframe::egui::{
    Align, ComboBox, Frame, Label, Layout, Margin, RichText, Role, ScrollArea, Sense, Stroke, Ui, WidgetInfo,
    vec2,
};

use super::machine::Machine;
use super::results::Results;
use super::roofline::{TOKENS, threads_name};
use super::view::View;
use super::{bars, colour, machine_ui, roofline_ui, table};
use crate::command::{BenchmarkCommand, BenchmarkTab, FigureKind};
use crate::icons::{Icon, icon_button};
use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{chip, small, tab};

/// Where commands go.
pub type Send<'a> = &'a dyn Fn(BenchmarkCommand);

/// The result on the page.
pub fn ui(
    ui: &mut Ui,
    here: &Machine,
    results: &Results,
    earlier: Option<&Results>,
    view: &View,
    send: Send<'_>,
) {
    let machine = if results.machine.is_known() { &results.machine } else { here };
    machine_ui::card(ui, machine, earlier.map(|e| &e.machine), send);
    ui.add_space(space::S);
    bar(ui, results, earlier, view, send);
    ui.add_space(space::S);
    filters(ui, results, earlier, view, send);
    match view.tab {
        BenchmarkTab::Bars => {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                Frame::new().inner_margin(Margin { right: 10, bottom: 16, ..Margin::ZERO }).show(ui, |ui| {
                    bars::ui(ui, results, earlier, view);
                });
            });
        }
        BenchmarkTab::Roofline => {
            let height = ui.available_height() - 46.0;
            // A low window scrolls rather than squeeze it.
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                roofline_ui::ui(ui, results, earlier, view, height);
            });
        }
        BenchmarkTab::Table => {
            let height = ui.available_height() - 40.0;
            if let Some(column) = table::ui(ui, results, earlier, view, height) {
                send(BenchmarkCommand::Sort(column));
            }
        }
    }
}

/// The result in a picture: nothing to press, nothing cut off.
pub fn printed(ui: &mut Ui, results: &Results, earlier: Option<&Results>, view: &View) {
    machine_ui::card(ui, &results.machine, earlier.map(|e| &e.machine), &|_| ());
    ui.add_space(space::M);
    match view.tab {
        BenchmarkTab::Bars => bars::ui(ui, results, earlier, view),
        BenchmarkTab::Roofline => {
            keys(ui, results, earlier, view, &|_| ());
            roofline_ui::ui(ui, results, earlier, view, 560.0);
        }
        BenchmarkTab::Table => {
            table::ui(ui, results, earlier, view, 15_000.0);
        }
    }
}

/// Tabs on the left, what can be done with the result on the right.
fn bar(ui: &mut Ui, results: &Results, earlier: Option<&Results>, view: &View, send: Send<'_>) {
    ui.horizontal(|ui| {
        for one in BenchmarkTab::ALL {
            if tab(ui, one.name(), view.tab == one).clicked() {
                send(BenchmarkCommand::Tab(one));
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            let wide = ui.available_width() > 420.0;
            let button = |ui: &mut Ui, icon: Icon, words: &str, name: &str| {
                if !wide {
                    return icon_button(ui, icon, name).clicked();
                }
                let response = ui.button(RichText::new(words).size(size::SMALL));
                response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
                response.on_hover_text(name).clicked()
            };
            if earlier.is_none() && button(ui, Icon::Folder, "Overlay…", "Overlay earlier results") {
                send(BenchmarkCommand::Overlay);
            }
            ui.add_enabled_ui(!results.is_empty(), |ui| {
                if button(ui, Icon::Save, "Save…", "Save results") {
                    send(BenchmarkCommand::Save);
                }
                if view.tab == BenchmarkTab::Table && button(ui, Icon::Grid, "Copy table", "Copy the table") {
                    send(BenchmarkCommand::CopyTable);
                }
                if button(ui, Icon::Copy, "Copy as Markdown", "Copy as Markdown") {
                    send(BenchmarkCommand::Copy);
                }
            });
        });
    });
}

/// Which part of the result, and against what.
fn filters(ui: &mut Ui, results: &Results, earlier: Option<&Results>, view: &View, send: Send<'_>) {
    if view.tab == BenchmarkTab::Roofline {
        legend(ui, results, earlier, view, send);
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        if results.has(FigureKind::Model) && results.has(FigureKind::Product) {
            for (name, kind) in
                [("All", None), ("Model", Some(FigureKind::Model)), ("Products", Some(FigureKind::Product))]
            {
                if chip(ui, name, view.kind == kind).clicked() {
                    send(BenchmarkCommand::Kind(kind));
                }
            }
        }
        shapes(ui, results, view, send);
        if let Some(baseline) = view.baseline(results) {
            let label = ui.label(small("Baseline"));
            let combo = ComboBox::from_id_salt("baseline")
                .selected_text(RichText::new(&baseline).size(size::SMALL))
                .width(110.0);
            let shown = combo.show_ui(ui, |ui| {
                for backend in results.backends() {
                    if ui.selectable_label(backend == baseline, &backend).clicked() {
                        send(BenchmarkCommand::Baseline(backend));
                    }
                }
            });
            shown.response.labelled_by(label.id);
        }
        if earlier.is_some() && view.tab == BenchmarkTab::Bars {
            ui.add(Label::new(small("outlined: earlier")).extend());
        }
    });
}

fn shapes(ui: &mut Ui, results: &Results, view: &View, send: Send<'_>) {
    let shapes = results.shapes();
    if shapes.len() < 2 || view.kind == Some(FigureKind::Model) {
        return;
    }
    let label = ui.label(small("Matrix"));
    let chosen = view.shape.clone().unwrap_or_else(|| "all".into());
    let combo =
        ComboBox::from_id_salt("matrix").selected_text(RichText::new(chosen).size(size::SMALL)).width(96.0);
    let shown = combo.show_ui(ui, |ui| {
        if ui.selectable_label(view.shape.is_none(), "all").clicked() {
            send(BenchmarkCommand::Matrix(None));
        }
        for shape in shapes {
            if ui.selectable_label(view.shape.as_ref() == Some(&shape), &shape).clicked() {
                send(BenchmarkCommand::Matrix(Some(shape)));
            }
        }
    });
    shown.response.labelled_by(label.id);
}

/// Kernels with their colours, to be taken out and in again; numbers of threads; matrices.
fn legend(ui: &mut Ui, results: &Results, earlier: Option<&Results>, view: &View, send: Send<'_>) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let most = results.roofs.iter().map(|r| r.threads).max();
        if results.roofs.len() > 1 {
            for roof in &results.roofs {
                let name = threads_name(roof.threads);
                if chip(ui, &name, view.threads.or(most) == Some(roof.threads)).clicked() {
                    send(BenchmarkCommand::Threads(roof.threads));
                }
            }
            ui.add_space(space::S);
        }
        shapes(ui, results, view, send);
        all_keys(ui, results, earlier, view, send);
    });
}

/// The colours alone, for a picture.
fn keys(ui: &mut Ui, results: &Results, earlier: Option<&Results>, view: &View, send: Send<'_>) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        all_keys(ui, results, earlier, view, send);
    });
}

fn all_keys(ui: &mut Ui, results: &Results, earlier: Option<&Results>, view: &View, send: Send<'_>) {
    let t = Tokens::of(ui.ctx());
    let all = bars::families(results, earlier);
    let dotted = |family: &str| results.figures.iter().any(|f| f.family == family && f.dot.is_some());
    for family in results.families().iter().filter(|f| dotted(f)) {
        key(ui, family, colour::of(family, &all, t), view, send);
    }
    if !results.tokens.is_empty() {
        key(ui, TOKENS, t.text, view, send);
    }
    if earlier.is_some() {
        ui.label(small("crosses: earlier"));
    }
}

fn key(ui: &mut Ui, family: &str, color: eframe::egui::Color32, view: &View, send: Send<'_>) {
    let t = Tokens::of(ui.ctx());
    let on = !view.hidden.contains(family);
    let text = if on { t.text } else { t.text_faint };
    let galley = ui.painter().layout_no_wrap(family.to_owned(), strong_font(size::SMALL), text);
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + 22.0, 24.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, on, format!("Show {family}")));
    let dot = rect.left_center() + vec2(8.0, 0.0);
    if on {
        ui.painter().circle_filled(dot, 4.5, color);
    } else {
        ui.painter().circle_stroke(dot, 4.0, Stroke::new(1.0, t.text_faint));
    }
    ui.painter().galley(rect.left_center() + vec2(18.0, -galley.size().y / 2.0), galley, text);
    if response.on_hover_text(if on { "Leave it out" } else { "Show it" }).clicked() {
        send(BenchmarkCommand::Family(family.to_owned()));
    }
}
