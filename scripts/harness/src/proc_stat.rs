//! Memory and processor time of a process, read from Linux's `/proc`. On other systems both are `None`.

/// Resident memory of a process in KiB.
pub fn resident_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Processor time that a process has used so far, user and system, in seconds.
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    // `schedstat` counts nanoseconds per thread; `stat` counts ticks of 10 ms, too coarse for an idle process.
    let mut nanos = 0_u64;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let path = thread.ok()?.path().join("schedstat");
        let text = std::fs::read_to_string(path).ok()?;
        nanos += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a measurement")]
    Some(nanos as f64 / 1e9)
}
