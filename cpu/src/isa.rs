//! The instruction sets that kernels are compiled for: one row each, and the one place that tells them apart. A row says what the processor
//! is asked and the compiler may use, and which module has the set's vectors (`F32x8`) and its rows of the table of kernels (`KERNELS`).

use crate::Kernels;

/// Makes of the rows: the enumeration, its detection, its kernels, and the macro that compiles a body for each.
macro_rules! instruction_sets {
    ($d:tt $(
        $(#[doc = $about:tt])+
        #[cfg($built:meta)]
        $isa:ident: $module:ident, $detected:ident($($feature:tt),+);
    )*) => {
        /// An instruction set.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Isa {
            /// What the build's own processor has at least: plain Rust, the oracle of the others.
            Portable,
            $($(#[doc = $about])+ #[cfg($built)] $isa,)*
        }

        impl Isa {
            /// All that this program was built for, the preferred one last.
            const ALL: &[Isa] = &[Isa::Portable, $(#[cfg($built)] Isa::$isa,)*];

            fn is_detected(self) -> bool {
                match self {
                    Isa::Portable => true,
                    $(#[cfg($built)] Isa::$isa => $($detected!($feature))&&+,)*
                }
            }

            fn kernels(self) -> &'static [Kernels] {
                match self {
                    Isa::Portable => crate::scalar::KERNELS,
                    $(#[cfg($built)] Isa::$isa => crate::$module::KERNELS,)*
                }
            }
        }

        /// `compiled_for!(isa, [generics], (x: X, ...) -> Y, body)`: the body, in which `V` is the set's vector, compiled for it and called
        /// with the variables of those names. The caller has `isa` from a row of the table of kernels.
        macro_rules! compiled_for {
            ($d chosen:expr, [$d($d generics:tt)*], ($d($d arg:ident: $d ty:ty),*) $d(-> $d ret:ty)?, $d body:expr) => {
                match $d chosen {
                    $crate::isa::Isa::Portable => {
                        #[allow(dead_code, reason = "a body of plain loops does without")]
                        type V = [f32; $crate::vector::LANES];
                        $d body
                    }
                    $(
                        #[cfg($built)]
                        $crate::isa::Isa::$isa => {
                            #[target_feature($(enable = $feature),+)]
                            fn compiled<$d($d generics)*>($d($d arg: $d ty),*) $d(-> $d ret)? {
                                #[allow(dead_code, reason = "a body of plain loops does without")]
                                type V = $crate::$module::F32x8;
                                $d body
                            }
                            // SAFETY: only sets that were detected have rows in the table that is handed out.
                            unsafe { compiled($d($d arg),*) }
                        }
                    )*
                }
            };
        }
    };
}

instruction_sets! {
    $
    /// AVX2, FMA and F16C: x86-64-v3.
    #[cfg(x86_kernels)]
    Avx2: avx2, is_x86_feature_detected("avx2", "fma", "f16c");
}

#[expect(
    clippy::single_component_path_imports,
    reason = "the path by which other modules reach the macro"
)]
pub(crate) use compiled_for;

/// The rows of the table that this processor may run, the preferred one last.
pub fn detected_kernels() -> Vec<&'static Kernels> {
    Isa::ALL.iter().filter(|isa| isa.is_detected()).flat_map(|isa| isa.kernels()).collect()
}
