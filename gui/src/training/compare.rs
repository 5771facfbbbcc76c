//! What differs between the configurations of the drawn runs: a table of the keys that are not the same everywhere.

use std::collections::BTreeMap;

use eframe::egui::{Align, Layout, RichText, Role, ScrollArea, Ui, WidgetInfo};
use egui_extras::{Column, TableBuilder};

use super::Training;
use super::charts::dot;
use super::run::RunView;
use crate::command::{Command, TrainingCommand};
use crate::icons::{Icon, icon_button};
use crate::shared::Shared;
use crate::theme::strong_font;
use crate::tokens::{Tokens, size};
use crate::widgets::shorten;
use crate::widgets::{section, small};

/// Keys with a value a run, those that are the same in all left out.
pub fn differences(configs: &[&[(String, String)]]) -> Vec<(String, Vec<Option<String>>)> {
    let mut keys: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
    for (i, config) in configs.iter().enumerate() {
        for (key, value) in *config {
            keys.entry(key).or_insert_with(|| vec![None; configs.len()])[i] = Some(value.clone());
        }
    }
    // A seed is in the file twice, for readers.
    keys.remove("seed");
    let differ = |values: &[Option<String>]| values.windows(2).any(|pair| pair[0] != pair[1]);
    keys.into_iter().filter(|(_, v)| differ(v)).map(|(k, v)| (k.to_owned(), v)).collect()
}

impl Training {
    pub(super) fn compare_ui(&mut self, ui: &mut Ui, shared: &Shared) {
        let t = Tokens::of(ui.ctx());
        let runs: Vec<&RunView> = self.runs.iter().filter(|r| r.drawn).collect();
        ui.horizontal(|ui| {
            section(ui, "What differs");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, Icon::Close, "Close the comparison").clicked() {
                    shared.send(Command::Training(TrainingCommand::Compare));
                }
            });
        });
        if runs.len() < 2 {
            ui.label(small("Draw two runs or more to compare their configurations"));
            return;
        }
        let configs: Vec<&[(String, String)]> = runs.iter().map(|r| &r.found.config[..]).collect();
        let rows = differences(&configs);
        if rows.is_empty() {
            ui.label(small("Their configurations are the same"));
            return;
        }
        ScrollArea::horizontal().id_salt("compare").auto_shrink(false).show(ui, |ui| {
            TableBuilder::new(ui)
                .column(Column::initial(190.0).at_least(120.0).clip(true))
                .columns(Column::initial(150.0).at_least(80.0).clip(true).resizable(true), runs.len())
                .cell_layout(Layout::left_to_right(Align::Center))
                .header(24.0, |mut header| {
                    header.col(|ui| {
                        ui.label(small("key"));
                    });
                    for run in &runs {
                        header.col(|ui| {
                            dot(ui, run.colour(shared));
                            let name = run.shown_name(shared);
                            ui.label(
                                RichText::new(shorten(&name, 20))
                                    .font(strong_font(size::SMALL))
                                    .color(t.text),
                            )
                            .on_hover_text(name);
                        });
                    }
                })
                .body(|body| {
                    body.rows(22.0, rows.len(), |mut row| {
                        let (key, values) = &rows[row.index()];
                        row.col(|ui| {
                            ui.label(small(key));
                        });
                        for value in values {
                            row.col(|ui| {
                                let text = value.as_deref().unwrap_or("not set");
                                let color = if value.is_some() { t.text } else { t.text_faint };
                                let label =
                                    ui.label(RichText::new(shorten(text, 40)).size(size::SMALL).color(color));
                                label.widget_info(|| {
                                    WidgetInfo::labeled(Role::Label, true, format!("{key} {text}"))
                                });
                                label.on_hover_text(text);
                            });
                        }
                    });
                });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_lists_only_what_differs() {
        let config = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let a = config(&[("seed", "1"), ("train.seed", "1"), ("model.width", "128"), ("model.blocks", "2")]);
        let b = config(&[
            ("seed", "2"),
            ("train.seed", "2"),
            ("model.width", "128"),
            ("train.token_noise", "0.1"),
        ]);
        let rows = differences(&[&a, &b]);
        let value = |v: &str| Some(v.to_owned());
        assert_eq!(
            rows,
            [
                ("model.blocks".into(), vec![value("2"), None]),
                ("train.seed".into(), vec![value("1"), value("2")]),
                ("train.token_noise".into(), vec![None, value("0.1")]),
            ]
        );
        assert!(differences(&[&a, &a]).is_empty() && differences(&[]).is_empty());
    }
}
