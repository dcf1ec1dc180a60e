#!/bin/sh
# harness/bench-server: one row of each kind on both servers, in text and JSON; nothing is
# left behind, no server either; and it says what is wrong with what it is told.
set -u
# shellcheck source=tests/build/benched.sh
. "$(dirname "$0")/benched.sh"
mkdir "$work/data"

expect() { # $1 exit code, $2 what must be printed, then the arguments
    code=$1 printed=$2
    shift 2
    runs compare.sh "$code" "$printed" \
        "$here/harness/bench-server/compare.sh" --dir "$work/data" "$@"
    [ -z "$(ls "$work/data")" ]
    result $? "compare.sh $*: it left something behind: $(ls "$work/data")"
    ! pgrep -f "$work/data" >/dev/null
    result $? "compare.sh $*: a server is still there"
}
loop() { # $1 exit code, $2 what must be printed, then the arguments
    code=$1 printed=$2
    shift 2
    runs open-loop "$code" "$printed" "$here/build/open-loop" "$@"
}

expect 0 'rate: [0-9.]* by geometric mean; strata is at least as good in [0-3] of 3' \
    --quick --only 'everysec (P16 (set|get|mset)|open)'
for row in 'everysec P16 set' 'everysec P16 get' 'everysec P16 mset' 'everysec open-10000'; do
    grep -q "^$row  *[1-9][0-9.]*  *[1-9][0-9.]*  *[0-9.]* " "$work/out"
    result $? "$row: $(grep "^$row" "$work/out")"
done
expect 0 '"name":"always P1 set","redis":{"rate":[1-9][0-9.]*,"p50":[0-9.]*,"p99":[0-9.]*,"cpu":[0-9.]*},"strata":{"rate":[1-9]' \
    --quick --json --only 'always P1 set' --set slowlog-max-len=7

expect 2 'no such row' --quick --only zebra
expect 2 'there is no --zebra' --zebra
expect 2 'is not a number of rounds' --rounds 0
expect 2 'is not NAME=VALUE' --set zebra
expect 4 'strata does not start' --quick --only 'always P1 set' --set zebra=1
expect 0 'Examples:' --help

loop 2 '"0" is not a number' --rate 0
loop 2 'is no address' --host localhost --seconds 1 --warmup 0
loop 4 'Connection refused' --port 1 --seconds 1 --warmup 0
loop 0 'coordinated\|Its time counts\|its time counts' --help

end
