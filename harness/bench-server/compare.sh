#!/bin/bash
# Strata's server and Redis, on the same work, one after the other, in turns. --help says
# what is measured; `make bench-server` builds what it needs.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
export LC_ALL=C

usage() {
    cat <<'HELP'
Usage: compare.sh [OPTION...]     (make bench-server ARGS='OPTION...')
Measures Strata's server beside Debian's redis-server (appendonly yes) in one run.

  --quick              One short round of fewer rows, about a minute, for a first look
  --rounds N           Rounds, of which the median is shown (default 3)
  --only PATTERN       Rows whose name matches this regular expression; names are such as
                       "everysec P16 set", "always c1 get", "always open-2000"
  --json               One JSON object instead of tables
  --dir DIR            Where a directory is made for the data, and removed (default .)
  --strata PROGRAM     Another build of Strata (default build/release/strata-08)
  --set NAME=VALUE     A setting of Strata alone, such as io-threads=2; may be repeated
  --help               This text

Each round runs every row on both servers, taking turns in who is first. Each gets a free
port of 127.0.0.1 and an empty directory, the same for the tests of one row, and is ended
behind it. Settings are those that the servers come with, but for appendfsync; Redis
saves no snapshots (save ""), which is to its advantage.

closed loop: redis-benchmark -r 1000000 -d 100, which asks again when it was answered.
  P1, P16, P64   50 clients, each with so many requests under way
  c1, c1000      one client, a thousand
  k0             50 clients that connect for every request
open loop: build/open-loop, at a constant rate whatever the server does; half SET, half
  GET, 100000 keys of 100 bytes that are there before. Its times count from when a
  request was due (open-loop --help).

CPU: user and system time of the server, all of its threads and children, divided by the
  requests; until the server is quiet again, so what it puts off (compaction; Redis:
  rewriting its log) counts for what has caused it. From /proc/PID/stat, in steps of 10 ms.
ratio: Strata / Redis. Above 1 is good for rates; below 1 is good for CPU and times.

A run of three rounds takes about 20 minutes; nothing else should run meanwhile.

Examples:
  make bench-server ARGS='--quick'
  make bench-server ARGS='--only "everysec P.* get" --rounds 5'
  make bench-server ARGS='--json' >figures.json
HELP
}

# ---- the rows ------------------------------------------------------------------------
# appendfsync, name, requests (a fifth of them for MSET), requests of --quick (0: not in
# it), tests, options of redis-benchmark. open-N: seconds, seconds of --quick, rate.
rows='
everysec P1     300000 10000 ping_mbulk,set,get,mset -c 50 -P 1
everysec P16   1000000 40000 ping_mbulk,set,get,mset -c 50 -P 16
everysec P64   1000000 60000 ping_mbulk,set,get,mset -c 50 -P 64
everysec c1     100000     0 ping_mbulk,set,get -c 1
everysec c1000  300000 10000 set,get -c 1000
everysec k0      30000     0 set,get -c 50 -k 0
always   P1     100000  5000 set,get,mset -c 50 -P 1
always   P16    500000 20000 set,get,mset -c 50 -P 16
always   P64   1000000     0 set,get,mset -c 50 -P 64
always   c1       5000   300 set,get -c 1
always   c1000  200000 10000 set,get -c 1000
always   k0      20000     0 set,get -c 50 -k 0
everysec open-1000      10 0 1000
everysec open-10000     10 2 10000
everysec open-30000     10 0 30000
always   open-500       10 0 500
always   open-2000      10 2 2000
always   open-10000     10 0 10000
'

# ---- options -------------------------------------------------------------------------
rounds=3 quick=no json=no dir=. only=. program=$here/build/release/strata-08 settings=()
redis=$here/build/redis-server # of Debian's redis-tools

refuse() {
    echo "bench-server: $1" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage && exit 0 ;;
    --quick) quick=yes rounds=1 && shift && continue ;;
    --json) json=yes && shift && continue ;;
    --rounds | --only | --dir | --strata | --set) [ $# -gt 1 ] || refuse "$1 needs a value" ;;
    *) refuse "there is no $1 (--help lists what there is)" ;;
    esac
    case $1 in
    --rounds) rounds=$2 ;;
    --only) only=$2 ;;
    --dir) dir=$2 ;;
    --strata) program=$2 ;;
    --set)
        [ "${2#?*=}" != "$2" ] || refuse "\"$2\" is not NAME=VALUE"
        settings+=("--${2%%=*}" "${2#*=}")
        ;;
    esac
    shift 2
done
case $rounds in
0* | *[!0-9]* | '') refuse "\"$rounds\" is not a number of rounds" ;;
esac
for needed in "$redis" redis-benchmark redis-cli "$program" "$here/build/open-loop"; do
    command -v "$needed" >/dev/null || refuse "$needed is missing"
done

# ---- servers -------------------------------------------------------------------------
work=$(mktemp -d "$dir/bench-server-XXXXXX") || exit 4
server='' port=''
ulimit -Sn "$(ulimit -Hn)" # for a thousand clients

