//! What the machine says of itself: processor, caches, huge pages, memory used. Where a system does not tell, the answer is
//! "unknown" or nothing; how fast it is, is measured elsewhere.

use std::fs;

use runtime::cpu::{Memory, Pool, features};

use crate::row::MachineRow;

/// Bytes of the test that huge pages are asked for.
const HUGE_TEST: usize = 64 << 20;

/// The machine, as far as it tells.
pub fn describe() -> MachineRow {
    MachineRow {
        test: "machine",
        cpu: cpu_name(),
        features: features(),
        cores: Pool::threads_available(),
        cache_bytes: cache_bytes(),
        huge_pages: huge_pages(),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// Bytes of the last cache, 32 MiB where the system does not tell.
pub fn last_cache_bytes() -> usize {
    cache_bytes().last().map_or(32 << 20, |&b| usize::try_from(b).unwrap_or(usize::MAX))
}

/// The most memory that this process has held, where the system tells.
pub fn peak_memory_bytes() -> Option<u64> {
    Some(field("/proc/self/status", "VmHWM")? << 10)
}

/// Forgets the peak so far, where the system can.
pub fn reset_peak_memory() {
    // Without it the figure is still a peak, of more than was asked for.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn cpu_name() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|l| l.split_once(':').filter(|(key, _)| key.trim() == "model name"));
    name.map_or_else(|| format!("unknown {}", std::env::consts::ARCH), |(_, name)| name.trim().to_owned())
}

/// Data and unified caches of the first processor, in the system's order: nearest first.
fn cache_bytes() -> Vec<u64> {
    let read = |index: usize, what: &str| {
        let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{what}");
        fs::read_to_string(path).map(|text| text.trim().to_owned()).ok()
    };
    (0..8)
        .map_while(|i| Some((read(i, "type")?, read(i, "size")?)))
        .filter(|(kind, _)| kind != "Instruction")
        .filter_map(|(_, size)| bytes(&size))
        .collect()
}

/// `32K` and `32M` as bytes.
fn bytes(size: &str) -> Option<u64> {
    let digits = size.trim_end_matches(['K', 'M']);
    let unit = match &size[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// The system's setting, and the share of a test that lies on huge pages.
fn huge_pages() -> Option<String> {
    let setting = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?;
    let setting = setting.split(['[', ']']).nth(1)?.to_owned();
    let held = || field("/proc/self/smaps_rollup", "AnonHugePages");
    let Some(before) = held() else { return Some(setting) };
    let _memory = Memory::new(HUGE_TEST, true);
    let granted = held()?.saturating_sub(before) << 10;
    Some(format!("{setting}, {:.0} % granted", 100.0 * granted as f64 / HUGE_TEST as f64))
}

/// The number after `name:` in a file of such lines.
fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_answers_everywhere() {
        let machine = describe();
        assert!(!machine.cpu.is_empty() && machine.cores > 0 && last_cache_bytes() > 0);
        assert_eq!(
            [bytes("32K"), bytes("8M"), bytes("7"), bytes("x")],
            [Some(32 << 10), Some(8 << 20), Some(7), None]
        );
        if cfg!(target_os = "linux") {
            reset_peak_memory();
            assert!(peak_memory_bytes().unwrap() > 1 << 20);
        }
    }
}
