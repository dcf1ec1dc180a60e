#!/bin/sh
# One directory goes through all the stages, and the process of each is killed while it
# writes. Whatever was acknowledged is there in the next stage, the contents are the first
# lines of what was imported, and what an older stage cannot understand it refuses and
# does not change.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
store=$work/store
LC_ALL=C
export LC_ALL

result() { # $1 exit code, $2 words
    if [ "$1" = 0 ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "failed: $2"
    fi
}
strata() { # $1 the stage's number, then arguments
    number=$1
    shift
    "$here/build/strata-$number" -d "$store" "$@"
}

awk 'BEGIN { for (i = 1; i <= 90000; i++) printf "key%06d\tvalue %d %0200d\n", i, i * 7919, i }' \
    >"$work/lines"
have=0 # lines in the store

# The store, read by stage $1, holds the first lines, at least those acknowledged.
compare() {
    strata "$1" export >"$work/exported" 2>"$work/error"
    result $? "strata-$1 export: $(cat "$work/error")"
    have=$(wc -l <"$work/exported")
    [ "$have" -ge "$least" ] && head -n "$have" "$work/lines" | cmp -s - "$work/exported"
    result $? "strata-$1: not the first lines: $have of at least $least"
    strata "$1" verify >"$work/verified" 2>&1
    result $? "strata-$1 verify: $(cat "$work/verified")"
}

# Feeds what is not there yet, and kills the process once it has acknowledged $2 lines of
# it. Stage $3 recovers.
write_and_kill() {
    small=
    [ "$1" = 01 ] || [ "$1" = 02 ] || small='--write-buffer-bytes 200000'
    [ "$1" != 05 ] || small='--write-buffer-bytes 20000 --table-bytes 20000 --level0-tables 1'
    mkfifo "$work/said"
    tail -n +$((have + 1)) "$work/lines" >"$work/input"
    # shellcheck disable=SC2086
    "$here/build/strata-$1" -d "$store" --durability none $small import --acknowledge \
        "$work/input" >"$work/said" 2>"$work/error" &
    process=$!
    exec 3<"$work/said" # once nobody reads, it waits: there are more lines than fit a pipe
    head -n "$2" <&3 >"$work/acknowledged"
    kill -9 "$process"
    wait "$process" 2>/dev/null
    [ $? = 137 ]
    result $? "strata-$1 was not killed: $(cat "$work/error")"
    exec 3<&-
    rm "$work/said"
    acknowledged_now=$(wc -l <"$work/acknowledged")
    [ "$acknowledged_now" = "$2" ]
    result $? "strata-$1 ended after $acknowledged_now lines of $2"
    least=$((have + acknowledged_now))
    compare "$3"
}

fingerprint() { (cd "$store" && find . -type f ! -name LOCK | sort | xargs cksum); }

refuses() { # $1 the stage's number, $2 words of its error
    fingerprint >"$work/before"
    for command in 'get key000001' 'put k v' export verify repair; do
        # shellcheck disable=SC2086
        strata "$1" $command >"$work/out" 2>"$work/error"
        code=$?
        [ $code = 2 ] && [ ! -s "$work/out" ] && grep -q "$2" "$work/error"
        result $? "strata-$1 $command: exit $code: $(cat "$work/error")"
    done
    fingerprint | cmp -s "$work/before" -
    result $? "strata-$1 changed what it does not understand"
}

for lines in 1 400 3000; do
    rm -rf "$store"
    have=0
    for step in 01:02 02:02 02:03 03:03 03:04 04:04 04:05 05:05 05:04 04:05; do
        write_and_kill "${step%:*}" $lines "${step#*:}"
        write_and_kill "${step#*:}" 1 "${step#*:}"
    done
    for stage in 01 02 03; do
        refuses $stage CURRENT
    done
    compare 05
    # Its levels are LevelDB's: stage 04 reads them, and adds to them.
    compare 04
    if [ $lines = 3000 ]; then
        strata 05 stats --json >"$work/stats"
        awk '{ sub(/.*"levels"/, ""); exit gsub(/"tables": [1-9]/, "") < 3 }' "$work/stats"
        result $? "strata-05 made no levels: $(cat "$work/stats")"
    fi
done

# Stage 03 with tables, and nothing of stage 04.
rm -rf "$store"
have=0
write_and_kill 03 3000 03
refuses 01 CURRENT
refuses 02 CURRENT
compare 03

echo "$passed passed, $failed failed"
[ $failed = 0 ]
