//! Which optional features of a device the shaders use. Integer sums are the same in all of them.

/// A set of features. The default is the portable one, which runs everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Variant {
    /// Reductions by subgroups, of any size.
    pub subgroups: bool,
    /// The product of four bytes and four bytes as one instruction.
    pub packed_dot: bool,
    /// Halves as a type.
    pub f16: bool,
}

impl Variant {
    /// Everything there is.
    pub const FULL: Variant = Variant { subgroups: true, packed_dot: true, f16: true };

    /// The portable shaders, each feature alone, and all together.
    pub const EACH: [Variant; 5] = [
        Variant { subgroups: false, packed_dot: false, f16: false },
        Variant { subgroups: true, packed_dot: false, f16: false },
        Variant { subgroups: false, packed_dot: true, f16: false },
        Variant { subgroups: false, packed_dot: false, f16: true },
        Variant::FULL,
    ];

    /// What both sides have.
    pub fn and(self, other: Variant) -> Variant {
        Variant {
            subgroups: self.subgroups && other.subgroups,
            packed_dot: self.packed_dot && other.packed_dot,
            f16: self.f16 && other.f16,
        }
    }
}

impl std::fmt::Display for Variant {
    /// "portable", or the features in use.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names =
            [(self.subgroups, "subgroups"), (self.packed_dot, "packed dot product"), (self.f16, "f16")];
        let used: Vec<&str> = names.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        f.write_str(if used.is_empty() { "portable".to_owned() } else { used.join(", ") }.as_str())
    }
}
