//! The compiled kernels that the program carries, and what arguments each of them takes.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Name and PTX of every module; `compile` beside this crate's sources made them.
static MODULES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/modules.rs"));

/// CUDA that they were compiled with, which is the oldest that a driver must know.
pub(super) const COMPILED_WITH: (i32, &str) = (12020, "12.2");

/// The PTX of a module.
pub(super) fn ptx(name: &str) -> &'static str {
    let found = MODULES.iter().find(|(module, _)| *module == name);
    found.unwrap_or_else(|| panic!("there is no module {name}")).1
}

/// A number that other kernels would not have: processes that train together must have the same.
pub fn kernels_digest() -> u64 {
    // Of one version of the standard library it is the same everywhere; of two the program differs anyway.
    let mut hasher = DefaultHasher::new();
    MODULES.hash(&mut hasher);
    hasher.finish()
}

/// What an argument is to the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    /// A place, or an integer of 64 bits.
    Long,
    /// An integer of 32 bits.
    Word,
    /// f32.
    Float,
}

/// What a kernel takes.
pub(super) type Signature = Vec<Parameter>;

/// The signature of every kernel of a module.
pub(super) fn signatures(ptx: &str) -> HashMap<&str, Signature> {
    ptx.split(".entry ")
        .skip(1)
        .map(|entry| {
            let (head, _) = entry.split_once(')').expect("an entry has a list of parameters");
            let (name, params) = head.split_once('(').unwrap_or((head, ""));
            (name.trim(), params.lines().filter_map(parameter).collect())
        })
        .collect()
}

/// The parameter that a line declares: `.param .u64 embed_param_0,`.
fn parameter(line: &str) -> Option<Parameter> {
    let mut words = line.split_whitespace();
    if words.next() != Some(".param") {
        return None;
    }
    match words.find(|w| !matches!(*w, ".align" | ".ptr" | ".global")) {
        Some(".u64" | ".b64" | ".s64") => Some(Parameter::Long),
        Some(".u32" | ".b32" | ".s32") => Some(Parameter::Word),
        Some(".f32") => Some(Parameter::Float),
        other => panic!("no kernel of ours takes {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_read_from_ptx() {
        let text = "\
.visible .entry add(\n\t.param .u64 add_param_0,\n\t.param .u32 add_param_1,\n\t.param .f32 add_param_2\n)\n.maxntid 256, 1, 1\n{\n}\n\
.visible .entry nothing()\n{\n}\n";
        let found = signatures(text);
        assert_eq!(found["add"], [Parameter::Long, Parameter::Word, Parameter::Float]);
        assert_eq!(found["nothing"], []);
    }

    #[test]
    fn every_module_has_kernels_for_the_oldest_card() {
        for (name, text) in MODULES {
            assert!(text.starts_with(&format!("// tercet module {name}\n")), "{name}");
            assert!(text.contains(".target sm_80"), "{name}");
            assert!(!signatures(text).is_empty(), "{name}");
        }
    }
}
