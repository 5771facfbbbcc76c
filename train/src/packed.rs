//! Codes as a checkpoint keeps them: fifteen in one f32, in base 3, which is below 2^24 and so exact. A list of matrices is packed
//! and unpacked one at a time, though their codes run on across the borders between them.

/// Codes in one number.
const CODES: usize = 15;

/// Codes on their way into numbers.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    floats: Vec<f32>,
    number: u32,
    held: usize, // codes in `number`
}

impl Packer {
    /// Adds codes.
    pub(crate) fn push(&mut self, codes: &[i8]) {
        for &t in codes {
            self.number += (t + 1) as u32 * 3u32.pow(self.held as u32);
            self.held += 1;
            if self.held == CODES {
                self.flush();
            }
        }
    }

    /// All of them.
    pub(crate) fn finish(mut self) -> Vec<f32> {
        if self.held > 0 {
            self.flush();
        }
        self.floats
    }

    fn flush(&mut self) {
        self.floats.push(self.number as f32);
        (self.number, self.held) = (0, 0);
    }
}

/// Numbers for so many codes.
pub(crate) fn floats_for(codes: usize) -> usize {
    codes.div_ceil(CODES)
}

/// The codes in numbers that a [`Packer`] made; of any other number some codes or others.
pub(crate) fn unpack(floats: &[f32]) -> impl Iterator<Item = i8> {
    floats.iter().flat_map(|&packed| {
        let mut rest = packed as u32; // saturates; NaN gives 0
        std::array::from_fn::<i8, CODES, _>(|_| {
            let code = (rest % 3) as i8 - 1;
            rest /= 3;
            code
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_codes_come_back_whatever_their_matrices() {
        for lengths in [&[][..], &[15], &[1, 13, 2], &[128, 384, 256]] {
            let matrices: Vec<Vec<i8>> = lengths
                .iter()
                .map(|&n| (0..n).map(|i| ((i * 37 + n) % 101 % 3) as i8 - 1).collect())
                .collect();
            let mut packer = Packer::default();
            matrices.iter().for_each(|codes| packer.push(codes));
            let floats = packer.finish();
            let codes = matrices.concat();
            assert_eq!(floats.len(), floats_for(codes.len()));
            assert!(floats.iter().all(|f| *f < 3f32.powi(15) && f.fract() == 0.0));
            assert_eq!(unpack(&floats).take(codes.len()).collect::<Vec<_>>(), codes);
        }
    }
}
