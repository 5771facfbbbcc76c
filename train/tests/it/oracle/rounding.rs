//! Rounding and its straight-through residuals: what the stored precisions and the int8 activations do to a
//! value, once, and the same shift again ever after. Where rounding happens is `model`'s business.

use super::Params;
use formats::ternary::{GROUP, quantise_group};
use half::f16;
use model::config::{ModelConfig, StoredType};
use std::collections::BTreeMap;

/// What a rounding site does to its values.
pub enum Rounding {
    /// Nothing: the model in real numbers.
    Off,
    /// Rounds, and keeps each site's residual.
    Record(BTreeMap<String, Vec<f64>>),
    /// Adds the kept residual.
    Replay(BTreeMap<String, Vec<f64>>),
}

impl Rounding {
    /// Rounds and remembers.
    pub fn record() -> Rounding {
        Rounding::Record(BTreeMap::new())
    }

    /// From recording to replaying.
    pub fn into_replay(self) -> Rounding {
        match self {
            Rounding::Record(residuals) => Rounding::Replay(residuals),
            other => other,
        }
    }

    /// Rounds `x` in place at `site`, a name met once in a forward.
    ///
    /// Recording also computes `x + (rounded - x)`, so that a replay at the same point is the same to the bit.
    pub fn apply(&mut self, site: &str, x: &mut [f64], round: impl Fn(&[f64]) -> Vec<f64>) {
        let residual: &[f64] = match self {
            Rounding::Off => return,
            Rounding::Record(kept) => {
                let residual = round(x).iter().zip(x.iter()).map(|(rounded, x)| rounded - x).collect();
                let clash = kept.insert(site.to_owned(), residual);
                assert!(clash.is_none(), "rounding site {site} met twice");
                &kept[site]
            }
            Rounding::Replay(kept) => &kept[site],
        };
        assert_eq!(x.len(), residual.len(), "{site}");
        for (x, r) in x.iter_mut().zip(residual) {
            *x += r;
        }
    }
}

/// Per row of `width`: `a = max|x| / 127`, `q = clamp(round_half_even(x / a), -127, 127)`, `a q`.
pub fn int8(x: &[f64], width: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks_exact(width) {
        // In f32, as the definition is; the values come in f64 and lose only what f32 cannot hold.
        let a = row.iter().fold(0.0f32, |m, v| m.max((*v as f32).abs())) / 127.0;
        let code =
            |v: f64| if a == 0.0 { 0.0 } else { (v as f32 / a).round_ties_even().clamp(-127.0, 127.0) };
        out.extend(row.iter().map(|v| f64::from(a) * f64::from(code(*v))));
    }
    out
}

/// To the nearest f16.
pub fn half(x: &[f64]) -> Vec<f64> {
    x.iter().map(|v| f16::from_f32(*v as f32).to_f64()).collect()
}

/// To Q8_0: 32 values share `d = f16(max|x| / 127)`; codes are `round_half_even(x / d)`.
pub fn q8_0(x: &[f64]) -> Vec<f64> {
    assert_eq!(x.len() % 32, 0);
    let mut out = Vec::with_capacity(x.len());
    for block in x.chunks_exact(32) {
        let max = block.iter().fold(0.0f32, |m, v| m.max((*v as f32).abs()));
        let d = f16::from_f32(max / 127.0).to_f32();
        let code =
            |v: f64| if d == 0.0 { 0.0 } else { (v as f32 / d).round_ties_even().clamp(-127.0, 127.0) };
        out.extend(block.iter().map(|v| f64::from(d) * f64::from(code(*v))));
    }
    out
}

/// To ternary groups: `s t`.
pub fn ternary(x: &[f64]) -> Vec<f64> {
    assert_eq!(x.len() % GROUP, 0);
    let mut out = Vec::with_capacity(x.len());
    for group in x.chunks_exact(GROUP) {
        let weights: Vec<f32> = group.iter().map(|v| *v as f32).collect();
        let mut codes = [0i8; GROUP];
        let scale = quantise_group(&weights, &mut codes).to_f64();
        out.extend(codes.iter().map(|t| scale * f64::from(*t)));
    }
    out
}

fn to_stored(kind: StoredType, x: &[f64]) -> Vec<f64> {
    match kind {
        StoredType::F16 => half(x),
        StoredType::Q8_0 => q8_0(x),
        StoredType::Q1_58 => ternary(x),
        StoredType::Foreign(ty) => unreachable!("nothing trains in {ty}"),
    }
}

/// Matrices of a block that are BitLinear.
pub const TERNARY: [&str; 7] = [
    "attn_q.weight",
    "attn_k.weight",
    "attn_v.weight",
    "attn_output.weight",
    "ffn_gate.weight",
    "ffn_up.weight",
    "ffn_down.weight",
];

/// The parameters as the forward uses them. Since rounded = value + constant, moving a rounded value moves the
/// parameter by as much, and nothing more needs to be kept.
pub fn stored(config: &ModelConfig, params: &Params) -> Params {
    let round = |name: &str, x: &[f64]| match name {
        "token_embd.weight" => to_stored(config.embedding, x),
        "output.weight" => to_stored(config.head, x),
        _ if TERNARY.iter().any(|suffix| name.ends_with(suffix)) => ternary(x),
        _ => x.to_vec(),
    };
    params.iter().map(|(name, x)| (name.clone(), round(name, x))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn int8_scales_each_row_by_its_largest() {
        // Row scales 2 and 0; 127 * 0.5 / 2 = 31.75 and 5 is half-way between codes 2 and 3 of scale 2.
        assert_eq!(int8(&[254.0, -5.0, 63.5, 0.0, 0.0, 0.0], 3), [254.0, -4.0, 64.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn q8_0_rounds_its_scale_before_dividing() {
        let mut x = [0.0; 32];
        x[0] = 1.0;
        let d = f16::from_f32(1.0 / 127.0).to_f64();
        assert_ne!(d, 1.0 / 127.0);
        assert_eq!(q8_0(&x)[0], 127.0 * d);
        assert_eq!(q8_0(&[0.0; 32]), [0.0; 32]);
    }

    #[test]
    fn half_and_ternary_keep_what_they_can_hold() {
        assert_eq!(half(&[0.1, -2.0]), [0.0999755859375, -2.0]);
        let x: Vec<f64> = (0..GROUP).map(|i| if i % 2 == 0 { 0.5 } else { -0.5 }).collect();
        assert_eq!(ternary(&x), x);
    }

    #[test]
    fn replay_shifts_by_the_recorded_residual() {
        let mut rounding = Rounding::record();
        let mut x = [1.2, 2.6];
        rounding.apply("site", &mut x, |x| x.iter().map(|v| v.round()).collect());
        assert_eq!(x, [1.0, 3.0]);
        let mut rounding = rounding.into_replay();
        let mut x = [1.2 + 0.25, 2.6];
        rounding.apply("site", &mut x, |_| unreachable!("a replay never rounds"));
        assert!((x[0] - 1.25).abs() < 1e-15 && x[1] == 3.0);
    }
}
