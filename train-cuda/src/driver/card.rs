//! The cards of this machine, as their driver describes them.
#![expect(unsafe_code, reason = "calls of the driver that take places to write to")]

use std::fmt;

use cudarc::driver::sys::{self, CUdevice_attribute as Attribute, CUresult};
use cudarc::driver::{CudaContext, DriverError, result};

use super::module::COMPILED_WITH;
use crate::error::{Error, Result};

/// The oldest compute capability that has the kernels' instructions.
const OLDEST: (i32, i32) = (8, 0);

/// A card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its number, counted from 0.
    pub index: usize,
    /// What its maker calls it.
    pub name: String,
    /// Its compute capability.
    pub capability: (i32, i32),
    /// Bytes of its memory.
    pub memory: u64,
    /// Its multiprocessors.
    pub multiprocessors: u32,
    /// Newest CUDA that its driver knows, 12040 for 12.4 say.
    pub driver: i32,
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.capability;
        write!(f, "{} (compute capability {major}.{minor}, {} MiB", self.name, self.memory >> 20)?;
        write!(f, ", driver for CUDA {})", version(self.driver))
    }
}

impl Card {
    /// An RTX 4090 as its data sheet has it, which this machine need not hold: for plans on paper.
    pub fn rtx_4090() -> Card {
        Card {
            index: 0,
            name: "RTX 4090".into(),
            capability: (8, 9),
            memory: 24 << 30,
            multiprocessors: 128,
            driver: 12_040,
        }
    }

    /// Whether so many bytes are left for what needs that many.
    ///
    /// # Errors
    /// They are not, with both numbers.
    pub(crate) fn check_room(&self, needed: u64, free: u64) -> Result<()> {
        if needed <= free {
            return Ok(());
        }
        Err(Error::Memory { card: self.name.clone(), needed: needed >> 20, free: free >> 20 })
    }

    /// Whether it can train.
    ///
    /// # Errors
    /// It is too old, or its driver is.
    pub fn check(&self) -> Result<()> {
        if self.capability < OLDEST {
            let (major, minor) = self.capability;
            return Err(Error::OldCard { card: self.name.clone(), major, minor });
        }
        if self.driver < COMPILED_WITH.0 {
            return Err(Error::OldDriver { found: version(self.driver), needed: COMPILED_WITH.1 });
        }
        Ok(())
    }
}

/// As people write it.
pub(crate) fn version(driver: i32) -> String {
    format!("{}.{}", driver / 1000, driver % 1000 / 10)
}

/// Every card of this machine.
///
/// # Errors
/// No driver, or none that finds a card.
pub fn cards() -> Result<Vec<Card>> {
    // SAFETY: it opens a library of the system's and looks for nothing in it.
    if !unsafe { sys::is_culib_present() } {
        return Err(Error::NoDriver);
    }
    let none = |e: DriverError| match Error::failed(e, "starting the driver") {
        Error::Failed { name, meaning, .. } => Error::NoCard { problem: format!("{name}: {meaning}") },
        other => other,
    };
    match result::init() {
        Err(DriverError(CUresult::CUDA_ERROR_NO_DEVICE)) => {
            return Err(Error::NoCard { problem: "it counts none".into() });
        }
        other => other.map_err(none)?,
    }
    let count = result::device::get_count().map_err(none)?;
    if count == 0 {
        return Err(Error::NoCard { problem: "it counts none".into() });
    }
    (0..count).map(|i| card(i).map_err(|e| Error::failed(e, "asking about a card"))).collect()
}

fn card(index: i32) -> std::result::Result<Card, DriverError> {
    let device = result::device::get(index)?;
    // SAFETY: the device is one that the driver has just named.
    let attribute = |a: Attribute| unsafe { result::device::get_attribute(device, a) };
    let capability = (
        attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
        attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
    );
    let multiprocessors = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
    // SAFETY: as above.
    let memory = unsafe { result::device::total_mem(device)? } as u64;
    let mut driver = 0;
    // SAFETY: it writes one number, into a place that is there.
    unsafe { sys::cuDriverGetVersion(&raw mut driver) }.result()?;
    let (name, multiprocessors) = (result::device::get_name(device)?, multiprocessors.max(0) as u32);
    Ok(Card { index: index as usize, name, capability, memory, multiprocessors, driver })
}

/// A context on the card of this number.
pub(super) fn open(index: usize) -> Result<(Card, std::sync::Arc<CudaContext>)> {
    let cards = cards()?;
    let found = cards.len();
    let card = cards.into_iter().nth(index).ok_or(Error::NoSuchCard { asked: index, found })?;
    card.check()?;
    let context = CudaContext::new(index).map_err(|e| Error::failed(e, "opening a card"))?;
    Ok((card, context))
}
