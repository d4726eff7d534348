# shellcheck shell=bash
# What scripts/up and scripts/down share: where the installation on this machine lives and what runs of it.
# Sourced after common.sh. Files of an installation, in $DATA:
#   core/        Core's data directory          periphery/   Periphery's root directory
#   run/NAME.pid PID and start time of what scripts/up started     run/agent.container   id of the agent's container
#   run/NAME.log its output                     km.toml      address and API key for km and for scripts/up itself

# shellcheck disable=SC2034 # used by scripts/up
AGENT_CONTAINER=komodo-periphery
# shellcheck disable=SC2034
AGENT_IMAGE=komodo-periphery:local

default_data_directory() { printf '%s\n' "${KOMODO_UP_DATA:-$PROJECT_ROOT/.komodo}"; }

# Start time of a process in clock ticks: with it a PID that was given to another process is not mistaken.
process_started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

remember_process() { printf '%s %s\n' "$2" "$(process_started "$2")" >"$DATA/run/$1.pid"; }

# running_process NAME: prints the PID when what was remembered still runs.
running_process() {
    local pid started
    [ -r "$DATA/run/$1.pid" ] || return 1
    read -r pid started <"$DATA/run/$1.pid" || return 1
    [ -n "$started" ] && [ "$(process_started "$pid")" = "$started" ] || return 1
    printf '%s\n' "$pid"
}

# stop_process NAME SECONDS: asks, waits, and kills what does not go.
stop_process() {
    local name=$1 pid tries
    if pid=$(running_process "$name"); then
        kill -TERM "$pid" 2>/dev/null || true
        for ((tries = $2 * 10; tries > 0; tries--)); do
            running_process "$name" >/dev/null || break
            sleep 0.1
        done
        if running_process "$name" >/dev/null; then
            say "$name (PID $pid) did not end within $2 s and is killed"
            kill -KILL "$pid" 2>/dev/null || true
        fi
        say "stopped $name (PID $pid)"
    fi
    rm -f "$DATA/run/$name.pid"
}

# agent_container: prints the id of the agent's container that scripts/up made, or of the one that took its place in a
# hand over, when it is still there.
agent_container() {
    local id
    [ -r "$DATA/run/agent.container" ] || return 1
    id=$(cat "$DATA/run/agent.container")
    [ -n "$id" ] || return 1
    if ! docker inspect --type container "$id" >/dev/null 2>&1; then
        id=$(docker ps --all --quiet --no-trunc --filter label=komodo.handed-over --filter "volume=$DATA/periphery" | head -n1)
        [ -n "$id" ] || return 1
    fi
    printf '%s\n' "$id"
}
