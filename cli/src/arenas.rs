//! How much memory the C library keeps that nobody uses. glibc gives threads heaps of their own, eight for each processor, and what is freed in
//! one stays there; under ever other clients' requests that is 40 per cent more in a minute and a half, and nothing with one heap
//! (serve/clients/abuse at rest: 145 to 206 MiB, and 101 to 106).
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "mallopt has no safe form")
)]

/// Has all threads share one heap. To be called before there are any.
pub fn share_one() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call changes a setting of the allocator, under its own lock. One that it refuses leaves things as they were.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
