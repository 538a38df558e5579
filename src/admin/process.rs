//! What the kernel says about this process, from `/proc`: memory and CPU time. A kernel that does
//! not say leaves the metric out.

/// Ticks of `/proc/self/stat` a second: USER_HZ, 100 on every architecture that Linux has today.
const TICKS_PER_SECOND: f64 = 100.0;

/// Resident memory in bytes.
pub(super) fn resident_bytes() -> Option<f64> {
    resident_bytes_in(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// CPU time of every thread, user and system, in seconds.
pub(super) fn cpu_seconds() -> Option<f64> {
    cpu_seconds_in(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

fn resident_bytes_in(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024.0)
}

fn cpu_seconds_in(stat: &str) -> Option<f64> {
    // The second field, the program's name in parentheses, may hold anything: start after it.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc() {
        let status = "Name:\tdns\nVmHWM:\t   99 kB\nVmRSS:\t     2048 kB\n";
        assert_eq!(resident_bytes_in(status), Some(2_097_152.0));
        let stat = "7 (a) b) S 1 2 3 4 -1 6 7 8 9 10 250 50 0 0 20";
        assert_eq!(cpu_seconds_in(stat), Some(3.0));
    }

    #[test]
    fn this_process() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 65536.0));
        assert!(cpu_seconds().is_some_and(|seconds| seconds >= 0.0));
    }
}
