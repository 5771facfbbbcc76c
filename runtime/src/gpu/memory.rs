//! How much memory an adapter has, and how much of it the models and sessions of a device have taken: they take before they
//! allocate, so that what cannot fit is refused with the numbers and not by a driver's failure half way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of an adapter's memory; `None` where its backend does not tell. With memory of its own that is what a GPU's buffers live in;
/// without, the part of the system's that its driver lets it have.
pub fn memory_bytes(adapter: &wgpu::Adapter) -> Option<u64> {
    largest(heaps(adapter).into_iter())
}

/// The heaps that Vulkan knows, each with whether it is the device's.
#[cfg(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd"))]
#[expect(unsafe_code, reason = "wgpu does not tell an adapter's memory, Vulkan does")]
fn heaps(adapter: &wgpu::Adapter) -> Vec<(u64, bool)> {
    /// `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT`.
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: the handles behind it are only asked with, never destroyed, and do not outlive this borrow of the adapter.
    let Some(vulkan) = (unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }) else { return Vec::new() };
    let (instance, device) = (vulkan.shared_instance().raw_instance(), vulkan.raw_physical_device());
    // SAFETY: wgpu found this physical device through this very instance, which the adapter keeps alive.
    let memory = unsafe { instance.get_physical_device_memory_properties(device) };
    let heaps = memory.memory_heaps_as_slice().iter();
    heaps.map(|h| (h.size, h.flags.as_raw() & DEVICE_LOCAL != 0)).collect()
}

/// Elsewhere wgpu comes without Vulkan.
#[cfg(not(any(windows, target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn heaps(_: &wgpu::Adapter) -> Vec<(u64, bool)> {
    Vec::new()
}

/// The largest of the heaps that are the device's. Not their sum: a card may list the window through
/// which the processor sees its memory as one more heap, and wgpu fills one heap and never turns to the next. A GPU that shares the
/// system's memory calls all of that, or the part it may have, a heap of its own.
fn largest(heaps: impl Iterator<Item = (u64, bool)>) -> Option<u64> {
    heaps.filter_map(|(bytes, of_device)| of_device.then_some(bytes)).max().filter(|&bytes| bytes > 0)
}

/// What a device has and what of it is taken.
#[derive(Debug)]
pub struct Memory {
    bytes: Option<u64>,
    taken: Arc<AtomicU64>,
}

/// A part of it, until dropped.
#[derive(Debug)]
pub struct Taken {
    bytes: u64,
    of: Arc<AtomicU64>,
}

impl Memory {
    /// So many bytes, or nobody knows how many.
    pub fn new(bytes: Option<u64>) -> Self {
        Memory { bytes, taken: Arc::default() }
    }

    /// Bytes that are left; a very large number where nobody knows.
    pub fn left(&self) -> u64 {
        self.bytes.unwrap_or(u64::MAX) - self.taken.load(Ordering::Relaxed)
    }

    /// Takes some.
    ///
    /// # Errors
    /// Bytes that are left and bytes there are, if that is too few.
    pub fn take(&self, bytes: u64) -> Result<Taken, (u64, u64)> {
        let all = self.bytes.unwrap_or(u64::MAX);
        let more = |taken: u64| taken.checked_add(bytes).filter(|&sum| sum <= all);
        match self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(Taken { bytes, of: Arc::clone(&self.taken) }),
            Err(taken) => Err((all - taken, all)),
        }
    }
}

impl Taken {
    /// How much.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_the_largest_heap_of_the_device() {
        const GIB: u64 = 1 << 30;
        let of = |heaps: &[(u64, bool)]| largest(heaps.iter().copied());
        // A card with its window, integrated graphics with one heap and with a part set aside, and nothing.
        assert_eq!(of(&[(24 * GIB, true), (64 * GIB, false), (GIB / 4, true)]), Some(24 * GIB));
        assert_eq!(of(&[(16 * GIB, true)]), Some(16 * GIB));
        assert_eq!(of(&[(5 * GIB, false), (10 * GIB, true)]), Some(10 * GIB));
        assert_eq!([of(&[]), of(&[(GIB, false)]), of(&[(0, true)])], [None; 3]);
    }

    #[test]
    fn memory_taken_comes_back() {
        let memory = Memory::new(Some(100));
        let first = memory.take(60).unwrap();
        assert_eq!(memory.take(41).unwrap_err(), (40, 100));
        assert_eq!(memory.left(), 40);
        let second = memory.take(40).unwrap();
        assert_eq!(memory.take(1).unwrap_err(), (0, 100));
        drop(first);
        assert_eq!(memory.take(61).unwrap_err(), (60, 100));
        assert_eq!((memory.take(60).unwrap().bytes(), second.bytes()), (60, 40));
        let unknown = Memory::new(None);
        let _all = unknown.take(u64::MAX - 1).unwrap();
        assert_eq!(unknown.take(2).unwrap_err(), (1, u64::MAX));
    }
}
