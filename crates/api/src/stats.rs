//! What a host is and how loaded it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::UnixMs;

/// A length of time as clients write it (`15-sec`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum Timelength {
    #[serde(rename = "1-sec")]
    OneSecond,
    #[serde(rename = "2-sec")]
    TwoSeconds,
    #[serde(rename = "3-sec")]
    ThreeSeconds,
    #[serde(rename = "5-sec")]
    FiveSeconds,
    #[serde(rename = "10-sec")]
    TenSeconds,
    #[serde(rename = "15-sec")]
    FifteenSeconds,
    #[serde(rename = "30-sec")]
    ThirtySeconds,
    #[default]
    #[serde(rename = "1-min")]
    OneMinute,
    #[serde(rename = "2-min")]
    TwoMinutes,
    #[serde(rename = "3-min")]
    ThreeMinutes,
    #[serde(rename = "5-min")]
    FiveMinutes,
    #[serde(rename = "10-min")]
    TenMinutes,
    #[serde(rename = "15-min")]
    FifteenMinutes,
    #[serde(rename = "30-min")]
    ThirtyMinutes,
    #[serde(rename = "1-hr")]
    OneHour,
    #[serde(rename = "2-hr")]
    TwoHours,
    #[serde(rename = "3-hr")]
    ThreeHours,
    #[serde(rename = "6-hr")]
    SixHours,
    #[serde(rename = "8-hr")]
    EightHours,
    #[serde(rename = "12-hr")]
    TwelveHours,
    #[serde(rename = "1-day")]
    OneDay,
    #[serde(rename = "2-day")]
    TwoDays,
    #[serde(rename = "3-day")]
    ThreeDays,
    #[serde(rename = "1-wk")]
    OneWeek,
    #[serde(rename = "2-wk")]
    TwoWeeks,
    #[serde(rename = "30-day")]
    ThirtyDays,
}

impl Timelength {
    /// The length in milliseconds.
    pub const fn as_ms(self) -> u64 {
        use Timelength::*;
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        const DAY: u64 = 24 * HOUR;
        1000 * match self {
            OneSecond => 1,
            TwoSeconds => 2,
            ThreeSeconds => 3,
            FiveSeconds => 5,
            TenSeconds => 10,
            FifteenSeconds => 15,
            ThirtySeconds => 30,
            OneMinute => MINUTE,
            TwoMinutes => 2 * MINUTE,
            ThreeMinutes => 3 * MINUTE,
            FiveMinutes => 5 * MINUTE,
            TenMinutes => 10 * MINUTE,
            FifteenMinutes => 15 * MINUTE,
            ThirtyMinutes => 30 * MINUTE,
            OneHour => HOUR,
            TwoHours => 2 * HOUR,
            ThreeHours => 3 * HOUR,
            SixHours => 6 * HOUR,
            EightHours => 8 * HOUR,
            TwelveHours => 12 * HOUR,
            OneDay => DAY,
            TwoDays => 2 * DAY,
            ThreeDays => 3 * DAY,
            OneWeek => 7 * DAY,
            TwoWeeks => 14 * DAY,
            ThirtyDays => 30 * DAY,
        }
    }
}

/// What a host is; changes only when it restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SystemInformation {
    /// Distribution.
    pub name: Option<String>,
    /// Operating system and version.
    pub os: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Physical cores.
    pub core_count: Option<u32>,
    /// Logical cores.
    pub logical_core_count: Option<u32>,
    /// Host name.
    pub host_name: Option<String>,
    /// CPU model.
    #[serde(default)]
    pub cpu_brand: String,
    /// CPU architecture.
    #[serde(default)]
    pub cpu_arch: String,
    /// Time the host was started; absent where the agent cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_ts: Option<UnixMs>,
}

/// Load averages over 1, 5 and 15 minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SystemLoadAverage {
    /// Over 1 minute.
    pub one: f64,
    /// Over 5 minutes.
    pub five: f64,
    /// Over 15 minutes.
    pub fifteen: f64,
}

