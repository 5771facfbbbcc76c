//! From cells to colours: the three values in their three colours, everything between them mixed.

use eframe::egui::{Color32, ColorImage, TextureFilter, TextureOptions, TextureWrapMode};
use formats::measure::{Measured, Moments};

use super::pyramid::{Cell, Cells};
use crate::tokens::Tokens;

/// How the weights' pixels become points: crisp from near, smooth from afar.
pub const TEXTURE: TextureOptions = TextureOptions {
    magnification: TextureFilter::Nearest,
    minification: TextureFilter::Linear,
    wrap_mode: TextureWrapMode::ClampToEdge,
    mipmap_mode: None,
};

/// Standard deviations from the mean at which a dense weight has the full colour.
const REACH: f64 = 2.5;

/// How a tensor is coloured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ink {
    /// By the shares of -1 and +1, beside those of the whole tensor.
    Ternary { minus: f32, plus: f32 },
    /// By the distance from the mean.
    Dense {
        mean: f32,
        /// The distance at which the colour is full.
        reach: f32,
    },
}

impl Ink {
    /// For a tensor of these numbers.
    pub fn of(measured: &Measured) -> Ink {
        match &measured.ternary {
            Some(ternary) => {
                let [minus, _, plus] = ternary.shares();
                Ink::Ternary { minus: minus as f32, plus: plus as f32 }
            }
            None => Ink::dense(&measured.weights),
        }
    }

    fn dense(m: &Moments) -> Ink {
        let reach = (REACH * m.sd()) as f32;
        Ink::Dense { mean: m.mean() as f32, reach: if reach > 0.0 { reach } else { 1.0 } }
    }

    /// How much of minus, zero and plus a cell is. Means over many weights lie close together, so what distinguishes them from the
    /// whole tensor is drawn 2^level times as strong: then a picture has the same contrast from near and from afar.
    fn mix(self, cell: Cell, level: u32) -> [f32; 3] {
        let gain = 2f32.powi(level as i32);
        match self {
            Ink::Ternary { minus, plus } => {
                let m = (minus + (cell.a - minus) * gain).clamp(0.0, 1.0);
                let p = (plus + (cell.b - plus) * gain).clamp(0.0, 1.0);
                let all = (m + p).max(1.0);
                [m / all, 1.0 - (m + p) / all, p / all]
            }
            Ink::Dense { mean, reach } => {
                let t = ((cell.a - mean) / reach * gain).clamp(-1.0, 1.0);
                [(-t).max(0.0), 1.0 - t.abs(), t.max(0.0)]
            }
        }
    }

    /// A cell's colour.
    pub fn color(self, cell: Cell, level: u32, t: &Tokens) -> Color32 {
        self.mixed(cell, level, &self.colours(t))
    }

    /// Cells as pixels.
    pub fn image(self, cells: &Cells, level: u32, t: &Tokens) -> ColorImage {
        let colours = self.colours(t);
        let pixels = cells.cells.iter().map(|cell| self.mixed(*cell, level, &colours));
        ColorImage::new([cells.width, cells.height], pixels.collect())
    }

    fn colours(self, t: &Tokens) -> [[f32; 3]; 3] {
        [t.minus, self.zero(t), t.plus].map(rgb)
    }

    fn mixed(self, cell: Cell, level: u32, colours: &[[f32; 3]; 3]) -> Color32 {
        let mix = self.mix(cell, level);
        let channel = |i: usize| {
            (mix[0] * colours[0][i] + mix[1] * colours[1][i] + mix[2] * colours[2][i]).round() as u8
        };
        Color32::from_rgb(channel(0), channel(1), channel(2))
    }

    /// The colour of nothing: of a code that is 0, and of the mean of dense weights.
    fn zero(self, t: &Tokens) -> Color32 {
        match self {
            Ink::Ternary { .. } => zero(t),
            Ink::Dense { .. } => t.raised,
        }
    }
}

/// The colour of 0 among weights. A third of all pixels in full `zero` drowns what the picture is for; this leaves the ground quiet,
/// and rows and columns of zeros stand out.
pub fn zero(t: &Tokens) -> Color32 {
    blend(t.bg, t.zero, 0.3)
}

fn rgb(c: Color32) -> [f32; 3] {
    [f32::from(c.r()), f32::from(c.g()), f32::from(c.b())]
}

/// The colour of text on a colour: the darker or the lighter that there is.
pub fn readable_on(ground: Color32, t: &Tokens) -> Color32 {
    let bright = |c: Color32| 3.0 * f32::from(c.r()) + 6.0 * f32::from(c.g()) + f32::from(c.b());
    let far = |c: Color32| (bright(c) - bright(ground)).abs();
    if far(t.text) > far(t.bg) { t.text } else { t.bg }
}

/// A colour between two.
pub fn blend(a: Color32, b: Color32, share: f32) -> Color32 {
    let (a, b, s) = (rgb(a), rgb(b), share.clamp(0.0, 1.0));
    let channel = |i: usize| (a[i] + (b[i] - a[i]) * s).round() as u8;
    Color32::from_rgb(channel(0), channel(1), channel(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::DARK;

    #[test]
    fn a_single_ternary_weight_has_the_colour_of_its_value() {
        let ink = Ink::Ternary { minus: 0.3, plus: 0.4 };
        let cells = [(1.0, 0.0), (0.0, 0.0), (0.0, 1.0), (0.3, 0.4)].map(|(a, b)| Cell { a, b });
        let image = ink.image(&Cells { width: 4, height: 1, cells: cells.to_vec() }, 0, &DARK);
        assert_eq!(image.pixels[..3], [DARK.minus, zero(&DARK), DARK.plus]);
        // From afar, the usual mixture is the same at every level, and an unusual one goes to its colour.
        let usual = image.pixels[3];
        for level in 1..9 {
            let far = Cells { width: 2, height: 1, cells: vec![cells[3], Cell { a: 1.0, b: 0.0 }] };
            assert_eq!(ink.image(&far, level, &DARK).pixels, [usual, DARK.minus]);
        }
    }

    #[test]
    fn dense_weights_are_coloured_by_their_distance_from_the_mean() {
        let ink = Ink::dense(&Moments::of(&[0.9, 1.1]));
        let at = |a: f32| {
            ink.image(&Cells { width: 1, height: 1, cells: vec![Cell { a, b: 0.0 }] }, 0, &DARK).pixels[0]
        };
        assert_eq!([at(1.0), at(-5.0), at(1.26)], [DARK.raised, DARK.minus, DARK.plus]);
        // All alike: no division by nothing.
        let ink = Ink::dense(&Moments::of(&[1.0; 4]));
        assert_eq!(ink, Ink::Dense { mean: 1.0, reach: 1.0 });
    }
}
