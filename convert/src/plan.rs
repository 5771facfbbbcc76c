//! What becomes of each tensor of a source, before anything is written: or the first that cannot become what was asked, and why.

use formats::blocks::{TensorType, TypeId};
use formats::gguf::{Metadata, Outline};

use crate::part::Part;
use crate::source::{Entry, Form, Source};
use crate::target::{Matrices, Target, file_type};
use crate::weights::{Weights, ternary_of};
use crate::write::pieces;
use crate::{Error, Result, Watch};

/// Floats that are ternary are so in groups of this many, or of a multiple.
const GROUP: u64 = 128;

/// The key that says which type most weights have, by llama.cpp's numbers.
const FILE_TYPE: &str = "general.file_type";

/// What a tensor becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// The bytes that it is.
    Copied(TypeId),
    /// Floats, or integers with a scale; weights are rounded only if `lossy`.
    Dense {
        /// The type.
        ty: TensorType,
        /// Whether weights may change.
        lossy: bool,
    },
    /// Ternary blocks of weights that are ternary; a scale of the whole tensor is rounded to f16 only if `lossy`.
    Ternary {
        /// The type.
        ty: TensorType,
        /// Whether that scale may change.
        lossy: bool,
    },
    /// Ternary blocks of weights that are not.
    Quantised(TensorType),
}

impl Becomes {
    /// The type in the new file.
    pub fn ty(self) -> TypeId {
        match self {
            Becomes::Copied(ty) => ty,
            Becomes::Dense { ty, .. } | Becomes::Ternary { ty, .. } | Becomes::Quantised(ty) => ty.into(),
        }
    }
}

/// See the top of this file.
pub struct Plan<'s> {
    pub(crate) source: &'s dyn Source,
    pub(crate) tensors: Vec<Becomes>,
    pub(crate) outline: Outline,
}

impl<'s> Plan<'s> {
    /// Decides for every tensor. Floats that may be ternary are looked at.
    ///
    /// # Errors
    /// The first tensor that cannot become what was asked; a source that cannot be read; an end that was asked for.
    pub fn new(source: &'s dyn Source, target: &Target, watch: &mut Watch<'_>) -> Result<Plan<'s>> {
        let mut outline = Outline::new(Metadata::new());
        for (key, value) in source.metadata().iter() {
            // What is stored anew is of another type.
            if key != FILE_TYPE || target.matrices == Matrices::Keep {
                outline.metadata.insert(key, value.clone());
            }
        }
        let mut tensors = Vec::with_capacity(source.tensors().len());
        let mut most = (0, None);
        watch.begin("looking at weights", source.tensors().iter().map(Entry::weights).sum());
        for (index, entry) in source.tensors().iter().enumerate() {
            let becomes = match entry.part() {
                Part::Matrix => matrix(source, index, target, watch)?,
                Part::Table => table(entry, target),
                Part::Other => kept(entry, Some(TensorType::F32)),
            };
            outline.add_tensor(&entry.name, becomes.ty(), &entry.dims, bytes(entry, becomes)?)?;
            tensors.push(becomes);
            if entry.part() == Part::Matrix && entry.weights() > most.0 {
                most = (entry.weights(), Some(becomes.ty()));
            }
        }
        if let Some(number) = most.1.and_then(file_type)
            && !outline.metadata.contains(FILE_TYPE)
        {
            outline.metadata.insert(FILE_TYPE, number);
        }
        Ok(Plan { source, tensors, outline })
    }

    /// What each tensor of the source becomes, in order.
    pub fn tensors(&self) -> &[Becomes] {
        &self.tensors
    }

    /// The keys and values of the new file.
    pub fn metadata(&mut self) -> &mut Metadata {
        &mut self.outline.metadata
    }
}

