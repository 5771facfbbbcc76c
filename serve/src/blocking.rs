//! Work on a thread where it may take its time.

use crate::api::Refusal;

/// Runs what takes longer than a task may, such as cutting a long text into tokens.
///
/// # Errors
/// The work's own; a fault of ours in it.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Refusal::fault(format!("internal error: {error}"))))
}
