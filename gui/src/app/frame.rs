//! One frame: what happened is taken in, then the page is drawn with the shell's parts round it.

use eframe::egui::{self, CentralPanel, Context, Frame, Margin, Panel, Ui};

use super::App;
use crate::page::Page;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::shell::{bar, closing, keys, overlay, palette, path_window, rail, status};
use crate::tokens::{Tokens, space};
use crate::widgets::error_card;

/// Height of the bar on top, in points.
const BAR: f32 = 44.0;
/// Height of the status line, in points.
const STATUS: f32 = 30.0;

impl eframe::App for App {
    fn logic(&mut self, ctx: &Context, _: &mut eframe::Frame) {
        self.step(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        self.draw(ui);
        if let Some(stopwatch) = &mut self.stopwatch {
            stopwatch.drawn();
        }
    }

    fn clear_color(&self, _: &egui::Visuals) -> [f32; 4] {
        self.shared.tokens().bg.to_normalized_gamma_f32()
    }

    fn on_exit(&mut self) {
        self.generate.leave();
        self.server.leave();
        self.keep_now();
    }
}

impl App {
    fn draw(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        if keys::are_pressed(&ctx) && !self.shell.palette.is_open() {
            keys::take(self.entries(), &self.shared, &ctx);
        }
        overlay::take_dropped(&mut self.shared, &ctx);
        note_size(&mut self.shared.settings, &ctx);
        let t = Tokens::of(&ctx);
        if !self.on_ground {
            ui.painter().rect_filled(ctx.content_rect(), 0.0, t.bg);
        }
        let plain = |fill, margin| Frame::new().fill(fill).inner_margin(margin);
        Panel::left("rail")
            .exact_size(space::RAIL)
            .resizable(false)
            .frame(plain(t.panel, Margin::same(0)))
            .show(ui, |ui| rail::ui(&self.shared, ui));
        Panel::top("bar")
            .exact_size(BAR)
            .resizable(false)
            .frame(Frame::new().inner_margin(Margin::symmetric(space::L as i8, 0)))
            .show(ui, |ui| bar::ui(&mut self.shell.model_menu, &mut self.shared, ui));
        Panel::bottom("status")
            .exact_size(STATUS)
            .resizable(false)
            .frame(plain(t.panel, Margin::symmetric(space::L as i8, 0)))
            .show(ui, |ui| self.status_line(ui));
        CentralPanel::default().frame(Frame::new()).show(ui, |ui| {
            refused(&mut self.shared, ui);
            self.page(ui);
        });
        let entries = if self.shell.lists_commands() { self.entries() } else { Vec::new() };
        let (shell, shared) = (&mut self.shell, &mut self.shared);
        overlay::ui(&mut shell.shortcuts, &entries, shared, &ctx);
        path_window::ui(&mut shell.path_window, shared, &ctx);
        palette::ui(&mut shell.palette, &entries, shared, &ctx);
        let at_work = closing::AtWork { trainings: self.training.at_work(), server: self.server.at_work() };
        closing::ui(&mut shell.closing, &at_work, shared, &ctx);
    }

    fn page(&mut self, ui: &mut Ui) {
        let shared = &mut self.shared;
        match shared.settings.page {
            Page::Generate => self.generate.ui(ui, shared),
            Page::Model => self.inspect.ui(ui, shared),
            Page::Benchmark => self.benchmark.ui(ui, shared),
            Page::Training => self.training.ui(ui, shared),
            Page::Server => self.server.ui(ui, shared),
        }
    }

    fn status_line(&mut self, ui: &mut Ui) {
        status::ui(&mut self.shared, ui, |ui, shared| match shared.settings.page {
            Page::Generate => self.generate.status(ui, shared),
            Page::Model => self.inspect.status(ui, shared),
            Page::Benchmark => self.benchmark.status(ui, shared),
            Page::Training => self.training.status(ui, shared),
            Page::Server => self.server.status(ui),
        });
    }
}

/// The file that could not be opened, and why, until it was read.
fn refused(shared: &mut Shared, ui: &mut Ui) {
    let Some(refused) = shared.model.refused.clone() else { return };
    let name = refused.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut read = false;
    Frame::new().inner_margin(Margin::same(space::M as i8)).show(ui, |ui| {
        read = error_card(ui, &format!("{name} cannot be opened"), &refused.why);
    });
    if read {
        shared.model.refused = None;
    }
}

/// The window's size, to begin with next time. A window is made before anything is zoomed.
fn note_size(settings: &mut Settings, ctx: &Context) {
    let maximized = ctx.input(|i| i.viewport().maximized).unwrap_or(false);
    settings.maximized = maximized;
    let size = ctx.content_rect().size() * ctx.zoom_factor();
    if !maximized && ctx.input(|i| i.viewport().inner_rect.is_some()) && size.x >= 200.0 && size.y >= 200.0 {
        settings.window = Some([size.x.round(), size.y.round()]);
    }
}
