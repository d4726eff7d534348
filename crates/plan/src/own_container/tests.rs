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
