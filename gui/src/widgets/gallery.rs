//! Every widget on one small page, compared with a picture of it. Pictures are compared only on the software device that the
//! tests install: other devices draw edges otherwise.

use eframe::egui::{Context, Rect, Sense, Theme, Ui, vec2};
use egui_kittest::{Harness, SnapshotOptions, SnapshotResults};

use super::{
    Range, bytes, chip, count, empty_state, error_card, primary_button, section, slider_row, small, title,
};
use crate::icons::{Icon, icon_button, icon_toggle, mark};
use crate::theme;
use crate::tokens::Tokens;

/// What the app shows, without the app.
fn gallery(ui: &mut Ui) {
    let t = Tokens::of(ui.ctx());
    ui.painter().rect_filled(ui.ctx().content_rect(), 0.0, t.bg);
    ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(26.0, 26.0), Sense::hover());
        mark(
            ui.painter(),
            Rect::from_center_size(rect.center(), vec2(22.0, 22.0)),
            [t.minus, t.zero, t.plus],
        );
        title(ui, "Three values");
    });
    ui.horizontal(|ui| {
        primary_button(ui, "Write", "");
        chip(ui, "Greedy", false);
        chip(ui, "Balanced", true);
    });
    ui.label(small(format!("{} weights in {}", count(6_725_576), bytes(2_633_440))));
    section(ui, "Sampling");
    let range = Range { slider: 0.0..=2.0f32, most: 5.0, usual: 0.8, digits: 2, logarithmic: false };
    let mut value = 1.25;
    slider_row(ui, "Temperature", "", &mut value, &range);
    ui.horizontal_wrapped(|ui| {
        for (i, icon) in Icon::ALL.into_iter().enumerate() {
            if i % 5 == 0 {
                icon_toggle(ui, icon, "on", true)
            } else {
                icon_button(ui, icon, "off")
            };
        }
    });
    error_card(ui, "bad.gguf cannot be opened", "It begins with \"NOPE\"; a GGUF file begins with \"GGUF\".");
    empty_state(ui, "No runs yet", "A run appears here as soon as there is one", Some("Start a run"));
}

#[test]
fn widgets_look_as_they_did() {
    if std::env::var("TERCET_REQUIRE_GPU").as_deref() != Ok("1") {
        eprintln!("skipped: pictures are compared where the software device is");
        return;
    }
    let mut results = SnapshotResults::new();
    for (name, on) in [("widgets_dark", Theme::Dark), ("widgets_light", Theme::Light)] {
        let mut harness = Harness::builder()
            .with_size(vec2(400.0, 570.0))
            .with_theme(on)
            .with_render_cursor(false)
            .with_options(SnapshotOptions::new().threshold(1.0).max_failed_pixels(10))
            .with_context_setup(|ctx: &Context| theme::install(ctx))
            .wgpu()
            .build_ui(gallery);
        harness.run_steps(4);
        harness.snapshot(name);
        results.extend_harness(&mut harness);
    }
}
