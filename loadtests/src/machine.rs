//! What the system says about a process: processor time and memory; and the limit of files.

use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::collections::BTreeMap;

/// Processor time is counted in these, on every Linux there is (`getconf CLK_TCK`).
const TICKS: f64 = 100.0;

/// Lets this process, and all that it starts, have as many files as the system allows.
pub fn allow_many_files() -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("cannot raise the limit of open files")
}

/// Cores, system, and how busy it was in the last minute: figures of a busy machine say so themselves.
pub fn describe() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    let load = load.split(' ').next().unwrap_or_default();
    format!(
        "{cores} cores, Linux {}, load {load} before it began",
        kernel.trim()
    )
}

/// The wall clock in microseconds, as PostgreSQL on this machine has it.
#[expect(clippy::disallowed_methods, reason = "compared with another process's clock")]
pub fn wall_clock() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_micros() as i64
}

/// Seconds of processor time, user's and system's, that a process has taken.
pub fn processor(pid: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, times) = stat(&text).context("no processor time")?;
    Ok(times)
}

/// As [`processor`], with all that it has started and that lives.
pub fn processor_of_all(pid: u32) -> anyhow::Result<f64> {
    Ok(family(pid)?.values().sum())
}

/// Memory of a process and all that it has started in MiB; what several share counts once.
pub fn memory_of_all(pid: u32) -> anyhow::Result<f64> {
    // a process may end while it is looked at
    let sizes = family(pid)?
        .into_keys()
        .filter_map(|pid| rollup(pid, "Pss:").ok());
    Ok(sizes.sum::<f64>() / 1024.0)
}

/// A process and all below it, with the processor time of each.
fn family(pid: u32) -> anyhow::Result<BTreeMap<u32, f64>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // a process may end while it is looked at
        if let Ok(text) = std::fs::read_to_string(entry.path().join("stat"))
            && let Some(stat) = stat(&text)
        {
            all.insert(pid, stat);
        }
    }
    let mut family = BTreeMap::new();
    let mut waiting = vec![pid];
    while let Some(pid) = waiting.pop() {
        family.insert(pid, all.get(&pid).map_or(0.0, |(_, time)| *time));
        waiting.extend(
            all.iter()
                .filter(|(_, (parent, _))| *parent == pid)
                .map(|(pid, _)| *pid),
        );
    }
    Ok(family)
}

/// The parent, and the processor time; see proc_pid_stat(5).
fn stat(text: &str) -> Option<(u32, f64)> {
    // the name before stands in parentheses and may hold anything
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields
        .get(11..13)?
        .iter()
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Some((fields.get(1)?.parse().ok()?, ticks / TICKS))
}

/// Resident memory of one process in KiB.
pub fn resident(pid: u32) -> anyhow::Result<f64> {
    rollup(pid, "Rss:")
}

/// One line of smaps_rollup in KiB; see proc_pid_smaps_rollup(5).
fn rollup(pid: u32, name: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text
        .lines()
        .find(|line| line.starts_with(name))
        .context("no such line")?;
    let number = line.split_whitespace().nth(1).context("no number")?;
    Ok(number.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_time_and_memory() {
        let pid = std::process::id();
        let mut sum = 0_u64;
        while processor(pid).unwrap() == 0.0 {
            sum = (0..1_000_000_u64).fold(sum, u64::wrapping_add);
        }
        let own = processor(pid).unwrap();
        assert!(processor_of_all(pid).unwrap() >= own);
        assert!(resident(pid).unwrap() > 100.0 && memory_of_all(pid).unwrap() > 0.1);
    }

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let text = "7 (a) b (c) S 3 7 7 0 -1 0 0 0 0 0 150 50 9 9 20 0 1 0 1 1 1";
        assert_eq!(stat(text), Some((3, 2.0)));
    }
}
