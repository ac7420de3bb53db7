#!/usr/bin/env bash
# What all scripts beside this one share. They source it with what to do:
#     tool PROGRAM ARG ...            run a program
#     start kafka|zookeeper ARG ...   run a server, with -daemon in the background
#     stop kafka|zookeeper            stop the servers that were started from this folder
#     functions                       only define the functions below (for ../restart.sh)
# `script` holds the real path of the calling script, all links followed.
#
# KAFKA_PROGRAM_DIR  where the programs lie, instead of target/release of this folder
# KAFKA_PID_DIR      where each running server leaves a note about itself, instead of logs/pids
# LOG_DIR            where -daemon logs to, instead of logs
# KAFKA_HEAP_OPTS, KAFKA_JVM_PERFORMANCE_OPTS and the like speak to Java; here they mean nothing.

kafka_root=${script%/*}
kafka_root=${kafka_root%/bin}
kafka_programs=${KAFKA_PROGRAM_DIR:-$kafka_root/target/release}
kafka_pids=${KAFKA_PID_DIR:-$kafka_root/logs/pids}
kafka_packages=(-p zk-server -p kafka-broker -p kafka-cli)

# Builds all programs. They always go to target/ of this folder, whatever CARGO_TARGET_DIR says.
kafka_build() {
    local cargo
    cargo=$(type -P cargo || type -P "$HOME/.cargo/bin/cargo") || {
        echo "cargo, Rust's build tool, is not installed: see https://rustup.rs" >&2
        return 1
    }
    (unset CARGO_BUILD_TARGET && cd "$kafka_root" && "$cargo" build --release --locked --target-dir target "${kafka_packages[@]}") >&2
}

# Sets `program` to the path of the named program, built if need be.
kafka_program() {
    program=$kafka_programs/$1
    [[ -x $program ]] && return
    if [[ -n ${KAFKA_PROGRAM_DIR:-} ]]; then
        echo "$program does not exist, and KAFKA_PROGRAM_DIR says that it does" >&2
        return 1
    fi
    echo "$1 is not built yet: building it now, once, which takes a few minutes" >&2
    kafka_build
}

# Sets `stat` to the fields of /proc/PID/stat that follow the program's name (which may hold blanks):
# [0] is the state, [19] the start time in ticks since boot. False if there is no such process.
kafka_process() {
    local line
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return
    comm=${line#*(}
    comm=${comm%)*}
    read -r -a stat <<<"${line##*) }"
    [[ ${stat[0]} != Z && ${stat[0]} != X ]]
}

# Sets `pid` to the process that the given note is about. False if it is gone, or if its number belongs to
# another process by now. The start time tells: it stays when a script becomes its program by `exec`.
kafka_owner() {
    local -a note
    mapfile -t note 2>/dev/null <"$1" || return
    pid=${note[0]:-}
    [[ $pid =~ ^[1-9][0-9]*$ ]] && kafka_process "$pid" && [[ ${stat[19]} == "${note[1]:-}" ]]
}

# Sets `running` to the processes of the named server that were started from this folder, and removes what those
# that are gone have left.
kafka_running() {
    local dir note
    local -a left=()
    running=()
    for dir in "$kafka_pids"/*/; do
        [[ -d $dir ]] || continue
        note=$dir$1.pid
        if [[ -e $note ]] && kafka_owner "$note"; then
            running+=("$pid")
        elif dir=${dir%/} && ! kafka_process "${dir##*/}"; then
            left+=("$dir")
        fi
    done
    ((${#left[@]} == 0)) || rm -rf -- "${left[@]}"
}

# Waits for so many seconds (0.005 …) without starting a process.
kafka_pause() {
    [[ -n ${kafka_pause_fd:-} ]] || exec {kafka_pause_fd}<> <(:)
    read -r -t "$1" -u "$kafka_pause_fd" || true
}

# Waits until the process is gone or so many seconds have passed (0: as long as it takes).
kafka_gone() {
    local started=${stat[19]} end=$((SECONDS + $2)) reminder=$((SECONDS + 10))
    while kafka_process "$1" && [[ ${stat[19]} == "$started" ]]; do
        (($2 == 0 || SECONDS < end)) || return 1
        if ((SECONDS >= reminder)); then
            echo "process $1 is still shutting down" >&2
            reminder=$((SECONDS + 10))
        fi
        kafka_pause 0.01
    done
}

# Leaves a note that this process, which is to become the named server, belongs to this folder. A directory per
# process, so that one folder can run several brokers.
kafka_note() {
    kafka_process "$BASHPID"
    export KAFKA_PID_DIR=$kafka_pids/$BASHPID
    mkdir -p "$KAFKA_PID_DIR" && printf '%s\n' "$BASHPID" "${stat[19]}" >"$KAFKA_PID_DIR/$1.pid"
}

# Starts the named server in the background, in a session of its own where `setsid` exists, so that neither Ctrl-C
# nor a closed terminal reaches it. Sets `pid`.
#
# Without its note nobody would find it again: neither Ctrl-C nor a closed terminal comes between the two. They take
# effect afterwards.
kafka_daemon() {
    local name=$1 output=$2 detach signal='' tried
    shift 2
    mkdir -p "${output%/*}" || return
    detach=$(type -P setsid)
    trap 'signal=INT' INT
    trap 'signal=HUP' HUP
    (
        trap '' HUP INT
        kafka_note "$name"
        trap - INT
        exec ${detach:+"$detach"} "$@"
    ) >"$output" 2>&1 </dev/null &
    pid=$!
    disown
    # Where no note can be written the server runs all the same.
    for ((tried = 0; tried < 1000; tried++)); do
        kafka_process "$pid" && [[ ! -s $kafka_pids/$pid/$name.pid ]] || break
        kafka_pause 0.005
    done
    trap - INT HUP
    [[ -z $signal ]] || kill -s "$signal" "$BASHPID"
}

kafka_start() {
    local name=$1 usage output daemon
    shift
    case $name in
        kafka)
            usage='server.properties [--override property=value]*'
            output=kafkaServer.out
            ;;
        zookeeper)
            usage='zookeeper.properties'
            output=zookeeper.out
            ;;
    esac
    if (($# == 0)); then
        echo "USAGE: $0 [-daemon] $usage"
        exit 1
    fi
    if [[ $1 == -daemon ]]; then
        daemon=yes
        shift
    fi
    kafka_program "$name-server-start" || exit
    if [[ -n ${daemon:-} ]]; then
        kafka_daemon "$name" "${LOG_DIR:-$kafka_root/logs}/$output" "$program" "$@"
        exit
    fi
    kafka_note "$name"
    exec "$program" "$@"
}

# Stops them all at once, then waits for each.
kafka_stop() {
    local one
    if (($# > 1)); then
        echo "$0: $2: not served; it stops all $1 servers that were started from this folder" >&2
        exit 1
    fi
    kafka_running "$1"
    if ((${#running[@]} == 0)); then
        echo "No $1 server to stop"
        exit 1
    fi
    kill -s "${SIGNAL:-TERM}" "${running[@]}"
    for one in "${running[@]}"; do
        kafka_process "$one" && kafka_gone "$one" 0
    done
    kafka_running "$1"
}

case $1 in
    tool)
        kafka_program "$2" || exit
        exec -a "$0" "$program" "${@:3}"
        ;;
    start) kafka_start "${@:2}" ;;
    stop) kafka_stop "${@:2}" ;;
    functions) ;;
    *)
        echo "USAGE: $0 is sourced by the scripts beside it" >&2
        exit 1
        ;;
esac
