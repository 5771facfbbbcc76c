//! The table of kernels: which instruction set runs, chosen once and visible.

/// An instruction-set level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Portable Rust: the exact oracle.
    Scalar,
    /// AVX2, FMA and F16C.
    Avx2,
}

/// The kernels of one level.
#[derive(Debug)]
pub struct Kernels {
    /// Name, as `TERCET_KERNELS` spells it.
    pub name: &'static str,
    level: Level,
}

impl Kernels {
    /// The level these kernels need; only levels this CPU has are ever handed out.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The rows this CPU may run, slowest first.
    pub fn available() -> Vec<&'static Kernels> {
        static SCALAR: Kernels = Kernels { name: "scalar", level: Level::Scalar };
        static AVX2: Kernels = Kernels { name: "avx2", level: Level::Avx2 };
        let mut rows = vec![&SCALAR];
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
        {
            rows.push(&AVX2);
        }
        rows
    }

    /// The fastest row this CPU may run.
    pub fn best() -> &'static Kernels {
        let rows = Self::available();
        if std::env::var("TERCET_KERNELS").as_deref() == Ok("scalar") {
            rows[0]
        } else {
            rows[rows.len() - 1]
        }
    }
}
