//! The graphics devices that models run on, and putting a model on the one that is asked for. Each device is opened once, however many models
//! are on it: they take their shares of its memory from one account, and what one of them compiled the others have.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use formats::sentence;
use runtime::Model;
use runtime::gpu::{Adapter, AdapterInfo, Gpu, GpuModel, GpuOptions};

use crate::device::Device;
use crate::error::Result;
use crate::spare::spare_thread;
use crate::step::{Step, Watch, take};

/// Devices that are open as long as something is on them. Whoever opens several models, one after the other or for as long as a server
/// runs, opens them by the same one of these.
#[derive(Debug, Default)]
pub struct Devices {
    cache: Option<PathBuf>,
    open: Mutex<Vec<Weak<Gpu>>>,
}

/// A model where it runs.
#[derive(Debug)]
pub struct Placed {
    /// On this graphics device; `None` for the processor, for which it is laid out then.
    pub gpu: Option<Arc<GpuModel>>,
    /// What whoever asked should hear of.
    pub remarks: Vec<Remark>,
}

/// Something that whoever asked for a device should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// The device is the processor pretending to be a GPU: it is slower than the processor itself.
    Software(AdapterInfo),
    /// The device that was asked for cannot take the model, and the processor does.
    CpuGoesOn {
        /// What the device, or the lack of one, had against it.
        why: String,
    },
}

impl Devices {
    /// None open yet. Shaders are kept compiled in the folder `cache`, or nowhere.
    pub fn new(cache: Option<PathBuf>) -> Devices {
        Devices { cache, open: Mutex::default() }
    }

    /// The device that is asked for; `None` for the processor.
    ///
    /// # Errors
    /// No such adapter, one that does not open, or no thread for its driver.
    pub fn open(&self, device: &Device) -> runtime::Result<Option<Arc<Gpu>>> {
        let name = match device {
            Device::Cpu => return Ok(None),
            Device::Gpu => None,
            Device::Named(name) => Some(name.as_str()),
        };
        spare_thread()?;
        let adapter = Adapter::choose(name)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|gpu| gpu.strong_count() > 0);
        // Of adapters that say the same of themselves it is always the first that is chosen.
        if let Some(gpu) = open.iter().filter_map(Weak::upgrade).find(|gpu| gpu.info() == adapter.info()) {
            return Ok(Some(gpu));
        }
        let options = GpuOptions { cache: self.cache.clone(), ..GpuOptions::default() };
        let gpu = Arc::new(Gpu::from_adapter(&adapter, options)?);
        open.push(Arc::downgrade(&gpu));
        Ok(Some(gpu))
    }

    /// Puts a model on the device that is asked for, or leaves it to the processor where that cannot be and [`Device`] allows it.
    ///
    /// # Errors
    /// No adapter of a name that was asked for; a broken file, in the same words whatever the device; given up by `watch`.
    pub fn place(&self, model: &Model, device: &Device, watch: Watch<'_>) -> Result<Placed> {
        if *device != Device::Cpu {
            take(watch, Step::Copying(device))?;
        }
        let why = match self.copied(model, device) {
            Ok(Some(gpu)) => {
                let info = gpu.gpu().info();
                let remarks = info.software.then(|| Remark::Software(info.clone())).into_iter().collect();
                return Ok(Placed { gpu: Some(gpu), remarks });
            }
            Ok(None) => None,
            Err(error @ runtime::Error::NoAdapter { .. }) if *device != Device::Gpu => {
                return Err(error.into());
            }
            Err(error) => Some(sentence(&error)),
        };
        if !model.is_laid_out() {
            take(watch, Step::LayingOut)?;
            // If it is the file that the device had something against, this says so.
            model.lay_out()?;
        }
        let remarks = why.map(|why| Remark::CpuGoesOn { why }).into_iter().collect();
        Ok(Placed { gpu: None, remarks })
    }

    /// The model on a graphics device, if one is asked for.
    fn copied(&self, model: &Model, device: &Device) -> runtime::Result<Option<Arc<GpuModel>>> {
        let Some(gpu) = self.open(device)? else { return Ok(None) };
        let copied = match GpuModel::new(Arc::clone(&gpu), model) {
            // It may have been lost under the models that are on it, and is lost to these alone.
            Err(runtime::Error::Gpu { .. }) if Arc::strong_count(&gpu) > 1 => {
                self.forget(&gpu);
                let Some(anew) = self.open(device)? else { return Ok(None) };
                GpuModel::new(anew, model)
            }
            copied => copied,
        };
        copied.map(|copied| Some(Arc::new(copied)))
    }

    /// Whoever asks for this device next gets it opened anew.
    fn forget(&self, gpu: &Arc<Gpu>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(gpu)));
    }
}
