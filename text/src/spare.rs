//! A question to the system: does it give another thread?

/// Starts a thread that does nothing, on behalf of libraries that panic where they get none, or wait for ever, as Mesa does.
///
/// # Errors
/// The system gives none.
pub fn spare_thread() -> runtime::Result<()> {
    let started = std::thread::Builder::new().spawn(|| ());
    let thread = started.map_err(|source| runtime::Error::Resource { what: "spare thread", source })?;
    // It has nothing to fail with.
    let _ = thread.join();
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn threads_are_to_be_had_here() {
        assert!(super::spare_thread().is_ok());
    }
}
