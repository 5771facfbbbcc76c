//! A run of weights between one type and another: floats, or ternary codes with their scales. No weight changes here without a word.

use half::f16;

/// Weights as their source has them.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// Their very values.
    Floats(Vec<f32>),
    /// Codes and scales.
    Ternary(Ternary),
}

impl Weights {
    /// All of them as floats.
    pub fn floats(self) -> Vec<f32> {
        match self {
            Weights::Floats(floats) => floats,
            Weights::Ternary(ternary) => ternary.floats(),
        }
    }
}

/// Weights that are `factor * scale * code`.
#[derive(Clone, Debug, PartialEq)]
pub struct Ternary {
    /// -1, 0, 1, and in some files 2.
    pub codes: Vec<i8>,
    /// One for each `codes.len() / scales.len()` codes.
    pub scales: Vec<f16>,
    /// What all weights of the tensor are multiplied by, if something.
    pub factor: Option<f32>,
}

impl Ternary {
    /// Codes that share a scale.
    pub fn group(&self) -> usize {
        self.codes.len() / self.scales.len()
    }

    /// The weights as floats: exact, as a scale has 11 bits, and is 1 where there is a factor.
    pub fn floats(&self) -> Vec<f32> {
        let factor = self.factor.unwrap_or(1.0);
        let groups = self.codes.chunks_exact(self.group()).zip(&self.scales);
        groups
            .flat_map(|(codes, scale)| {
                let scale = factor * scale.to_f32();
                codes.iter().map(move |&t| scale * f32::from(t))
            })
            .collect()
    }

    /// The same without a factor: scales take it in. They are the nearest f16 there are, and the second number says how far the farthest moved,
    /// relative; infinitely far where none is near.
    pub fn without_factor(self) -> (Ternary, f32) {
        let Some(factor) = self.factor else { return (self, 0.0) };
        let mut worst = 0.0f32;
        let whole = |scale: &f16| {
            let exact = factor * scale.to_f32();
            let near = f16::from_f32(exact);
            let moved = ((near.to_f32() - exact) / exact).abs();
            worst = worst.max(if exact == 0.0 || near.is_finite() && moved < 1e-3 {
                moved
            } else {
                f32::INFINITY
            });
            near
        };
        let scales = self.scales.iter().map(whole).collect();
        (Ternary { codes: self.codes, scales, factor: None }, worst)
    }
}

/// The codes and scales of floats each `group` of which is only `-s`, 0 and `s` for an `s` that f16 holds; or which group is not, the first.
pub fn ternary_of(floats: &[f32], group: usize) -> Result<Ternary, usize> {
    let mut scales = Vec::with_capacity(floats.len() / group);
    for (index, weights) in floats.chunks_exact(group).enumerate() {
        let most = weights.iter().fold(0.0f32, |most, w| most.max(w.abs()));
        let scale = f16::from_f32(most);
        if scale.to_f32() != most || weights.iter().any(|&w| w != 0.0 && w.abs() != most) {
            return Err(index);
        }
        scales.push(scale);
    }
    let code = |&w: &f32| if w == 0.0 { 0 } else { w.signum() as i8 };
    Ok(Ternary { codes: floats.iter().map(code).collect(), scales, factor: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ternary_floats_are_found_and_come_back() {
        let scale = f16::from_f32(0.3).to_f32();
        let floats = [scale, -scale, 0.0, scale, 0.0, 0.0, 2.0, -2.0];
        let ternary = ternary_of(&floats, 4).unwrap();
        assert_eq!(ternary.codes, [1, -1, 0, 1, 0, 0, 1, -1]);
        assert_eq!((ternary.group(), ternary.floats()), (4, floats.to_vec()));
        // A third size, a scale that f16 has not, and what is no number.
        assert_eq!(ternary_of(&[1.0, 1.0, 1.0, 0.5], 2), Err(1));
        assert_eq!(ternary_of(&[0.3, 0.0], 2), Err(0));
        assert_eq!(ternary_of(&[f32::NAN, 1.0, f32::INFINITY, 1.0], 2), Err(0));
    }

    #[test]
    fn factors_go_into_scales_and_say_how_far_they_moved() {
        let with = |factor| Ternary { codes: vec![1, -1, 0, 0], scales: vec![f16::ONE; 2], factor };
        assert_eq!(with(None).without_factor(), (with(None), 0.0));
        let (whole, moved) = with(Some(0.5)).without_factor();
        assert_eq!((whole.floats(), moved), (vec![0.5, -0.5, 0.0, 0.0], 0.0));
        let (whole, moved) = with(Some(0.3)).without_factor();
        assert!(moved > 0.0 && moved < 1e-3 && whole.scales[0] == f16::from_f32(0.3), "{moved}");
        for far in [1e9, 1e-9] {
            assert_eq!(with(Some(far)).without_factor().1, f32::INFINITY);
        }
    }
}
