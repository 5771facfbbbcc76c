//! What a model must say, whoever computes it: the scalar kernels' greedy text and logits, kept, and other kernels or devices held
//! against them before they are timed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use runtime::pass::Worker;
use runtime::sampler::argmax;
use runtime::{Model, Sequence, Session};

use crate::error::Result;
use crate::model::token_ids;

/// Tokens of text that must be the same, and of the prompt before.
const CHECKED: usize = 16;
const PROMPT: usize = 8;
/// A large model is given fewer tokens: no more are begun after this long.
const ENOUGH: Duration = Duration::from_secs(5);

/// A short text and the logits on its way.
pub struct Reference {
    prompt: Vec<u32>,
    steps: Vec<(Vec<f32>, u32)>,
}

/// How something else compares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agreement {
    /// Largest difference of a logit.
    pub max_abs_err: f64,
    /// The first token that differs, in words.
    pub error: Option<String>,
}

impl Reference {
    /// The text that `model` writes; `None` once cancelled.
    pub fn of(model: &Model, threads: usize, cancel: &AtomicBool) -> Result<Option<Reference>> {
        let c = model.config();
        let context = c.context.min(PROMPT + CHECKED);
        let prompt = token_ids(context.min(PROMPT), c.vocab);
        let mut session = Session::with_threads(model, context, threads)?;
        let (mut ids, mut steps, start) = (prompt.clone(), Vec::new(), Instant::now());
        while session.tokens().len() + ids.len() <= context {
            if cancel.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let logits = session.forward(&ids)?.to_vec();
            let likeliest = argmax(&logits);
            steps.push((logits, likeliest));
            ids = vec![likeliest];
            if start.elapsed() > ENOUGH {
                break;
            }
        }
        Ok(Some(Reference { prompt, steps }))
    }

    /// Tokens that a sequence must have room for.
    pub fn context(&self) -> usize {
        self.prompt.len() + self.steps.len() - 1
    }

    /// Holds an empty sequence against it; `None` once cancelled.
    pub fn compare<W: Worker>(
        &self,
        sequence: &mut Sequence<W>,
        cancel: &AtomicBool,
    ) -> Result<Option<Agreement>> {
        let mut found = Agreement::default();
        let mut ids = self.prompt.clone();
        for (expected, likeliest) in &self.steps {
            if cancel.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let at = sequence.tokens().len() + ids.len();
            let logits = sequence.forward(&ids)?;
            let errors = expected.iter().zip(logits).map(|(a, b)| f64::from((a - b).abs()));
            found.max_abs_err =
                errors.fold(found.max_abs_err, |m, e| m.max(if e.is_nan() { f64::INFINITY } else { e }));
            let here = argmax(logits);
            if here != *likeliest {
                found.error = Some(format!("token {at} is {here}, by the scalar kernels {likeliest}"));
                break;
            }
            ids = vec![*likeliest];
        }
        Ok(Some(found))
    }
}

#[cfg(test)]
impl Reference {
    /// Another text, for tests of what happens then.
    pub fn distort(&mut self) {
        if let Some((_, likeliest)) = self.steps.last_mut() {
            *likeliest ^= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpu::Kernels;
    use runtime::synthetic;

    #[test]
    fn a_model_agrees_with_itself_and_not_with_another() {
        let config = model::config::ModelConfig {
            vocab: 200,
            width: 128,
            heads: 2,
            kv_heads: 1,
            head_dim: 64,
            ffn: 256,
            ..synthetic::config("shakespeare").unwrap()
        };
        let never = AtomicBool::new(false);
        let scalar = Kernels::named("scalar").unwrap();
        let one = Model::synthetic(&config, scalar, 1).unwrap();
        let reference = Reference::of(&one, 1, &never).unwrap().unwrap();
        assert_eq!(reference.context(), PROMPT + CHECKED);
        for kernels in Kernels::available() {
            let same = Model::synthetic(&config, kernels, 1).unwrap();
            let mut session = Session::new(&same, reference.context()).unwrap();
            let agreement = reference.compare(&mut session, &never).unwrap().unwrap();
            assert_eq!(agreement.error, None, "{}", kernels.name);
            assert!(agreement.max_abs_err < 1e-3, "{agreement:?}");
        }
        let other = Model::synthetic(&config, scalar, 2).unwrap();
        let mut session = Session::new(&other, reference.context()).unwrap();
        let agreement = reference.compare(&mut session, &never).unwrap().unwrap();
        assert!(agreement.error.unwrap().contains("by the scalar kernels") && agreement.max_abs_err > 0.0);
        assert!(Reference::of(&one, 1, &AtomicBool::new(true)).unwrap().is_none());
    }
}
