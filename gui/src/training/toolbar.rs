//! The row of choices above the charts: what x is, which axes are logarithmic, how much is smoothed, and what can be saved.

use eframe::egui::{Align, Layout, RichText, Role, Slider, Ui, WidgetInfo};

use super::Training;
use crate::command::{Command, CurveAxis, TrainingCommand};
use crate::icons::{Icon, icon_button};
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::chip;

impl Training {
    /// The row of choices above the charts.
    pub(super) fn toolbar(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let send = |shared: &Shared, c| shared.send(Command::Training(c));
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = space::XS;
            for (name, axis) in
                [("Step", CurveAxis::Step), ("Tokens", CurveAxis::Tokens), ("Time", CurveAxis::Time)]
            {
                if chip(ui, name, self.charts.axis == axis).clicked() {
                    send(shared, TrainingCommand::Over(axis));
                }
            }
            ui.add_space(space::S);
            let f = &shared.settings.following;
            let toggles = [
                ("Log x", f.log_x, TrainingCommand::LogX, "Equal distances are equal factors"),
                (
                    "Log y",
                    f.log_y,
                    TrainingCommand::LogY,
                    "Equal distances are equal factors; values of zero and below have no place",
                ),
                (
                    "Clip",
                    self.charts.clip,
                    TrainingCommand::Clip,
                    "Y axes leave out the outermost 2 % of values on each side",
                ),
            ];
            for (name, on, command, hint) in toggles {
                if chip(ui, name, on).on_hover_text(hint).clicked() {
                    send(shared, command);
                }
            }
            ui.add_space(space::XS);
            smoothing(ui, &mut shared.settings.following.smoothing);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let id = ui.scope_id().with("export");
                let save = icon_button(ui, Icon::Save, "Save charts or curves");
                eframe::egui::Popup::menu(&save).id(id).show(|ui| {
                    if ui.button("Charts as PNG or SVG…").clicked() {
                        send(shared, TrainingCommand::SaveCharts);
                    }
                    if ui.button("Curves as CSV…").clicked() {
                        send(shared, TrainingCommand::SaveCsv);
                    }
                });
                if self.runs.len() > 1
                    && chip(ui, "Compare", self.comparing)
                        .on_hover_text("What differs between the configurations of the drawn runs")
                        .clicked()
                {
                    send(shared, TrainingCommand::Compare);
                }
                if self.charts.view.is_some()
                    && chip(ui, "Show all", false)
                        .on_hover_text("A double click on a chart does the same")
                        .clicked()
                {
                    send(shared, TrainingCommand::ShowAll);
                }
            });
        });
    }
}

/// How much the curves are smoothed: a slider, and the number, which can be typed.
fn smoothing(ui: &mut Ui, value: &mut f32) {
    let t = Tokens::of(ui.ctx());
    let hint = "Average of all points up to here, weighted less the older they are; every point stays visible behind it. 0 is off";
    let roomy = ui.available_width() > 360.0;
    if roomy {
        ui.label(RichText::new("Smoothing").size(size::SMALL).color(t.text_dim)).on_hover_text(hint);
    }
    // Most of what is useful is close to 1, so the slider runs over the number of points that count.
    let mut points = (1.0 / (1.0 - f64::from(*value))).log10() / 3.0;
    let slider = ui
        .scope(|ui| {
            ui.spacing_mut().slider_width = if roomy { 92.0 } else { 56.0 };
            ui.spacing_mut().interact_size.y = 16.0;
            ui.add(Slider::new(&mut points, 0.0..=1.0).show_value(false))
        })
        .inner;
    let now = f64::from(*value);
    slider.widget_info(|| WidgetInfo::slider(true, now, "Smoothing slider"));
    if slider.changed() {
        *value = ((1.0 - 10f64.powf(-3.0 * points)) as f32).clamp(0.0, 0.999);
    }
    let number = eframe::egui::DragValue::new(value).range(0.0..=0.999).speed(0.002).max_decimals(3);
    let number = ui.add(number).on_hover_text(hint);
    number.widget_info(|| WidgetInfo::labeled(Role::SpinButton, true, "Smoothing"));
}
