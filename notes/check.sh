#!/bin/bash
# Runs again what the notes show, and compares.
#
#     notes/check.sh [NOTE…]        default: notes/*.md README.md
#
# In a note, a block that follows the line <!-- check --> is run:
#
#     <!-- check -->
#     ```console
#     $ build/strata-01 -d $DIR put apple red
#     $ build/strata-01 -d $DIR stats | grep log_syncs
#     log_syncs  <count> …
#     $ for key in a b; do
#     > build/strata-01 -d $DIR get $key
#     > done
#     …
#     ```
#
# Expected output is compared line by line. `<word>` stands for anything without spaces,
# `…` for anything to the end of its place in the line, and a line that is only `…` for
# any lines, or none. Everything of one note runs in one shell, in an empty folder, $DIR a
# path in it; `build` is there, and on PATH. Each command is one case; the last line is
# "N passed, N failed".
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -gt 0 ] || { cd "$root" && set -- notes/*.md README.md; }
seconds=${SECONDS_PER_NOTE:-60}
passed=0 failed=0

# Writes N.command, N.expected and N.line for each command of the checked blocks.
split_note() {
    awk -v to="$2" '
        /^<!-- check -->[ \t]*$/ { marked = 1; next }
        marked && /^```console[ \t]*$/ { inside = 1; marked = 0; next }
        inside && /^```/ { inside = 0; next }
        !/^[ \t]*$/ && !inside { if (marked) bad = bad " " NR; marked = 0 }
        !inside { next }
        /^\$ / {
            n++
            printf "%s\n", substr($0, 3) >(to "/" n ".command")
            printf "%d\n", NR >(to "/" n ".line")
            printf "" >(to "/" n ".expected")
            printed = 0
            next
        }
        /^> / && n && !printed { printf "%s\n", substr($0, 3) >(to "/" n ".command"); next }
        n { print >(to "/" n ".expected"); printed = 1 }
        END {
            print n + 0 >(to "/count")
            if (bad) { print "a mark without a ```console block at line" bad; exit 1 }
        }' "$1"
}

# One shell for all commands; each sees the exit code of the one before as $?.
run_note() {
    local work=$1 count=$2
    mkdir "$work/cwd"
    ln -s "$root/build" "$work/cwd/build"
    (
        cd "$work/cwd" || exit 1
        export DIR=data PATH="$root/build:$PATH" LC_ALL=C.UTF-8
        # shellcheck disable=SC2016
        timeout -k 5 "$seconds" bash -c '
            __code=0
            for ((__n = 1; __n <= $2; __n++)); do
                __command=$(<"$1/$__n.command")
                ( exit $__code )
                eval "$__command" >"$1/$__n.out" 2>&1 </dev/null
                __code=$?
                mv "$1/$__n.out" "$1/$__n.got" # only when it has ended
            done' notes "$work" "$count"
    ) || true
}

compare() {
    LC_ALL=C awk '
        function pattern(line) {
            gsub(/[][\\.^$*+?(){}|\/]/, "\\\\&", line)
            gsub(/<[a-z][a-z_-]*>/, "[^ ]+", line)
            gsub(/…/, ".*", line)
            return "^" line "$"
        }
        function matches(i, j,   k) {
            if (i > wanted) return j > had
            if (want[i] == "…") {
                for (k = j; k <= had + 1; k++)
                    if (matches(i + 1, k)) return 1
                return 0
            }
            return j <= had && got[j] ~ pattern(want[i]) && matches(i + 1, j + 1)
        }
        FILENAME == ARGV[1] { want[++wanted] = $0; next }
        { got[++had] = $0 }
        END { exit !matches(1, 1) }' "$1" "$2"
}

for note in "$@"; do
    [ -f "$note" ] || continue
    work=$(mktemp -d)
    if ! trouble=$(split_note "$note" "$work"); then
        echo "$note: $trouble"
        failed=$((failed + 1))
    fi
    count=$(cat "$work/count")
    [ "$count" -eq 0 ] || run_note "$work" "$count"
    for ((n = 1; n <= count; n++)); do
        if [ -f "$work/$n.got" ] && compare "$work/$n.expected" "$work/$n.got"; then
            passed=$((passed + 1))
            continue
        fi
        failed=$((failed + 1))
        echo "$note:$(cat "$work/$n.line"): $(cat "$work/$n.command")"
        echo "  expected:" && sed 's/^/    /' "$work/$n.expected"
        if [ -f "$work/$n.got" ]; then
            echo "  got:" && sed 's/^/    /' "$work/$n.got"
        else
            echo "  was not reached within $seconds s"
        fi
    done
    rm -rf "$work"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
