# shellcheck shell=bash
# What every script shares: where things are, how messages look, how a missing package is installed.
# Sourced, never run. Expects `set -euo pipefail` in the caller.

PROJECT_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export PROJECT_ROOT
# Not every root has them on the path.
export PATH="$PATH:/usr/sbin:/sbin"

say() { printf '%s\n' "$*" >&2; }

# die MESSAGE [REMEDY]: ends the script and says what to do about it.
die() {
    printf 'error: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf 'remedy: %s\n' "$2" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# Everything that tests build once and use again (images, not results).
test_cache_directory() {
    local directory=${KOMODO_TEST_CACHE:-$PROJECT_ROOT/target/test-cache}
    mkdir -p "$directory"
    printf '%s\n' "$directory"
}

# install_packages PACKAGE...: apt-get, one caller at a time, without starting any service.
# Refuses where it may not install, and says what to type instead.
install_packages() {
    local remedy="as root: apt-get update && apt-get install -y --no-install-recommends $*"
    [ "${KOMODO_NO_INSTALL:-}" != 1 ] || die "missing packages: $*" "$remedy"
    [ "$(id -u)" = 0 ] || die "missing packages: $* (only root can install them)" "$remedy"
    has apt-get || die "missing packages: $* (this machine has no apt-get)" "install the equivalent of: $*"
    say "installing $*"
    (
        flock -w 900 9 || die "another installation has been running for 15 minutes" "$remedy"
        # A freshly installed Engine must not be started on the default socket.
        local policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap 'rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' >"$policy"
            chmod 755 "$policy"
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get install -y -q --no-install-recommends "$@" </dev/null >&2 9>&- && exit 0
        # Package lists are missing or too old on many fresh machines.
        apt-get update -q </dev/null >&2 9>&-
        apt-get install -y -q --no-install-recommends "$@" </dev/null >&2 9>&-
    ) 9>/tmp/komodo-install.lock || die "apt-get could not install $*" "$remedy"
}

# version_at_least VERSION MINIMUM
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n1)" = "$2" ]; }
