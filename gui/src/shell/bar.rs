//! The bar on top: what is open, where it runs, and the way to every command.

use std::path::{Path, PathBuf};

use eframe::egui::containers::menu::{MenuButton, MenuConfig};
use eframe::egui::{
    Align, Button, Layout, PopupCloseBehavior, RichText, Role, TextEdit, Ui, WidgetInfo, vec2,
};

use crate::command::Command;
use crate::icons::{Icon, icon_button};
use crate::jobs::{self, Job};
use crate::open::Device;
use crate::settings::ThemeChoice;
use crate::shared::Shared;
use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{bytes, count, shorten, small, typed_path};

pub fn ui(menu: &mut ModelMenu, shared: &mut Shared, ui: &mut Ui) {
    ui.horizontal_centered(|ui| {
        model_chip(menu, shared, ui);
        facts(shared, ui);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let t = Tokens::of(ui.ctx());
            let keys = RichText::new("Ctrl+K").size(size::SMALL).color(t.text_dim);
            more(shared, ui);
            if ui.add(Button::new(keys)).on_hover_text("Commands").clicked() {
                shared.send(Command::Palette);
            }
            device_chip(shared, ui);
        });
    });
}

/// The menu of what concerns the whole app.
fn more(shared: &Shared, ui: &mut Ui) {
    let menu = MenuButton::from_button(Button::new(RichText::new("⋯")).min_size(vec2(28.0, 0.0)));
    let (response, _) = menu.ui(ui, |ui| {
        ui.set_min_width(220.0);
        let settings = &shared.settings;
        for (name, theme) in [
            ("Dark theme", ThemeChoice::Dark),
            ("Light theme", ThemeChoice::Light),
            ("Theme of the system", ThemeChoice::System),
        ] {
            if ui.selectable_label(settings.theme == theme, name).clicked() {
                shared.send(Command::Theme(theme));
            }
        }
        ui.separator();
        let percent = format!("Usual size (now {:.0} %)", 100.0 * settings.zoom);
        for (name, steps) in [("Larger", 1), ("Smaller", -1), (&*percent, 0)] {
            if ui.button(name).clicked() {
                shared.send(Command::Zoom(steps));
            }
        }
        ui.separator();
        for (name, command) in [
            ("Keyboard shortcuts", Command::Shortcuts),
            ("Messages", Command::Notices),
            ("Quit", Command::Quit),
        ] {
            if ui.button(name).clicked() {
                shared.send(command);
            }
        }
    });
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "More"));
    response.on_hover_text("Theme, size, shortcuts, messages");
}

fn model_chip(model_menu: &mut ModelMenu, shared: &mut Shared, ui: &mut Ui) {
    let t = Tokens::of(ui.ctx());
    let name = match (shared.model.opening(), shared.model.get()) {
        (Some(path), _) => format!("Opening {}…", file_name(path)),
        (None, Some(m)) => m.facts.name.clone(),
        (None, None) => "Open a model".to_owned(),
    };
    let text = RichText::new(format!("{} ▾", shorten(&name, 40))).font(strong_font(size::BODY)).color(t.text);
    let button = Button::new(text).min_size(vec2(0.0, 28.0));
    // There is a field in it, which wants to be clicked.
    let stays = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let menu = MenuButton::from_button(button).config(stays);
    model_menu.recents.poll();
    let (response, shown) = menu.ui(ui, |ui| {
        ui.set_min_width(300.0);
        if ui.button("Open…").clicked() {
            shared.send(Command::AskForModel);
            ui.close();
        }
        ui.horizontal(|ui| {
            let field =
                TextEdit::singleline(&mut model_menu.path).hint_text("or type a path").desired_width(230.0);
            let field = ui.add(field);
            field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Path of a model"));
            let entered = field.lost_focus() && ui.input(|i| i.key_pressed(eframe::egui::Key::Enter));
            if (ui.button("Open").clicked() || entered)
                && let Some(path) = typed_path(&model_menu.path)
            {
                shared.send(Command::Open(path));
                ui.close();
            }
        });
        let open = shared.model.get().map(|m| m.opened.path.clone());
        if open.is_some() {
            if ui.button("Reload").clicked() {
                shared.send(Command::Reload);
                ui.close();
            }
            if ui.button("Show in file manager").clicked() {
                shared.send(Command::Reveal);
                ui.close();
            }
        }
        if !shared.settings.recents.is_empty() {
            ui.separator();
            ui.label(small("Recent"));
        }
        for path in &shared.settings.recents {
            recent(shared, ui, path, model_menu.recents.gone.contains(path));
        }
    });
    model_menu.recents.look(shown.is_some(), shared);
    response.on_hover_text(match shared.model.get() {
        Some(m) => m.opened.path.display().to_string(),
        None => "Open a GGUF file; it can also be dropped anywhere on the window".to_owned(),
    });
}

