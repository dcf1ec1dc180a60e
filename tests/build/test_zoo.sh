#!/bin/bash
# faults/zoo.sh must tell a bug that dies from all the ways in which one does not, in a
# tiny tree with a tiny Makefile.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
cd "$work" || exit 1
git init -q . && mkdir -p faults/bugs
echo build/ >.gitignore
printf 'answer=42\nother=1\n' >answer.sh
# "Compiling" is copying; the program says whether the answer is right.
cat >Makefile <<'END'
build/check/harness-01: answer.sh
	@mkdir -p $(@D)
	@sh -n answer.sh
	@{ echo '#!/bin/sh'; cat answer.sh; cat main.sh; } >$@ && chmod +x $@
END
cat >main.sh <<'END'
[ "$answer" != sleep ] || sleep 60
[ "$answer" != odd ] || exit 3
[ "$answer" = 42 ] && [ "$*" != lies ] && echo verdict=pass && exit 0
cat <<'STORY'
crash.posix: FAILED: an answer survives
   1  put "a" = 3 bytes
   2  sync
  10  put "b" = 4 bytes
power lost before 14 sync 000001.log
replay: build/harness-01 replay 'crash.posix:1.2'
STORY
echo verdict=fail && exit 1
END

bug() { # $1 name, $2 the seeded answer, $3 the killer
    cat >"faults/bugs/$1.patch" <<END
Bug: the answer is $2
Incident: none
Stage: 01
Killer: $3
Story: somebody
    changed it

--- a/answer.sh
+++ b/answer.sh
@@ -1,2 +1,2 @@
-answer=42
+answer=$2
 other=1
END
}
expect() { # $1 what the bug's row must match, $2 the summary
    got=$(ZOO_ROOT=$work ZOO_SECONDS=3 "$here/faults/zoo.sh" 2>&1)
    if grep -qE "$1" <<<"$got" && [ "$(tail -n 1 <<<"$got")" = "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'expected: %s, %s\ngot: %s\n' "$1" "$2" "$got"
    fi
    rm -f faults/bugs/*
}

killer='{build}/harness-01 crash --check crash.posix --seed 1 --seconds 100'
bug 01-wrong 41 "$killer"
quick=$(ZOO_ROOT=$work "$here/faults/zoo.sh" --quick | tail -n 1)
[ "$quick" = '1 passed, 0 failed' ] && passed=$((passed + 1)) || failed=$((failed + 1))
expect '^01-wrong +crash.posix +[0-9.]+ s +3 operations, 1 crash +dead' '1 passed, 0 failed'
make -s build/check/harness-01
bug 01-variable 41 'program={build}/harness-01; $program crash'
expect '^01-variable +harness-01 .* dead' '1 passed, 0 failed'
bug 01-harmless 42 "$killer"
expect '^01-harmless .* alive' '0 passed, 1 failed'
bug 01-slow sleep "$killer"
expect '^01-slow .* hangs' '0 passed, 1 failed'
bug 01-odd odd "$killer"
expect '^01-odd .* odd \(exit 3\)' '0 passed, 1 failed'
bug 01-syntax "'" "$killer"
expect '^01-syntax .* does not build' '0 passed, 1 failed'
bug 01-stale 41 "$killer"
sed -i 's/^-answer=42/-answer=43/' faults/bugs/01-stale.patch
quick=$(ZOO_ROOT=$work "$here/faults/zoo.sh" --quick | tail -n 1)
[ "$quick" = '0 passed, 1 failed' ] && passed=$((passed + 1)) || failed=$((failed + 1))
expect '^01-stale .* does not apply' '0 passed, 1 failed'
bug 01-killer 41 '{build}/harness-01 lies'
expect '^01-killer .* killer fails without the bug' '0 passed, 1 failed'
bug 01-header 41 "$killer"
sed -i /^Incident/d faults/bugs/01-header.patch
expect '^01-header .* the header lacks Incident' '0 passed, 1 failed'
bug 01-wrong 41 "$killer"
bug 02-harmless 42 "$killer"
expect '^02-harmless .* alive' '1 passed, 1 failed'

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
