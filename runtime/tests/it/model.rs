//! The forward pass: it computes the formulas, and how the work is cut up never shows.

use cpu::Kernels;
use runtime::{Error, Model, Session};

use crate::{formula, tiny};

/// Each logit against the f64 formulas, relative to the largest of its row; measured worst 9e-7. An activation that rounded to
/// the other int8 neighbour would cost about 1e-2, but with these seeds none is near a tie.
const TOL_FORMULA: f64 = 5e-6;

/// Where matrices read f32, what a key rounded to the other neighbouring half costs is not lost in int8 again; measured worst 1.1e-4.
const TOL_FORMULA_FLOATS: f64 = 3e-4;

#[test]
fn model_computes_the_formulas() {
    for (name, c, gguf) in tiny::files(1) {
        let model = Model::from_gguf(&gguf).unwrap();
        let floats = model.weights().stacks().iter().flatten().any(|m| m.ternary().is_none());
        let tolerance = if floats { TOL_FORMULA_FLOATS } else { TOL_FORMULA };
        assert_eq!(*model.config(), c, "{name}");
        let tokens = tiny::tokens(&c, 2, 12);
        let got = Session::new(&model, 64).unwrap().forward_all(&tokens).unwrap().to_vec();
        let want = formula::logits(&gguf, &c, &tokens);
        for (t, (got, want)) in got.chunks_exact(c.vocab).zip(&want).enumerate() {
            let scale = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            for (g, w) in got.iter().zip(want) {
                let error = (f64::from(*g) - w).abs() / scale;
                assert!(error < tolerance, "{name}: token {t} has {g} for {w}, {error:e} of {scale}");
            }
        }
    }
}

/// Long enough for the session to try other numbers of threads.
#[test]
fn model_is_bitwise_the_same_while_a_session_chooses_its_threads() {
    let (name, c) = tiny::variants().into_iter().next().unwrap();
    let model = Model::from_gguf(&tiny::gguf(&c, 3)).unwrap();
    let tokens = tiny::tokens(&c, 4, 150);
    let want = Session::with_threads(&model, c.context, 1).unwrap().forward_all(&tokens).unwrap().to_vec();
    let mut session = Session::up_to_threads(&model, c.context, 8).unwrap();
    assert!((1..=8).contains(&session.threads()));
    let start = std::time::Instant::now();
    while start.elapsed().as_millis() < 500 {
        session.reset();
        assert_eq!(session.forward_all(&tokens[..100]).unwrap(), &want[..100 * c.vocab], "{name}");
        for i in 100..150 {
            assert_eq!(
                session.forward(&tokens[i..=i]).unwrap(),
                &want[i * c.vocab..][..c.vocab],
                "{name}: {i}"
            );
        }
    }
}

#[test]
fn model_is_bitwise_the_same_however_the_text_is_cut() {
    for (name, c, gguf) in tiny::files(3) {
        let model = Model::from_gguf(&gguf).unwrap();
        let tokens = tiny::tokens(&c, 4, 150);
        let mut session = Session::with_threads(&model, c.context, 1).unwrap();
        let whole = session.forward_all(&tokens).unwrap().to_vec();
        let last = |n: usize| &whole[(n - 1) * c.vocab..n * c.vocab];

        let mut steps = Session::with_threads(&model, c.context, 2).unwrap();
        for (i, &id) in tokens.iter().enumerate() {
            assert_eq!(steps.forward(&[id]).unwrap(), last(i + 1), "{name}: token {i} alone");
        }
        for threads in [1, 2, 3] {
            for cut in [1, 17, 40, 149] {
                let mut s = Session::with_threads(&model, c.context, threads).unwrap();
                assert_eq!(
                    s.forward(&tokens[..cut]).unwrap(),
                    last(cut),
                    "{name}: {threads} threads, cut {cut}"
                );
                s.advance(&tokens[cut..140.max(cut)]).unwrap();
                let at = s.tokens().len();
                let rest = s.forward_all(&tokens[at..]).unwrap();
                assert_eq!(rest, &whole[at * c.vocab..], "{name}: {threads} threads, rest after {at}");
            }
        }
    }
}

#[test]
fn model_is_bitwise_the_same_on_every_kernel() {
    for (name, c, gguf) in tiny::files(5) {
        let tokens = tiny::tokens(&c, 6, 37);
        let mut first: Option<Vec<f32>> = None;
        for kernels in Kernels::available() {
            let model = Model::with_kernels(&gguf, kernels).unwrap();
            let mut session = Session::with_threads(&model, c.context, 2).unwrap();
            let mut logits = session.forward_all(&tokens).unwrap().to_vec();
            logits.extend_from_slice(session.forward(&tokens[..1]).unwrap());
            let same = *first.get_or_insert_with(|| logits.clone()) == logits;
            assert!(same, "{name}: {} differs from scalar", kernels.name);
        }
    }
}

#[test]
fn session_forgets_what_it_is_told_to() {
    let c = tiny::config();
    let model = Model::from_gguf(&tiny::gguf(&c, 7)).unwrap();
    let tokens = tiny::tokens(&c, 8, 90);
    let mut s = Session::with_threads(&model, c.context, 2).unwrap();
    let fresh = s.forward(&tokens).unwrap().to_vec();
    s.advance(&tiny::tokens(&c, 9, 100)).unwrap();
    for keep in [0, 5, 16, 89] {
        s.truncate(keep);
        assert_eq!(s.tokens(), &tokens[..keep]);
        assert_eq!(s.forward(&tokens[keep..]).unwrap(), fresh, "kept {keep}");
        s.advance(&tiny::tokens(&c, keep as u64, 60)).unwrap();
    }
    s.reset();
    assert_eq!((s.tokens().len(), s.kv_bytes()), (0, 0));
    assert_eq!(s.forward(&tokens).unwrap(), fresh);
}

#[test]
fn session_refuses_politely_and_stays_as_it_was() {
    let c = tiny::config();
    let model = Model::from_gguf(&tiny::gguf(&c, 10)).unwrap();
    for context in [0, c.context + 1] {
        let error = Session::new(&model, context).unwrap_err().to_string();
        assert!(error.contains("takes 1 to 320"), "{error}");
    }
    let mut s = Session::new(&model, 20).unwrap();
    s.forward(&[1, 2, 3]).unwrap();
    assert!(matches!(s.forward(&[]), Err(Error::PromptEmpty)));
    assert!(matches!(s.forward(&[5, 67]), Err(Error::Token { id: 67, vocab: 67 })));
    assert!(matches!(s.forward(&[1; 18]), Err(Error::ContextFull { tokens: 21, context: 20 })));
    assert_eq!(s.tokens(), [1, 2, 3]);
    assert!(s.forward_all(&[]).unwrap().is_empty());
    s.forward(&[1; 17]).unwrap();
}

#[test]
fn session_grows_past_its_first_table_of_angles() {
    let c = tiny::config();
    let model = Model::from_gguf(&tiny::gguf(&c, 11)).unwrap();
    let tokens = tiny::tokens(&c, 12, 320);
    let whole = Session::new(&model, 320).unwrap().forward(&tokens).unwrap().to_vec();
    let mut s = Session::new(&model, 320).unwrap();
    tokens[..319].chunks(50).for_each(|part| s.advance(part).unwrap());
    assert_eq!(s.forward(&tokens[319..]).unwrap(), whole);
}
