//! Every colour, size and distance of the app, by name. Nothing else in the crate holds a literal colour; `theme` turns these into
//! what the widgets wear.

use eframe::egui::{self, Color32};

/// The colours of one theme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tokens {
    /// The window.
    pub bg: Color32,
    /// Side panels, the rail, the bars.
    pub panel: Color32,
    /// Cards, inputs, buttons.
    pub raised: Color32,
    /// What the pointer is over.
    pub hover: Color32,
    /// Hairlines.
    pub line: Color32,
    /// What is to be read.
    pub text: Color32,
    /// What goes with it: labels, units.
    pub text_dim: Color32,
    /// Hints, and what is off.
    pub text_faint: Color32,
    /// The value -1; a second series.
    pub minus: Color32,
    /// The value 0; baselines.
    pub zero: Color32,
    /// The value +1; the accent.
    pub plus: Color32,
    /// Text on the accent.
    pub on_plus: Color32,
    /// As it should be.
    pub good: Color32,
    /// To be watched.
    pub warn: Color32,
    /// Wrong.
    pub bad: Color32,
    /// Of series in a chart, in the order they are given out. Told apart with any colour vision (after Okabe and Ito).
    pub series: [Color32; 8],
}

const fn hex(rgb: u32) -> Color32 {
    Color32::from_rgb((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8)
}

/// On a dark ground.
pub const DARK: Tokens = Tokens {
    bg: hex(0x0E1116),
    panel: hex(0x151A21),
    raised: hex(0x1C232C),
    hover: hex(0x252E39),
    line: hex(0x28313C),
    text: hex(0xE6EAF0),
    text_dim: hex(0x9AA5B1),
    text_faint: hex(0x7F8B98),
    minus: hex(0x6C8CFF),
    zero: hex(0x7B8794),
    plus: hex(0xFFB454),
    on_plus: hex(0x1B1300),
    good: hex(0x5BC98C),
    warn: hex(0xE8C268),
    bad: hex(0xF2717A),
    series: [
        hex(0xFFB454),
        hex(0x6C8CFF),
        hex(0x5BC98C),
        hex(0xE07BC4),
        hex(0x56C7E8),
        hex(0xF2717A),
        hex(0xE9E06A),
        hex(0xB39DFF),
    ],
};

/// On a light ground.
pub const LIGHT: Tokens = Tokens {
    bg: hex(0xFAFAF8),
    panel: hex(0xF2F2EE),
    raised: hex(0xFFFFFF),
    hover: hex(0xE9E9E3),
    line: hex(0xDEDED8),
    text: hex(0x1B1F24),
    text_dim: hex(0x4F5862),
    text_faint: hex(0x666E77),
    minus: hex(0x3D5FE0),
    zero: hex(0x9AA2AB),
    plus: hex(0x985800),
    on_plus: hex(0xFFFFFF),
    good: hex(0x1B7043),
    warn: hex(0x855C00),
    bad: hex(0xB8323C),
    series: [
        hex(0xC77700),
        hex(0x3D5FE0),
        hex(0x1B7043),
        hex(0xA83A8A),
        hex(0x00799A),
        hex(0xB8323C),
        hex(0x7A7200),
        hex(0x6A4FC9),
    ],
};

impl Tokens {
    /// Those of the theme that is on.
    pub fn of(ctx: &egui::Context) -> &'static Tokens {
        match ctx.theme() {
            egui::Theme::Dark => &DARK,
            egui::Theme::Light => &LIGHT,
        }
    }
}

/// Sizes of text, in points.
pub mod size {
    /// Labels and tables.
    pub const SMALL: f32 = 12.0;
    /// Everything else.
    pub const BODY: f32 = 13.5;
    /// What the model writes.
    pub const MANUSCRIPT: f32 = 15.0;
    /// The title of a part.
    pub const SECTION: f32 = 16.0;
    /// The title of a page.
    pub const TITLE: f32 = 22.0;
    /// The one number of a page.
    pub const HERO: f32 = 34.0;
}

/// Distances, in points.
pub mod space {
    /// Between things that belong together.
    pub const XS: f32 = 4.0;
    /// Between controls.
    pub const S: f32 = 8.0;
    /// Between a control and its group's edge.
    pub const M: f32 = 12.0;
    /// Between groups.
    pub const L: f32 = 16.0;
    /// Around a page.
    pub const XL: f32 = 24.0;
    /// Corners.
    pub const RADIUS: u8 = 6;
    /// Width of the rail.
    pub const RAIL: f32 = 64.0;
    /// Width of a page's own panel.
    pub const SIDE: f32 = 280.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2.1).
    fn luminance(c: Color32) -> f64 {
        let linear = |v: u8| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(c.r()) + 0.7152 * linear(c.g()) + 0.0722 * linear(c.b())
    }

    fn contrast(a: Color32, b: Color32) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_stands_out_from_every_ground_it_is_set_on() {
        for (name, t) in [("dark", DARK), ("light", LIGHT)] {
            for (ground_name, ground) in [("bg", t.bg), ("panel", t.panel), ("raised", t.raised)] {
                for (text_name, text) in [
                    ("text", t.text),
                    ("text_dim", t.text_dim),
                    ("text_faint", t.text_faint),
                    ("plus", t.plus),
                    ("good", t.good),
                    ("warn", t.warn),
                    ("bad", t.bad),
                ] {
                    let ratio = contrast(text, ground);
                    assert!(ratio >= 4.5, "{name}: {text_name} on {ground_name} is {ratio:.2}");
                }
            }
            assert!(contrast(t.on_plus, t.plus) >= 4.5, "{name}: on_plus {:.2}", contrast(t.on_plus, t.plus));
            for series in t.series.into_iter().chain([t.minus, t.zero]) {
                // Graphics need 3:1 (WCAG 1.4.11); zero is the quiet one of three on purpose.
                let least = if series == t.zero { 2.4 } else { 3.0 };
                assert!(contrast(series, t.bg) >= least, "{name}: {series:?} {:.2}", contrast(series, t.bg));
            }
        }
    }
}
