//! Figures of the host, from the kernel's own files. A few small files every few seconds, only while somebody looks;
//! nothing is forked.

mod parse;
mod reach;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use komodo_agent_api::EventBody;
use komodo_api::{
    UnixMs,
    stats::{SingleDiskUsage, SystemInformation, SystemStats, Timelength},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{clock, observe::Observatory};
use parse::{CpuTimes, Mount};
pub use reach::is_this_host;

/// Between two looks at the disks, which may wait for a server.
const DISKS_INTERVAL: Duration = Duration::from_secs(60);
/// Time a file system has to tell its size; one that hangs is left out and holds up nothing.
const DISKS_DEADLINE: Duration = Duration::from_secs(5);
/// File systems listed at most.
const DISKS_MAX: usize = 64;
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// What of the host is looked at.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Where the kernel's files are: `/proc`.
    pub proc: PathBuf,
    /// Time between samples.
    pub polling_rate: Timelength,
    /// Mount points that are shown; empty is all of them.
    pub include_disk_mounts: Vec<PathBuf>,
    /// Mount points that are not shown.
    pub exclude_disk_mounts: Vec<PathBuf>,
}

impl Default for HostOptions {
    fn default() -> Self {
        HostOptions {
            proc: "/proc".into(),
            polling_rate: Timelength::FiveSeconds,
            include_disk_mounts: Vec::new(),
            exclude_disk_mounts: Vec::new(),
        }
    }
}

/// What the host is.
pub fn information(proc: &Path) -> SystemInformation {
    let read = |name: &str| std::fs::read_to_string(proc.join(name)).unwrap_or_default();
    let line = |name: &str| Some(read(name).trim().to_owned()).filter(|text| !text.is_empty());
    let release = ["/etc/os-release", "/usr/lib/os-release"];
    let release = release
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .unwrap_or_default();
    let cpu = parse::cpu_info(&read("cpuinfo"));
    SystemInformation {
        name: parse::os_release(&release, "NAME"),
        os: parse::os_release(&release, "PRETTY_NAME"),
        kernel: line("sys/kernel/osrelease"),
        core_count: cpu.physical,
        logical_core_count: cpu.logical,
        host_name: line("sys/kernel/hostname"),
        cpu_brand: cpu.brand,
        cpu_arch: std::env::consts::ARCH.to_owned(),
        boot_ts: parse::boot_time(&read("stat")),
    }
}

/// Samples while somebody reads the events, for ever.
pub async fn sample(options: HostOptions, observatory: Observatory) {
    let mut sampler = Sampler::new(options);
    let rate = Duration::from_millis(sampler.options.polling_rate.as_ms());
    loop {
        observatory.read_by_somebody().await;
        let mut tick = interval(rate);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if !observatory.is_read() {
                break;
            }
            let stats = sampler.sample().await;
            observatory.tell(EventBody::Stats(Box::new(stats)));
        }
    }
}

struct Sampler {
    options: Arc<HostOptions>,
    cpu: CpuTimes,
    network: (u64, u64),
    disks: Vec<SingleDiskUsage>,
    disks_at: Option<Instant>,
    disks_ts: UnixMs,
    looking: Option<JoinHandle<Vec<SingleDiskUsage>>>,
}

impl Sampler {
    fn new(options: HostOptions) -> Self {
        let read =
            |name: &str| std::fs::read_to_string(options.proc.join(name)).unwrap_or_default();
        Sampler {
            cpu: parse::cpu_times(&read("stat")),
            network: parse::network(&read("net/dev")),
            options: Arc::new(options),
            disks: Vec::new(),
            disks_at: None,
            disks_ts: 0,
            looking: None,
        }
    }

