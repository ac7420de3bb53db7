#!/usr/bin/env bash
# Brings up ZooKeeper and Kafka from this folder, whatever happened before: builds if something changed, stops what
# still runs, starts both with the files in config/, waits until they work, and creates test-topic.
script=$(readlink -f "${BASH_SOURCE[0]}")
root=${script%/*}
script=$root/bin/restart.sh
. "$root/bin/kafka-run.sh" functions

usage="USAGE: ./restart.sh [--wipe]
Starts ZooKeeper and Kafka afresh and keeps their data. With --wipe, both start empty."

fail() {
    echo "restart.sh: $*" >&2
    exit 1
}

# Milliseconds since 1970, without starting a process.
now() {
    local time=${EPOCHREALTIME/[.,]/}
    printf -v "$1" '%s' "${time%???}"
}

# Sets variable $1 to the value of setting $3 in file $2, or to $4. The last line with that key counts.
property() {
    local line key value result=$4
    while read -r line || [[ -n $line ]]; do
        [[ $line == [#!]* ]] && continue
        key=${line%%[=:[:space:]]*}
        [[ $key == "$3" ]] || continue
        value=${line#"$key"}
        value=${value#"${value%%[![:space:]]*}"}
        value=${value#[=:]}
        value=${value#"${value%%[![:space:]]*}"}
        result=${value%"${value##*[![:space:]]}"}
    done <"$2"
    printf -v "$1" '%s' "$result"
}

read_settings() {
    local listeners zookeeper=$root/config/zookeeper.properties kafka=$root/config/server.properties
    [[ -r $zookeeper ]] || fail "$zookeeper cannot be read"
    [[ -r $kafka ]] || fail "$kafka cannot be read"
    property zookeeper_port "$zookeeper" clientPort 2181
    property zookeeper_host "$zookeeper" clientPortAddress ''
    property zookeeper_dir "$zookeeper" dataDir ''
    property zookeeper_log_dir "$zookeeper" dataLogDir "$zookeeper_dir"
    property kafka_dirs "$kafka" log.dir /tmp/kafka-logs
    property kafka_dirs "$kafka" log.dirs "$kafka_dirs"
    property listeners "$kafka" listeners PLAINTEXT://:9092
    listeners=${listeners%%,*}
    listeners=${listeners#*://}
    kafka_port=${listeners##*:}
    kafka_host=${listeners%:*}
    reachable kafka_host
    reachable zookeeper_host
    IFS=, read -r -a kafka_dirs <<<"$kafka_dirs"
    output=${LOG_DIR:-$root/logs}
}

# Turns the address a server listens on into one to connect to.
reachable() {
    case ${!1} in '' | 0.0.0.0 | '[::]' | '*') printf -v "$1" '%s' localhost ;; esac
}

# Bash wants IPv6 addresses without their brackets.
connect() {
    local host=${1#\[}
    { exec {socket}<>"/dev/tcp/${host%\]}/$2"; } 2>/dev/null
}

disconnect() {
    exec {socket}>&-
}

# True if something accepts connections there.
listening() {
    connect "$1" "$2" && disconnect
}

# ZooKeeper serves when it answers `srvr` with its state.
zookeeper_serves() {
    local answer=''
    connect "$zookeeper_host" "$zookeeper_port" || return
    { printf srvr >&"$socket"; } 2>/dev/null && read -r -t 2 -u "$socket" answer
    disconnect
    [[ $answer == 'Zookeeper version'* ]]
}

kafka_accepts() {
    listening "$kafka_host" "$kafka_port"
}

# The broker leads when no partition of the topic is without a leader.
kafka_leads() {
    local described
    described=$("$kafka_programs/kafka-topics" --bootstrap-server "$bootstrap" --describe --topic test-topic) &&
        [[ $described == *'Leader: '* && $described != *'Leader: none'* ]]
}

# Stops the servers of one kind that this folder started, by force if they do not end within 30 s.
stop() {
    local one
    kafka_running "$1"
    ((${#running[@]})) || return 0
    echo "Stopping $2 (process ${running[*]})"
    kill -s TERM "${running[@]}" 2>/dev/null
    for one in "${running[@]}"; do
        kafka_process "$one" || continue
        kafka_gone "$one" 30 && continue
        echo "$2 (process $one) did not end within 30 s and is killed" >&2
        kill -s KILL "$one"
        kafka_process "$one" && kafka_gone "$one" 10
    done
    kafka_running "$1"
    ((${#running[@]} == 0)) || fail "process ${running[*]} cannot be stopped"
}

# Programs are stale when a source is newer than the last build that ended well.
build() {
    local stamp=$root/target/release/.built newer
    [[ -n ${KAFKA_PROGRAM_DIR:-} ]] && return
    if [[ -e $stamp ]]; then
        newer=$(cd "$root" && find Cargo.toml Cargo.lock crates -newer "$stamp" -print -quit)
        [[ -z $newer && -x $kafka_programs/kafka-server-start && -x $kafka_programs/zookeeper-server-start &&
            -x $kafka_programs/kafka-topics ]] && return
    fi
    mkdir -p "${stamp%/*}"
    : >"$stamp.next"
    kafka_build || fail "the build failed"
    mv "$stamp.next" "$stamp"
}

# Sets `holder` to the process that listens on that port and its name, as far as this user may see it.
port_holder() {
    local hex address state inode table dir
    holder='an unknown process'
    printf -v hex ':%04X' "$1"
    for table in /proc/net/tcp /proc/net/tcp6; do
        [[ -r $table ]] || continue
        while read -r _ address _ state _ _ _ _ _ inode _; do
            [[ $address == *"$hex" && $state == 0A ]] || continue
            dir=$(find /proc/[0-9]*/fd -lname "socket:\\[$inode\\]" -printf '%h\n' -quit 2>/dev/null)
            dir=${dir%/fd}
            [[ -n $dir ]] && kafka_process "${dir##*/}" && holder="process ${dir##*/} ($comm)" && return
        done <"$table"
    done
}

