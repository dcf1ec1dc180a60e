#!/bin/sh
# tests/run.sh must count what passed, and see every way in which a test does not.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

cmocka() { # $1 tests announced, $2 that were well
    echo "echo '[==========] Running $1 test(s).'"
    i=0
    while [ $i -lt "$2" ]; do echo "echo '[       OK ] test_$i'" && i=$((i + 1)); done
}
script() { cat >"$work/$1" && chmod +x "$work/$1"; }
expect() { # $1 summary, $2 what must be printed, then the commands
    summary=$1 printed=$2
    shift 2
    got=$("$here/tests/run.sh" --seconds 1 "$@")
    code=$?
    case $summary in [1-9]*' 0 failed') wanted=0 ;; *) wanted=1 ;; esac
    if [ "$(printf '%s\n' "$got" | tail -n 1)" = "$summary" ] && [ $code = $wanted ] &&
        printf '%s\n' "$got" | grep -q -e "$printed"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'expected: %s, %s\ngot (exit %d):\n%s\n' "$summary" "$printed" $code "$got"
    fi
}

cmocka 3 3 | script good
{ cmocka 3 2 && echo "echo '[  FAILED  ] test_2: 1 != 2'; exit 1"; } | script bad
{ cmocka 5 2 && echo 'kill -SEGV $$'; } | script crash
{ cmocka 2 2 && echo 'exit 23'; } | script leak
{ cmocka 2 1 && echo 'sleep 30'; } | script hang
cmocka 0 0 | script empty
echo "echo '7 passed, 0 failed'" | script own
echo "echo '7 passed, 2 failed'; exit 1" | script own_bad
echo 'exit 0' | script plain
check='crash.power          programs=10 cases=9 states=200 seconds=0.1  losing power loses nothing'
last='programs=10 states=200 states_per_second=2000 failpoints=1/1 seed=1 verdict='
echo "echo 'ok   $check'; echo 'ok   $check'; echo '${last}pass'" | script harness
echo "echo 'ok   $check'; echo 'FAIL $check'; echo '${last}fail'; exit 1" | script harness_bad

expect '3 passed, 0 failed' '^ok  *3 of 3 ' "$work/good"
expect '2 passed, 1 failed' '| .*test_2: 1 != 2' "$work/bad"
expect '2 passed, 3 failed' '^FAILED  *2 of 5 ' "$work/crash"
expect '2 passed, 1 failed' '^FAILED  *2 of 3 ' "$work/leak"
expect '1 passed, 1 failed' '^TIMED OUT  *1 of 2 ' "$work/hang"
expect '0 passed, 1 failed' '^FAILED  *0 of 1 ' "$work/empty"
expect '7 passed, 0 failed' '^ok  *7 of 7 ' "$work/own"
expect '7 passed, 2 failed' '^FAILED  *7 of 9 ' "$work/own_bad"
expect '1 passed, 0 failed' '^ok  *1 of 1 ' "$work/plain"
expect '2 passed, 0 failed' '^ *programs=10 states=200 ' "$work/harness"
expect '1 passed, 1 failed' '| FAIL crash.power' "$work/harness_bad"
expect '0 passed, 1 failed' '^FAILED' "$work/missing"
expect '0 passed, 0 failed' '' # nothing was tested: that is no success
expect '12 passed, 1 failed' '^FAILED' "$work/good" "$work/bad" "$work/own"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
