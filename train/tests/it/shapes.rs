//! One rule for what a model can be: what the trainer takes every loader takes, and the other way round.

use formats::blocks::{TensorType, pack};
use formats::gguf::{Gguf, GgufWriter};
use model::config::{ModelConfig, StoredType};
use model::forward::Forward;
use model::rng::SplitMix64;
use train::config::{Activation, Config, Stored};
use train::export::{ExportType, Provenance, to_gguf};
use train::{Error, preset, tokenizers};

const VOCAB: usize = 300;

/// A configuration whose shape is nearly right, or right.
fn random_config(random: &mut SplitMix64) -> Config {
    let mut c = preset::tiny();
    let m = &mut c.model;
    let mut of = |values: &[usize]| values[random.below(values.len() as u64) as usize];
    m.width = of(&[128, 256, 384, 1024, 100, 0, 1 << 18, (1 << 18) + 128]);
    m.blocks = of(&[1, 2, 3, 4, 5, 0, 4096, 4097]);
    m.heads = of(&[1, 2, 3, 4, 8, 16, 0, 512, 4096, 5000]);
    m.kv_heads = of(&[0, 0, 1, 2, 3, 4, 8]);
    m.head_dim = of(&[0, 0, 16, 32, 64, 128, 12, 1024, 1032]);
    m.ffn = of(&[128, 256, 640, 200, 0, 1 << 18, 1 << 19]);
    m.streams = of(&[1, 2, 4, 3, 0]);
    m.context = of(&[32, 2, 1, 0, 1 << 20, (1 << 20) + 1]);
    m.activation = [Activation::Swiglu, Activation::Relu2, Activation::Relu2Gated][of(&[0, 1, 2])];
    let float =
        [1e-6, 1.0, 10_000.0, 0.5, 2.0, 0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 1e-40, 1e12, 1e13];
    let mut of_floats = |usual: f64| {
        if of(&[0, 1, 2]) > 0 { usual } else { float[of(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])] }
    };
    (m.norm_eps, m.rope_base, m.embedding_scale) = (of_floats(1e-5), of_floats(1e4), of_floats(1.0));
    let stored = [Stored::F16, Stored::Q8_0, Stored::Q1_58];
    (m.embedding, m.head) = (stored[of(&[0, 1, 2])], stored[of(&[0, 1, 2])]);
    let mut coin = || of(&[0, 1]) == 1;
    (m.tied, m.head_int8, m.qk_norm) = (coin(), coin(), coin());
    (m.attn_sub_norm, m.ffn_sub_norm) = (coin(), coin());
    c
}

/// A file of this shape: its metadata, and of each tensor the name and type with the least values.
fn file_of(shape: &ModelConfig) -> Gguf {
    let mut file = GgufWriter::default();
    shape.to_gguf(&mut file.metadata);
    for tensor in Forward::new(shape).tensors {
        let (ty, mut bytes) = (tensor.tensor_type(), Vec::new());
        let n = if ty == TensorType::F32 { 1 } else { 128 };
        pack(ty, &vec![1.0; n], &mut bytes).unwrap();
        file.add_tensor(&tensor.name, ty, &[n as u64], bytes).unwrap();
    }
    Gguf::parse(file.to_bytes().unwrap(), "a shape").unwrap()
}

