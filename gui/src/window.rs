//! The window: opened once, with the app inside.

use eframe::egui::{ViewportBuilder, vec2};

use crate::app::{App, Start};
use crate::env::Env;
use crate::settings::Settings;

/// What the system knows the app by: the name of its desktop file.
pub const APP_ID: &str = "tercet";

/// Why there is no window or no picture.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system gave no window.
    #[error("no window can be opened here: {0}")]
    Window(String),
    /// A picture could not be made or written.
    #[error("the picture cannot be made: {0}")]
    Picture(String),
}

/// Opens the window and stays until it is closed.
///
/// # Errors
/// No display, or no way to draw on it.
pub fn run(env: Env, mut start: Start) -> Result<(), Error> {
    let (settings, _) = start.kept.get_or_insert_with(|| Settings::of(&env));
    let [width, height] = settings.window.unwrap_or([1280.0, 800.0]);
    start.on_ground = true;
    let viewport = ViewportBuilder::default()
        .with_app_id(APP_ID)
        .with_title("Tercet")
        .with_icon(icon())
        .with_inner_size(vec2(width, height))
        .with_maximized(settings.maximized)
        .with_min_inner_size(vec2(720.0, 480.0))
        .with_drag_and_drop(true);
    let options = eframe::NativeOptions { viewport, ..Default::default() };
    eframe::run_native(APP_ID, options, Box::new(move |cc| Ok(Box::new(App::new(&cc.egui_ctx, env, start)))))
        .map_err(|e| Error::Window(e.to_string()))
}

/// The mark as pixels, for the task bar.
fn icon() -> eframe::egui::IconData {
    const SIDE: u32 = 64;
    let t = crate::tokens::DARK;
    let bars = [(2.0, 28.0, 60.0, t.minus), (24.0, 28.0, 37.6, t.zero), (46.0, 4.0, 37.6, t.plus)];
    let mut rgba = vec![0u8; (4 * SIDE * SIDE) as usize];
    for (i, pixel) in rgba.chunks_exact_mut(4).enumerate() {
        let (x, y) = ((i as u32 % SIDE) as f32, (i as u32 / SIDE) as f32);
        let bar = bars.iter().find(|(left, top, bottom, _)| {
            (*left..*left + 16.0).contains(&x) && (*top..*bottom).contains(&y)
        });
        if let Some((.., color)) = bar {
            pixel.copy_from_slice(&color.to_array());
        }
    }
    eframe::egui::IconData { rgba, width: SIDE, height: SIDE }
}
