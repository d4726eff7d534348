use super::*;

#[test]
fn cpu_use_is_what_passed_since_the_look_before() {
    let before = parse::cpu_times("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 1 1 1\n");
    let after = parse::cpu_times("cpu  150 0 125 775 100 0 0 0 99 0\n");
    assert_eq!((before.busy, before.total), (200, 1000));
    assert_eq!(after.used_since(&before), 50.0);
    assert_eq!(after.used_since(&after), 0.0);
    assert_eq!(
        before.used_since(&after),
        0.0,
        "a counter that went back is no load"
    );
    assert_eq!(parse::cpu_times("nonsense"), CpuTimes::default());
}

#[test]
fn memory_is_read_in_bytes() {
    let memory = parse::memory(
        "MemTotal: 2048 kB\nMemFree: 512 kB\nMemAvailable: 1024 kB\nCached: 100 kB\nSReclaimable: 28 kB\nOdd\n",
    );
    assert_eq!(
        (memory.total, memory.free, memory.available, memory.cached),
        (2048 * 1024, 512 * 1024, 1024 * 1024, 128 * 1024)
    );
}

#[test]
fn bytes_that_pass_to_containers_are_not_counted_twice() {
    let dev = "Inter-|   Receive\n face |bytes\n    lo: 5 0 0 0 0 0 0 0 5 0\n  eth0: 100 1 0 0 0 0 0 0 200 1 0\n\
               veth1: 9 0 0 0 0 0 0 0 9 0\n docker0: 9 0 0 0 0 0 0 0 9 0\n";
    assert_eq!(parse::network(dev), (100, 200));
}

#[test]
fn cores_are_told_from_threads() {
    let text = "processor : 0\nmodel name : A\nphysical id : 0\ncore id : 0\n\nprocessor : 1\nphysical id : 0\ncore id : 0\n";
    let cpu = parse::cpu_info(text);
    assert_eq!(
        (cpu.physical, cpu.logical, cpu.brand.as_str()),
        (Some(1), Some(2), "A")
    );
}

#[test]
fn os_release_is_read() {
    let text = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nNAME=Debian\nVERSION_ID=\"12\"\n";
    assert_eq!(parse::os_release(text, "NAME").as_deref(), Some("Debian"));
    assert_eq!(
        parse::os_release(text, "PRETTY_NAME").as_deref(),
        Some("Debian GNU/Linux 12")
    );
    assert_eq!(parse::os_release(text, "ID"), None);
}

#[tokio::test]
async fn this_machine_has_figures() {
    let mut sampler = Sampler::new(HostOptions::default());
    let stats = sampler.sample().await;
    assert!(stats.mem_total_gb > 0.0 && stats.mem_used_gb <= stats.mem_total_gb);
    assert!(
        stats
            .disks
            .iter()
            .any(|disk| disk.mount == "/" && disk.total_gb > 0.0),
        "{:?}",
        stats.disks
    );
    let information = information(Path::new("/proc"));
    assert!(information.boot_ts.is_some() && information.logical_core_count.is_some());
}

#[test]
fn mounts_can_be_left_out() {
    let options = HostOptions {
        exclude_disk_mounts: vec!["/".into()],
        ..HostOptions::default()
    };
    assert!(disks(&options).iter().all(|disk| disk.mount != "/"));
    let options = HostOptions {
        include_disk_mounts: vec!["/".into()],
        ..HostOptions::default()
    };
    assert_eq!(disks(&options).len(), 1);
}
