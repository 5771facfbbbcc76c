//! The rows of a measurement, as typed values: what was measured, how, and what came out. They serialise to one flat
//! object each; [`export`](crate::export) writes them.

use serde::Serialize;

/// One figure, or one thing that has no figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Row {
    /// What the machine is.
    Machine(MachineRow),
    /// Multiply-adds from registers.
    Ceiling(CeilingRow),
    /// Bytes read in order.
    Bandwidth(BandwidthRow),
    /// One ternary product.
    Product(ProductRow),
    /// A model made ready.
    Load(LoadRow),
    /// Tokens per second.
    Model(ModelRow),
    /// A decoded token beside its matrix products.
    Matmuls(MatmulsRow),
    /// What a graphics adapter is.
    Device(DeviceRow),
    /// One ternary product on it.
    GpuProduct(GpuProductRow),
    /// Tokens per second on it.
    GpuModel(GpuModelRow),
    /// A server under load.
    Serving(ServingRow),
    /// What was asked and could not be measured.
    Skipped(Skipped),
    /// What one should know who reads the figures.
    Note(NoteRow),
}

impl Row {
    /// What is wrong with what was measured, if anything.
    pub fn error(&self) -> Option<&str> {
        match self {
            Row::Product(row) => row.error.as_deref(),
            Row::Model(row) => row.error.as_deref(),
            Row::GpuProduct(row) => row.error.as_deref(),
            Row::GpuModel(row) => row.error.as_deref(),
            Row::Serving(row) => row.error.as_deref(),
            _ => None,
        }
    }
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MachineRow {
    /// "machine".
    pub test: &'static str,
    /// The processor's name.
    pub cpu: String,
    /// Instruction sets found.
    pub features: Vec<&'static str>,
    /// Threads that this process may run at once.
    pub cores: usize,
    /// Data and unified caches, nearest first, in bytes; empty where the system does not tell.
    pub cache_bytes: Vec<u64>,
    /// What the system says of huge pages, and how much of a test it granted.
    pub huge_pages: Option<String>,
    /// Operating system and architecture.
    pub system: String,
    /// Version of this program.
    pub version: &'static str,
    /// The commit it was built from.
    pub commit: String,
    /// Whether it was built for finding mistakes, with checks that a release leaves out.
    pub debug_build: bool,
    /// When, in UTC, as ISO 8601 writes it.
    pub date: String,
    /// Memory of the machine, where the system tells.
    pub ram_bytes: Option<u64>,
    /// How the system chooses clocks, where it tells.
    pub governor: Option<String>,
    /// Threads that wanted to run in the last minute, on average, before anything was measured.
    pub load_average: Option<f64>,
    /// Whether it runs from a battery, where the system tells.
    pub on_battery: Option<bool>,
}

/// The multiply-add ceiling.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CeilingRow {
    /// "ceiling".
    pub test: &'static str,
    /// Threads at once.
    pub threads: usize,
    /// Best of several bursts, 10^9 operations per second; `None` where the processor has no such instruction.
    pub ceiling_gops: Option<f64>,
}

/// Sequential reading.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BandwidthRow {
    /// "read".
    pub test: &'static str,
    /// Threads at once.
    pub threads: usize,
    /// Bytes that each thread reads again and again.
    pub working_set_bytes: usize,
    /// Whether huge pages were asked for, or declined.
    pub huge_pages: bool,
    /// Best of several passes, 10^9 bytes per second of all threads.
    pub bandwidth_gbs: f64,
}

/// One ternary product by one kernel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProductRow {
    /// "product".
    pub test: &'static str,
    /// Rows x columns.
    pub shape: String,
    /// Row of the table of kernels, or "plain".
    pub kernel: &'static str,
    /// Tokens at once.
    pub batch: usize,
    /// Threads, each with some of the rows.
    pub threads: usize,
    /// The same matrix every time; else other ones, more of them than caches hold.
    pub hot: bool,
    /// Microseconds a product, median of the repetitions.
    pub us: Option<f64>,
    /// 2 x rows x cols x batch / time, in 10^9 per second, of the median.
    pub gops: Option<f64>,
    /// The same of the best repetition.
    pub gops_best: Option<f64>,
    /// Bytes of weights and scales / time, in 10^9 per second, of the median.
    pub gbs: Option<f64>,
    /// Multiply-adds from registers, measured just before and after.
    pub ceiling_gops: Option<f64>,
    /// Reading as many bytes as the cold matrices hold, from huge pages, measured just before and after; of cold rows alone.
    pub bandwidth_gbs: Option<f64>,
    /// What was reached of what bounds it: hot, `gops / ceiling_gops`; cold, `gbs / bandwidth_gbs`.
    pub share: Option<f64>,
    /// Time of the plain loop at the same batch and threads, over this one's.
    pub speedup: Option<f64>,
    /// Largest difference from the scalar kernel's result; 0 when all bits agree.
    pub max_abs_err: f64,
    /// What is wrong: results that differ. Such a row has no times.
    pub error: Option<String>,
    /// Microseconds a product of each repetition.
    pub us_each: Vec<f64>,
}

