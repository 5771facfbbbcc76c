//! The runs on the left: a dot of the run's colour that shows or hides it, its name, state and last loss, and a small picture of how the
//! loss went.

use std::time::{Duration, Instant};

use eframe::egui::{
    Align, Align2, Color32, Id, Layout, Popup, Rect, Response, Role, ScrollArea, Sense, Shape, Stroke,
    StrokeKind, TextEdit, Ui, WidgetInfo, pos2, vec2,
};
use eframe::egui::{FontId, Key};

use super::Training;
use super::axis::value_text;
use super::found::State;
use super::run::RunView;
use crate::command::{Command, TrainingCommand};
use crate::icons::{Icon, icon_button};
use crate::shared::Shared;
use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{count, primary_button, section, shorten, small, typed_path};

/// Height of a run.
const ROW: f32 = 50.0;
/// How long the dot of a run shows that news came.
const PULSE: Duration = Duration::from_millis(600);

/// What the list remembers.
#[derive(Debug, Default)]
pub struct List {
    /// The field for another folder, while it is open.
    pub path_field: Option<String>,
    /// The run being renamed, and the name so far.
    pub renaming: Option<(String, String)>,
    /// The run a note is written on, and the note so far.
    pub noting: Option<(String, String)>,
}

impl Training {
    pub(super) fn list_ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let send = |shared: &Shared, c| shared.send(Command::Training(c));
        ui.add_space(space::M);
        ui.horizontal(|ui| {
            section(ui, "Runs");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                // An empty page and the form have a primary button of their own.
                let only = !self.runs.is_empty() && (self.form.is_none() || self.form_hidden);
                let new = if only { primary_button(ui, "New run", "") } else { ui.button("New run") };
                if new.clicked() {
                    send(shared, TrainingCommand::New);
                }
                let folder = Training::runs_dir(shared);
                let button = icon_button(ui, Icon::Folder, "Folder of runs");
                button.clone().on_hover_text(folder.display().to_string());
                if button.clicked() {
                    self.list.path_field = match self.list.path_field {
                        None => Some(folder.display().to_string()),
                        Some(_) => None,
                    };
                }
            });
        });
        self.folder_field(ui, shared);
        ui.add_space(space::XS);
        if let Some(deleted) = self.work.deleted_name() {
            ui.horizontal(|ui| {
                ui.label(small(format!("Deleted {}", shorten(deleted, 20))));
                if ui.small_button("Undo").clicked() {
                    send(shared, TrainingCommand::Undelete);
                }
            });
        }
        let mut runs = std::mem::take(&mut self.runs);
        ScrollArea::vertical().id_salt("runs").auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            for run in &mut runs {
                self.row(ui, run, shared);
            }
        });
        self.runs = runs;
    }

    fn folder_field(&mut self, ui: &mut Ui, shared: &Shared) {
        let Some(path) = &mut self.list.path_field else { return };
        ui.add_space(space::XS);
        let field = ui.add(TextEdit::singleline(path).desired_width(f32::INFINITY));
        field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Path of the folder of runs"));
        let entered = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        let path = typed_path(path);
        ui.horizontal(|ui| {
            let send = |c| shared.send(Command::Training(c));
            if (ui.button("Open folder").clicked() || entered)
                && let Some(path) = path
            {
                send(TrainingCommand::Folder(path));
            }
            if ui.button("Choose…").clicked() {
                send(TrainingCommand::AskFolder);
            }
            if shared.settings.following.runs_dir.is_some() && ui.button("Usual folder").clicked() {
                send(TrainingCommand::Folder(shared.env.runs_dir.clone()));
            }
        });
    }

    fn row(&mut self, ui: &mut Ui, run: &mut RunView, shared: &Shared) {
        let t = Tokens::of(ui.ctx());
        let send = |c| shared.send(Command::Training(c));
        let name = run.found.name.clone();
        let shown = run.shown_name(shared);
        let on = self.focused.as_deref() == Some(&*name) && self.form.is_none();
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, format!("Run {shown}")));
        let inside = ui.rect_contains_pointer(rect);
        if on || inside {
            ui.painter().rect_filled(
                rect,
                f32::from(space::RADIUS),
                if on { t.raised } else { t.hover.gamma_multiply(0.6) },
            );
        }
        if response.has_focus() {
            ui.painter().rect_stroke(
                rect,
                f32::from(space::RADIUS),
                Stroke::new(1.0, t.minus),
                StrokeKind::Inside,
            );
        }
        if response.clicked() {
            send(TrainingCommand::Focus(name.clone()));
        }
        if response.double_clicked() {
            send(TrainingCommand::Only(name.clone()));
        }
        let color = run.colour(shared);
        let dot = Rect::from_center_size(pos2(rect.left() + 15.0, rect.top() + 17.0), vec2(24.0, 24.0));
        if colour_dot(ui, dot, color, run, &shown).clicked() {
            send(TrainingCommand::Toggle(name.clone()));
        }

        let right = rect.right() - space::S;
        let left = rect.left() + 30.0;
        let renaming = self.list.renaming.as_mut().filter(|(of, _)| *of == name);
        if let Some((_, text)) = renaming {
            let field =
                Rect::from_min_max(pos2(left - 4.0, rect.top() + 4.0), pos2(right, rect.top() + 28.0));
            let field = ui.put(field, TextEdit::singleline(text));
            field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Name of the run"));
            if field.lost_focus() {
                let keep = !ui.input(|i| i.key_pressed(Key::Escape));
                let text = if keep { text.clone() } else { shown.clone() };
                send(TrainingCommand::Rename(name.clone(), text));
            } else {
                field.request_focus();
            }
        } else {
            let value = run.loss().map_or_else(String::new, |v| value_text(v.into()));
            let bad = run.loss().is_some_and(|v| !v.is_finite());
            let font = FontId::proportional(size::BODY);
            let color = if bad { t.bad } else { t.text };
            let more = inside || Popup::is_id_open(ui.ctx(), menu_id(&name));
            let value_right = if more { right - 26.0 } else { right };
            let at = pos2(value_right, rect.top() + 17.0);
            let value = ui.painter().text(at, Align2::RIGHT_CENTER, value, font, color);
            let color = if run.drawn { t.text } else { t.text_dim };
            let room = value.left() - left - space::S;
            text_in(ui, pos2(left, rect.top() + 17.0), room, &shown, strong_font(size::BODY), color);
        }
        let menu = Rect::from_center_size(pos2(rect.right() - 16.0, rect.top() + 17.0), vec2(26.0, 26.0));
        self.menu(ui, menu, inside, run, &shown, shared);
        if let Some((_, text)) = self.list.noting.as_mut().filter(|(of, _)| *of == name) {
            let field =
                Rect::from_min_max(pos2(left - 4.0, rect.top() + 25.0), pos2(right, rect.bottom() - 1.0));
            let field = ui.put(field, TextEdit::singleline(text).hint_text("A note on this run"));
            field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Note on the run"));
            if field.lost_focus() {
                let kept = shared.settings.following.notes.get(&name).cloned().unwrap_or_default();
                let keep = !ui.input(|i| i.key_pressed(Key::Escape));
                send(TrainingCommand::Note(name.clone(), if keep { text.clone() } else { kept }));
            } else {
                field.request_focus();
            }
            return;
        }
        let (state, color) = state_text(run, t, rect.width() < 240.0);
        let spark_width = if rect.width() < 240.0 { 44.0 } else { 68.0 };
        text_in(
            ui,
            pos2(left, rect.top() + 36.0),
            right - left - spark_width - space::S,
            &state,
            FontId::proportional(size::SMALL),
            color,
        );
        let area = Rect::from_min_max(
            pos2(right - spark_width, rect.top() + 29.0),
            pos2(right, rect.bottom() - 7.0),
        );
        let color = run_color(run, t, shared);
        spark(ui, area, run.spark(), color);
        response.on_hover_text(hover_text(run, shared));
    }

    fn menu(&mut self, ui: &mut Ui, rect: Rect, seen: bool, run: &RunView, shown: &str, shared: &Shared) {
        let id = menu_id(&run.found.name);
        let mut menu =
            ui.new_child(eframe::egui::UiBuilder::new().max_rect(rect).id_salt(("more", &run.found.name)));
        // There for the keyboard and for readers of screens even while it is not seen.
        if !seen && !Popup::is_id_open(ui.ctx(), id) {
            menu.set_opacity(0.0);
        }
        let button = icon_button(&mut menu, Icon::More, &format!("More about {shown}"));
        let send = |c| shared.send(Command::Training(c));
        let name = || run.found.name.clone();
        Popup::menu(&button).id(id).show(|ui| {
            ui.set_min_width(180.0);
            let item = |ui: &mut Ui, text: &str, enabled: bool, command: TrainingCommand| {
                if ui.add_enabled(enabled, eframe::egui::Button::new(text).frame(false)).clicked() {
                    send(command);
                    ui.close();
                }
            };
            item(ui, "Show alone", true, TrainingCommand::Only(name()));
            if ui.add(eframe::egui::Button::new("Rename…").frame(false)).clicked() {
                self.list.renaming = Some((name(), shown.to_owned()));
                ui.close();
            }
            if ui.add(eframe::egui::Button::new("Note…").frame(false)).clicked() {
                let note = shared.settings.following.notes.get(&name()).cloned();
                self.list.noting = Some((name(), note.unwrap_or_default()));
                ui.close();
            }
            item(ui, "Go on training", run.can_resume(&self.trainers), TrainingCommand::Resume(name()));
            item(ui, "Export as GGUF", true, TrainingCommand::Export(name()));
            item(ui, "Show in file manager", true, TrainingCommand::Reveal(name()));
            ui.separator();
            item(ui, "Delete", !run.found.state.is_live(), TrainingCommand::Delete(name()));
        });
    }
}

