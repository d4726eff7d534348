# shellcheck shell=bash
# Images of our programs from deploy/Dockerfile.*, without a registry. Sourced after common.sh by what needs them.

# base_image PROGRAM TAG: an image of nothing but the libraries that the program needs and what they look up.
base_image() {
    local program=$1 tag=$2 root file
    root=$(mktemp -d)
    mkdir -p "$root"/{usr/local/bin,etc/ssl/certs,tmp,proc,sys,dev}
    chmod 1777 "$root/tmp"
    for file in $(ldd "$program" 2>/dev/null | grep -o '/[^ ]*' | sort -u || true); do
        install -D -m 755 "$(readlink -f "$file")" "$root$file"
    done
    for file in /etc/ssl/certs/ca-certificates.crt /etc/nsswitch.conf; do
        [ ! -r "$file" ] || install -D -m 644 "$file" "$root$file"
    done
    tar -C "$root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -c . |
        docker import --change 'LABEL komodo.skip=true' - "$tag" >/dev/null
    rm -rf "$root"
}

# build_image core|periphery PROGRAM TAG [BASE]: as scripts/images does.
build_image() {
    local name=$1 program=$2 tag=$3 base=${4:-} context status=0
    [ -x "$program" ] || die "no program at $program" "build it first"
    if [ -z "$base" ]; then
        base=komodo-base:$name
        base_image "$program" "$base"
    fi
    context=$(mktemp -d)
    cp -L "$program" "$context/komodo-$name"
    # Debug information is most of a debug build's size, and nobody reads it in a container.
    ! has strip || strip --strip-debug "$context/komodo-$name"
    # The builder that every Engine has in itself; the newer one is a plugin. It says of itself that it is old, which
    # is of no interest unless something is wrong.
    DOCKER_BUILDKIT=0 docker build --quiet --file "$PROJECT_ROOT/deploy/Dockerfile.$name" \
        --build-arg "BASE=$base" --tag "$tag" "$context" >"$context.log" 2>&1 || status=$?
    [ "$status" = 0 ] || cat "$context.log" >&2
    rm -rf "$context" "$context.log"
    [ "$status" = 0 ] || die "the image $tag could not be built" "see the message above"
}