stop() {
    [ -n "$server" ] || return 0
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=''
    rm -rf "$work/data"
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

fail() {
    [ ! -t 2 ] || printf '\r\033[K' >&2
    echo "bench-server: $1" >&2
    tail -n 5 "$work/log" >&2
    exit 4
}

# Below those that the system gives to clients.
free_port() {
    for port in $(shuf -i 20000-32000 -n 50); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 0
    done
    fail 'no port is free'
}

begin() { # $1 who, $2 appendfsync
    free_port
    mkdir "$work/data"
    if [ "$1" = redis ]; then
        "$redis" --port "$port" --bind 127.0.0.1 --dir "$work/data" --save '' \
            --appendonly yes --appendfsync "$2" >"$work/log" 2>&1 &
    else
        "$program" server --port "$port" --dir "$work/data" --appendfsync "$2" \
            "${settings[@]}" >"$work/log" 2>&1 &
    fi
    server=$!
    for _ in $(seq 200); do
        [ "$(redis-cli -p "$port" ping 2>/dev/null)" = PONG ] && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    fail "$1 does not start"
}

ticks() { # that the server and its children have used
    sed 's/.*) //' "/proc/$server/stat" | awk '{ print $12 + $13 + $14 + $15 }'
}

# Until the server is at rest, and has no child. It says how many ticks it has used then.
quiet_ticks() {
    local before now
    before=$(ticks)
    for _ in $(seq 300); do
        sleep 0.2
        now=$(ticks)
        [ $((now - before)) -gt 1 ] || grep -q . "/proc/$server/task/$server/children" || break
        before=$now
    done
    echo "$now"
}

# ---- one test ------------------------------------------------------------------------
hertz=$(getconf CLK_TCK)

record() { # $1 requests, $2 ticks before, then measures: name=value
    local cpu
    cpu=$(awk -v n="$1" -v ticks=$(($(quiet_ticks) - $2)) -v hertz="$hertz" \
        'BEGIN { printf "%.3f", ticks * 1e6 / hertz / n }')
    shift 2
    for measure in "$@" "cpu=$cpu"; do
        printf '%s\t%s\t%s\t%s\n' "$row" "$who" "${measure%%=*}" "${measure#*=}"
    done >>"$work/figures"
}

closed() { # $1 test, $2 requests, then options of redis-benchmark
    local test=$1 count=$2 before line
    shift 2
    before=$(ticks)
    line=$(redis-benchmark -p "$port" --csv -r 1000000 -d 100 -n "$count" -t "$test" "$@" \
        2>"$work/log" | tail -n 1 | tr -d '"')
    rate=$(echo "$line" | cut -d, -f2)
    case $rate in
    [0-9]*) ;;
    *) fail "$row: redis-benchmark says: $line" ;;
    esac
    record "$count" "$before" "rate=$rate" "p50=$(echo "$line" | cut -d, -f5)" \
        "p99=$(echo "$line" | cut -d, -f7)"
}

open() { # $1 seconds, $2 rate
    local before
    "$here/build/open-loop" --port "$port" --fill --rate 1000 --seconds 1 --warmup 0 \
        --set-percent 0 >"$work/out" 2>"$work/log" || fail "$row: filling"
    quiet_ticks >/dev/null
    before=$(ticks)
    "$here/build/open-loop" --port "$port" --rate "$2" --seconds "$1" --seed 2 \
        >"$work/out" 2>"$work/log"
    [ $? -le 1 ] || fail "$row: open-loop"
    # shellcheck disable=SC2046
    record $(($2 * ($1 + 1))) "$before" $(awk '
        $1 == "answered" { printf "rate=%s ", $2; errors = $6 + $8 }
        $1 == "both" { printf "p50=%s p99=%s p99.9=%s max=%s ", $4, $6, $7, $8 }
        $1 == "late" { printf "late99=%s errors=%d", $6, errors }' "$work/out")
}

show_place() {
    [ ! -t 2 ] || printf '\r\033[Kround %s of %s: %s, %s' "$round" "$rounds" "$who" "$row" >&2
}

# ---- a round -------------------------------------------------------------------------
run_row() { # who, appendfsync, name, count, count of --quick, tests or rate, options
    local who=$1 mode=$2 name=$3 count=$4 test row wanted='' one
    [ $quick = no ] || count=$5
    [ "$count" != 0 ] || return 0
    case $name in
    open-*)
        row="$mode $name"
        if [[ $row =~ $only ]]; then
            show_place
            begin "$who" "$mode"
            open "$count" "$6"
            stop
        fi
        return
        ;;
    esac
    for test in ${6//,/ }; do
        [[ "$mode $name ${test%_mbulk}" =~ $only ]] && wanted="$wanted $test"
    done
    [ -n "$wanted" ] || return 0
    begin "$who" "$mode"
    for test in ${6//,/ }; do # those before put in what later ones find
        row="$mode $name ${test%_mbulk}"
        one=$count
        [ "$test" != mset ] || one=$((count / 5))
        [[ " $wanted " == *" $test "* || $test = set ]] || continue
        show_place
        closed "$test" "$one" "${@:7}"
    done
    stop
}

load=$(cut -d' ' -f1 /proc/loadavg)
: >"$work/figures"
for round in $(seq "$rounds"); do
    both='redis strata'
    [ $((round % 2)) = 1 ] || both='strata redis'
    while read -r -a words <&5; do
        [ ${#words[@]} -gt 0 ] || continue
        for who in $both; do
            run_row "$who" "${words[@]}"
        done
    done 5<<<"$rows"
done
[ ! -t 2 ] || printf '\r\033[K' >&2
[ -s "$work/figures" ] || refuse "--only $only: there is no such row"

# ---- the report ----------------------------------------------------------------------
versions="redis $("$redis" --version | sed 's/.* v=\([^ ]*\).*/\1/'), strata $(
    "$program" --version 2>/dev/null | awk '{ print $NF; exit }')"
awk -F'\t' -v json=$json -v versions="$versions" -v rounds="$rounds" -v load="$load" \
    -v cores="$(nproc)" -f "$here/harness/bench-server/report.awk" "$work/figures"
