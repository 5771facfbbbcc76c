//! Words for commands that a person may paste into a shell.

use std::path::Path;

use os_display::Quotable;

/// A file or folder as an argument: quoted where it must be, any byte of it kept, and never taken for an option.
pub fn path(path: &Path) -> String {
    if path.as_os_str().as_encoded_bytes().starts_with(b"-") {
        return Path::new(".").join(path).maybe_quote().to_string();
    }
    path.maybe_quote().to_string()
}

/// A text as an argument, always quoted.
pub fn text(text: &str) -> String {
    text.quote().to_string()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::process::Command;

    /// What a shell makes of a word.
    fn read_by_a_shell(word: &str) -> Option<Vec<u8>> {
        let shell = Command::new("bash").args(["-c", &format!("printf '%s' {word}")]).output().ok()?;
        assert!(shell.status.success(), "{word}");
        Some(shell.stdout)
    }

    #[test]
    fn shell_words_are_read_back_as_what_they_were() {
        let names: [&[u8]; 9] = [
            b"plain.gguf",
            b"ex port.gguf",
            "run \u{fc}n\u{ef}".as_bytes(),
            b"it's $HOME `x` \"q\" \\",
            b"a\nb\tc\x1b[2J",
            b"bad\xff.gguf",
            b"*?[a]{b,c}~!#&;|<>()",
            b"~",
            b"",
        ];
        for name in names {
            let word = path(Path::new(&OsString::from_vec(name.to_vec())));
            assert!(!word.contains(|c: char| c.is_control()), "{word:?}");
            // Where there is no such shell, the rest still holds.
            assert!(read_by_a_shell(&word).is_none_or(|read| read == name), "{word:?}");
        }
        let prompt = "say \"hi\" $HOME\ntwo, it's 'so'";
        assert!(
            read_by_a_shell(&text(prompt)).is_none_or(|read| read == prompt.as_bytes()),
            "{}",
            text(prompt)
        );
        assert_eq!(path(Path::new("runs/mine")), "runs/mine");
        assert_eq!(path(Path::new("-x.gguf")), "./-x.gguf");
    }
}
