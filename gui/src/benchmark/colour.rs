//! One colour for each kernel and adapter, the same in every drawing of a result and its ghost.

use eframe::egui::Color32;

use crate::tokens::Tokens;

/// The kernels of this program in the order of their colours; others follow.
const KNOWN: [&str; 3] = ["avx2", "avx2-madd", "avx2-pshufb"];

/// The colour of a kernel or adapter among all that are shown.
pub fn of(family: &str, all: &[String], t: &Tokens) -> Color32 {
    match family {
        // The baselines are the quiet ones.
        "scalar" => t.zero,
        "plain" => t.text_faint,
        _ => {
            let known = KNOWN.iter().position(|k| *k == family);
            let others =
                || all.iter().filter(|f| !KNOWN.contains(&f.as_str()) && *f != "scalar" && *f != "plain");
            let at = known.or_else(|| others().position(|f| f == family).map(|i| i + KNOWN.len()));
            t.series[at.unwrap_or(0) % t.series.len()]
        }
    }
}
