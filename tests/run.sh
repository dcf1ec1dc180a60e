#!/bin/sh
# Runs tests side by side, one line each, and says at the end: N passed, N failed.
#
#     tests/run.sh [--seconds N] COMMAND… [--seconds N COMMAND…]
#
# Each argument is one command line. A command that takes longer than N seconds (120) has
# failed; so has one that ends well without having tested anything. What a failing command
# printed is shown; nothing of the others is.
#
# Cases are counted in what a command prints: cmocka's lines, the harness's line for each
# check, or a line "N passed, N failed". A command that prints none of these is one case.
set -u

# What a command printed, without the cmocka cases that were well.
interesting() {
    awk '
        /^\[ RUN      \]/ { held = $0; next }
        /^\[       OK \]/ { held = ""; next }
        held { held = held "\n" $0 }
        /^\[  (FAILED|SKIPPED|ERROR   \] [^-])/ && held { print held; held = ""; next }
        !held
        END { if (held) print held }' "$1"
}

if [ "${1-}" = --one ]; then # a worker: directory, number, seconds, command
    directory=$2 number=$3 seconds=$4 command=$5
    printed=$directory/$number.out
    begun=$(date +%s.%N)
    timeout -k 5 "$seconds" sh -c "$command" >"$printed" 2>&1 </dev/null
    code=$?
    counts=$(awk -v code="$code" '
        /^\[==========\] Running [0-9]+ test/ { cmocka = 1; all += $3 }
        /^\[       OK \]/ { good++ }
        /^\[==========\] [0-9]+ test\(s\) run/ { listing = 1 } # of what was told already
        /^\[  SKIPPED \] [^0-9]/ && !listing { skipped++ }
        /^(ok|FAIL) +[a-z_.]+ +programs=/ { harness = 1; if ($1 == "ok") good++; else bad++ }
        /^[0-9]+ passed, [0-9]+ failed$/ { own = 1; own_good = $1; own_bad = $3 }
        END {
            if (cmocka) bad = all - good - skipped
            else if (own) { good = own_good; bad = own_bad }
            else if (!harness && code == 0) good = 1
            if (code != 0 && bad == 0 || good + bad == 0) bad++
            print good + 0, bad + 0
        }' "$printed")
    good=${counts% *} bad=${counts#* }
    took=$(echo "$begun $(date +%s.%N)" | awk '{ printf "%.1f", $2 - $1 }')
    result=ok
    [ "$bad" = 0 ] || result=FAILED
    [ "$code" != 124 ] && [ "$code" != 137 ] || result="TIMED OUT"
    {
        printf '%-9s %5d of %-5d %6s s  %s\n' "$result" "$good" $((good + bad)) "$took" "$command"
        [ "$bad" = 0 ] && grep '^programs=.*verdict=' "$printed" | sed 's/^/                                /'
        [ "$bad" = 0 ] || interesting "$printed" | tail -n 200 | sed 's/^/    | /'
    } >"$directory/$number.line"
    cat "$directory/$number.line"
    echo "$good $bad" >"$directory/$number.count"
    exit 0
fi

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
trap 'exit 130' INT TERM
seconds=120 number=0
while [ $# -gt 0 ]; do
    if [ "$1" = --seconds ]; then
        seconds=$2
        shift 2
        continue
    fi
    number=$((number + 1))
    printf '%s\0%s\0%s\0%s\0' "$directory" "$number" "$seconds" "$1"
    shift
done >"$directory/plan"
xargs -0 -r -n 4 -P "${CORES:-$(nproc)}" "$0" --one <"$directory/plan"

cat "$directory"/*.count 2>/dev/null | awk '
    { good += $1; bad += $2 }
    END {
        printf "%d passed, %d failed\n", good, bad
        exit bad > 0 || good == 0
    }'
