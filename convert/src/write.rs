//! Carrying a plan out, tensor by tensor and piece by piece: into a file that is there whole or not at all, or into memory.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use formats::gguf::Gguf;

use crate::pack::Packer;
use crate::plan::{Becomes, Plan};
use crate::report::{Done, Report};
use crate::source::Entry;
use crate::{Error, Result, Watch};

/// Weights of a piece: whole blocks of every type, 1 MiB as f32.
const PIECE: u64 = 1 << 18;

/// Runs of so many weights, one after the other.
pub(crate) fn pieces(weights: u64) -> impl Iterator<Item = Range<u64>> {
    (0..weights.div_ceil(PIECE)).map(move |i| i * PIECE..weights.min((i + 1) * PIECE))
}

/// Writes a plan's file. On an error, and on an end that was asked for, what was there before stays, and nothing else does.
///
/// # Errors
/// A weight that would change and must not; a source that cannot be read, a file that cannot be written.
pub fn write(plan: &Plan<'_>, path: &Path, watch: &mut Watch<'_>) -> Result<Report> {
    let mut work = Work::new(plan, watch);
    let written = plan.outline.write_from(path, |index, out| work.tensor(index, out));
    work.ended(written).map(|((), report)| report)
}

/// The same in memory; `name` stands for the file in errors.
///
/// # Errors
/// As [`write`], and no memory for it.
pub fn in_memory(plan: &Plan<'_>, name: &str, watch: &mut Watch<'_>) -> Result<Gguf> {
    let mut work = Work::new(plan, watch);
    let bytes = plan.outline.bytes_from(|index, out| work.tensor(index, out));
    let (bytes, _) = work.ended(bytes)?;
    Ok(Gguf::parse(bytes, name)?)
}

/// A plan while it is carried out.
struct Work<'p, 'w> {
    plan: &'p Plan<'p>,
    watch: &'p mut Watch<'w>,
    report: Report,
    /// Why it ended early, where the reason lies here and not with who writes.
    failed: Option<Error>,
    buffer: Vec<u8>,
}

impl<'p, 'w> Work<'p, 'w> {
    fn new(plan: &'p Plan<'p>, watch: &'p mut Watch<'w>) -> Work<'p, 'w> {
        watch.begin("writing", plan.source.tensors().iter().map(Entry::weights).sum());
        Work { plan, watch, report: Report::default(), failed: None, buffer: Vec::new() }
    }

    /// Writes the bytes of one tensor.
    fn tensor(&mut self, index: usize, out: &mut dyn Write) -> io::Result<()> {
        let entry = &self.plan.source.tensors()[index];
        let mut bytes = 0;
        let mut put = |piece: &[u8]| {
            bytes += piece.len() as u64;
            out.write_all(piece)
        };
        let moved = match self.plan.tensors[index] {
            Becomes::Copied(_) => self.copy(index, &mut put).map(|()| 0.0),
            becomes => self.pack(index, becomes, &mut put),
        };
        let moved = moved.map_err(|error| match error {
            Stopped::Writing(error) => error,
            Stopped::Here(error) => {
                self.failed = Some(error);
                io::Error::other("it ended early")
            }
        })?;
        let (part, weights) = (entry.part(), entry.weights());
        let (from, to) = (entry.kept_as(), self.plan.tensors[index].ty().name());
        self.report.tensors.push(Done { part, from, to, weights, bytes, moved });
        Ok(())
    }

    fn copy(
        &mut self,
        index: usize,
        put: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> std::result::Result<(), Stopped> {
        let entry = &self.plan.source.tensors()[index];
        let mut reader = self.plan.source.open(index, self.watch)?;
        let (mut at, mut done) = (0, 0);
        loop {
            reader.bytes(at..at + PIECE, &mut self.buffer)?;
            if self.buffer.is_empty() {
                return Ok(self.watch.more(entry.weights() - done)?);
            }
            put(&self.buffer)?;
            at += self.buffer.len() as u64;
            // At most as many as there are, whatever the bits of a weight.
            let share = (entry.weights() - done).min(self.buffer.len() as u64);
            done += share;
            self.watch.more(share)?;
        }
    }

    /// Gives how far the weights moved.
    fn pack(
        &mut self,
        index: usize,
        becomes: Becomes,
        put: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> std::result::Result<f64, Stopped> {
        let entry = &self.plan.source.tensors()[index];
        let mut reader = self.plan.source.open(index, self.watch)?;
        let mut packer = Packer::new(&entry.name, becomes);
        for piece in pieces(entry.weights()) {
            let (first, weights) = (piece.start, piece.end - piece.start);
            self.buffer.clear();
            packer.pack(first, reader.weights(piece)?, &mut self.buffer)?;
            put(&self.buffer)?;
            self.watch.more(weights)?;
        }
        Ok(packer.moved())
    }

    /// What came of it: the reason that lies here, rather than what a writer made of it.
    fn ended<T>(self, written: formats::Result<T>) -> Result<(T, Report)> {
        match (self.failed, written) {
            (Some(error), _) => Err(error),
            (None, written) => Ok((written?, self.report)),
        }
    }
}

/// Why a tensor is not written to its end.
enum Stopped {
    /// Its bytes find no place.
    Writing(io::Error),
    /// Its weights cannot be had, or must not be.
    Here(Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Stopped {
        Stopped::Writing(error)
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Stopped {
        Stopped::Here(error)
    }
}
