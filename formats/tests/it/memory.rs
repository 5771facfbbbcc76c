//! No file makes us allocate more than its own size and a little: an allocator that remembers the largest request
//! of each thread, and files whose headers promise the world.
#![expect(unsafe_code, reason = "an allocator cannot be written without; it only forwards to the system's")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

use formats::gguf::Gguf;

use crate::raw_gguf::{ARRAY, Raw, STR, array, text};

struct Watching;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(size: usize) {
    // During a thread's end there is nobody left to tell.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: every call goes to `System` unchanged; `note` does not allocate, as the thread-local needs no lazy start.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller keeps `alloc`'s contract, which is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: `ptr` came from `System`, as all of this allocator's pointers do.
        unsafe { System.realloc(ptr, layout, size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `System`, as all of this allocator's pointers do.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// What this thread does, and the largest single allocation of it.
pub fn largest<T>(act: impl FnOnce() -> T) -> (T, usize) {
    LARGEST.set(0);
    let done = act();
    (done, LARGEST.get())
}

/// Whether a file parses, and the largest single allocation of that, besides the file's own bytes.
fn largest_of_parsing(bytes: Vec<u8>) -> (bool, usize) {
    largest(|| Gguf::parse(bytes, "x").is_ok())
}

#[test]
fn memory_of_promises_that_the_file_cannot_keep() {
    let huge = [u64::MAX, i64::MAX as u64, 1 << 62, 1 << 40, 1 << 32, 1_000_000, 100_000];
    for n in huge {
        let mut files = vec![
            Raw::new().with(|r| r.key_count = Some(n)),
            Raw::new().with(|r| r.tensor_count = Some(n)),
            Raw::new().key("k", STR, &n.to_le_bytes()),
            Raw::new().with(|r| r.keys.push(n.to_le_bytes().to_vec())),
            Raw::new().f32s("t", &[8]).last(|t| t.dims = vec![n]),
            Raw::new().f32s("t", &[8]).last(|t| t.dims = vec![1, n, n]),
            Raw::new().f32s("t", &[8]).last(|t| t.offset = n & !31),
            Raw::new().key("k", ARRAY, &[array(STR, 1), n.to_le_bytes().to_vec()].concat()),
        ];
        files.extend((0..13).map(|element| Raw::new().key("k", ARRAY, &array(element, n))));
        for (i, raw) in files.iter().enumerate() {
            let (ok, most) = largest_of_parsing(raw.bytes());
            assert!(!ok && most < 16 << 10, "count {n}, file {i}: accepted {ok}, allocated {most}");
        }
    }
}

#[test]
fn memory_of_promises_kept_is_within_the_file_and_a_megabyte() {
    let many_keys = (0..200_000).fold(Raw::new(), |raw, i| raw.key(&format!("{i:x}"), 0, &[1]));
    let many_tensors = (0..200_000).fold(Raw::new(), |raw, i| raw.f32s(&format!("{i:x}"), &[0]));
    let small_tensors =
        (0..200_000).fold(Raw::new().with(|r| r.alignment = 1), |raw, i| raw.f32s(&format!("{i:x}"), &[1]));
    let small_tensors = small_tensors.key("general.alignment", 4, &1u32.to_le_bytes());
    let empty_strings = Raw::new().key("k", ARRAY, &[array(STR, 500_000), vec![0; 8 * 500_000]].concat());
    let words: Vec<u8> = (0..100_000).flat_map(|i| text(&format!("word{i}"))).collect();
    let vocabulary = Raw::new().key("k", ARRAY, &[array(STR, 100_000), words].concat());
    let bools = Raw::new().key("k", ARRAY, &[array(7, 5_000_000), vec![1; 5_000_000]].concat());
    let text_value = Raw::new().key("k", STR, &text(&"x".repeat(5_000_000)));
    for (what, raw) in [
        ("many keys", many_keys),
        ("many tensors", many_tensors),
        ("small tensors", small_tensors),
        ("empty strings", empty_strings),
        ("vocabulary", vocabulary),
        ("bools", bools),
        ("text", text_value),
    ] {
        let bytes = raw.bytes();
        let (len, start) = (bytes.len(), Instant::now());
        let (ok, most) = largest_of_parsing(bytes);
        println!("{what}: {len} bytes, largest allocation {most}, {:?}", start.elapsed());
        assert!(ok && most <= len + (1 << 20), "{what}: accepted {ok}, {len} bytes, allocated {most}");
    }
}
