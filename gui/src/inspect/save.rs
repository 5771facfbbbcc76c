//! What leaves the page: text for the clipboard, and the picture of a tensor as an image, each weight a pixel, for the clipboard or
//! a PNG file. All of it is made in the background.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui::ColorImage;
use formats::atomic::write_atomic;
use formats::gguf::Header;
use image::{ImageFormat, RgbImage};

use super::metadata;
use super::paint::Ink;
use super::portrait::Portrait;
use super::tensors::{line, shown_name, table};
use super::tiles::TileReader;
use super::{Copied, Inspect};
use crate::command::{Command, ModelCommand};
use crate::env::PNG;
use crate::jobs::JobContext;
use crate::question::Question;
use crate::shared::Shared;
use crate::tokens::Tokens;
use formats::sentence;

/// Most pixels of a picture; a larger tensor is drawn from farther away.
const PIXELS_MAX: u64 = 1 << 25;
/// Longer sides are more than many programs open.
const SIDE_MAX: u64 = 32_767;
/// Small tensors are enlarged by a whole number, up to this side.
const SIDE_USUAL: u64 = 1600;

/// A picture to be made: which tensor, from where, in which colours.
struct PictureRequest {
    path: PathBuf,
    header: Arc<Header>,
    portrait: Arc<Portrait>,
    tokens: &'static Tokens,
}

impl Inspect {
    /// Copies and saves.
    pub(super) fn copy_or_save(&mut self, command: ModelCommand, shared: &mut Shared) {
        let Some(subject) = self.subject.clone() else { return };
        let meta = subject.header.metadata();
        match command {
            ModelCommand::CopyKey(key) => shared.ctx.copy_text(key),
            ModelCommand::CopyValue(key) if meta.contains(&key) => {
                let header = Arc::clone(&subject.header);
                self.copy(shared, move || (value(&header, &key), format!("Copied the value of {key}.")));
            }
            ModelCommand::CopyRow(key) if meta.contains(&key) => {
                let header = Arc::clone(&subject.header);
                self.copy(shared, move || {
                    (format!("{key}\t{}", value(&header, &key)), format!("Copied {key}."))
                });
            }
            ModelCommand::CopyElement(key, index) => {
                if let Some(formats::gguf::Value::Array(array)) = meta.get(&key) {
                    shared.ctx.copy_text(match &**array {
                        formats::gguf::Array::Str(strings) => {
                            strings.get(index).unwrap_or_default().to_owned()
                        }
                        other => metadata::element(other, index),
                    });
                }
            }
            ModelCommand::CopyMetadata => {
                let header = Arc::clone(&subject.header);
                let said = format!("Copied {} keys as JSON.", meta.len());
                self.copy(shared, move || (metadata::json(&header), said));
            }
            ModelCommand::CopyTensor(name) => {
                if let Some(info) = subject.header.find(&name) {
                    shared.ctx.copy_text(line(info));
                }
            }
            ModelCommand::CopyTensors => {
                let (header, order) = (Arc::clone(&subject.header), self.order.clone());
                let said = format!("Copied {} tensors, with tabs between the columns.", order.len());
                self.copy(shared, move || (table(&header, &order), said));
            }
            ModelCommand::CopyPicture => {
                let Some(request) = self.picture(shared) else { return };
                let work = move |job: &JobContext| {
                    Copied::Picture(draw(&request, job).map(|image| {
                        let size = [image.width() as usize, image.height() as usize];
                        ColorImage::from_rgb(size, image.as_raw())
                    }))
                };
                self.copying = shared.jobs.start("Drawing the picture", work).or(self.copying.take());
            }
            ModelCommand::SavePicture => {
                let Some(request) = self.picture(shared) else { return };
                let name = format!("{}.png", file_name(&request.portrait.info.name));
                let then = |path| Command::Model(ModelCommand::SavePictureTo(path));
                shared.send(Command::Ask(Question::save(
                    "Save the picture of the weights",
                    name,
                    &PNG,
                    then,
                )));
            }
            ModelCommand::SavePictureTo(path) => {
                let Some(order) = self.picture(shared) else { return };
                let work = move |job: &JobContext| save(&order, path, job);
                self.saving = shared.jobs.start("Saving the picture", work).or(self.saving.take());
            }
            _ => {}
        }
    }

