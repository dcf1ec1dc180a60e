# What the tests of the benchmarks share. To be sourced: makes $work, and counts.
# shellcheck shell=sh disable=SC2034
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

result() { # $1 exit code, $2 words
    if [ "$1" = 0 ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "failed: $2"
    fi
}
runs() { # $1 name, $2 exit code, $3 what must be printed, then the command
    name=$1 code=$2 printed=$3
    shift 3
    "$@" >"$work/out" 2>"$work/error"
    got=$?
    shift
    [ $got = "$code" ] && cat "$work/out" "$work/error" | grep -q -e "$printed"
    result $? "$name $*: exit $got: $(cat "$work/out" "$work/error")"
}
end() {
    echo "$passed passed, $failed failed"
    [ $failed = 0 ]
}
