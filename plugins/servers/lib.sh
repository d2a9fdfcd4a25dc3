# shellcheck shell=bash
# What the scripts of the servers share: `NAME.sh start|stop FOLDER` and `NAME.sh present`; sourced, not run. README.md tells the rest.
#
# A script defines `missing`, which prints a line for each thing that is not installed, and `launch`, which starts the server in $folder with
# `spawn`, waits for it with `wait_for`, and calls `tell`. Then it calls `server "$@"`.
set -euo pipefail
shopt -s inherit_errexit

folder='' # of the server; set by `start`
told=2     # the stderr of who called `start`

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034 # for the scripts
tools=${CARGO_TARGET_DIR:-$checkout/target}/tools
# Where a start keeps its ports until the servers listen on them, so that two starts at once do not choose the same.
readonly PORTS=/tmp/longshore-ports.$UID
# The limits of a wait: for a server that starts, for one that ends by itself, and for one that was killed.
readonly START_SECS=60 END_SECS=15 KILL_SECS=5

fail() { echo "error: ${0##*/}: $*" >&2; exit 1; }

# server COMMAND [FOLDER]
server() {
    [ "${1-} $#" = 'present 1' ] || [[ ${1-} =~ ^(start|stop)$ && $# = 2 && -n $2 ]] || {
        echo "usage: $0 start FOLDER | stop FOLDER | present" >&2
        exit 2
    }
    case $1 in
        present) present ;;
        start) start "$2" ;;
        stop) stop "$2" ;;
    esac
}

present() {
    local absent
    absent=$(missing)
    [ -z "$absent" ] || fail "missing: ${absent//$'\n'/; }; .ci/install brings all of it"
}

start() {
    present
    mkdir -p "$1"
    folder=$(cd "$1" && pwd)
    [ -z "$(ls -A "$folder")" ] || fail "the folder $folder is not empty; each start needs one of its own"
    : >"$folder/processes"
    mkdir "$folder/log"
    exec {told}>&2
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap unstart EXIT
    launch </dev/null >"$folder/log/start" 2>&1
    trap - EXIT
    cat "$folder/env"
}

# At the exit of a start that did not come to its end.
unstart() {
    # `launch` had its own stderr when it ended.
    exec 2>&"$told"
    echo "error: ${0##*/}: the server did not start; the ends of its logs:" >&2
    tail -n 10 "$folder"/log/* >&2 || true
    stop "$folder"
}

# stop FOLDER: ends what was started in it, the last one first; nothing else, also if a process has got the number of one that had ended.
stop() {
    local name pid born
    [ -e "$1/processes" ] || { echo "nothing was started in $1" >&2; return; }
    while read -r name pid born; do
        end "$name" "$pid" "$born"
    done < <(tac "$1/processes")
}

end() { # NAME PID BORN
    runs "$2" "$3" || return 0
    kill -TERM "$2" || true
    # A test may have frozen it, and then it gets no signal but this.
    kill -CONT "$2" || true
    ! within "$END_SECS" ended "$2" "$3" || return 0
    echo "$1 ($2) is killed: it did not end in $END_SECS s" >&2
    kill -KILL "$2" || true
    within "$KILL_SECS" ended "$2" "$3" || fail "$1 ($2) cannot be killed"
}

# spawn NAME COMMAND...: starts a process in a session of its own, whose output is in log/NAME. It notes itself in `processes`, before it becomes
# the command: nothing runs that `stop` would not find.
spawn() {
    local name=$1
    shift
    # shellcheck disable=SC2016 # for the shell that becomes the command
    setsid bash -c 'read -r stat </proc/$$/stat; fields=(${stat##*) })
        echo "$0 $$ ${fields[19]}" >&9; exec "$@" 9>&-' "$name" "$@" 9>>"$folder/processes" {told}>&- >"$folder/log/$name" 2>&1 &
    within 5 grep -q "^$name " "$folder/processes" || fail "$name was not started"
}

# runs PID BORN: whether this very process is there, and more than a zombie. BORN is its time of birth in /proc/PID/stat.
runs() {
    local stat fields
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
    read -ra fields <<<"${stat##*) }"
    [ "${fields[19]}" = "$2" ] && [ "${fields[0]}" != Z ]
}

ended() { ! runs "$@"; }

all_run() {
    local name pid born
    while read -r name pid born; do
        runs "$pid" "$born" || { echo "$name has ended" >&2; return 1; }
    done <"$folder/processes"
}

# within SECONDS COMMAND...: tries the command until it succeeds.
within() {
    local limit=$((SECONDS + $1))
    shift
    until "$@" 2>/dev/null; do
        [ $SECONDS -lt $limit ] || return 1
        sleep 0.05
    done
}

# wait_for WHAT COMMAND...: until the command succeeds, as long as all that was started runs. The command has a limit of its own.
wait_for() {
    local what=$1 limit=$((SECONDS + START_SECS))
    shift
    until "$@"; do
        all_run || fail "$what: a process has ended"
        [ $SECONDS -lt $limit ] || fail "$what: not in $START_SECS s"
        sleep 0.05
    done
}

# free_port VARIABLE: a port of 127.0.0.1 that nobody listens on, and that no other start gets before this one has ended. It is below those that
# the system gives to clients and to listeners on port 0.
free_port() {
    local candidate descriptor try
    mkdir -p "$PORTS"
    for ((try = 0; try < 100; try++)); do
        candidate=$((10000 + RANDOM % 20000))
        exec {descriptor}>"$PORTS/$candidate"
        if flock -n "$descriptor" && ! (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null; then
            printf -v "$1" %s "$candidate"
            return
        fi
        exec {descriptor}>&-
    done
    fail 'no free port was found in 100 tries'
}

# tell NAME=VALUE...: writes what a client has to know to $folder/env.
tell() {
    printf '%s\n' "$@" >"$folder/env.part"
    mv "$folder/env.part" "$folder/env"
}

# s3 METHOD URL REGION ACCESS_KEY SECRET_KEY: a signed request without a body.
s3() {
    # The sum of no bytes: this version of curl does not send it by itself, and some servers insist.
    curl -sS -f -o /dev/null --max-time 10 -X "$1" --aws-sigv4 "aws:amz:$3:s3" -u "$4:$5" \
        -H 'x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' "$2"
}
