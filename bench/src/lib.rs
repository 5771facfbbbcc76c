//! Measuring: what the machine can do at most, what each kernel gets of that, what a model makes of it. Figures come as
//! typed rows, one at a time, to whoever asked; drawing them is the caller's business.

mod agree;
mod case;
mod cell;
mod error;
mod export;
mod gpu;
mod limits;
pub mod machine;
mod markdown;
mod matmuls;
mod model;
mod options;
mod plain;
mod products;
mod read;
mod row;
mod run;
mod timing;
mod watch;

pub use cell::{Cell, Work};
pub use error::{Error, Result};
pub use export::{COLUMNS, Format, object, write};
pub use options::{ModelOptions, Options, ProductOptions, Shape, Source};
pub use read::read;
pub use row::{
    BandwidthRow, CeilingRow, DeviceRow, GpuModelRow, GpuProductRow, LoadRow, MachineRow, MatmulsRow,
    ModelRow, NoteRow, ProductRow, Row, ServingRow, Skipped,
};
pub use run::{Outcome, run};
pub use timing::Stats;
pub use watch::Watch;
