//! Whether a signal is ignored: no library asks the system without changing the answer.
#![expect(unsafe_code, reason = "sigaction has no safe form that only asks")]

use std::ffi::c_int;

/// Whether the process was started with this signal ignored, and nobody has handled it since.
pub fn is_ignored(signal: c_int) -> bool {
    // SAFETY: all zeroes is a value of this plain C structure.
    let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: without a new action the call only fills in `now`, which lives as long as it.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &mut now) };
    asked == 0 && now.sa_sigaction == libc::SIG_IGN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_known_to_be_ignored() {
        // Rust's own start-up ignores this one, and nothing here touches the other.
        assert!(is_ignored(signal_hook::consts::SIGPIPE));
        assert!(!is_ignored(signal_hook::consts::SIGWINCH));
    }
}