#[test]
fn shape_that_training_takes_is_one_that_files_have() {
    let (mut taken, mut refused) = (0, 0);
    let mut random = SplitMix64::new(&[58]);
    for _ in 0..20_000 {
        let config = random_config(&mut random);
        match config.validate() {
            Ok(()) => {
                taken += 1;
                let shape = config.model_config(VOCAB);
                assert_eq!(shape.validate_ternary(), Ok(()), "{:?}", config.model);
                // The list of tensors grows with the blocks, and so does the time.
                if shape.blocks < 8 && taken % 4 == 0 {
                    assert_eq!(ModelConfig::from_gguf(&file_of(&shape)).unwrap(), shape);
                }
            }
            Err(Error::ConfigValue { key, .. }) => {
                refused += 1;
                // What the trainer alone refuses: too many weights, a context of one token, heads that do not divide the width.
                let own = key == "model" || config.model.context == 1;
                let divides = config.model.heads > 0
                    && (config.model.head_dim > 0 || config.model.width.is_multiple_of(config.model.heads));
                if !own && divides {
                    assert!(key.starts_with("model."), "{key}");
                    assert!(
                        config.model_config(VOCAB).validate_ternary().is_err(),
                        "{key}: {:?}",
                        config.model
                    );
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(taken > 20 && refused > 1000, "{taken} taken, {refused} refused");
}

#[test]
fn shape_that_files_have_is_one_that_training_takes() {
    let mut random = SplitMix64::new(&[59]);
    let mut taken = 0;
    for _ in 0..20_000 {
        let mut config = random_config(&mut random);
        let m = &mut config.model;
        (m.heads, m.width) = (m.heads.max(1), m.width.max(128));
        let shape = config.model_config(VOCAB);
        if shape.validate_ternary().is_ok() {
            // Every default spelt out, as a file would.
            (config.model.kv_heads, config.model.head_dim) = (shape.kv_heads, shape.head_dim);
            let own = |e: &Error| matches!(e, Error::ConfigValue { key, .. } if key == "model" || key == "model.context");
            match config.validate() {
                Ok(()) => taken += 1,
                Err(e) => assert!(own(&e), "{e}: {shape:?}"),
            }
        }
    }
    assert!(taken > 20, "{taken} taken");
}

#[test]
fn shape_is_refused_by_the_key_of_whoever_spells_it() {
    let with = |settings: &[&str]| {
        let settings: Vec<String> = settings.iter().map(|s| s.to_string()).collect();
        preset::tiny().with(None, &settings).map(drop).map_err(|e| e.to_string())
    };
    for (settings, said) in [
        (&["model.rope_base=0.5"][..], "configuration key model.rope_base is 0.5; expected 1 to 1e12"),
        (&["model.norm_eps=2"], "configuration key model.norm_eps is 2; expected above 1e-37, at most 1"),
        (&["model.norm_eps=1e-50"], "model.norm_eps is 0.0000"),
        (
            &["model.embedding=f16", "model.head_int8=true"],
            "configuration key model.head_int8 is true; expected false, as",
        ),
        (
            &["model.width=8192", "model.heads=4"],
            "configuration key model.head_dim is 2048; expected 8 to 1024",
        ),
        (
            &["model.heads=512", "model.head_dim=1024"],
            "configuration key model.head_dim is 1024; expected 512 heads of it",
        ),
    ] {
        let error = with(settings).unwrap_err();
        assert!(error.contains(said), "{error}");
    }

    let mut shape = preset::tiny().model_config(256);
    shape.rope_base = 0.5;
    let tokenizer = tokenizers::bytes();
    let export = |shape: &ModelConfig| {
        let none = std::iter::empty();
        to_gguf(shape, none, &tokenizer, &Provenance::default(), ExportType::Q1_58).map(drop)
    };
    let said = "metadata key tercet.rope.freq_base is 0.5; expected 1 to 1e12";
    assert_eq!(export(&shape).unwrap_err().to_string(), said);
    assert_eq!(ModelConfig::from_gguf(&file_of(&shape)).unwrap_err().to_string(), said);
    shape.rope_base = 1e4;
    (shape.head_int8, shape.embedding) = (true, StoredType::F16);
    assert!(export(&shape).unwrap_err().to_string().contains("tercet.head.int8_activations"));

    let error = preset::tiny().shape((1 << 20) + 1).unwrap_err().to_string();
    assert!(
        error.contains("tokenizer.kind is a vocabulary of 1048577 ids; expected 1 to 1048576"),
        "{error}"
    );
}
