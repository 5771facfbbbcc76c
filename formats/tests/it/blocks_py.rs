//! Weights as others decode them: `fixtures/blocks_py.gguf` is of random blocks of every type, and each tensor has a twin of what an independent decoder made of it.
//! `blocks_py.py` made it, and says how; it compares other blocks in `.ci/foreign_reader`.

use formats::blocks::TensorType;
use formats::gguf::Gguf;

#[test]
fn blocks_of_every_type_are_decoded_as_others_do_bit_for_bit() {
    let gguf = Gguf::parse(include_bytes!("../fixtures/blocks_py.gguf").to_vec(), "blocks_py.gguf").unwrap();
    for ty in TensorType::ALL.into_iter().filter(|ty| *ty != TensorType::F32) {
        let tensor = gguf.tensor(ty.name()).unwrap();
        assert_eq!(tensor.info.ty, ty);
        let (ours, theirs) =
            (tensor.to_f32().unwrap(), gguf.tensor(&format!("{ty}.f32")).unwrap().to_f32().unwrap());
        assert_eq!((ours.len(), theirs.len()), (512, 512));
        for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            // A weight of 0 has no sign.
            assert!(
                a.to_bits() == b.to_bits() || (*a == 0.0 && *b == 0.0),
                "{ty}, weight {i}: {a}, expected {b}"
            );
        }
        assert!(theirs.iter().any(|w| *w != 0.0), "{ty}");
    }
}
