//! In which container this process runs, from the texts of `/proc/self`. Candidates only: whoever asks checks them
//! with the Engine.

#[cfg(test)]
mod tests;

/// Digits of a container id.
const ID_DIGITS: usize = 64;
/// Candidates at most.
const CANDIDATES_MAX: usize = 8;

/// Ids of containers that this process may run in, the likeliest first: those in its cgroup paths (innermost first;
/// cgroup v1, and v2 with the host's namespace), then those whose files are mounted over `/etc/hostname`,
/// `/etc/hosts` and `/etc/resolv.conf`.
///
/// A container that shares another's network has that one's files mounted, so a candidate is the own container only
/// if the Engine says so: compare [`root_upper_dir`] with the `GraphDriver.Data.UpperDir` of its inspect.
pub fn own_container_candidates(mountinfo: &str, cgroup: &str) -> Vec<String> {
    let mut candidates: Vec<String> = Vec::new();
    let in_cgroups = cgroup
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .flat_map(|path| path.rsplit('/'));
    let mounted = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"]
        .into_iter()
        .flat_map(|file| {
            mounts(mountinfo)
                .filter(move |mount| mount.target == file)
                .flat_map(|mount| mount.root.split('/').rev())
        });
    for part in in_cgroups.chain(mounted) {
        if let Some(id) = id_in(part)
            && !candidates.iter().any(|known| known == id)
            && candidates.len() < CANDIDATES_MAX
        {
            candidates.push(id.to_owned());
        }
    }
    candidates
}

/// The writable directory of the overlay that is mounted at `/`, as this process's mount table names it.
pub fn root_upper_dir(mountinfo: &str) -> Option<&str> {
    mounts(mountinfo)
        .filter(|mount| mount.target == "/" && mount.kind == "overlay")
        .find_map(|mount| {
            mount
                .options
                .split(',')
                .find_map(|option| option.strip_prefix("upperdir="))
        })
}

struct Mount<'a> {
    /// Path within its file system.
    root: &'a str,
    /// Where it is mounted.
    target: &'a str,
    /// File system.
    kind: &'a str,
    /// Options of the file system.
    options: &'a str,
}

/// Mounts in `/proc/self/mountinfo`; `36 35 98:0 /root /target rw,noatime shared:1 - ext4 /dev/sda rw`.
fn mounts(mountinfo: &str) -> impl Iterator<Item = Mount<'_>> {
    mountinfo.lines().filter_map(|line| {
        let (own, shared) = line.split_once(" - ")?;
        let mut own = own.split(' ').skip(3);
        let mut shared = shared.split(' ');
        let (root, target) = (own.next()?, own.next()?);
        Some(Mount {
            root,
            target,
            kind: shared.next()?,
            options: shared.nth(1).unwrap_or_default(),
        })
    })
}

/// The container id that a part of a path is: bare, or as systemd writes it (`docker-<id>.scope`).
fn id_in(part: &str) -> Option<&str> {
    let part = part.strip_suffix(".scope").unwrap_or(part);
    let id = part.rsplit('-').next().unwrap_or(part);
    (id.len() == ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}
