//! Following a log as it grows, a bounded piece at a time, whatever happens to the file meanwhile: half a line, a cut, another file
//! of the same name, none at all. What to do about lines that are no records is left to the reader.

use crate::{Error, Result, ordinary, shown};
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A line longer than this is skipped: no record is, and a reader must not hold all of a file without line breaks.
const LINE_MAX: usize = 16 << 20;
/// Bytes before the place where a reader stopped that must still be there when it goes on.
const SEAM: usize = 64;

/// Reads what was added to a log since it last looked.
#[derive(Clone, Debug)]
pub struct LogTail {
    path: PathBuf,
    at: u64,
    /// Lines before `at`.
    line: u64,
    /// Which file it was, where the system can tell.
    file: Option<u64>,
    /// The bytes before `at`, at most [`SEAM`]: a file that was rewritten in place differs there.
    seam: Vec<u8>,
    /// Whether `at` is inside a line that is too long.
    inside: bool,
}

/// What a reader saw.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// The file was cut or replaced (a run was resumed): forget the lines before these.
    pub restarted: bool,
    /// More whole lines may wait.
    pub more: bool,
    /// Bytes of the file behind these lines.
    pub left: u64,
    /// Lines that were skipped unread because they are too long.
    pub bad: Vec<BadLine>,
    /// Number of the first line, counted from 1.
    pub first_line: u64,
    /// Whole lines.
    pub bytes: Vec<u8>,
}

/// A line that is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Which, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: String,
}

impl LogTail {
    /// Follows the file from its beginning.
    pub fn new(path: PathBuf) -> LogTail {
        LogTail { path, at: 0, line: 0, file: None, seam: Vec::new(), inside: false }
    }

    /// The file that is followed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whole lines that were added since the last call, up to about `limit` bytes of them. A file that is not there has none.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn read(&mut self, limit: usize) -> Result<Chunk> {
        let mut file = match ordinary::open(&self.path) {
            Ok((file, _)) => file,
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(Chunk { restarted: self.restart(), first_line: 1, ..Chunk::default() });
            }
            Err(e) => return Err(e),
        };
        let next = self.next(&mut file, limit);
        next.map_err(Error::io("read", &self.path))
    }

    /// [`read`](Self::read), parsed.
    ///
    /// # Errors
    /// Likewise.
    pub fn poll<T: DeserializeOwned>(&mut self, limit: usize) -> Result<Tail<T>> {
        let mut chunk = self.read(limit)?;
        let mut lines = Vec::new();
        let mut bad = std::mem::take(&mut chunk.bad);
        for (line, bytes) in chunk.lines() {
            match serde_json::from_slice(bytes) {
                Ok(value) => lines.push(value),
                Err(e) => bad.push(BadLine { line, problem: shown(&e.to_string()) }),
            }
        }
        Ok(Tail { restarted: chunk.restarted, more: chunk.more, lines, bad })
    }

    fn next(&mut self, file: &mut File, limit: usize) -> io::Result<Chunk> {
        let meta = file.metadata()?;
        let other = meta.len() < self.at || file_number(&meta) != self.file || !self.continues(file)?;
        let restarted = other && self.restart();
        self.file = file_number(&meta);
        file.seek(SeekFrom::Start(self.at))?;
        let mut bytes = Vec::new();
        let mut wanted = limit.clamp(1, LINE_MAX);
        let whole = loop {
            let before = bytes.len();
            file.by_ref().take((wanted - before) as u64).read_to_end(&mut bytes)?;
            let fresh = bytes[before..].iter().rposition(|&b| b == b'\n').map(|i| before + i + 1);
            if let Some(end) = fresh {
                break end;
            }
            if bytes.len() < wanted {
                break 0;
            }
            if wanted == LINE_MAX {
                break wanted;
            }
            wanted = (2 * wanted).min(LINE_MAX);
        };
        bytes.truncate(whole);
        let mut chunk = Chunk { restarted, first_line: self.line + 1, ..Chunk::default() };
        self.at += whole as u64;
        self.seam.extend_from_slice(&bytes[whole.saturating_sub(SEAM)..]);
        self.seam.drain(..self.seam.len().saturating_sub(SEAM));
        chunk.left = meta.len().saturating_sub(self.at);
        chunk.more = chunk.left > 0 && whole > 0;
        if bytes.last().is_some_and(|&b| b != b'\n') {
            if !std::mem::replace(&mut self.inside, true) {
                let problem = format!("it is longer than {LINE_MAX} bytes");
                chunk.bad.push(BadLine { line: self.line + 1, problem });
            }
            return Ok(chunk);
        }
        if std::mem::take(&mut self.inside) {
            if whole == 0 {
                self.inside = true;
                return Ok(chunk);
            }
            // What is left of a line that was given up.
            let rest = bytes.iter().position(|&b| b == b'\n').map_or(0, |i| i + 1);
            bytes.drain(..rest);
            self.line += 1;
            chunk.first_line += 1;
        }
        self.line += bytes.iter().filter(|&&b| b == b'\n').count() as u64;
        chunk.bytes = bytes;
        Ok(chunk)
    }

    /// Whether the file still holds what was read last before `at`.
    fn continues(&self, file: &mut File) -> io::Result<bool> {
        let mut there = vec![0; self.seam.len()];
        file.seek(SeekFrom::Start(self.at - self.seam.len() as u64))?;
        match file.read_exact(&mut there) {
            Ok(()) => Ok(there == self.seam),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Begins again; says whether anything had been read.
    fn restart(&mut self) -> bool {
        let had = self.at > 0;
        *self = LogTail::new(std::mem::take(&mut self.path));
        had
    }
}

impl Chunk {
    /// The lines with their numbers; blank ones are left out.
    pub fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let all = self.bytes.split_inclusive(|&b| b == b'\n');
        (self.first_line..).zip(all).filter(|(_, line)| !line.trim_ascii().is_empty())
    }
}