/// What the menu under the open model's name remembers.
#[derive(Debug, Default)]
pub struct ModelMenu {
    /// What is in its field for a path.
    path: String,
    /// The recent models, as they were found when the menu was opened.
    recents: Recents,
}

/// Which recent models are gone. A folder on another machine may take long to answer, so no frame asks.
#[derive(Debug, Default)]
struct Recents {
    gone: Vec<PathBuf>,
    looking: Option<Job<Vec<PathBuf>>>,
    open: bool,
}

impl Recents {
    fn poll(&mut self) {
        if let Some(Ok(gone)) = jobs::take(&mut self.looking) {
            self.gone = gone;
        }
    }

    /// Looks each time the menu is opened.
    fn look(&mut self, open: bool, shared: &mut Shared) {
        if open && !self.open {
            let all = shared.settings.recents.clone();
            let look = move |_: &jobs::JobContext| all.into_iter().filter(|path| !path.is_file()).collect();
            self.looking = shared.jobs.start_quietly("looking for recent models", look);
        }
        self.open = open;
    }
}

fn recent(shared: &Shared, ui: &mut Ui, path: &Path, gone: bool) {
    ui.horizontal(|ui| {
        let there = !gone;
        let name = RichText::new(shorten(&file_name(path), 44));
        let name = if there { name } else { name.weak().strikethrough() };
        let hint = if there { path.display().to_string() } else { format!("{} is gone", path.display()) };
        if ui
            .add_enabled(there, Button::new(name).frame(false))
            .on_hover_text(&hint)
            .on_disabled_hover_text(&hint)
            .clicked()
        {
            shared.send(Command::Open(path.to_owned()));
            ui.close();
        }
        if !there && icon_button(ui, Icon::Close, &format!("Remove {}", file_name(path))).clicked() {
            shared.send(Command::Forget(path.to_owned()));
        }
    });
}

/// What is open, in three figures.
fn facts(shared: &Shared, ui: &mut Ui) {
    let Some(m) = shared.model.get() else { return };
    // Where there is no room the page comes first.
    let mut room = ui.available_width() - 330.0;
    let f = &m.facts;
    let parts = [
        (
            format!("{:.2} bits per weight", f.bits_per_weight()),
            "Bits a weight takes on disk, over all tensors",
        ),
        (format!("{} weights", short_count(f.weights)), "Weights in the file"),
        (bytes(f.file_bytes), "Size of the file"),
    ];
    for (text, hint) in parts {
        room -= 8.0 * text.len() as f32;
        if room > 0.0 {
            ui.add_space(space::XS);
            let full = if hint.starts_with("Weights") {
                format!("{hint}: {}", count(f.weights))
            } else {
                hint.to_owned()
            };
            ui.label(small(text)).on_hover_text(full);
        }
    }
}

fn device_chip(shared: &Shared, ui: &mut Ui) {
    let t = Tokens::of(ui.ctx());
    let name = match shared.model.get() {
        Some(m) => m.runs_on(),
        None => shared.settings.device.to_string(),
    };
    let fault = shared.model.get().and_then(|m| m.engine.fault().or_else(|| m.fault.clone()));
    let color = if fault.is_some() { t.warn } else { t.text };
    let text = RichText::new(format!("{} ▾", shorten(&name, 34))).size(size::SMALL).color(color);
    let menu = MenuButton::from_button(Button::new(text));
    let (response, _) = menu.ui(ui, |ui| {
        ui.set_min_width(280.0);
        for (name, device) in Device::all(shared.model.adapters()) {
            if ui.selectable_label(shared.settings.device == device, name).clicked() {
                shared.send(Command::RunOn(device));
                ui.close();
            }
        }
        if shared.model.adapters().is_empty() {
            ui.label(small(if shared.model.knows_adapters() {
                "No graphics adapter was found (Vulkan, Metal, Direct3D 12)"
            } else {
                "Looking for graphics adapters"
            }));
        }
    });
    response.on_hover_text(fault.unwrap_or_else(|| "Where the model runs".to_owned()));
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn short_count(n: u64) -> String {
    let n = n as f64;
    match n {
        _ if n >= 1e9 => format!("{:.2} B", n / 1e9),
        _ if n >= 1e6 => format!("{:.1} M", n / 1e6),
        _ if n >= 1e3 => format!("{:.0} k", n / 1e3),
        _ => format!("{n:.0}"),
    }
}
