//! Bytes for weights: aligned to cache lines and, when there are enough of them, on huge pages.
#![expect(unsafe_code, reason = "madvise, and viewing whole cache lines as the bytes they are")]

/// From here on huge pages are asked for; below, a huge page would be mostly empty.
#[cfg(target_os = "linux")]
const HUGE_BYTES_MIN: usize = 4 << 20;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// A fixed number of bytes that starts at a cache line.
#[derive(Debug)]
pub(super) struct Lines {
    lines: Vec<Line>,
    len: usize,
}

impl Clone for Lines {
    fn clone(&self) -> Self {
        let mut lines = Vec::with_capacity(self.lines.len());
        advise_huge_pages(lines.spare_capacity_mut(), true);
        lines.extend_from_slice(&self.lines);
        Lines { lines, len: self.len }
    }
}

impl Lines {
    /// `len` bytes of `value`, on huge pages where the system grants them.
    pub fn filled(len: usize, value: u8) -> Self {
        Self::on_pages(len, value, true)
    }

    /// `len` bytes of `value`, asking for huge pages or declining them.
    pub fn on_pages(len: usize, value: u8, huge: bool) -> Self {
        let mut lines = Vec::with_capacity(len.div_ceil(64));
        advise_huge_pages(lines.spare_capacity_mut(), huge);
        lines.resize(len.div_ceil(64), Line([value; 64]));
        Lines { lines, len }
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: a line is 64 bytes without padding, and `len` is at most 64 per line.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; any byte is a valid part of a line.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// Asks for huge pages behind memory that was not touched yet, or declines them: reading weights once per token misses the
/// TLB on every 4 KiB page otherwise, which costs a quarter of the memory bandwidth (measured on Zen 3).
#[cfg(target_os = "linux")]
pub fn advise_huge_pages<T>(memory: &[T], huge: bool) {
    let (start, bytes) = (memory.as_ptr() as usize, size_of_val(memory));
    if bytes < HUGE_BYTES_MIN {
        return;
    }
    let first_page = start.next_multiple_of(4096);
    let end = (start + bytes) / 4096 * 4096;
    let advice = if huge { libc::MADV_HUGEPAGE } else { libc::MADV_NOHUGEPAGE };
    // SAFETY: the whole pages within one live allocation; the advice changes no content. Refusal is harmless.
    unsafe { libc::madvise(first_page as *mut libc::c_void, end - first_page, advice) };
}

#[cfg(not(target_os = "linux"))]
pub fn advise_huge_pages<T>(_: &[T], _: bool) {}

/// Asks for the cache line at `at`, which need not be memory at all, where the processor takes such wishes.
#[inline(always)]
pub fn prefetch(at: *const i8) {
    #[cfg(x86_kernels)]
    super::avx2::prefetch(at);
    #[cfg(not(x86_kernels))]
    let _ = at;
}