/// A number that changes when a file is replaced by another of its name.
fn file_number(meta: &std::fs::Metadata) -> Option<u64> {
    #[cfg(unix)]
    return Some(std::os::unix::fs::MetadataExt::ino(meta));
    #[cfg(not(unix))]
    return meta.created().ok()?.duration_since(std::time::UNIX_EPOCH).ok().map(|d| d.as_nanos() as u64);
}

/// What [`LogTail::poll`] saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail<T> {
    /// See [`Chunk::restarted`].
    pub restarted: bool,
    /// More whole lines may wait.
    pub more: bool,
    /// The records.
    pub lines: Vec<T>,
    /// Lines that are no records.
    pub bad: Vec<BadLine>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_log::{Log, MetricLine, RunDir};
    use std::fmt::Write as _;
    use tempfile::TempDir;

    fn log(lines: std::ops::RangeInclusive<u64>) -> String {
        lines.fold(String::new(), |mut text, step| {
            writeln!(text, "{{\"step\":{step},\"loss\":0.5}}").unwrap();
            text
        })
    }

    fn file() -> (TempDir, PathBuf, LogTail) {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let tail = LogTail::new(path.clone());
        (dir, path, tail)
    }

    fn steps(tail: &mut LogTail, limit: usize) -> (bool, Vec<u64>, Vec<u64>, bool) {
        let t = tail.poll::<MetricLine>(limit).unwrap();
        let bad = t.bad.iter().map(|b| b.line).collect();
        (t.restarted, t.lines.iter().map(|l| l.step).collect(), bad, t.more)
    }

    #[test]
    fn log_tail_reads_in_pieces_of_whole_lines() {
        let (_dir, path, mut tail) = file();
        std::fs::write(&path, log(1..=100)).unwrap();
        let mut seen = Vec::new();
        let mut looks = 0;
        loop {
            let (restarted, steps, bad, more) = steps(&mut tail, 200);
            assert!(!restarted && bad.is_empty() && steps.len() <= 10);
            seen.extend(steps);
            looks += 1;
            if !more {
                break;
            }
        }
        assert_eq!(seen, (1..=100).collect::<Vec<_>>());
        assert!(looks > 10);
        // A limit below one line still makes way.
        let mut tail = LogTail::new(path);
        assert_eq!(steps(&mut tail, 1).1, [1]);
    }

    #[test]
    fn log_tail_numbers_the_lines_it_cannot_read() {
        let (_dir, path, mut tail) = file();
        let text = format!("{}nonsense\n\n{{\"step\":\"x\"}}\n\u{0}\u{0}\n{}", log(1..=3), log(4..=5));
        std::fs::write(&path, text).unwrap();
        let mut all = (Vec::new(), Vec::new());
        loop {
            let (_, steps, bad, more) = steps(&mut tail, 30);
            all.0.extend(steps);
            all.1.extend(bad);
            if !more {
                break;
            }
        }
        assert_eq!(all, (vec![1, 2, 3, 4, 5], vec![4, 6, 7]));
        let mut whole = LogTail::new(path);
        let bad = whole.poll::<MetricLine>(1 << 20).unwrap().bad;
        assert!(bad[1].problem.contains("invalid type"), "{bad:?}");
    }

    #[test]
    fn log_tail_notices_a_file_that_was_rewritten_in_place() {
        let (_dir, path, mut tail) = file();
        std::fs::write(&path, log(1..=10)).unwrap();
        assert_eq!(steps(&mut tail, 1 << 20).1.len(), 10);
        // The same file, longer than before, with other contents: what a synced folder may do.
        let changed = log(1..=20).replace("0.5", "0.7");
        std::fs::write(&path, changed).unwrap();
        assert_eq!(steps(&mut tail, 1 << 20), (true, (1..=20).collect(), vec![], false));
        // Grown by whole and by half lines.
        std::fs::write(&path, log(1..=20).replace("0.5", "0.7") + "{\"step\":21}\n{\"st").unwrap();
        assert_eq!(steps(&mut tail, 1 << 20).1, [21]);
        // Cut, gone, and there again.
        std::fs::write(&path, log(1..=2)).unwrap();
        assert_eq!(steps(&mut tail, 1 << 20), (true, vec![1, 2], vec![], false));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(steps(&mut tail, 1 << 20), (true, vec![], vec![], false));
        assert_eq!(steps(&mut tail, 1 << 20), (false, vec![], vec![], false));
        std::fs::write(&path, log(1..=1)).unwrap();
        assert_eq!(steps(&mut tail, 1 << 20), (false, vec![1], vec![], false));
    }

    #[test]
    fn log_tail_gives_up_a_line_without_end() {
        let (_dir, path, mut tail) = file();
        let long = vec![b'x'; LINE_MAX + LINE_MAX / 2];
        std::fs::write(&path, [log(1..=1).as_bytes(), &long, b"\n", log(3..=3).as_bytes()].concat()).unwrap();
        let (mut seen, mut bad) = (Vec::new(), Vec::new());
        for _ in 0..10 {
            let t = steps(&mut tail, 1 << 20);
            seen.extend(t.1);
            bad.extend(t.2);
        }
        assert_eq!((seen, bad), (vec![1, 3], vec![2]));
        let more = log(4..=4) + "nonsense\n";
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, more.as_bytes()).unwrap();
        assert_eq!(steps(&mut tail, 1 << 20), (false, vec![4], vec![5], false));
    }

    #[test]
    fn log_tail_refuses_what_is_no_file() {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("metrics.jsonl")).unwrap();
        std::fs::write(dir.path().join("run.toml"), "").unwrap();
        let mut tail = RunDir::open(dir.path()).unwrap().tail(Log::Metrics);
        assert!(tail.read(1 << 20).unwrap_err().to_string().contains("folder"));
    }
}