fn menu_id(run: &str) -> Id {
    Id::unique(("menu of a run", run))
}

/// The dot: full while the run is drawn, with a ring that widens when news comes.
fn colour_dot(ui: &Ui, rect: Rect, color: Color32, run: &RunView, shown: &str) -> Response {
    let response = ui.interact(rect, ui.scope_id().with(("dot", &run.found.name)), Sense::click());
    let drawn = run.drawn;
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, drawn, format!("Draw {shown}")));
    let painter = ui.painter();
    let at = rect.center();
    if drawn {
        painter.circle_filled(at, 5.0, color);
    } else {
        painter.circle_stroke(at, 4.5, Stroke::new(1.4, color));
    }
    if let Some(age) = run.news.map(|at| Instant::now().duration_since(at)).filter(|age| *age < PULSE)
        && run.found.state.is_live()
    {
        let share = age.as_secs_f32() / PULSE.as_secs_f32();
        painter.circle_stroke(at, 5.0 + 6.0 * share, Stroke::new(1.5, color.gamma_multiply(1.0 - share)));
        ui.ctx().request_repaint_after(Duration::from_millis(33));
    }
    if response.hovered() || response.has_focus() {
        painter.circle_stroke(at, 9.0, Stroke::new(1.0, color.gamma_multiply(0.5)));
    }
    response.on_hover_text(if drawn { "Hide" } else { "Show" })
}