    fn copy(&mut self, shared: &mut Shared, text: impl FnOnce() -> (String, String) + Send + 'static) {
        let work = move |_: &JobContext| {
            let (text, said) = text();
            Copied::Text(text, said)
        };
        self.copying = shared.jobs.start("Copying", work).or(self.copying.take());
    }

    fn picture(&self, shared: &Shared) -> Option<PictureRequest> {
        let (subject, portrait) = (self.subject.as_ref()?, self.portrait()?);
        portrait.pyramid.as_ref()?;
        Some(PictureRequest {
            path: subject.path().to_owned(),
            header: Arc::clone(&subject.header),
            portrait: Arc::clone(portrait),
            tokens: shared.tokens(),
        })
    }
}

fn value(header: &Header, key: &str) -> String {
    header.metadata().get(key).map(metadata::copied).unwrap_or_default()
}

/// A tensor's name as the name of a file.
fn file_name(name: &str) -> String {
    shown_name(name).chars().map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect()
}

fn save(request: &PictureRequest, mut path: PathBuf, job: &JobContext) -> Result<PathBuf, String> {
    if path.extension().is_none() {
        path.set_extension("png");
    }
    write(&draw(request, job)?, &path)?;
    Ok(path)
}

fn write(image: &RgbImage, path: &Path) -> Result<(), String> {
    let mut png = std::io::Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png).map_err(|e| sentence(&e))?;
    write_atomic(path, |w| std::io::Write::write_all(w, png.get_ref())).map_err(|e| sentence(&e))
}

/// The level at which a tensor fits, and how much each of its cells is enlarged.
fn scale(cols: u64, rows: u64) -> (u32, u64) {
    let side = |n: u64, level: u32| n.div_ceil(1 << level);
    let fits = |l: &u32| {
        let (w, h) = (side(cols, *l), side(rows, *l));
        w.max(h) <= SIDE_MAX && w.saturating_mul(h) <= PIXELS_MAX
    };
    let level = (0..63).find(fits).unwrap_or(63);
    (level, (SIDE_USUAL / side(cols, level).max(side(rows, level))).clamp(1, 32))
}

/// Draws a tensor, read from its file.
fn draw(request: &PictureRequest, job: &JobContext) -> Result<RgbImage, String> {
    let info = &request.portrait.info;
    let (cols, rows) = (info.dims.row(), info.dims.rows());
    let (level, zoom) = scale(cols, rows);
    let ink = Ink::of(&request.portrait.measured);
    let mut reader = TileReader::open(&request.path, &request.header, &info.name)?;
    let (width, height) = (cols.div_ceil(1 << level), rows.div_ceil(1 << level));
    let mut image = RgbImage::new((width * zoom) as u32, (height * zoom) as u32);
    let step = (64u64) << level;
    let mut top = 0;
    while top < rows {
        if job.is_cancelled() {
            return Err("It was cancelled".into());
        }
        job.progress(Some(top as f32 / rows as f32), "");
        let cells = reader.area(level, 0..cols, top..top + step)?;
        let pixels = ink.image(&cells, level, request.tokens);
        let first = (top >> level) * zoom;
        for y in 0..cells.height as u64 * zoom {
            for x in 0..width * zoom {
                let pixel = pixels.pixels[(y / zoom * width + x / zoom) as usize];
                let [r, g, b, _] = pixel.to_array();
                image.put_pixel(x as u32, (first + y) as u32, image::Rgb([r, g, b]));
            }
        }
        top += step;
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_fit_what_programs_open() {
        assert_eq!(scale(384, 384), (0, 4));
        assert_eq!(scale(2560, 6912), (0, 1));
        assert_eq!(scale(256, 50_257), (1, 1), "50,257 rows are more than programs open");
        assert_eq!(scale(2560, 128_256), (2, 1));
        assert_eq!(scale(1, 1), (0, 32));
        assert_eq!(file_name("blk.0/a b\u{7}.weight"), "blk.0_a_b_.weight");
    }
}