/// What the weights of a linear layer become.
fn matrix(source: &dyn Source, index: usize, target: &Target, watch: &mut Watch<'_>) -> Result<Becomes> {
    let entry = &source.tensors()[index];
    match target.matrices {
        Matrices::Keep => match entry.form {
            Form::Codes => Ok(ternary(entry, TensorType::Q1_58)),
            Form::Floats(_) if is_ternary(source, index, watch)? => Ok(ternary(entry, TensorType::Q1_58)),
            Form::Floats(_) | Form::Blocks { .. } => Ok(kept(entry, None)),
        },
        Matrices::As(ty) if is_of(entry, ty) => Ok(kept(entry, None)),
        Matrices::As(ty) if ty.is_ternary() => Ok(ternary(entry, ty)),
        // Ternary weights are what they are, whoever takes losses.
        Matrices::As(ty) => Ok(Becomes::Dense { ty, lossy: target.lossy && !entry.is_ternary() }),
        Matrices::Quantised(_) if entry.is_ternary() => {
            let why = "it is ternary already, and a second rounding would only harm it; tercet convert changes types";
            Err(refused(entry, "new ternary weights", why))
        }
        Matrices::Quantised(ty) => Ok(quantised(entry, ty)),
    }
}

/// Rows that are no whole number of blocks are rounded in groups of 64, which is as long as Q2_0's blocks; those that are not even that, to 8 bits.
fn quantised(entry: &Entry, ty: TensorType) -> Becomes {
    let fits = |ty: TensorType| entry.row().is_multiple_of(ty.block_len() as u64);
    match [ty, TensorType::Q2_0].into_iter().find(|&ty| fits(ty)) {
        Some(ty) => Becomes::Quantised(ty),
        None if fits(TensorType::Q8_0) => Becomes::Dense { ty: TensorType::Q8_0, lossy: true },
        None => Becomes::Dense { ty: TensorType::F16, lossy: true },
    }
}

/// What an embedding or a head becomes.
fn table(entry: &Entry, target: &Target) -> Becomes {
    match target.tables {
        None => kept(entry, None),
        Some(ty) if is_of(entry, ty) => kept(entry, None),
        Some(ty) if ty.is_ternary() => ternary(entry, ty),
        Some(ty) => Becomes::Dense { ty, lossy: target.lossy && !entry.is_ternary() },
    }
}

/// What stays as it is: floats in their own type, or in `floats`, which holds them all.
fn kept(entry: &Entry, floats: Option<TensorType>) -> Becomes {
    match entry.form {
        Form::Blocks { ty, .. } => Becomes::Copied(ty),
        Form::Floats(ty) => Becomes::Dense { ty: floats.unwrap_or(ty), lossy: false },
        Form::Codes => ternary(entry, TensorType::Q1_58),
    }
}

/// Ternary blocks. A folder's scale that divides, or is no f16, could be kept by no type that is written.
fn ternary(entry: &Entry, ty: TensorType) -> Becomes {
    Becomes::Ternary { ty, lossy: entry.form == Form::Codes }
}

/// Whether a tensor is of a type already.
fn is_of(entry: &Entry, asked: TensorType) -> bool {
    matches!(entry.form, Form::Blocks { ty, .. } if ty == asked)
}

/// Whether all groups of floats are ternary; the first that is not ends the search.
fn is_ternary(source: &dyn Source, index: usize, watch: &mut Watch<'_>) -> Result<bool> {
    let entry = &source.tensors()[index];
    if !entry.row().is_multiple_of(GROUP) {
        return Ok(false);
    }
    let mut reader = source.open(index, watch)?;
    for piece in pieces(entry.weights()) {
        let weights = piece.end - piece.start;
        if let Weights::Floats(floats) = reader.weights(piece)?
            && ternary_of(&floats, GROUP as usize).is_err()
        {
            return Ok(false);
        }
        watch.more(weights)?;
    }
    Ok(true)
}

/// Bytes in the new file.
fn bytes(entry: &Entry, becomes: Becomes) -> Result<u64> {
    let ty = match (becomes, entry.form) {
        (Becomes::Copied(_), Form::Blocks { bytes, .. }) => return Ok(bytes),
        (Becomes::Dense { ty, .. } | Becomes::Ternary { ty, .. } | Becomes::Quantised(ty), _) => ty,
        (Becomes::Copied(_), _) => unreachable!("only blocks are copied"),
    };
    ty.tensor_bytes(entry.row(), entry.rows()).map_err(|error| refused(entry, ty.name(), error.to_string()))
}

fn refused(entry: &Entry, ty: &'static str, why: impl Into<String>) -> Error {
    Error::Tensor { name: entry.name.clone(), ty, why: why.into() }
}
