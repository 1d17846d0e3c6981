//! Who this worker is: its name and what it has.

use hythe_core::names::{BadText, WorkerName};
use hythe_core::worker::Capacity;

/// The longest name.
const MOST_NAME: usize = 63;
/// What a worker is called whose host's name has nothing to offer.
const NAMELESS: &str = "worker";
/// Taken for a machine whose memory cannot be read: 1 GiB.
const UNKNOWN_MEMORY: u64 = 1 << 30;

/// The host's name as a worker's name: lower case, digits and dashes.
pub(crate) fn host_name() -> Result<WorkerName, BadText> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    sanitised(host.trim())
}

fn sanitised(host: &str) -> Result<WorkerName, BadText> {
    let mut name = String::new();
    for c in host.chars().map(|c| c.to_ascii_lowercase()) {
        let c = if c.is_ascii_alphanumeric() { c } else { '-' };
        if (c != '-' || !name.ends_with('-')) && name.len() < MOST_NAME {
            name.push(c);
        }
    }
    let name = name.trim_matches('-');
    WorkerName::new(if name.is_empty() { NAMELESS } else { name })
}

/// What this machine has.
pub(crate) fn capacity() -> Capacity {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    Capacity {
        memory_bytes: memory(&text).unwrap_or(UNKNOWN_MEMORY),
        cpu_millis: u32::try_from(processors).unwrap_or(u32::MAX).saturating_mul(1000),
    }
}

fn memory(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_host_name_makes_a_worker_name() {
        let long = "h".repeat(100);
        let rows = [
            ("web-1", "web-1"),
            ("Web_1.example.com", "web-1-example-com"),
            ("--", "worker"),
            ("", "worker"),
            ("größe", "gr-e"),
            (&long, &long[..63]),
        ];
        for (host, expected) in rows {
            assert_eq!(sanitised(host).unwrap().as_str(), expected, "{host}");
        }
    }

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(memory("MemTotal:       16 kB\nMemFree: 1 kB\n"), Some(16 * 1024));
        assert_eq!(memory("nothing"), None);
    }
}