/// A model made ready.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoadRow {
    /// "load".
    pub test: &'static str,
    /// File or synthetic name.
    pub model: String,
    /// Bytes of its tensors as stored.
    pub size_bytes: u64,
    /// Weights of all kinds.
    pub params: u64,
    /// Row of the table of kernels.
    pub kernel: &'static str,
    /// Reading, checking and laying out, milliseconds; of a synthetic model without making it up.
    pub load_ms: f64,
    /// The most memory that this process held meanwhile, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// SHA-256 of the file, where it was asked for.
    pub sha256: Option<String>,
}

/// Speed of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelRow {
    /// "pp512": a prompt of 512 tokens; "tg128": 128 tokens one after the other.
    pub test: String,
    /// File or synthetic name.
    pub model: String,
    /// Bytes of its tensors as stored.
    pub size_bytes: u64,
    /// Weights of all kinds.
    pub params: u64,
    /// Row of the table of kernels.
    pub kernel: &'static str,
    /// Threads.
    pub threads: usize,
    /// Tokens that the session held before.
    pub depth: usize,
    /// Mean over the repetitions.
    pub tokens_per_second: Option<f64>,
    /// Their standard deviation.
    pub sd: Option<f64>,
    /// Repetitions.
    pub repetitions: usize,
    /// From a prompt to its first token chosen, milliseconds, mean; of `pp` alone.
    pub first_token_ms: Option<f64>,
    /// The most memory that this process held meanwhile, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// Largest difference of a logit from the scalar kernels' over a short text.
    pub max_abs_err: f64,
    /// What is wrong: another text than the scalar kernels'. Such a row has no times.
    pub error: Option<String>,
    /// Tokens per second of each repetition.
    pub tokens_per_second_each: Vec<f64>,
}

/// A decoded token beside its matrix products, measured in turn with the same threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MatmulsRow {
    /// "matmuls".
    pub test: &'static str,
    /// File or synthetic name.
    pub model: String,
    /// Row of the table of kernels.
    pub kernel: &'static str,
    /// Threads.
    pub threads: usize,
    /// Tokens that the session held.
    pub depth: usize,
    /// Microseconds of a decoded token, median.
    pub token_us: f64,
    /// Microseconds of all its products one after the other, median.
    pub matmuls_us: f64,
    /// `token_us / matmuls_us`.
    pub ratio: f64,
    /// Of these, microseconds of query, key and value,
    pub qkv_us: f64,
    /// of the output projections,
    pub o_us: f64,
    /// of gate and up,
    pub gate_up_us: f64,
    /// of down,
    pub down_us: f64,
    /// of the head.
    pub head_us: f64,
    /// Bytes of matrices that a token reads.
    pub matmul_bytes: u64,
    /// Operations on them: two for each weight.
    pub matmul_ops: u64,
    /// `matmul_bytes / matmuls_us`, 10^9 per second.
    pub gbs: f64,
    /// Multiply-adds from registers, measured just before.
    pub ceiling_gops: Option<f64>,
    /// Reading from huge pages, measured just before.
    pub bandwidth_gbs: f64,
}

/// A graphics adapter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceRow {
    /// "device".
    pub test: &'static str,
    /// Its name.
    pub adapter: String,
    /// Vulkan, Metal or Dx12.
    pub backend: String,
    /// Its driver and version.
    pub driver: String,
    /// The processor pretending to be a GPU: its figures say nothing about one.
    pub software: bool,
    /// Bytes of its memory, or of the system's that it may have; none where its backend does not tell.
    pub memory_bytes: Option<u64>,
    /// Optional features that the shaders use.
    pub shaders: String,
}

/// One ternary product on a graphics adapter, many of them to a submission.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GpuProductRow {
    /// "gpu product".
    pub test: &'static str,
    /// Rows x columns.
    pub shape: String,
    /// "gemv" or "gemm".
    pub kernel: &'static str,
    /// The adapter.
    pub adapter: String,
    /// Tokens at once.
    pub batch: usize,
    /// Microseconds a product by the wall clock, recording and waiting included, median.
    pub us: Option<f64>,
    /// The same by the device's clock, where it has one.
    pub device_us: Option<f64>,
    /// 2 x rows x cols x batch / wall time, in 10^9 per second.
    pub gops: Option<f64>,
    /// Bytes of weights and scales / wall time, in 10^9 per second.
    pub gbs: Option<f64>,
    /// Largest difference from the scalar kernel's result.
    pub max_abs_err: f64,
    /// What is wrong: results that differ. Such a row has no times.
    pub error: Option<String>,
    /// Microseconds a product by the wall clock, of each repetition.
    pub us_each: Vec<f64>,
}

