# shellcheck shell=bash
# The Docker Engine of Debian 13 (26.1) beside the installed one, unpacked from Debian's packages into the test cache.
# Nothing of it is installed, and it runs on Debian 12 too. Sourced by scripts/test after common.sh.

TRIXIE_MIRROR=${KOMODO_DEBIAN_MIRROR:-http://deb.debian.org/debian}
# What belongs to the Engine, and the libraries that its runc needs newer than Debian 12 has them.
TRIXIE_PACKAGES=(docker.io docker-cli containerd runc libc6 libseccomp2)
TRIXIE_SECONDS=300

# Prints the folder of its programs, for KOMODO_ENGINE_BIN; fetches them the first time.
trixie_engine() {
    local directory
    directory=$(test_cache_directory)/engine-trixie
    if [ ! -x "$directory/bin/dockerd" ]; then
        (
            flock -w "$TRIXIE_SECONDS" 9 || die "another run has been fetching trixie's Engine for $TRIXIE_SECONDS s"
            [ ! -x "$directory/bin/dockerd" ] || exit 0
            trixie_fetch "$directory"
        ) 9>"$(test_cache_directory)/engine-trixie.lock" >&2
    fi
    printf '%s/bin\n' "$directory"
}

# With lists and archives of its own: this machine's apt-get goes on to know only this machine's Debian.
trixie_fetch() (
    local directory=$1 work apt package library
    work=$(mktemp -d "$directory.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work"/{lists/partial,cache/archives/partial,archives,root,bin,lib}
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s trixie main\n' "$TRIXIE_MIRROR" >"$work/sources.list"
    apt=(timeout "$TRIXIE_SECONDS" apt-get -q -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root -o APT::Default-Release=
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o Acquire::Retries=3)
    cd "$work/archives" || exit
    if ! "${apt[@]}" update || ! "${apt[@]}" download "${TRIXIE_PACKAGES[@]}"; then
        die "trixie's Engine could not be fetched from $TRIXIE_MIRROR" "set KOMODO_DEBIAN_MIRROR to a mirror of Debian"
    fi
    for package in *.deb; do dpkg-deb -x "$package" "$work/root"; done
    cd "$work/root" || exit
    mv usr/sbin/{dockerd,docker-proxy,runc} usr/bin/{docker,containerd,containerd-shim-runc-v2} "$work/bin/"
    # Only runc asks for the newer libraries, and it starts itself anew within a container: it must find them by itself.
    for library in libc.so.6 libseccomp.so.2 "$(basename "$(patchelf --print-interpreter "$work/bin/runc")")"; do
        cp -L "$(find usr/lib -name "$library" -path '*-linux-gnu*' -print -quit)" "$work/lib/"
    done
    patchelf --set-interpreter "$directory/lib/$library" --set-rpath "$directory/lib" "$work/bin/runc"
    rm -rf "$directory"
    mkdir "$directory"
    # The programs last: their presence says that all of it is there.
    mv "$work/lib" "$work/bin" "$directory/"
    if ! "$directory/bin/dockerd" --version || ! "$directory/bin/runc" --version; then
        rm -rf "$directory"
        die "trixie's Engine does not run on this machine"
    fi
)