/// Words that end with … where there is no room.
fn text_in(ui: &Ui, left_middle: eframe::egui::Pos2, room: f32, text: &str, font: FontId, color: Color32) {
    let mut job = eframe::egui::text::LayoutJob::simple_singleline(text.to_owned(), font, color);
    job.wrap = eframe::egui::text::TextWrapping::truncate_at_width(room.max(8.0));
    let galley = ui.painter().layout_job(job);
    ui.painter().galley(left_middle - vec2(0.0, galley.size().y / 2.0), galley, color);
}

fn run_color(run: &RunView, t: &Tokens, shared: &Shared) -> Color32 {
    if run.drawn { run.colour(shared) } else { t.text_faint }
}

/// A run's state in a few words, fewer if there is little room, and their colour.
pub fn state_text(run: &RunView, t: &Tokens, short: bool) -> (String, Color32) {
    let (step, steps) = (count(run.step()), run.found.steps);
    let (color, word) = match run.found.state {
        State::Live => (t.good, "training"),
        State::Held => (t.warn, "paused"),
        State::Failed(_) => (t.bad, "failed"),
        State::Quiet => (t.warn, "no news"),
        State::Lost if short => (t.bad, "lost"),
        State::Lost => (t.bad, "stopped unexpectedly"),
        State::Gone => (t.bad, "folder gone"),
        State::Finished => (t.text_dim, "finished"),
        State::Stopped => (t.text_dim, "stopped"),
    };
    let text = match run.found.state {
        State::Finished if short => format!("{word}, {step}"),
        State::Finished => format!("{word}, {step} steps"),
        State::Lost if !short => format!("{word} after step {step}"),
        _ if steps > 0 && short => format!("{word}, {:.0} %", 100.0 * run.step() as f64 / steps as f64),
        _ if steps > 0 => format!("{word}, {step} of {}", count(steps)),
        _ => format!("{word}, step {step}"),
    };
    (text, color)
}

fn hover_text(run: &RunView, shared: &Shared) -> String {
    let mut text = run.found.path.display().to_string();
    if let Some(note) = shared.settings.following.notes.get(&run.found.name) {
        text = format!("{note}\n{text}");
    }
    if let State::Failed(why) = &run.found.state {
        text = format!("{text}\n{why}");
    }
    if let Some(problem) = &run.found.problem {
        text = format!("{text}\n{problem}");
    }
    format!("{text}\nClick to see its samples, double click to draw it alone")
}

/// A small picture of a curve.
fn spark(ui: &Ui, rect: Rect, values: &[f32], color: Color32) {
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = finite().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if values.len() < 2 || low > high {
        return;
    }
    let range = (high - low).max(1e-12);
    let points: Vec<_> = finite()
        .enumerate()
        .map(|(i, v)| {
            let x = rect.left() + rect.width() * i as f32 / (values.len() - 1) as f32;
            pos2(x, rect.bottom() - rect.height() * (v - low) / range)
        })
        .collect();
    ui.painter().add(Shape::line(points, Stroke::new(1.2, color.gamma_multiply(0.9))));
}
