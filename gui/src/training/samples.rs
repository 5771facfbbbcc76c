//! What the model wrote on the way: a mark for every sample under the charts' x axis, and the text of the one at the cursor.

use eframe::egui::{
    Align, FontFamily, FontId, Frame, Label, Layout, Margin, Rect, RichText, Role, ScrollArea, Sense, Stroke,
    Ui, WidgetInfo, pos2, vec2,
};

use super::Training;
use super::chart_paint::GUTTER;
use crate::command::{Command, CurveAxis, TrainingCommand};
use crate::icons::{Icon, icon_button};
use crate::shared::Shared;
use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{count, small};

/// Height of the line of marks.
const LINE: f32 = 20.0;
/// Texts beside each other at most, and the room each wants.
const BESIDE: usize = 3;
const ROOM: f32 = 260.0;

/// What the timeline remembers.
#[derive(Debug, Default)]
pub struct Samples {
    /// The step whose sample is shown while the cursor is nowhere.
    pub step: Option<u64>,
}

impl Training {
    /// The step at which samples are read: at the cursor, else where one was chosen, else the end.
    fn sample_step(&self) -> u64 {
        let at = self.charts.cursor().map(|at| match self.charts.axis {
            CurveAxis::Step => at,
            axis => {
                let run = self.focused().filter(|r| r.drawn).or(self.runs.iter().find(|r| r.drawn));
                run.map_or(f64::INFINITY, |r| {
                    let row = r.curves.steps.x(axis).partition_point(|&v| v <= at);
                    row.checked_sub(1).map_or(0.0, |row| r.curves.steps.x(CurveAxis::Step)[row])
                })
            }
        });
        // A mark is a few points wide: half a step does not matter.
        at.map(|at| (at + 0.5) as u64).or(self.samples.step).unwrap_or(u64::MAX)
    }

    /// Goes to a sample before or after the one that is shown.
    pub(super) fn go_to_sample(&mut self, by: i32) {
        let now = self.sample_step();
        let drawn = self.runs.iter().filter(|r| r.drawn);
        let mut steps: Vec<u64> = drawn.flat_map(|r| r.curves.samples.iter().map(|s| s.step)).collect();
        steps.sort_unstable();
        steps.dedup();
        let Some(last) = steps.len().checked_sub(1) else { return };
        let shown = steps.partition_point(|&s| s <= now).saturating_sub(1);
        let to = shown.saturating_add_signed(by as isize).min(last);
        self.samples.step = Some(steps[to]);
        self.charts.pinned = None;
    }

    /// Draws the timeline and the texts.
    pub(super) fn samples_ui(&mut self, ui: &mut Ui, shared: &Shared) {
        let t = Tokens::of(ui.ctx());
        let at = self.sample_step();
        let width = ui.available_width();
        let (rect, _) = ui.allocate_exact_size(vec2(width, LINE), Sense::hover());
        let (from, to) = (rect.left() + GUTTER, rect.right() - space::L);
        let x = self.charts.scale(&self.runs, shared.settings.following.log_x, from, to);
        let axis = self.charts.axis;
        let middle = rect.center().y;
        ui.painter().text(
            pos2(rect.left() + 10.0, middle),
            eframe::egui::Align2::LEFT_CENTER,
            "samples",
            FontId::proportional(size::SMALL - 1.0),
            t.text_faint,
        );
        ui.painter().hline(from..=to, middle, Stroke::new(1.0, t.line));
        let mut chosen = None;
        for run in self.runs.iter().filter(|r| r.drawn && r.curves.has[axis as usize]) {
            let shown = run.curves.samples.partition_point(|s| s.step <= at).saturating_sub(1);
            let mut last = f32::NEG_INFINITY;
            for (i, sample) in run.curves.samples.iter().enumerate() {
                let steps = &run.curves.steps;
                let row = steps
                    .x(CurveAxis::Step)
                    .partition_point(|&v| v < sample.step as f64)
                    .min(steps.rows().saturating_sub(1));
                let Some(&value) = steps.x(axis).get(row) else { continue };
                let place = x.place(value);
                if !(from - 1.0..=to + 1.0).contains(&place) || (place - last < 3.0 && i != shown) {
                    continue;
                }
                last = place;
                let mark = Rect::from_center_size(
                    pos2(place, middle),
                    vec2(3.0, if i == shown { 14.0 } else { 8.0 }),
                );
                let color = run.colour(shared).gamma_multiply(if i == shown { 1.0 } else { 0.55 });
                ui.painter().rect_filled(mark, 1.5, color);
                let id = ui.scope_id().with(("sample", &run.found.name, sample.step, i));
                let response = ui.interact(mark.expand2(vec2(2.0, 4.0)), id, Sense::click());
                let label = format!("Sample of {} after step {}", run.shown_name(shared), count(sample.step));
                response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
                if response.on_hover_text(label.clone()).clicked() {
                    chosen = Some(sample.step);
                }
            }
        }
        if chosen.is_some() {
            self.samples.step = chosen;
            self.charts.pinned = None;
        }
        self.texts(ui, at, shared);
    }

