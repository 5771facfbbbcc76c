//! Hyper-connections as a model's biases make them: how each sub-layer reads, mixes and writes the residual streams.

use cpu::ops::HyperCoefficients;
use eframe::egui::{Align2, FontId, Rect, Sense, Ui, pos2, vec2};
use runtime::Model;

use super::paint::blend;
use crate::tokens::{Tokens, size, space};
use crate::widgets::small;

/// The connection around one sub-layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// Which block.
    pub layer: usize,
    /// "attention" or "feed-forward".
    pub around: &'static str,
    /// Streams `n`.
    pub streams: usize,
    /// How much of each stream the sub-layer reads, (n), 0 to 1.
    pub pre: Vec<f32>,
    /// How much of its output each stream takes, (n), 0 to 2.
    pub post: Vec<f32>,
    /// The mixing matrix, (n x n), rows and columns summing to 1.
    pub mix: Vec<f32>,
}

/// Those of a model, first to last: what a token of zeros gets, so that the biases alone decide.
pub fn connections(model: &Model) -> Vec<Connection> {
    let config = model.config();
    let (n, nothing) = (config.streams, vec![0.0; config.streams * config.width]);
    let two_a_block = model.forward().connections.iter().enumerate();
    two_a_block
        .filter_map(|(i, connection)| {
            let (layer, around) = (i / 2, ["attention", "feed-forward"][i % 2]);
            let hyper = model.weights().hyper(config, connection.hyper.as_ref()?);
            let mut c = HyperCoefficients::default();
            model.kernels().hyper_coefficients(&hyper, &nothing, &mut c);
            let (pre, post, mix) = (c.pre[..n].to_vec(), c.post[..n].to_vec(), c.mix[..n * n].to_vec());
            Some(Connection { layer, around, streams: n, pre, post, mix })
        })
        .collect()
}

/// Points of a cell of a mixing matrix.
const CELL: f32 = 22.0;

/// Draws all of them, two in a row: around attention, around the feed-forward network.
pub fn ui(ui: &mut Ui, connections: &[Connection], mixing_error: Option<f32>) {
    let t = Tokens::of(ui.ctx());
    let streams = connections.first().map_or(0, |c| c.streams);
    let law = match mixing_error {
        Some(error) => format!("; rows and columns of every mixing matrix sum to 1 within {error:.0e}"),
        None => String::new(),
    };
    ui.label(small(format!(
        "{streams} residual streams as the biases alone mix them. Left, what a sub-layer reads of each stream; in the middle, how the streams are mixed; right, what each takes of its output{law}."
    )));
    ui.add_space(space::S);
    for pair in connections.chunks(2) {
        ui.horizontal(|ui| {
            let wide = (ui.available_width() - space::M) / 2.0;
            for c in pair {
                one(ui, c, wide, t);
            }
        });
    }
}

fn one(ui: &mut Ui, c: &Connection, wide: f32, t: &Tokens) {
    let n = c.streams as f32;
    let (rect, response) = ui.allocate_exact_size(vec2(wide, CELL * n + 26.0), Sense::hover());
    let name = format!("Layer {} {}", c.layer, c.around);
    ui.painter().text(
        rect.left_top(),
        Align2::LEFT_TOP,
        &name,
        FontId::proportional(size::SMALL),
        t.text_dim,
    );
    response.widget_info(|| {
        eframe::egui::WidgetInfo::labeled(eframe::egui::Role::Image, true, format!("{name}: {}", said(c)))
    });
    let top = rect.top() + 18.0;
    let bars = ((wide - CELL * n) / 2.0 - space::S).clamp(16.0, 56.0);
    let left = rect.left() + bars + space::S;
    for i in 0..c.streams {
        let y = top + CELL * i as f32;
        let row = |from: f32, to: f32| Rect::from_min_max(pos2(from, y + 3.0), pos2(to, y + CELL - 3.0));
        // Read weights grow towards the matrix, write weights away from it; a full bar is 1 and 2.
        let track = row(left - space::S - bars, left - space::S);
        ui.painter().rect_filled(track, 2.0, t.raised);
        ui.painter().rect_filled(row(track.right() - bars * c.pre[i], track.right()), 2.0, t.minus);
        let right = left + CELL * n + space::S;
        ui.painter().rect_filled(row(right, right + bars), 2.0, t.raised);
        ui.painter().rect_filled(row(right, right + bars * c.post[i] / 2.0), 2.0, t.plus);
        for j in 0..c.streams {
            let share = c.mix[i * c.streams + j];
            let cell = Rect::from_min_size(pos2(left + CELL * j as f32, y), vec2(CELL - 1.0, CELL - 1.0));
            let color = blend(t.raised, t.plus, share);
            ui.painter().rect_filled(cell, 2.0, color);
            let text = match share {
                0.995.. => "1".to_owned(),
                ..0.005 => "0".to_owned(),
                _ => format!(".{:02.0}", share * 100.0),
            };
            let ink = super::paint::readable_on(color, t);
            ui.painter().text(
                cell.center(),
                Align2::CENTER_CENTER,
                text,
                FontId::proportional(size::SMALL - 2.0),
                ink,
            );
        }
    }
    response.on_hover_text(said(c));
}

/// The same in figures.
fn said(c: &Connection) -> String {
    let list = |v: &[f32]| v.iter().map(|x| format!("{x:.3}")).collect::<Vec<_>>().join(" ");
    let rows: Vec<String> = c.mix.chunks(c.streams).map(list).collect();
    format!("reads {}\nmixes {}\nwrites {}", list(&c.pre), rows.join(" | "), list(&c.post))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_conserve_and_are_in_order() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shakespeare.gguf");
        let model = Model::load(&path).unwrap();
        let all = connections(&model);
        assert_eq!(all.len(), 2 * model.config().blocks);
        assert_eq!((all[3].layer, all[3].around, all[3].streams), (1, "feed-forward", 2));
        for c in &all {
            let n = c.streams;
            for i in 0..n {
                let row: f32 = (0..n).map(|j| c.mix[i * n + j]).sum();
                let column: f32 = (0..n).map(|j| c.mix[j * n + i]).sum();
                assert!((row - 1.0).abs() < 1e-5 && (column - 1.0).abs() < 1e-5, "{c:?}");
            }
            assert!(
                c.pre.iter().all(|v| (0.0..=1.0).contains(v))
                    && c.post.iter().all(|v| (0.0..=2.0).contains(v))
            );
        }
    }
}
