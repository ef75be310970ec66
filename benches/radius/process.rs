//! Processes as the kernel sees them: processor time with that of all their children, and resident memory.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// The unit of processor time in /proc, 100 a second on every Linux (proc(5), sysconf(_SC_CLK_TCK)).
const TICK: Duration = Duration::from_millis(10);
/// A process that takes less than two ticks in this time does nothing more.
const LOOK: Duration = Duration::from_millis(250);
/// Two minutes: ten thousand sessions hear of their connections behind a turn of accounting.
const LOOKS: usize = 480;

/// Processor time of the processes and of all that they started, user and system.
pub fn processor(roots: &[u32]) -> Duration {
    let mut ticks = 0;
    let mut parents = HashMap::new();
    let mut spent = HashMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // It may have ended since.
        let Some((parent, ticks)) = fs::read_to_string(entry.path().join("stat")).ok().as_deref().and_then(stat) else {
            continue;
        };
        parents.insert(id, parent);
        spent.insert(id, ticks);
    }
    for (id, own) in &spent {
        let mut above = Some(id);
        while let Some(one) = above {
            if roots.contains(one) {
                ticks += own;
                break;
            }
            above = parents.get(one);
        }
    }
    TICK * ticks
}

/// The parent's id, and utime, stime, cutime and cstime together.
fn stat(line: &str) -> Option<(u32, u32)> {
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u32>().ok()).sum();
    Some((fields.get(1)?.parse().ok()?, ticks))
}

/// Resident memory in KiB.
pub fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Waits until the processes have done what was left to be done.
pub fn settle(ids: &[u32]) {
    for _ in 0..LOOKS {
        let before = processor(ids);
        std::thread::sleep(LOOK);
        // What a process of theirs spent may be gone with it for a moment.
        if processor(ids).saturating_sub(before) < TICK * 2 {
            return;
        }
    }
}
