//! Where a model is to run, as somebody asks for it. What there is to be had is `devices`' business.

use std::fmt;

/// A device that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The best graphics adapter there is. Where none can take the model, the processor does.
    Gpu,
    /// The graphics adapter with this in its name, whatever the case. There must be one: a name is not to be mistyped unnoticed.
    Named(String),
}

impl From<&str> for Device {
    /// As a person writes it: `cpu`, `gpu`, or a part of a name.
    fn from(words: &str) -> Device {
        match words {
            "cpu" => Device::Cpu,
            "gpu" => Device::Gpu,
            name => Device::Named(name.to_owned()),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Device::Cpu => "cpu",
            Device::Gpu => "gpu",
            Device::Named(name) => name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_is_written_as_it_is_read() {
        for (words, device) in [
            ("cpu", Device::Cpu),
            ("gpu", Device::Gpu),
            ("RTX 3090", Device::Named("RTX 3090".into())),
            ("CPU", Device::Named("CPU".into())),
        ] {
            assert_eq!((Device::from(words), device.to_string().as_str()), (device, words));
        }
    }
}
