//! What the machine says of itself: processor, caches, huge pages, memory used. Where a system does not tell, the answer is
//! "unknown" or nothing; how fast it is, is measured elsewhere.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use cpu::{Memory, Pool, features};

use crate::row::MachineRow;

/// Bytes of the test that huge pages are asked for.
const HUGE_TEST: usize = 64 << 20;

/// The machine as it is now, as far as it tells, and the program, built from `commit`.
pub fn describe(commit: &str) -> MachineRow {
    MachineRow {
        test: "machine",
        cpu: cpu_name(),
        features: features(),
        cores: Pool::threads_available(),
        cache_bytes: cache_bytes(),
        huge_pages: huge_pages(),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        version: env!("CARGO_PKG_VERSION"),
        commit: commit.to_owned(),
        debug_build: cfg!(debug_assertions),
        date: date(SystemTime::now()),
        ram_bytes: field("/proc/meminfo", "MemTotal").map(|kib| kib << 10),
        governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        load_average: load_average(),
        on_battery: on_battery(),
    }
}

/// Threads that wanted to run in the last minute, on average, where the system tells.
pub fn load_average() -> Option<f64> {
    line("/proc/loadavg")?.split(' ').next()?.parse().ok()
}

/// Whether the machine runs from a battery, where the system tells.
pub fn on_battery() -> Option<bool> {
    let supplies = fs::read_dir("/sys/class/power_supply").ok()?;
    let mut found = None;
    for supply in supplies.flatten() {
        let read = |what: &str| line(&supply.path().join(what).to_string_lossy());
        // One that is plugged in is enough; a battery of a mouse is none of the machine's.
        match (read("type")?.as_str(), read("online").as_deref(), read("status").as_deref()) {
            ("Mains", Some("1"), _) => return Some(false),
            ("Battery", _, Some("Discharging")) if read("scope").as_deref() != Some("Device") => {
                found = Some(true)
            }
            ("Mains" | "Battery", ..) => found = found.or(Some(false)),
            _ => {}
        }
    }
    found
}

fn line(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned()).filter(|line| !line.is_empty())
}

/// `2026-11-25T13:12:54Z`.
fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March of year 0 fall into eras of 400 years (after Howard Hinnant's civil_from_days).
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (h, m, s) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}Z")
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
        let machine = describe("c0ffee");
        assert_eq!((machine.commit.as_str(), machine.date.len()), ("c0ffee", 20), "{machine:?}");
        assert!(!machine.cpu.is_empty() && machine.cores > 0 && last_cache_bytes() > 0);
        assert_eq!(
            [bytes("32K"), bytes("8M"), bytes("7"), bytes("x")],
            [Some(32 << 10), Some(8 << 20), Some(7), None]
        );
        if cfg!(target_os = "linux") {
            reset_peak_memory();
            assert!(peak_memory_bytes().unwrap() > 1 << 20);
            assert!(
                machine.ram_bytes.unwrap() > 1 << 20 && machine.load_average.unwrap() >= 0.0,
                "{machine:?}"
            );
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |seconds| date(UNIX_EPOCH + std::time::Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_795_612_374), "2026-11-25T13:12:54Z");
        assert_eq!(at(4_107_542_399), "2100-02-28T23:59:59Z");
    }
}
