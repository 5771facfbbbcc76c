//! Measuring: what the machine can do at most, what each kernel gets of that, what a model makes of it. Figures come as
//! typed rows, one at a time, to whoever asked; drawing them is the caller's business.

mod case;
mod error;
mod export;
mod gpu;
mod limits;
pub mod machine;
mod matmuls;
mod model;
mod options;
mod plain;
mod products;
mod row;
mod run;
mod timing;

pub use error::{Error, Result};
pub use export::{COLUMNS, Format, write};
pub use options::{ModelOptions, Options, ProductOptions, Shape, Source};
pub use row::{
    BandwidthRow, CeilingRow, DeviceRow, GpuModelRow, GpuProductRow, LoadRow, MachineRow, MatmulsRow,
    ModelRow, ProductRow, Row, Skipped,
};
pub use run::{Outcome, run};
