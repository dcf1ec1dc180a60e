#!/bin/sh
# The house rules, checked; prints FILE:LINE: MESSAGE for each breach. Exit 1 if any.
#
#     .ci/tidy.sh [--quick] [--objects DIR] [ROOT]
#
# ROOT is the tree to check (the present directory). --objects names a flavour's build
# folder, in which the objects of common/ and stages/ are searched for globals that can
# change. --quick leaves out the two analysers, cppcheck and clang-tidy.
set -u
quick= objects= here=$(cd "$(dirname "$0")" && pwd)
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=1 ;;
    --objects) objects=$2 && shift ;;
    *) cd "$1" || exit 2 ;;
    esac
    shift
done

found=$(mktemp)
trap 'rm -f "$found"' EXIT
sources=$(find common stages harness tests faults -name '*.[ch]' 2>/dev/null | sort)
compiled=$(echo "$sources" | grep '\.c$')

# Sizes, contracts, what only the world may do, failpoints.
LC_ALL=C awk -f "$here/tidy.awk" $sources >>"$found"

# No globals that change, in the engine: several stores live in one process. Constants
# with addresses in them stand in .data.rel.ro, which is not .data. The one exception: a
# signal has one action in a process (common/guarded_copy.c).
if [ -n "$objects" ]; then
    find "$objects/common" "$objects/stages" -name '*.o' ! -path '*/program/*' \
        ! -path '*/common/guarded_copy.o' 2>/dev/null |
        while read -r object; do
            objdump -t "$object" | awk -v o="${object#"$objects"/}" '
                / O \.(data|bss|tdata|tbss|data\.rel|data\.rel\.local)\t/ {
                    sub(/o$/, "c", o)
                    print o ":1: " $NF " is a global that can change"
                }'
        done >>"$found"
fi

# Layout.
clang-format --dry-run --Werror $sources 2>&1 |
    awk -F : '/^[^ ]*:[0-9]+:[0-9]+: error/ && !seen[$1]++ {
        print $1 ":" $2 ": not laid out as .clang-format says; `make format` does it" }' >>"$found"

includes() { # of a source file, as the Makefile has them
    echo -Icommon
    case $1 in harness/* | tests/*) echo -Iharness ;; esac
    case $1 in
    stages/* | tests/[0-9]* | tests/fuzz/*) # sorts behind all stages
        own=$(echo "$1" | cut -d/ -f2)
        for stage in stages/*/; do
            stage=${stage#stages/} stage=${stage%/}
            [ "$(printf '%s\n%s\n' "$stage" "$own" | LC_ALL=C sort | head -n 1)" = "$stage" ] &&
                echo "-Istages/$stage"
        done
        ;;
    esac
}

# Bug patterns: on values (cppcheck), on the syntax tree (clang-tidy).
if [ -z "$quick" ]; then
    cppcheck -q -j "$(nproc)" --std=c11 --enable=warning,portability --inline-suppr \
        --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=internalAstError \
        -D_GNU_SOURCE -DFIU_ENABLE -Icommon -Iharness \
        --template='{file}:{line}: {id}: {message}' \
        $(echo "$compiled" | grep -v '^tests/') 2>&1 | grep -E '^[^ ]*:[0-9]+: ' >>"$found"
    # Left out: what -Wconversion says better, and what C and byte strings make noise of.
    checks='-*,bugprone-*'
    for noise in easily-swappable-parameters reserved-identifier assignment-in-if-condition \
        narrowing-conversions implicit-widening-of-multiplication-result \
        not-null-terminated-result sizeof-expression; do
        checks="$checks,-bugprone-$noise"
    done
    for source in $compiled; do
        printf '%s\n' "$source -- -std=c11 -D_GNU_SOURCE -DFIU_ENABLE $(includes "$source" | tr '\n' ' ')"
    done | xargs -P "$(nproc)" -I '{}' sh -c "clang-tidy --quiet '--checks=$checks' {} 2>/dev/null" |
        grep -E '^[^ ]*:[0-9]+:[0-9]+: (warning|error)' | sed "s|^$PWD/||" | sort -u >>"$found"
fi

[ -s "$found" ] || exit 0
cat "$found"
echo "$(wc -l <"$found") breaches of the house rules"
exit 1
