use super::*;

const ID: &str = "4f5a1c0de4f5a1c0de4f5a1c0de4f5a1c0de4f5a1c0de4f5a1c0de4f5a1c0dea";
const OTHER: &str = "00aa11bb22cc33dd44ee55ff66007788990011aabbccddeeff00112233445566";

/// `ID` and `OTHER` stand for ids; the result names them so too.
fn check(mountinfo: &str, cgroup: &str, expected: &[&str]) {
    let fill = |text: &str| text.replace("OTHER", OTHER).replace("ID", ID);
    let found = own_container_candidates(&fill(mountinfo), &fill(cgroup));
    let found: Vec<&str> = found
        .iter()
        .map(|id| {
            if id == ID {
                "ID"
            } else if id == OTHER {
                "OTHER"
            } else {
                id
            }
        })
        .collect();
    assert_eq!(found, expected, "{mountinfo} {cgroup}");
}

const MOUNTS: &str = "\
1 0 0:50 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/var/lib/docker/overlay2/x/diff,workdir=/w
2 1 254:1 /var/lib/docker/containers/ID/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw
3 1 254:1 /var/lib/docker/containers/ID/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw
4 1 254:1 /var/lib/docker/containers/ID/hosts /etc/hosts rw,relatime - ext4 /dev/vda1 rw";

#[test]
fn candidates() {
    // cgroup v1: the paths name it.
    check(
        "",
        "12:pids:/docker/ID\n11:cpu,cpuacct:/docker/ID\n1:name=systemd:/docker/ID\n0::/system.slice/containerd.service",
        &["ID"],
    );
    // cgroup v1 in a container of its own: innermost first.
    check("", "12:pids:/docker/OTHER/docker/ID", &["ID", "OTHER"]);
    // systemd driver.
    check("", "0::/system.slice/docker-ID.scope", &["ID"]);
    check(
        "",
        "0::/kubepods.slice/kubepods-besteffort.slice/cri-containerd-ID.scope",
        &["ID"],
    );
    check(
        "",
        "1:name=systemd:/user.slice/libpod-ID.scope/container",
        &["ID"],
    );
    // cgroup v2, own namespace: only the mount table knows.
    check(MOUNTS, "0::/", &["ID"]);
    // A custom host name changes nothing: the file is still mounted. Host network: hosts and resolv.conf too.
    check(
        "3 1 254:1 /data/containers/ID/hosts /etc/hosts rw - ext4 /dev/vda1 rw",
        "0::/",
        &["ID"],
    );
    // Rootless podman.
    check(
        "3 1 0:9 /containers/overlay-containers/ID/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw",
        "0::/",
        &["ID"],
    );
    // Another's network: its files are mounted, the cgroup is one's own and comes first.
    check(
        &MOUNTS.replace("ID", "OTHER"),
        "5:pids:/docker/ID",
        &["ID", "OTHER"],
    );
    // The same without cgroup paths: a candidate that the caller finds out to be wrong.
    check(&MOUNTS.replace("ID", "OTHER"), "0::/", &["OTHER"]);
    // On the host.
    check(
        "1 0 254:1 / / rw - ext4 /dev/vda1 rw",
        "0::/system.slice/komodo-periphery.service",
        &[],
    );
    // A bind mount of another's folder elsewhere says nothing.
    check(
        "9 1 254:1 /var/lib/docker/containers/OTHER/x /mnt rw - ext4 /dev/vda1 rw",
        "0::/",
        &[],
    );
}

#[test]
fn nonsense_is_no_candidate() {
    for text in [
        "",
        "\n\n",
        ":::",
        "0::",
        "0::/docker/",
        "0::/docker/zz",
        "- - - -",
        "1 2 3 - x",
        "0::/docker-.scope",
    ] {
        check(text, text, &[]);
    }
    check("", &format!("0::/docker/{}", &ID[..63]), &[]);
    check("", &format!("0::/docker/{}g", &ID[..63]), &[]);
    let many: String = (0..100)
        .map(|at| format!("0::/docker/{at:064x}\n"))
        .collect();
    assert_eq!(own_container_candidates("", &many).len(), CANDIDATES_MAX);
}

#[test]
fn the_overlay_at_the_root_tells_who_one_is() {
    assert_eq!(
        root_upper_dir(MOUNTS),
        Some("/var/lib/docker/overlay2/x/diff")
    );
    assert_eq!(root_upper_dir("1 0 254:1 / / rw - ext4 /dev/vda1 rw"), None);
    assert_eq!(
        root_upper_dir("1 0 0:5 / /mnt rw - overlay overlay rw,upperdir=/u"),
        None
    );
}

const BRIDGE: &str = "aa9e028a048c93fbc1e4d52b44e3a6ea7977da54ebe137aa25b2fc76a423ff7e";
const HOST_NETWORK: &str = "f1069c3e6ffe43bb587bc93db5205708d02bb9d97a4eed3093964bc80443ee45";
const SHARED: &str = "21fccab5513af209bfb724d92313834420394728dcc7dba0cb1d204f142f62c6";
const SHARED_OWNER: &str = "67640f21ce4d153d42b75408d9b6fe81156d729b8ede530b0515bb93113e4e9d";
const PRIVATE: &str = "f157377ea5b6ae156911bafc11d0edd8bb7c7363b07150d4e26d3c3cf61eeafb";

