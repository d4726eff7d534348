//! The kernel's files, read: pure. What is missing or odd counts as nothing.

use komodo_api::{UnixMs, stats::SystemLoadAverage};

/// Ticks since the start of the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CpuTimes {
    pub(super) busy: u64,
    pub(super) total: u64,
}

impl CpuTimes {
    /// Use of all cores since an earlier look, %.
    pub(super) fn used_since(&self, before: &CpuTimes) -> f32 {
        let total = self.total.saturating_sub(before.total);
        if total == 0 {
            return 0.0;
        }
        let busy = self.busy.saturating_sub(before.busy);
        (100.0 * busy as f64 / total as f64).min(100.0) as f32
    }
}

/// `/proc/stat`: `cpu user nice system idle iowait irq softirq steal guest guest_nice`.
pub(super) fn cpu_times(stat: &str) -> CpuTimes {
    let Some(line) = stat.lines().find(|line| line.starts_with("cpu ")) else {
        return CpuTimes::default();
    };
    // Guest time is part of user time.
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .map(|tick| tick.parse().unwrap_or(0))
        .collect();
    let total: u64 = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    CpuTimes {
        busy: total - idle,
        total,
    }
}

/// `btime` of `/proc/stat`.
pub(super) fn boot_time(stat: &str) -> Option<UnixMs> {
    let seconds: i64 = stat
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()?;
    seconds.checked_mul(1000)
}

/// `/proc/loadavg`.
pub(super) fn load_average(text: &str) -> SystemLoadAverage {
    let mut numbers = text
        .split_whitespace()
        .map(|number| number.parse().unwrap_or(0.0));
    let mut next = || numbers.next().unwrap_or(0.0);
    SystemLoadAverage {
        one: next(),
        five: next(),
        fifteen: next(),
    }
}

/// `/proc/meminfo`, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) total: u64,
    pub(super) free: u64,
    pub(super) available: u64,
    pub(super) buffers: u64,
    pub(super) cached: u64,
    pub(super) swap_total: u64,
    pub(super) swap_free: u64,
}

pub(super) fn memory(meminfo: &str) -> Memory {
    let mut memory = Memory::default();
    for line in meminfo.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let kib: u64 = value
            .split_whitespace()
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        let field = match key {
            "MemTotal" => &mut memory.total,
            "MemFree" => &mut memory.free,
            "MemAvailable" => &mut memory.available,
            "Buffers" => &mut memory.buffers,
            "Cached" | "SReclaimable" => &mut memory.cached,
            "SwapTotal" => &mut memory.swap_total,
            "SwapFree" => &mut memory.swap_free,
            _ => continue,
        };
        *field += kib * 1024;
    }
    memory
}

/// Size of the ZFS cache, bytes.
pub(super) fn zfs_arc(arcstats: &str) -> u64 {
    let size = arcstats.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("size")).then(|| words.nth(1))?
    });
    size.and_then(|size| size.parse().ok()).unwrap_or(0)
}

/// `/proc/net/dev`: bytes received and sent on all interfaces but the loopback and those that lead to containers, whose
/// bytes pass another interface as well.
pub(super) fn network(dev: &str) -> (u64, u64) {
    let mut sum = (0_u64, 0_u64);
    for line in dev.lines() {
        let Some((name, numbers)) = line.split_once(':') else {
            continue;
        };
        let name = name.trim();
        if name == "lo"
            || ["veth", "br-", "docker", "virbr"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        {
            continue;
        }
        let mut numbers = numbers
            .split_whitespace()
            .map(|number| number.parse::<u64>().unwrap_or(0));
        sum.0 = sum.0.saturating_add(numbers.next().unwrap_or(0));
        sum.1 = sum.1.saturating_add(numbers.nth(7).unwrap_or(0));
    }
    sum
}

/// What `/proc/cpuinfo` tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CpuInfo {
    pub(super) physical: Option<u32>,
    pub(super) logical: Option<u32>,
    pub(super) brand: String,
}

pub(super) fn cpu_info(cpuinfo: &str) -> CpuInfo {
    let mut info = CpuInfo::default();
    let mut cores = std::collections::BTreeSet::new();
    let (mut logical, mut package) = (0, "");
    for line in cpuinfo.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        match (key.trim(), value.trim()) {
            ("processor", _) => logical += 1,
            ("model name", brand) if info.brand.is_empty() => info.brand = brand.to_owned(),
            ("physical id", id) => package = id,
            ("core id", id) => {
                cores.insert((package, id));
            }
            _ => {}
        }
    }
    info.logical = (logical > 0).then_some(logical);
    // Where the kernel does not tell cores apart, each counts.
    info.physical = u32::try_from(cores.len())
        .ok()
        .filter(|cores| *cores > 0)
        .or(info.logical);
    info
}

/// A value of `/etc/os-release`.
pub(super) fn os_release(text: &str, key: &str) -> Option<String> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim().trim_matches('"').to_owned()).filter(|value| !value.is_empty())
}

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) kind: String,
}

/// `/proc/self/mounts`: `source target kind options 0 0`, with blanks written `\040`.
pub(super) fn mounts(text: &str) -> impl Iterator<Item = Mount> {
    text.lines().filter_map(|line| {
        let mut words = line.split(' ').map(|word| word.replace("\\040", " "));
        Some(Mount {
            source: words.next()?,
            target: words.next()?,
            kind: words.next()?,
        })
    })
}

/// Whether a file system is one that fills up.
pub(super) fn is_disk(kind: &str) -> bool {
    const DISKS: &[&str] = &[
        "ext2",
        "ext3",
        "ext4",
        "xfs",
        "btrfs",
        "zfs",
        "f2fs",
        "jfs",
        "reiserfs",
        "bcachefs",
        "vfat",
        "exfat",
        "ntfs",
        "ntfs3",
        "fuseblk",
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "ceph",
        "glusterfs",
        "fuse.glusterfs",
        "fuse.mergerfs",
    ];
    DISKS.contains(&kind)
}
