//! Every shader is parsed and validated, with no device, and held against its contract.

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Module, StorageAccess, TypeInner};
use shaders::{Access, Binding, Draw, Op, Place, Step, Variant};

/// All eight sets of features.
fn variants() -> impl Iterator<Item = Variant> {
    (0..8).map(|i| Variant { subgroups: i & 1 != 0, packed_dot: i & 2 != 0, f16: i & 4 != 0 })
}

fn parse(op: Op, variant: Variant) -> Module {
    let source = op.source(variant);
    naga::front::wgsl::parse_str(&source)
        .unwrap_or_else(|e| panic!("{op:?}, {variant}: {}", e.emit_to_string(&source)))
}

#[test]
fn shaders_are_valid_and_need_no_more_than_their_variant() {
    for op in Op::all() {
        for variant in variants() {
            // Halves packed in words are part of WGSL; the flag is for what falls short of it.
            let mut allowed = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
            if variant.f16 {
                allowed |= Capabilities::SHADER_FLOAT16;
            }
            let mut validator = Validator::new(ValidationFlags::all(), allowed);
            if variant.subgroups {
                validator = Validator::new(ValidationFlags::all(), allowed | Capabilities::SUBGROUP);
                validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
                validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
            }
            let module = parse(op, variant);
            if let Err(e) = validator.validate(&module) {
                panic!("{op:?}, {variant}: {}", e.emit_to_string(&op.source(variant)));
            }
            assert_eq!(module.entry_points.len(), 1, "{op:?}");
            assert_eq!(module.entry_points[0].name, "main", "{op:?}");
        }
    }
}

#[test]
fn bindings_are_those_of_the_contract() {
    for op in Op::all() {
        let module = parse(op, Variant::FULL);
        let mut found: Vec<Binding> = module
            .global_variables
            .iter()
            .filter_map(|(_, v)| {
                let binding = v.binding.as_ref()?;
                assert_eq!(binding.group, 0);
                let access = match v.space {
                    AddressSpace::Uniform => Access::Uniform,
                    AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                        Access::Write
                    }
                    AddressSpace::Storage { .. } => Access::Read,
                    other => panic!("{op:?} binds {other:?}"),
                };
                Some(Binding { index: binding.binding, access })
            })
            .collect();
        found.sort_by_key(|b| b.index);
        assert_eq!(found, op.bindings(), "{op:?}");
        assert!(found.iter().filter(|b| b.access != Access::Uniform).count() <= 8, "{op:?}: WebGPU's limit");
    }
}

/// Names and offsets of a struct's members, and its size.
fn layout(op: Op, name: &str) -> (Vec<(String, usize)>, usize) {
    let module = parse(op, Variant::default());
    let (_, ty) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some(name)).expect("the struct");
    let TypeInner::Struct { members, span } = &ty.inner else { panic!("{name} is no struct") };
    let members = members.iter().map(|m| (m.name.clone().unwrap_or_default(), m.offset as usize));
    (members.collect(), *span as usize)
}

macro_rules! offsets {
    ($ty:ident: $($field:ident),*) => {
        [$((stringify!($field).to_owned(), std::mem::offset_of!($ty, $field))),*]
    };
}

#[test]
fn structs_have_the_offsets_that_naga_gives_them() {
    let (members, size) = layout(Op::Argmax, "Step");
    assert_eq!(members, offsets!(Step: count, head_first, likeliest_first, drawn_first));
    assert_eq!(size, size_of::<Step>());
    let (members, size) = layout(Op::Attention, "Place");
    assert_eq!((members, size), (offsets!(Place: position, table).into(), size_of::<Place>()));
    let (members, size) = layout(Op::Draw, "Draw");
    assert_eq!(members[..5], offsets!(Draw: temperature, top_k, top_p, min_p, point));
    assert_eq!((members[5].1, size), (std::mem::offset_of!(Draw, pad), size_of::<Draw>()));
}

#[test]
fn constants_are_those_of_the_shaders() {
    let says = |op: Op, line: &str| {
        assert!(op.source(Variant::default()).contains(line), "{} does not say {line}", op.name());
    };
    let gemm = Op::Gemm(shaders::Weights::Ternary, shaders::Output::Store);
    says(gemm, &format!("const WG: u32 = {}u;", shaders::GEMM_ROWS));
    says(gemm, &format!("const TOKENS: u32 = {}u;", shaders::GEMM_TOKENS));
    let gemv = Op::Gemv(shaders::Weights::Ternary, shaders::Output::Store);
    says(gemv, &format!("const PARTIALS: u32 = {}u;", shaders::GEMV_PARTIALS));
    says(
        Op::Product(shaders::Table::F16, shaders::Output::Store),
        &format!("group.x * {}u", shaders::PRODUCT_ROWS),
    );
    says(Op::Attention, &format!("const WG: u32 = {}u;", shaders::PAGE_TOKENS));
    says(Op::Attention, &format!("position / {}u", shaders::PAGE_TOKENS));
    says(Op::NormRopeStore, &format!("place.position % {}u", shaders::PAGE_TOKENS));
    says(Op::HyperProject, &format!("group.y * {}u", shaders::PROJECTED));
    says(Op::NormQuantise(shaders::Input::Hyper), &format!("token * {}u", shaders::COEFFICIENTS));
}
