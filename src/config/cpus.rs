//! Which CPUs this process may use, as the kernel says in `/proc/self/status`: the one place that
//! knows of taskset, cgroup cpusets and missing CPUs alike.

/// CPU numbers in increasing order; only CPU 0 if the kernel does not say.
pub(super) fn cpus_allowed() -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    match list.map(|list| parse_cpu_list(list.trim())) {
        Some(cpus) if !cpus.is_empty() => cpus,
        _ => vec![0],
    }
}

/// Parses the kernel's list format: `0-3,8`.
fn parse_cpu_list(list: &str) -> Vec<usize> {
    let ranges = list.split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::{cpus_allowed, parse_cpu_list};

    #[test]
    fn lists_of_the_kernel() {
        assert_eq!(parse_cpu_list("0-1"), [0, 1]);
        assert_eq!(parse_cpu_list("2"), [2]);
        assert_eq!(parse_cpu_list("0-2,8,10-11"), [0, 1, 2, 8, 10, 11]);
    }

    #[test]
    fn this_process_may_run_somewhere() {
        assert!(!cpus_allowed().is_empty());
    }
}