# True if a process holds the lock on that file; sets `holder`.
locked() {
    local inode line
    inode=$(stat -c %i "$1" 2>/dev/null) || return
    while read -r _ _ _ _ holder line _; do
        [[ $line == *":$inode" ]] && return
    done </proc/locks
    return 1
}

# Deletes what both servers keep, after saying what that is. Files only where the settings say that data lies.
wipe() {
    local dir taken=''
    local -a dirs=("${kafka_dirs[@]}" "$zookeeper_dir")
    [[ $zookeeper_log_dir == "$zookeeper_dir" ]] || dirs+=("$zookeeper_log_dir")
    listening "$zookeeper_host" "$zookeeper_port" && taken=$zookeeper_port
    listening "$kafka_host" "$kafka_port" && taken=$kafka_port
    if [[ -n $taken ]]; then
        port_holder "$taken"
        fail "--wipe: $holder uses port $taken and was not started from this folder; nothing was deleted"
    fi
    for dir in "${kafka_dirs[@]}"; do
        locked "$dir/.lock" && fail "--wipe: $dir is in use by process $holder; nothing was deleted"
    done
    echo "--wipe: all topics, records, consumer offsets and znodes are lost:"
    for dir in "${dirs[@]}"; do
        [[ $dir == /* && $dir != / && $dir != "$HOME" ]] || fail "--wipe: data directory '$dir' is not an absolute path of its own"
    done
    for dir in "${dirs[@]}"; do
        if [[ -d $dir ]]; then
            echo "  $dir ($(du -sh "$dir" 2>/dev/null | cut -f1))"
            find "$dir/" -mindepth 1 -delete || fail "--wipe: $dir cannot be cleared"
        else
            echo "  $dir (is not there)"
        fi
    done
}

# Says why a server is not there: the end of what it printed.
give_up() {
    echo "$1; the end of $2:" >&2
    tail -n 20 "$2" | sed 's/^/    /' >&2
    exit 1
}

# Starts a server and waits until the check $5 holds. When its port was taken before it began, an answer there is not
# its own: then only its end, with the reason, is waited for.
launch() {
    local name=$1 label=$2 port=$3 log=$output/$4 ready=$5 taken='' deadline
    now began
    listening "$6" "$port" && taken=yes
    kafka_daemon "$name" "$log" "$kafka_programs/$name-server-start" "$root/config/$7" || fail "$label cannot be started"
    deadline=$((SECONDS + 120))
    while [[ -n $taken ]] || ! "$ready"; do
        kafka_process "$pid" || give_up "$label ended instead of serving" "$log"
        ((SECONDS < deadline)) || give_up "$label does not serve after 120 s" "$log"
        kafka_pause 0.005
    done
    now ended
    echo "$label runs: port $port, process $pid, ready after $((ended - began)) ms"
}

main() {
    local start wiped='' began ended tried
    case ${1:-} in
        '') ;;
        --wipe) wiped=yes ;;
        -h | --help)
            echo "$usage"
            exit
            ;;
        *)
            echo "$usage" >&2
            exit 1
            ;;
    esac
    (($# <= 1)) || {
        echo "$usage" >&2
        exit 1
    }
    build
    now start
    read_settings
    stop kafka Kafka
    stop zookeeper ZooKeeper
    [[ -z $wiped ]] || wipe

    launch zookeeper ZooKeeper "$zookeeper_port" zookeeper.out zookeeper_serves "$zookeeper_host" zookeeper.properties
    echo "    data  $zookeeper_dir"
    echo "    log   $output/zookeeper.out"
    launch kafka Kafka "$kafka_port" kafkaServer.out kafka_accepts "$kafka_host" server.properties
    echo "    data  ${kafka_dirs[*]}"
    echo "    log   $output/kafkaServer.out"

    bootstrap=$kafka_host:$kafka_port
    tried=$((SECONDS + 60))
    "$kafka_programs/kafka-topics" --bootstrap-server "$bootstrap" --create --if-not-exists \
        --topic test-topic --partitions 4 --replication-factor 1 || fail "test-topic cannot be created"
    until kafka_leads; do
        kafka_process "$pid" || give_up "Kafka ended" "$output/kafkaServer.out"
        ((SECONDS < tried)) || give_up "Kafka does not lead test-topic after 60 s" "$output/kafkaServer.out"
        kafka_pause 0.01
    done
    now ended
    echo "Ready after $((ended - start)) ms: Kafka at $bootstrap with test-topic, ZooKeeper at $zookeeper_host:$zookeeper_port"
}

main "$@"
