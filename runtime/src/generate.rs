//! One generation on the caller's thread, from the first token to the last. The engine drives many, on a thread of its own.

use std::ops::ControlFlow;
use std::time::Instant;

use crate::continuation::Continuation;
use crate::error::Result;
use crate::pass::{Span, TextId, Worker};
use crate::request::{Event, Finish, GenerateRequest, Stats};

/// Serves a request with a text of a worker, telling `tell` of each prefill step and token; it breaks to cancel.
///
/// What the text holds already is kept as far as the prompt begins with it. The result does not depend on that.
///
/// # Errors
/// An empty prompt, one longer than the context, an id outside the vocabulary, bad sampling settings, a model that
/// computes nonsense, or a device that fails.
pub fn generate(
    worker: &mut dyn Worker,
    text: TextId,
    request: &GenerateRequest,
    tell: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<(Finish, Stats)> {
    let vocab = worker.config().vocab;
    let mut continuation =
        Continuation::new(request.clone(), worker.context(text), vocab, worker.tokens(text))?;
    loop {
        if let Some(finish) = continuation.finish() {
            return Ok((finish, continuation.stats()));
        }
        let wanted = continuation.wants(worker.tokens(text), worker.step_tokens());
        worker.truncate(text, wanted.keep);
        let start = Instant::now();
        worker.pass(&[Span { text, tokens: wanted.tokens, want: wanted.want }], &|| false)?;
        let (answer, held, time) = (worker.answer(0), worker.tokens(text).len(), start.elapsed());
        continuation.take(answer, held, time, tell)?;
    }
}
