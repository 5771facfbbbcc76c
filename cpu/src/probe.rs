//! What a core can do at most: multiply-adds from registers alone, and bytes read in order. Each call does a
//! known amount of work; timing it is the caller's business.

use super::memory::Lines;

/// Bytes that are read at once, 32 into each of eight accumulators.
pub const BLOCK: usize = 256;

/// Bytes to read, as weights lie in memory: aligned, and on huge pages or not.
#[derive(Debug)]
pub struct Memory(Lines);

impl Memory {
    /// `len` bytes, every page touched. Without `huge`, huge pages are declined even where the system gives them unasked.
    pub fn new(len: usize, huge: bool) -> Self {
        Memory(Lines::on_pages(len, 0x55, huge))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }
}

/// Instruction sets of this processor that matter to us and that detection has found, oldest first, as the processor's makers spell them.
pub fn features() -> Vec<&'static str> {
    #[cfg(x86_kernels)]
    {
        macro_rules! found {
            ($($name:tt)*) => {
                [$(($name, is_x86_feature_detected!($name))),*]
            };
        }
        found!("sse4.2" "avx" "avx2" "fma" "f16c" "bmi2" "avxvnni" "avx512f" "avx512bw" "avx512vnni")
            .into_iter()
            .filter_map(|(name, found)| found.then_some(name))
            .collect()
    }
    #[cfg(not(x86_kernels))]
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kernels;

    #[test]
    fn read_sees_every_byte_on_every_row() {
        let mut memory = Memory::new(3 * BLOCK + 77, false);
        for at in 0..3 * BLOCK {
            memory.0.bytes_mut()[at] = (at * at / 3) as u8;
            let words = memory.bytes()[..3 * BLOCK].as_chunks::<8>().0;
            let expected = words.iter().fold(0, |sum, word| sum ^ u64::from_le_bytes(*word));
            for kernels in Kernels::available() {
                // Twice over, everything cancels.
                let passes = [0, 1, 2, 3].map(|passes| kernels.read(memory.bytes(), passes));
                assert_eq!(passes, [0, expected, 0, expected], "{} {at}", kernels.name);
            }
        }
    }

    #[test]
    fn multiply_add_counts_its_operations() {
        for kernels in Kernels::available() {
            let one = kernels.multiply_add(1);
            assert_eq!(one.is_some(), !kernels.is_oracle());
            assert_eq!(kernels.multiply_add(10), one.map(|ops| 10 * ops));
        }
    }

    #[test]
    fn memory_keeps_its_length_on_all_pages() {
        for (len, huge) in [(1, true), (64, false), (5 << 20, true), (5 << 20, false)] {
            let memory = Memory::new(len, huge);
            assert_eq!(memory.bytes().len(), len);
            assert!(memory.bytes().iter().all(|&b| b == 0x55));
        }
    }
}
