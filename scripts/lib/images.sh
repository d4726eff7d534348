# shellcheck shell=bash
# Test images without a registry: archives in the form of `docker save`, written by hand and kept in the test cache.
# Sourced by scripts/engine after common.sh. Every function prints the path of its archive.

# image_archive TAG CONFIG ROOT ARCHIVE: one layer from the folder ROOT; CONFIG is the JSON of the container configuration.
image_archive() {
    local tag=$1 config=$2 root=$3 archive=$4 work layer id
    work=$(mktemp -d "$archive.XXXXXX")
    # Fixed times and owners: the same content has the same image id, on every machine.
    tar --create --file "$work/layer.tar" --directory "$root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner .
    layer=$(sha256sum "$work/layer.tar" | cut -d ' ' -f 1)
    printf '{"architecture":"%s","os":"linux","created":"1970-01-01T00:00:00Z","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        "$(image_architecture)" "$config" "$layer" >"$work/config.json"
    id=$(sha256sum "$work/config.json" | cut -d ' ' -f 1)
    mv "$work/config.json" "$work/$id.json"
    printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$id" "$tag" >"$work/manifest.json"
    tar --create --file "$archive.part.$$" --directory "$work" manifest.json "$id.json" layer.tar
    mv "$archive.part.$$" "$archive"
    rm -rf "$work"
    printf '%s\n' "$archive"
}

image_architecture() {
    case $(uname -m) in
        x86_64) echo amd64 ;;
        aarch64) echo arm64 ;;
        *) uname -m ;;
    esac
}

# busybox_root FOLDER: busybox under all its names, and what programs expect of a system.
busybox_root() {
    local root=$1 applet
    mkdir -p "$root"/{bin,etc,tmp,root,proc,sys,dev,run,var/tmp}
    chmod 1777 "$root/tmp" "$root/var/tmp"
    cp "$(command -v busybox)" "$root/bin/busybox"
    for applet in $(busybox --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
    done
    ln -s bin "$root/sbin"
    ln -s ../run "$root/var/run"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
}

BUSYBOX_TAG=komodo-test/busybox:1

busybox_archive() {
    local archive root
    archive=$(test_cache_directory)/busybox-1.tar
    if [ ! -e "$archive" ]; then
        root=$(mktemp -d)
        busybox_root "$root"
        image_archive "$BUSYBOX_TAG" '{"Cmd":["sh"],"Env":["PATH=/bin"]}' "$root" "$archive" >/dev/null
        rm -rf "$root"
    fi
    printf '%s\n' "$archive"
}

SYSTEMD_TAG=komodo-test/systemd:1

# What a container needs to run this machine's systemd as its first process, where /usr is mounted from this machine.
systemd_archive() {
    local archive root link
    [ -x /usr/lib/systemd/systemd ] || die "there is no systemd" "apt-get install systemd"
    archive=$(test_cache_directory)/systemd-1.tar
    if [ ! -e "$archive" ]; then
        root=$(mktemp -d)
        mkdir -p "$root"/{usr,etc/systemd/system,etc/komodo,var/{lib,log,tmp},run,tmp,proc,sys,dev,root,home}
        for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
        ln -s ../run "$root/var/run"
        chmod 1777 "$root/tmp" "$root/var/tmp"
        printf 'root:x:0:0:root:/root:/bin/sh\nmessagebus:x:100:102::/nonexistent:/usr/sbin/nologin\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\nann:x:1000:1000::/home/ann:/bin/sh\n' >"$root/etc/passwd"
        printf 'root:x:0:\nmessagebus:x:102:\nann:x:1000:\nnogroup:x:65534:\n' >"$root/etc/group"
        : >"$root/etc/machine-id"
        ln -s /usr/lib/os-release "$root/etc/os-release"
        # Cgroups are mounted for reading in every container that may not do everything.
        image_archive "$SYSTEMD_TAG" '{"Cmd":["/bin/sh","-c","mount -o remount,rw /sys/fs/cgroup && exec /lib/systemd/systemd"],"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin","container=docker"],"StopSignal":"SIGRTMIN+3"}' "$root" "$archive" >/dev/null
        rm -rf "$root"
    fi
    printf '%s\n' "$archive"
}

# binary_archive BINARY TAG: busybox, the program at /usr/local/bin under its own name, and the libraries it is linked with.
binary_archive() {
    local binary=${1:-} tag=${2:-} archive root library name
    [ -x "$binary" ] || die "no program at '$binary'" "build it first"
    [ -n "$tag" ] || die "no tag for the image" "scripts/engine image BINARY TAG"
    name=$(basename "$binary")
    archive=$(test_cache_directory)/$name-$(printf '%s' "$tag" | tr -c 'A-Za-z0-9._-' _)-$(sha256sum "$binary" | cut -c 1-16).tar
    (
        # Tests that start together want the same image: one builds it, the others wait.
        flock -w 300 9 || die "another build of the image $tag has been running for 5 minutes"
        [ ! -e "$archive" ] || exit 0
        root=$(mktemp -d)
        trap 'rm -rf "$root"' EXIT
        busybox_root "$root"
        mkdir -p "$root/usr/local/bin"
        cp -L "$binary" "$root/usr/local/bin/$name"
        # Debug information is most of a debug build's size, and nobody reads it in a container.
        ! has strip || strip --strip-debug "$root/usr/local/bin/$name"
        for library in $(ldd "$binary" 2>/dev/null | grep -oE '/[^ ]+' || true); do
            mkdir -p "$root$(dirname "$library")"
            cp -L "$library" "$root$library"
        done
        # Earlier builds are of no use to anybody, save to a test that is reading one.
        find "$(dirname "$archive")" -maxdepth 1 -name "$name-*.tar" -mmin +60 -delete
        image_archive "$tag" "{\"Entrypoint\":[\"/usr/local/bin/$name\"],\"Env\":[\"PATH=/usr/local/bin:/bin\"]}" "$root" "$archive" >/dev/null
    ) 9>"$(test_cache_directory)/$name.lock"
    printf '%s\n' "$archive"
}