    fn texts(&self, ui: &mut Ui, at: u64, shared: &Shared) {
        let t = Tokens::of(ui.ctx());
        let room = ((ui.available_width() - GUTTER) / ROOM).max(1.0) as usize;
        let mut runs: Vec<_> = self.runs.iter().filter(|r| r.drawn && !r.curves.samples.is_empty()).collect();
        // The one in focus first; the others as there is room.
        runs.sort_by_key(|r| Some(&r.found.name) != self.focused.as_ref());
        runs.truncate(room.min(BESIDE));
        let margin =
            Margin { left: (GUTTER - 2.0) as i8, right: space::L as i8, top: 2, bottom: space::S as i8 };
        Frame::new().inner_margin(margin).show(ui, |ui| {
            ui.columns(runs.len().max(1), |columns| {
                for (ui, run) in columns.iter_mut().zip(&runs) {
                    let samples = &run.curves.samples;
                    let i = samples.partition_point(|s| s.step <= at).saturating_sub(1);
                    let sample = &samples[i];
                    ui.horizontal(|ui| {
                        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                            if Some(&run.found.name) == runs.first().map(|r| &r.found.name) {
                                let send = |c| shared.send(Command::Training(c));
                                if icon_button(ui, Icon::Right, "Next sample").clicked() {
                                    send(TrainingCommand::Sample(1));
                                }
                                if icon_button(ui, Icon::Left, "Sample before").clicked() {
                                    send(TrainingCommand::Sample(-1));
                                }
                            }
                            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                                super::charts::dot(ui, run.colour(shared));
                                let head = format!("step {}", count(sample.step));
                                ui.label(RichText::new(head).font(strong_font(size::SMALL)).color(t.text));
                                if runs.len() > 1 {
                                    ui.add(Label::new(small(run.shown_name(shared))).truncate());
                                } else {
                                    ui.label(small(format!("{} of {}", i + 1, samples.len())));
                                }
                            });
                        });
                    });
                    ScrollArea::vertical().id_salt(("sample text", &run.found.name)).auto_shrink(false).show(
                        ui,
                        |ui| {
                            let font = FontId::new(size::BODY, FontFamily::Proportional);
                            let mut job = eframe::egui::text::LayoutJob::default();
                            job.wrap.max_width = ui.available_width();
                            let part = |color| eframe::egui::TextFormat {
                                font_id: font.clone(),
                                color,
                                line_height: Some(19.0),
                                ..Default::default()
                            };
                            job.append(&sample.prompt, 0.0, part(t.text_dim));
                            job.append(&sample.text, 0.0, part(t.text));
                            // Ragged, as it was written; columns would set it flush.
                            ui.with_layout(Layout::top_down(Align::Min), |ui| ui.label(job));
                        },
                    );
                }
            });
        });
    }
}
