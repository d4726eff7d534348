//! What the Engine answers to an inspect of a container, in the form of the contract: its names, a default where the
//! Engine says nothing or null, nothing that the contract does not know but why it is protected. Types only.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{engine::ContainerStateStatusEnum, plan::Reason};

/// Reads a value, or the default where there is null or something else: one odd field of an Engine must not hide all others.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// Reads a list of texts, or the keys of an object, which is how the Engine writes sets.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Object(set) => set.into_iter().map(|(key, _)| key).collect(),
        other => serde_json::from_value(other).unwrap_or_default(),
    })
}

/// A map in which null stands for the empty value, as with ports that are exposed but not published.
fn lenient_map<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, serde_json::from_value(value).unwrap_or_default()))
            .collect(),
        _ => BTreeMap::new(),
    })
}

macro_rules! engine_types {
    ($( $(#[doc = $doc:literal])+ $name:ident { $( $field:ident $(as $wire:literal)? : $type:ty , by $with:literal ; )* } )*) => { $(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(default, rename_all = "PascalCase")]
        #[allow(missing_docs, reason = "the names are those of the Engine API, which documents them")]
        pub struct $name { $(
            $(#[serde(rename = $wire)])?
            #[serde(deserialize_with = $with)]
            pub $field: $type,
        )* }
    )* };
}

engine_types! {
    /// A container as the Engine knows it; besides, why it is protected.
    Container {
        id: Option<String>, by "lenient";
        created: Option<String>, by "lenient";
        path: Option<String>, by "lenient";
        args: Vec<String>, by "lenient";
        state: Option<ContainerState>, by "lenient";
        image: Option<String>, by "lenient";
        resolv_conf_path: Option<String>, by "lenient";
        hostname_path: Option<String>, by "lenient";
        hosts_path: Option<String>, by "lenient";
        log_path: Option<String>, by "lenient";
        name: Option<String>, by "lenient";
        restart_count: Option<i64>, by "lenient";
        driver: Option<String>, by "lenient";
        platform: Option<String>, by "lenient";
        mount_label: Option<String>, by "lenient";
        process_label: Option<String>, by "lenient";
        app_armor_profile: Option<String>, by "lenient";
        exec_ids as "ExecIDs": Vec<String>, by "lenient";
        host_config: Option<HostConfig>, by "lenient";
        graph_driver: Option<GraphDriverData>, by "lenient";
        size_rw: Option<i64>, by "lenient";
        size_root_fs: Option<i64>, by "lenient";
        mounts: Vec<MountPoint>, by "lenient";
        config: Option<ContainerConfig>, by "lenient";
        network_settings: Option<NetworkSettings>, by "lenient";
        protected as "protected": Vec<Reason>, by "lenient";
    }

    /// Run state of a container.
    ContainerState {
        status: ContainerStateStatusEnum, by "lenient";
        running: Option<bool>, by "lenient";
        paused: Option<bool>, by "lenient";
        restarting: Option<bool>, by "lenient";
        oom_killed as "OOMKilled": Option<bool>, by "lenient";
        dead: Option<bool>, by "lenient";
        pid: Option<i64>, by "lenient";
        exit_code: Option<i64>, by "lenient";
        error: Option<String>, by "lenient";
        started_at: Option<String>, by "lenient";
        finished_at: Option<String>, by "lenient";
        health: Option<ContainerHealth>, by "lenient";
    }

    /// Configuration that depends on the host.
    HostConfig {
        cpu_shares: Option<i64>, by "lenient";
        memory: Option<i64>, by "lenient";
        cgroup_parent: Option<String>, by "lenient";
        blkio_weight: Option<u16>, by "lenient";
        blkio_weight_device: Vec<ResourcesBlkioWeightDevice>, by "lenient";
        blkio_device_read_bps: Vec<ThrottleDevice>, by "lenient";
        blkio_device_write_bps: Vec<ThrottleDevice>, by "lenient";
        blkio_device_read_iops as "BlkioDeviceReadIOps": Vec<ThrottleDevice>, by "lenient";
        blkio_device_write_iops as "BlkioDeviceWriteIOps": Vec<ThrottleDevice>, by "lenient";
        cpu_period: Option<i64>, by "lenient";
        cpu_quota: Option<i64>, by "lenient";
        cpu_realtime_period: Option<i64>, by "lenient";
        cpu_realtime_runtime: Option<i64>, by "lenient";
        cpuset_cpus: Option<String>, by "lenient";
        cpuset_mems: Option<String>, by "lenient";
        devices: Vec<DeviceMapping>, by "lenient";
        device_cgroup_rules: Vec<String>, by "lenient";
        device_requests: Vec<DeviceRequest>, by "lenient";
        memory_reservation: Option<i64>, by "lenient";
        memory_swap: Option<i64>, by "lenient";
        memory_swappiness: Option<i64>, by "lenient";
        nano_cpus: Option<i64>, by "lenient";
        oom_kill_disable: Option<bool>, by "lenient";
        init: Option<bool>, by "lenient";
        pids_limit: Option<i64>, by "lenient";
        ulimits: Vec<ResourcesUlimits>, by "lenient";
        cpu_count: Option<i64>, by "lenient";
        cpu_percent: Option<i64>, by "lenient";
        io_maximum_iops as "IOMaximumIOps": Option<i64>, by "lenient";
        io_maximum_bandwidth as "IOMaximumBandwidth": Option<i64>, by "lenient";
        binds: Vec<String>, by "lenient";
        container_id_file as "ContainerIDFile": Option<String>, by "lenient";
        log_config: Option<HostConfigLogConfig>, by "lenient";
        network_mode: Option<String>, by "lenient";
        port_bindings: BTreeMap<String, Vec<PortBinding>>, by "lenient_map";
        restart_policy: Option<RestartPolicy>, by "lenient";
        auto_remove: Option<bool>, by "lenient";
        volume_driver: Option<String>, by "lenient";
        volumes_from: Vec<String>, by "lenient";
        mounts: Vec<Mount>, by "lenient";
        console_size: Vec<i32>, by "lenient";
        annotations: BTreeMap<String, String>, by "lenient_map";
        cap_add: Vec<String>, by "lenient";
        cap_drop: Vec<String>, by "lenient";
        cgroupns_mode: Option<HostConfigCgroupnsModeEnum>, by "lenient";
        dns: Vec<String>, by "lenient";
        dns_options: Vec<String>, by "lenient";
        dns_search: Vec<String>, by "lenient";
        extra_hosts: Vec<String>, by "lenient";
        group_add: Vec<String>, by "lenient";
        ipc_mode: Option<String>, by "lenient";
        cgroup: Option<String>, by "lenient";
        links: Vec<String>, by "lenient";
        oom_score_adj: Option<i64>, by "lenient";
        pid_mode: Option<String>, by "lenient";
        privileged: Option<bool>, by "lenient";
        publish_all_ports: Option<bool>, by "lenient";
        readonly_rootfs: Option<bool>, by "lenient";
        security_opt: Vec<String>, by "lenient";
        storage_opt: BTreeMap<String, String>, by "lenient_map";
        tmpfs: BTreeMap<String, String>, by "lenient_map";
        uts_mode as "UTSMode": Option<String>, by "lenient";
        userns_mode: Option<String>, by "lenient";
        shm_size: Option<i64>, by "lenient";
        sysctls: BTreeMap<String, String>, by "lenient_map";
        runtime: Option<String>, by "lenient";
        isolation: HostConfigIsolationEnum, by "lenient";
        masked_paths: Vec<String>, by "lenient";
        readonly_paths: Vec<String>, by "lenient";
    }

    /// Where the layers of a container are.
    GraphDriverData {
        name: String, by "lenient";
        data: BTreeMap<String, String>, by "lenient_map";
    }

    /// A mount inside a container.
    MountPoint {
        typ as "Type": Option<String>, by "lenient";
        name: Option<String>, by "lenient";
        source: Option<String>, by "lenient";
        destination: Option<String>, by "lenient";
        driver: Option<String>, by "lenient";
        mode: Option<String>, by "lenient";
        rw as "RW": Option<bool>, by "lenient";
        propagation: Option<String>, by "lenient";
    }

    /// Configuration that does not depend on the host.
    ContainerConfig {
        hostname: Option<String>, by "lenient";
        domainname: Option<String>, by "lenient";
        user: Option<String>, by "lenient";
        attach_stdin: Option<bool>, by "lenient";
        attach_stdout: Option<bool>, by "lenient";
        attach_stderr: Option<bool>, by "lenient";
        exposed_ports: Vec<String>, by "keys";
        tty: Option<bool>, by "lenient";
        open_stdin: Option<bool>, by "lenient";
        stdin_once: Option<bool>, by "lenient";
        env: Vec<String>, by "lenient";
        cmd: Vec<String>, by "lenient";
        healthcheck: Option<HealthConfig>, by "lenient";
        args_escaped: Option<bool>, by "lenient";
        image: Option<String>, by "lenient";
        volumes: Vec<String>, by "keys";
        working_dir: Option<String>, by "lenient";
        entrypoint: Vec<String>, by "lenient";
        network_disabled: Option<bool>, by "lenient";
        on_build: Vec<String>, by "lenient";
        labels: BTreeMap<String, String>, by "lenient_map";
        stop_signal: Option<String>, by "lenient";
        stop_timeout: Option<i64>, by "lenient";
        shell: Vec<String>, by "lenient";
    }

    /// Networks and ports of a container.
    NetworkSettings {
        sandbox_id as "SandboxID": Option<String>, by "lenient";
        ports: BTreeMap<String, Vec<PortBinding>>, by "lenient_map";
        sandbox_key: Option<String>, by "lenient";
        networks: BTreeMap<String, EndpointSettings>, by "lenient_map";
    }

    /// Health of a container.
    ContainerHealth {
        status: HealthStatusEnum, by "lenient";
        failing_streak: Option<i64>, by "lenient";
        log: Vec<HealthcheckResult>, by "lenient";
    }

    /// Weight of a block device.
    ResourcesBlkioWeightDevice {
        path: Option<String>, by "lenient";
        weight: Option<usize>, by "lenient";
    }

    /// Limit of a block device.
    ThrottleDevice {
        path: Option<String>, by "lenient";
        rate: Option<i64>, by "lenient";
    }

    /// A device given to a container.
    DeviceMapping {
        path_on_host: Option<String>, by "lenient";
        path_in_container: Option<String>, by "lenient";
        cgroup_permissions: Option<String>, by "lenient";
    }

    /// Devices asked of a driver.
    DeviceRequest {
        driver: Option<String>, by "lenient";
        count: Option<i64>, by "lenient";
        device_ids as "DeviceIDs": Vec<String>, by "lenient";
        capabilities: Vec<Vec<String>>, by "lenient";
        options: BTreeMap<String, String>, by "lenient_map";
    }

    /// A limit of resources.
    ResourcesUlimits {
        name: Option<String>, by "lenient";
        soft: Option<i64>, by "lenient";
        hard: Option<i64>, by "lenient";
    }

    /// How logs are kept.
    HostConfigLogConfig {
        typ as "Type": Option<String>, by "lenient";
        config: BTreeMap<String, String>, by "lenient_map";
    }

    /// An address on the host that a port is published on.
    PortBinding {
        host_ip: Option<String>, by "lenient";
        host_port: Option<String>, by "lenient";
    }

    /// When the Engine starts a container again.
    RestartPolicy {
        name: RestartPolicyNameEnum, by "lenient";
        maximum_retry_count: Option<i64>, by "lenient";
    }

    /// A mount as it was asked for.
    Mount {
        target: Option<String>, by "lenient";
        source: Option<String>, by "lenient";
        typ as "Type": MountType, by "lenient";
        read_only: Option<bool>, by "lenient";
        consistency: Option<String>, by "lenient";
        bind_options: Option<MountBindOptions>, by "lenient";
        volume_options: Option<MountVolumeOptions>, by "lenient";
        tmpfs_options: Option<MountTmpfsOptions>, by "lenient";
    }

    /// How health is checked.
    HealthConfig {
        test: Vec<String>, by "lenient";
        interval: Option<i64>, by "lenient";
        timeout: Option<i64>, by "lenient";
        retries: Option<i64>, by "lenient";
        start_period: Option<i64>, by "lenient";
        start_interval: Option<i64>, by "lenient";
    }

    /// A container in a network.
    EndpointSettings {
        ipam_config as "IPAMConfig": Option<EndpointIpamConfig>, by "lenient";
        links: Vec<String>, by "lenient";
        mac_address: Option<String>, by "lenient";
        aliases: Vec<String>, by "lenient";
        network_id as "NetworkID": Option<String>, by "lenient";
        endpoint_id as "EndpointID": Option<String>, by "lenient";
        gateway: Option<String>, by "lenient";
        ip_address as "IPAddress": Option<String>, by "lenient";
        ip_prefix_len as "IPPrefixLen": Option<i64>, by "lenient";
        ipv6_gateway as "IPv6Gateway": Option<String>, by "lenient";
        global_ipv6_address as "GlobalIPv6Address": Option<String>, by "lenient";
        global_ipv6_prefix_len as "GlobalIPv6PrefixLen": Option<i64>, by "lenient";
        driver_opts: BTreeMap<String, String>, by "lenient_map";
        dns_names as "DNSNames": Vec<String>, by "lenient";
    }

    /// One run of a health check.
    HealthcheckResult {
        start: Option<String>, by "lenient";
        end: Option<String>, by "lenient";
        exit_code: Option<i64>, by "lenient";
        output: Option<String>, by "lenient";
    }

    /// Options of a bind mount.
    MountBindOptions {
        propagation: MountBindOptionsPropagationEnum, by "lenient";
        non_recursive: Option<bool>, by "lenient";
        create_mountpoint: Option<bool>, by "lenient";
        read_only_non_recursive: Option<bool>, by "lenient";
        read_only_force_recursive: Option<bool>, by "lenient";
    }

    /// Options of a volume.
    MountVolumeOptions {
        no_copy: Option<bool>, by "lenient";
        labels: BTreeMap<String, String>, by "lenient_map";
        driver_config: Option<MountVolumeOptionsDriverConfig>, by "lenient";
        subpath: Option<String>, by "lenient";
    }

    /// Options of a tmpfs.
    MountTmpfsOptions {
        size_bytes: Option<i64>, by "lenient";
        mode: Option<i64>, by "lenient";
    }

    /// Addresses asked for in a network.
    EndpointIpamConfig {
        ipv4_address as "IPv4Address": Option<String>, by "lenient";
        ipv6_address as "IPv6Address": Option<String>, by "lenient";
        link_local_ips as "LinkLocalIPs": Vec<String>, by "lenient";
    }

    /// Driver of a volume.
    MountVolumeOptionsDriverConfig {
        name: Option<String>, by "lenient";
        options: BTreeMap<String, String>, by "lenient_map";
    }
}

impl Container {
    /// The document of an Engine; `None` where it is none.
    pub fn from_document(document: Value) -> Option<Self> {
        document
            .is_object()
            .then(|| serde_json::from_value(document).unwrap_or_default())
    }
}

macro_rules! engine_words {
    ($( $(#[doc = $doc:literal])+ $name:ident { $default:ident = $default_word:literal, $( $variant:ident = $word:literal, )* } )*) => { $(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[allow(missing_docs, reason = "the names are those of the Engine API, which documents them")]
        pub enum $name {
            $( #[serde(rename = $word)] $variant, )*
            /// Also for words that are not known.
            #[default]
            #[serde(rename = $default_word, other)]
            $default,
        }
    )* };
}

engine_words! {
    /// Namespace of cgroups.
    HostConfigCgroupnsModeEnum { Empty = "", Private = "private", Host = "host", }
    /// Isolation of a container.
    HostConfigIsolationEnum { Empty = "", Default = "default", Process = "process", Hyperv = "hyperv", }
    /// Result of a health check.
    HealthStatusEnum { Empty = "", None = "none", Starting = "starting", Healthy = "healthy", Unhealthy = "unhealthy", }
    /// When the Engine starts a container again.
    RestartPolicyNameEnum { Empty = "", No = "no", Always = "always", UnlessStopped = "unless-stopped", OnFailure = "on-failure", }
    /// Kind of a mount.
    MountType { Bind = "bind", Volume = "volume", Image = "image", Tmpfs = "tmpfs", NPipe = "npipe", Cluster = "cluster", }
    /// Propagation of a bind mount.
    MountBindOptionsPropagationEnum { Empty = "", Private = "private", Rprivate = "rprivate", Shared = "shared", Rshared = "rshared", Slave = "slave", Rslave = "rslave", }
}