/// Speed of a model on a graphics adapter and what a token costs there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GpuModelRow {
    /// "gpu pp512" or "gpu tg128".
    pub test: String,
    /// File or synthetic name.
    pub model: String,
    /// The adapter.
    pub adapter: String,
    /// Tokens that the session held before.
    pub depth: usize,
    /// Mean over the repetitions.
    pub tokens_per_second: Option<f64>,
    /// Their standard deviation.
    pub sd: Option<f64>,
    /// Repetitions.
    pub repetitions: usize,
    /// From a prompt to its first token chosen, milliseconds, mean; of `pp` alone.
    pub first_token_ms: Option<f64>,
    /// Time in shaders over wall time; the rest is recording, waiting and reading back.
    pub device_share: Option<f64>,
    /// Dispatches a token.
    pub dispatches: Option<f64>,
    /// Submissions a token.
    pub submissions: Option<f64>,
    /// Bytes sent a token.
    pub bytes_up: Option<f64>,
    /// Bytes read back a token.
    pub bytes_down: Option<f64>,
    /// Largest difference of a logit from the scalar kernels' over a short text.
    pub max_abs_err: f64,
    /// What is wrong: another text than the CPU's. Such a row has no times.
    pub error: Option<String>,
    /// Tokens per second of each repetition.
    pub tokens_per_second_each: Vec<f64>,
}

/// What was asked and could not be measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Skipped {
    /// The test that it would have been.
    pub test: String,
    /// Why not.
    pub reason: String,
}

/// A server under load. Times are of requests that were answered whole; `None` where there are none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServingRow {
    /// "serve".
    pub test: &'static str,
    /// What the server calls its model.
    pub model: String,
    /// Where it was asked.
    pub address: String,
    /// "completions" or "chat".
    pub endpoint: &'static str,
    /// Clients that asked at once, each again when it had its answer.
    pub streams: Option<usize>,
    /// Or requests that came each second, on average, at random.
    pub arrivals_per_second: Option<f64>,
    /// Requests answered whole.
    pub requests: usize,
    /// Requests that were not.
    pub failed: usize,
    /// From the first request's beginning to the last answer's end.
    pub seconds: f64,
    /// Tokens of a prompt, on average.
    pub prompt_tokens: Option<f64>,
    /// Of those, tokens that the server did not read again.
    pub cached_tokens: Option<f64>,
    /// Tokens of an answer, on average.
    pub answer_tokens: Option<f64>,
    /// Tokens of all answers for each second.
    pub tokens_per_second: f64,
    /// Tokens of all prompts for each second.
    pub prompt_tokens_per_second: f64,
    /// Time to the first piece of an answer, in milliseconds: half of them took no longer.
    pub first_token_p50_ms: Option<f64>,
    /// 95 of 100.
    pub first_token_p95_ms: Option<f64>,
    /// 99 of 100.
    pub first_token_p99_ms: Option<f64>,
    /// Time from one piece of an answer to the next, in milliseconds; a piece is a token, but where several come at once: half of them took no longer.
    pub between_tokens_p50_ms: Option<f64>,
    /// 95 of 100.
    pub between_tokens_p95_ms: Option<f64>,
    /// 99 of 100.
    pub between_tokens_p99_ms: Option<f64>,
    /// Time of a whole request, in milliseconds: half of them took no longer.
    pub request_p50_ms: Option<f64>,
    /// 95 of 100.
    pub request_p95_ms: Option<f64>,
    /// 99 of 100.
    pub request_p99_ms: Option<f64>,
    /// Why the first request that failed did.
    pub error: Option<String>,
}

impl ServingRow {
    /// How it was asked, in a few words.
    pub fn asked(&self) -> String {
        match (self.streams, self.arrivals_per_second) {
            (Some(streams), _) => format!("{streams} at once"),
            (None, Some(rate)) => format!("{rate} a second"),
            (None, None) => "-".to_owned(),
        }
    }

    /// Milliseconds to the first token, between tokens, and of whole requests: each the median, 95 % and 99 %.
    pub fn times(&self) -> [[Option<f64>; 3]; 3] {
        [
            [self.first_token_p50_ms, self.first_token_p95_ms, self.first_token_p99_ms],
            [self.between_tokens_p50_ms, self.between_tokens_p95_ms, self.between_tokens_p99_ms],
            [self.request_p50_ms, self.request_p95_ms, self.request_p99_ms],
        ]
    }
}

/// What one should know who reads the figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoteRow {
    /// "note".
    pub test: &'static str,
    /// A sentence.
    pub note: String,
}
