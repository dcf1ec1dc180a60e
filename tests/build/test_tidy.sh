#!/bin/sh
# .ci/tidy.sh must see each breach in a small bad tree, and nothing in a good one.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
cp "$here/.clang-format" "$work"
mkdir -p "$work/common/program" "$work/stages/01-wal" "$work/faults" "$work/build/stages/01-wal"
cd "$work" || exit 1

expect() { # $1: a line that tidy must print, as a pattern, or "nothing"
    got=$("$here/.ci/tidy.sh" --quick --objects build)
    if [ "$1" = nothing ] && [ -z "$got" ] || printf '%s\n' "$got" | grep -q -e "$1"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'expected: %s\ngot: %s\n' "$1" "$got"
    fi
}

good_file() {
    printf '/* A contract. */\n#ifndef STRATA_GOOD_H\n#define STRATA_GOOD_H\n#endif\n' >common/good.h
    cat >stages/01-wal/good.c <<'END'
/* open() and malloc() in a comment, in "a literal", and as members. */
#include "good.h"

struct seam {
    int (*close)(int);
};

static int use(const struct seam *seam) {
    const char *words = "fopen(";
    return failpoint(log_create) ? 1 : seam->close(words[0]);
}

#define LONG_TABLE(X) X(1)
END
    cat >faults/failpoints.h <<'END'
/* The registry. */
#ifndef STRATA_FAILPOINTS_H
#define STRATA_FAILPOINTS_H
#define FAILPOINT_TABLE(X) X(log_create, ERROR, 1, 0, "a new log")
#endif
END
}
lines() { # $1 lines, the first $2
    echo "$2"
    i=1
    while [ $i -lt "$1" ]; do echo "$3" && i=$((i + 1)); done
}

good_file
expect nothing

for call in 'open("x", 0)' 'fsync(1)' 'free(x)' 'malloc (3)' 'pthread_mutex_lock(x)' \
    'usleep(1)' 'atomic_load(x)' 'atomic_fetch_add_explicit(x, 1, 2)'; do
    printf 'int f(void) {\n    return %s;\n}\n' "$call" >stages/01-wal/bad.c
    expect '^stages/01-wal/bad.c:2: .*common/'
done
printf '#include <unistd.h>\n' >stages/01-wal/bad.c
expect '^stages/01-wal/bad.c:1: <unistd.h'
cp stages/01-wal/bad.c common/bad.c
expect '^common/bad.c:1: <unistd.h'
rm stages/01-wal/bad.c common/bad.c
printf '#include <unistd.h>\n' >common/program/terminal.c
printf '#include <unistd.h>\n' >common/file_posix.c
expect nothing

{ echo 'int f(int x) {' && lines 60 '    x++;' '    x++;' && echo '}'; } >stages/01-wal/bad.c
expect '^stages/01-wal/bad.c:1: function of 62 lines'
{ echo 'int f(int x) {' && lines 58 '    x++;' '    x++;' && echo '}'; } >stages/01-wal/bad.c
expect nothing
{ echo '/* tidy: long because it is one table. */' && echo 'int f(int x) {' &&
    lines 60 '    x++;' '    x++;' && echo '}'; } >stages/01-wal/bad.c
expect nothing
lines 501 '/* A format. */' 'int x;' >stages/01-wal/bad.c
expect '^stages/01-wal/bad.c:501: 501 lines'
lines 501 '/* tidy: long because it is one idea. */' 'int x;' >stages/01-wal/bad.c
expect nothing
printf 'int %091d;\n' 0 | tr 0 a >stages/01-wal/bad.c
expect '^stages/01-wal/bad.c:1: longer than 90'
printf 'int  a;\n' >stages/01-wal/bad.c
expect '^stages/01-wal/bad.c:.*\.clang-format'
rm stages/01-wal/bad.c

sed -i 1d common/good.h
expect '^common/good.h:1: a header begins with its contract'
good_file
sed -i 's/STRATA_GOOD_H/GOOD/' common/good.h
expect '^common/good.h:1: no include guard'
good_file
sed -i 's/X(log_create/X(log_sync, ERROR, 1, 0, "") X(log_create/' faults/failpoints.h
expect '^faults/failpoints.h:4: failpoint log_sync is listed'
good_file
sed -i 's/failpoint(log_create)/failpoint(log_made)/' stages/01-wal/good.c
expect '^stages/01-wal/good.c:10: failpoint log_made is not listed'
good_file

compile() { printf '%s\n' "$1" | gcc -x c -c -o build/stages/01-wal/thing.o -; }
compile 'const char *const names[] = {"a", "b"}; static const int x = 3; const int *f(void) { return &x; }'
expect nothing
compile 'static int calls; int f(void) { return calls++; }'
expect '^stages/01-wal/thing.c:1: calls is a global'

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