/// What `/proc/self` says in a container, recorded on Engine 20.10 with cgroup v1 beside the unified hierarchy, which
/// alone is what a host with cgroup v2 says.
struct Recording {
    mountinfo: &'static str,
    cgroup: &'static str,
}

impl Recording {
    fn new(text: &'static str) -> Self {
        let (mountinfo, cgroup) = text.split_once("---\n").unwrap();
        Recording { mountinfo, cgroup }
    }

    fn v1(&self) -> Vec<String> {
        own_container_candidates(self.mountinfo, self.cgroup)
    }

    fn v2(&self) -> Vec<String> {
        let unified = self.cgroup.lines().find(|line| line.starts_with("0::"));
        own_container_candidates(self.mountinfo, unified.unwrap())
    }
}

#[test]
fn recorded_in_containers() {
    for (text, own, owner) in [
        (include_str!("recorded/v1-bridge.txt"), BRIDGE, BRIDGE),
        (
            include_str!("recorded/v1-host-network.txt"),
            HOST_NETWORK,
            HOST_NETWORK,
        ),
        (
            include_str!("recorded/v1-shared-network.txt"),
            SHARED,
            SHARED_OWNER,
        ),
    ] {
        let recording = Recording::new(text);
        let mut expected = vec![own.to_owned(), owner.to_owned()];
        expected.dedup();
        assert_eq!(recording.v1(), expected);
        assert_eq!(recording.v2(), expected);
        let upper = root_upper_dir(recording.mountinfo).unwrap();
        assert!(
            upper.starts_with("/tmp/komodo-engines/rec/data/overlay2/") && upper.ends_with("/diff"),
            "{upper}"
        );
        // With a cgroup namespace of its own, as cgroup v2 has it by default, only the mounted files are left.
        assert_eq!(
            own_container_candidates(recording.mountinfo, "0::/\n"),
            [owner]
        );
    }
    let private = Recording::new(include_str!("recorded/v1-private-cgroup.txt"));
    assert_eq!(private.v1(), [PRIVATE]);
    assert_eq!(private.v2(), [PRIVATE]);
}

/// What `/proc/self` and `hostname` say in a container, recorded on an Engine that had only cgroup v2, and what the
/// Engine says of the same container. Left out are the lines of `/proc/self/cgroup` for the v1 hierarchies of the
/// machine where it was recorded: a kernel with cgroup v2 alone writes none.
struct V2 {
    mountinfo: &'static str,
    cgroup: &'static str,
    hostname: &'static str,
    /// Its id.
    id: &'static str,
    /// Id of the container whose `/etc/hostname` it has.
    files_of: &'static str,
    /// Its writable directory.
    upper: &'static str,
}

impl V2 {
    fn new(text: &'static str) -> Self {
        let parts: Vec<&str> = text.split("---\n").collect();
        let said = |name: &str| {
            parts[3]
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .unwrap()
        };
        V2 {
            mountinfo: parts[0],
            cgroup: parts[1],
            hostname: parts[2].trim_end(),
            id: said("id"),
            files_of: said("files_of"),
            upper: said("upper"),
        }
    }
}

/// The recordings of one Engine.
macro_rules! recorded_by {
    ($engine:literal) => {
        [
            (
                include_str!(concat!("recorded/v2-", $engine, "-default.txt")),
                "default",
            ),
            (
                include_str!(concat!("recorded/v2-", $engine, "-hostname.txt")),
                "hostname",
            ),
            (
                include_str!(concat!("recorded/v2-", $engine, "-host-network.txt")),
                "host network",
            ),
            (
                include_str!(concat!("recorded/v2-", $engine, "-shared-network.txt")),
                "shared network",
            ),
            (
                include_str!(concat!("recorded/v2-", $engine, "-cgroup-host.txt")),
                "cgroup host",
            ),
            (
                include_str!(concat!(
                    "recorded/v2-",
                    $engine,
                    "-cgroup-host-shared-network.txt"
                )),
                "cgroup host, shared network",
            ),
        ]
    };
}

#[test]
fn recorded_in_containers_under_cgroup_v2() {
    for (engine, recordings) in [
        ("20.10", recorded_by!("20.10")),
        ("26.1", recorded_by!("26.1")),
    ] {
        for (text, how) in recordings {
            let of = V2::new(text);
            let found = own_container_candidates(of.mountinfo, of.cgroup);
            let expected = match how {
                // The files of another are mounted, and nothing else tells: a candidate that the Engine refutes.
                "shared network" => vec![of.files_of],
                "cgroup host, shared network" => vec![of.id, of.files_of],
                _ => vec![of.id],
            };
            assert_eq!(found, expected, "{engine}: {how}");
            assert_eq!(
                root_upper_dir(of.mountinfo),
                Some(of.upper),
                "{engine}: {how}"
            );
            // The host's name leads to the container in the plain cases only; here it must never be needed.
            let named = of.id.starts_with(of.hostname);
            assert_eq!(
                named,
                matches!(how, "default" | "cgroup host"),
                "{engine}: {how}"
            );
            let shared = how.contains("shared network");
            assert_eq!(of.id != of.files_of, shared, "{engine}: {how}");
        }
    }
}