/// Use of one mounted file system, in GiB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SingleDiskUsage {
    /// Mount point.
    pub mount: String,
    /// File system type.
    pub file_system: String,
    /// Used, GiB.
    pub used_gb: f64,
    /// Total, GiB.
    pub total_gb: f64,
}

/// How loaded a host is. Sizes in GiB, network in bytes since the sample before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SystemStats {
    /// CPU use of all cores, %.
    pub cpu_perc: f32,
    /// Load averages.
    #[serde(default)]
    pub load_average: SystemLoadAverage,
    /// Free memory, GiB.
    #[serde(default)]
    pub mem_free_gb: f64,
    /// Used memory, GiB.
    pub mem_used_gb: f64,
    /// Memory, GiB.
    pub mem_total_gb: f64,
    /// Buffers and cache, GiB.
    #[serde(default)]
    pub mem_buff_cache_gb: f64,
    /// ZFS ARC, GiB.
    #[serde(default)]
    pub mem_zfs_arc_gb: f64,
    /// Swap, GiB.
    #[serde(default)]
    pub swap_total_gb: f64,
    /// Used swap, GiB.
    #[serde(default)]
    pub swap_used_gb: f64,
    /// Mounted file systems.
    pub disks: Vec<SingleDiskUsage>,
    /// Bytes received since the sample before.
    #[serde(default)]
    pub network_ingress_bytes: f64,
    /// Bytes sent since the sample before.
    #[serde(default)]
    pub network_egress_bytes: f64,
    /// Time between samples.
    pub polling_rate: Timelength,
    /// Time of this sample.
    pub refresh_ts: UnixMs,
    /// Time of the last sample of disks.
    pub refresh_list_ts: UnixMs,
}

/// [`SystemStats`] as lists carry them, with the disks summed up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MinimalSystemStats {
    /// CPU use of all cores, %.
    pub cpu_perc: f32,
    /// Load averages.
    pub load_average: SystemLoadAverage,
    /// Free memory, GiB.
    pub mem_free_gb: f64,
    /// Used memory, GiB.
    pub mem_used_gb: f64,
    /// Memory, GiB.
    pub mem_total_gb: f64,
    /// Buffers and cache, GiB.
    pub mem_buff_cache_gb: f64,
    /// ZFS ARC, GiB.
    pub mem_zfs_arc_gb: f64,
    /// Swap, GiB.
    pub swap_total_gb: f64,
    /// Used swap, GiB.
    pub swap_used_gb: f64,
    /// All disks, GiB.
    pub disk_total_gb: f64,
    /// Used on all disks, GiB.
    pub disk_used_gb: f64,
    /// Bytes received since the sample before.
    pub network_ingress_bytes: f64,
    /// Bytes sent since the sample before.
    pub network_egress_bytes: f64,
    /// Time between samples.
    pub polling_rate: Timelength,
    /// Time of this sample.
    pub refresh_ts: UnixMs,
    /// Time of the last sample of disks.
    pub refresh_list_ts: UnixMs,
}

impl From<&SystemStats> for MinimalSystemStats {
    fn from(stats: &SystemStats) -> Self {
        MinimalSystemStats {
            cpu_perc: stats.cpu_perc,
            load_average: stats.load_average,
            mem_free_gb: stats.mem_free_gb,
            mem_used_gb: stats.mem_used_gb,
            mem_total_gb: stats.mem_total_gb,
            mem_buff_cache_gb: stats.mem_buff_cache_gb,
            mem_zfs_arc_gb: stats.mem_zfs_arc_gb,
            swap_total_gb: stats.swap_total_gb,
            swap_used_gb: stats.swap_used_gb,
            disk_total_gb: stats.disks.iter().map(|disk| disk.total_gb).sum(),
            disk_used_gb: stats.disks.iter().map(|disk| disk.used_gb).sum(),
            network_ingress_bytes: stats.network_ingress_bytes,
            network_egress_bytes: stats.network_egress_bytes,
            polling_rate: stats.polling_rate,
            refresh_ts: stats.refresh_ts,
            refresh_list_ts: stats.refresh_list_ts,
        }
    }
}
