//! The app through the real binary: its pages as pictures, and what it does where there is no display.

use std::path::Path;

use crate::{output, tercet};

/// Width, height, and whether more than one colour is in it.
fn looked_at(png: &Path) -> (u32, u32, bool) {
    let bytes = std::fs::read(png).unwrap();
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let side = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    // A single colour compresses to next to nothing.
    (side(16), side(20), bytes.len() > 5_000)
}

#[test]
fn every_page_can_be_drawn_without_a_display() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("page.png");
    for (page, size, scale, more) in [
        ("generate", (800, 500), 1, &["--write", "1"][..]),
        ("model", (800, 500), 1, &["--light"]),
        ("benchmark", (900, 600), 1, &[]),
        ("training", (800, 500), 2, &["--light"]),
        ("server", (800, 500), 1, &[]),
    ] {
        let (width, height) = size;
        let mut command = tercet(&["app", "--tab", page, "--screenshot"]);
        command.arg(&to).args(["--size", &format!("{width}x{height}"), "--scale", &scale.to_string()]);
        let (code, _, said) = output(command.args(more).env("XDG_RUNTIME_DIR", folder.path()));
        if code != 0 && said.contains("adapter") && std::env::var("TERCET_REQUIRE_GPU").as_deref() != Ok("1")
        {
            eprintln!("skipped: nothing to draw with: {said}");
            return;
        }
        assert_eq!(code, 0, "{page}: {said}");
        assert_eq!(looked_at(&to), (width * scale, height * scale, true), "{page}");
        std::fs::remove_file(&to).unwrap();
    }
}

#[test]
fn a_picture_that_cannot_be_written_or_a_page_that_is_none_is_said() {
    let (code, _, said) = output(&mut tercet(&["app", "--tab", "cellar"]));
    assert_eq!(code, 2);
    assert!(said.contains("generate, model, benchmark, training, server"), "{said}");
    let (code, _, said) = output(&mut tercet(&["app", "--screenshot", "/nowhere/to/be/found.png"]));
    assert_eq!(code, 1);
    assert!(said.contains("/nowhere/to/be/found.png") || said.contains("adapter"), "{said}");
}

#[test]
fn without_a_display_the_app_says_so() {
    let (code, _, said) = output(&mut tercet(&["app"]));
    assert_eq!(code, 1);
    assert!(said.contains("no window can be opened here"), "{said}");
}
