//! The compiled kernels that the program carries, and what arguments each of them takes.

use std::collections::HashMap;

/// Name and PTX of every module; `compile` beside this crate's sources made them.
static MODULES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/modules.rs"));

/// CUDA that they were compiled with, which is the oldest that a driver must know.
pub(super) const COMPILED_WITH: (i32, &str) = (12020, "12.2");

/// The PTX of a module.
pub(super) fn ptx(name: &str) -> &'static str {
    let found = MODULES.iter().find(|(module, _)| *module == name);
    found.unwrap_or_else(|| panic!("there is no module {name}")).1
}

/// What a kernel takes: bytes of each argument.
pub(super) type Signature = Vec<u32>;

/// The signature of every kernel of a module.
pub(super) fn signatures(ptx: &str) -> HashMap<&str, Signature> {
    ptx.split(".entry ")
        .skip(1)
        .map(|entry| {
            let (head, _) = entry.split_once(')').expect("an entry has a list of parameters");
            let (name, params) = head.split_once('(').unwrap_or((head, ""));
            (name.trim(), params.lines().filter_map(bytes).collect())
        })
        .collect()
}

/// Bytes of the parameter that a line declares: `.param .u64 embed_param_0,`.
fn bytes(line: &str) -> Option<u32> {
    let mut words = line.split_whitespace();
    if words.next() != Some(".param") {
        return None;
    }
    let kind = words.find(|w| !matches!(*w, ".align" | ".ptr" | ".global")).expect("a parameter has a type");
    let bits = kind.trim_start_matches(['.', 'u', 's', 'b', 'f']);
    Some(bits.parse::<u32>().unwrap_or_else(|_| panic!("a parameter of type {kind}")) / 8)
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
        assert_eq!(found["add"], [8, 4, 4]);
        assert_eq!(found["nothing"], [0u32; 0]);
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
