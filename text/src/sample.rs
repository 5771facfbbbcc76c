//! A few ids written with a model in memory, while its trainer waits: one thread, nothing shown, the same ids every time.

use std::ops::ControlFlow;

use formats::gguf::Gguf;
use runtime::request::{Event, GenerateRequest};
use runtime::{Model, Session};

use crate::error::Result;

/// The ids that a model writes behind a prompt, on the caller's thread alone.
///
/// # Errors
/// Anything wrong with the file or the request.
pub fn sample(file: &Gguf, request: &GenerateRequest) -> Result<Vec<u32>> {
    let model = Model::from_gguf(file)?;
    let mut session = Session::with_threads(&model, model.config().context, 1)?;
    let mut ids = Vec::new();
    session.generate(request, &mut |event| {
        if let Event::Token { id, .. } = event {
            ids.push(id);
        }
        ControlFlow::Continue(())
    })?;
    Ok(ids)
}
