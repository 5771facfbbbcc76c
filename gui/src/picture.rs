//! Pictures of the app without a window: the same app, driven frame by frame and drawn into an image. The README's pictures are
//! made this way.

use std::path::Path;
use std::time::{Duration, Instant};

use eframe::egui::{Theme, vec2};
use egui_kittest::Harness;

use crate::app::{App, Start};
use crate::command::Command;
use crate::env::Env;
use crate::page::Page;
use crate::settings::ThemeChoice;
use crate::window::Error;

/// Longest wait for the page to be ready.
const READY: Duration = Duration::from_secs(120);

/// What is to be seen, and how large.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The page that is turned to first.
    pub page: Page,
    /// Width and height in points.
    pub size: [f32; 2],
    /// Pixels of a point.
    pub scale: f32,
    /// Dark colours rather than light ones.
    pub dark: bool,
    /// What is done before, one after the other, each once the app is at rest.
    pub commands: Vec<Command>,
    /// After these, commands of the palette by their names, likewise.
    pub named: Vec<String>,
}

/// Draws a page into a PNG file.
///
/// # Errors
/// No device to draw with, a page that does not come to rest, or a file that cannot be written.
pub fn screenshot(env: Env, start: Start, picture: &Picture, to: &Path) -> Result<(), Error> {
    let wrong = |what: String| Error::Picture(what);
    let theme = if picture.dark { ThemeChoice::Dark } else { ThemeChoice::Light };
    let (page, [width, height]) = (picture.page, picture.size);
    let mut harness = Harness::builder()
        // What a model writes may be in any script; a picture shows a box where no font has it.
        .allow_missing_glyphs()
        .with_size(vec2(width, height))
        .with_pixels_per_point(picture.scale)
        .with_theme(if picture.dark { Theme::Dark } else { Theme::Light })
        .with_render_cursor(false)
        .with_wait_for_pending_images(false)
        .wgpu()
        .build_eframe(move |cc| App::new(&cc.egui_ctx, env, start));
    harness.state_mut().send(Command::Theme(theme));
    harness.state_mut().send(Command::Show(page));
    rest(&mut harness).map_err(wrong)?;
    for command in &picture.commands {
        harness.state_mut().send(command.clone());
        rest(&mut harness).map_err(wrong)?;
    }
    for name in &picture.named {
        let entries = harness.state().entries();
        let Some(entry) = entries.iter().find(|e| e.enabled && e.text.eq_ignore_ascii_case(name)) else {
            let names: Vec<&str> = entries.iter().filter(|e| e.enabled).map(|e| e.text.as_str()).collect();
            return Err(wrong(format!("no command is called \"{name}\"; there are {}", names.join(", "))));
        };
        harness.state_mut().send(entry.command.clone());
        rest(&mut harness).map_err(wrong)?;
    }
    let image = harness.render().map_err(wrong)?;
    image.save(to).map_err(|e| wrong(format!("{e} ({})", to.display())))
}

/// Frames until nothing is on its way, and a few more for what fades.
fn rest(harness: &mut Harness<'_, App>) -> Result<(), String> {
    let start = Instant::now();
    let mut quiet = 0;
    while quiet < 12 {
        harness.step();
        quiet = if harness.state_mut().is_busy() { 0 } else { quiet + 1 };
        if start.elapsed() > READY {
            return Err(format!("the page was not ready after {} s", READY.as_secs()));
        }
        // Every frame takes from what is measured.
        let pause = if harness.state().is_measuring() { 500 } else { 15 };
        std::thread::sleep(Duration::from_millis(pause));
    }
    Ok(())
}