    async fn sample(&mut self) -> SystemStats {
        self.sample_disks().await;
        let read =
            |name: &str| std::fs::read_to_string(self.options.proc.join(name)).unwrap_or_default();
        let cpu = parse::cpu_times(&read("stat"));
        let network = parse::network(&read("net/dev"));
        let memory = parse::memory(&read("meminfo"));
        let since = |now: u64, before: u64| now.saturating_sub(before) as f64;
        let gib = |bytes: u64| bytes as f64 / GIB;
        let stats = SystemStats {
            cpu_perc: cpu.used_since(&self.cpu),
            load_average: parse::load_average(&read("loadavg")),
            mem_free_gb: gib(memory.free),
            mem_used_gb: gib(memory.total.saturating_sub(memory.available)),
            mem_total_gb: gib(memory.total),
            mem_buff_cache_gb: gib(memory.buffers + memory.cached),
            mem_zfs_arc_gb: gib(parse::zfs_arc(&read("spl/kstat/zfs/arcstats"))),
            swap_total_gb: gib(memory.swap_total),
            swap_used_gb: gib(memory.swap_total.saturating_sub(memory.swap_free)),
            disks: self.disks.clone(),
            network_ingress_bytes: since(network.0, self.network.0),
            network_egress_bytes: since(network.1, self.network.1),
            polling_rate: self.options.polling_rate,
            refresh_ts: clock::now_ms(),
            refresh_list_ts: self.disks_ts,
        };
        (self.cpu, self.network) = (cpu, network);
        stats
    }

    /// A file system on a server that is away blocks whoever asks for its size, so a thread of its own asks, and no
    /// second one while the first has not come back.
    async fn sample_disks(&mut self) {
        if self
            .disks_at
            .is_some_and(|at| at.elapsed() < DISKS_INTERVAL)
        {
            return;
        }
        let mut looking = match self.looking.take() {
            Some(looking) => looking,
            None => {
                let options = Arc::clone(&self.options);
                tokio::task::spawn_blocking(move || disks(&options))
            }
        };
        match tokio::time::timeout(DISKS_DEADLINE, &mut looking).await {
            Ok(disks) => {
                self.disks = disks.unwrap_or_default();
                self.disks_ts = clock::now_ms();
            }
            Err(_) => self.looking = Some(looking),
        }
        self.disks_at = Some(Instant::now());
    }
}

fn disks(options: &HostOptions) -> Vec<SingleDiskUsage> {
    let mounts = std::fs::read_to_string(options.proc.join("self/mounts")).unwrap_or_default();
    let mut disks: Vec<(String, SingleDiskUsage)> = Vec::new();
    for Mount {
        source,
        target,
        kind,
    } in parse::mounts(&mounts)
    {
        let path = Path::new(&target);
        let wanted = match options.include_disk_mounts.is_empty() {
            true => parse::is_disk(&kind) || target == "/",
            false => options
                .include_disk_mounts
                .iter()
                .any(|mount| mount == path),
        };
        let shown = wanted
            && !options
                .exclude_disk_mounts
                .iter()
                .any(|mount| mount == path);
        // In a container the host's files are mounted one by one; they are no disks.
        if !shown || disks.len() == DISKS_MAX || !path.is_dir() {
            continue;
        }
        let Ok(size) = rustix::fs::statvfs(path) else {
            continue;
        };
        if size.f_blocks == 0 {
            continue;
        }
        let bytes = |blocks: u64| blocks.saturating_mul(size.f_frsize) as f64 / GIB;
        let disk = SingleDiskUsage {
            mount: target,
            file_system: kind,
            used_gb: bytes(size.f_blocks.saturating_sub(size.f_bfree)),
            total_gb: bytes(size.f_blocks),
        };
        // The same device mounted twice is one disk, at its shorter path.
        match disks
            .iter_mut()
            .find(|(known, _)| *known == source && source.starts_with('/'))
        {
            Some((_, known)) if disk.mount.len() < known.mount.len() => *known = disk,
            Some(_) => {}
            None => disks.push((source, disk)),
        }
    }
    disks.into_iter().map(|(_, disk)| disk).collect()
}

#[cfg(test)]
mod tests;
