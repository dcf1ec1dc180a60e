#!/bin/bash
# The zoo: every faults/bugs/NN-name.patch seeds one real bug, and each must be found.
#
#     faults/zoo.sh [NAME…]          kills all, or those whose name contains NAME
#     faults/zoo.sh --show NAME      header, diff and the counterexample in full
#     faults/zoo.sh --quick          only: are the headers whole, do the patches apply
#
# A patch begins with its header, one `Word: text` a line, before the diff:
#
#     Bug:       what is wrong, in a line
#     Incident:  where it happened (a source that can be looked up)
#     Stage:     01
#     Killer:    {build}/harness-01 crash --check crash.posix --seed 1 --seconds 120
#     Flavour:   check (the default), or another that the Makefile knows
#     Story:     what goes wrong, and how; further lines are indented
#
# For each bug the tree is copied with its objects, patched, and only what changed is
# compiled. The killer, with {build} standing for build/FLAVOUR, has 120 s to fail as a
# test fails: `verdict=fail`, a failed cmocka case, a sanitizer's report. A patch that does not apply or does
# not compile, a killer that hangs or ends in any other way: an error. And the tree
# without the patch must pass the same killer, for as long as the bug took to die.
set -u
unset MAKEFLAGS MFLAGS # of a make that called this; the ones below stand alone
root=${ZOO_ROOT:-$(cd "$(dirname "$0")/.." && pwd)}
limit=${ZOO_SECONDS:-120}
cd "$root" || exit 2
self=$root/faults/zoo.sh
[ -f "$self" ] || self=$(readlink -f "$0")

field() { # $1 word, $2 patch: the header's text for it, further lines joined
    awk -v word="$1:" '
        /^(diff |--- )/ { exit }
        $1 == word { sub(/^[A-Za-z]+:[ \t]*/, ""); text = $0; on = 1; next }
        on && /^[ \t]+[^ \t]/ { sub(/^[ \t]+/, ""); text = text " " $0; next }
        { on = 0 }
        END { print text }' "$2"
}

# Empty if the header is whole, else what it lacks.
header_trouble() {
    local word lacks=
    for word in Bug Incident Stage Killer Story; do
        [ -n "$(field "$word" "$1")" ] || lacks="$lacks $word"
    done
    [ -z "$lacks" ] || echo "the header lacks$lacks"
}

programs() { # of a killer: the files of build/ that it needs
    tr ' ;|&()=' '\n' <<<"$1" | grep '^build/' | sort -u
}

copy_tree() { # $1 target, $2 flavour. Times are kept, so only what changes is compiled.
    git ls-files -z --cached --others --exclude-standard 2>/dev/null |
        while IFS= read -r -d '' file; do
            [ ! -e "$file" ] || printf '%s\0' "$file"
        done | xargs -0 cp -a --parents -t "$1"
    mkdir -p "$1/build"
    cp -a build/.packages-* "$1/build/" 2>/dev/null
    cp -a "build/$2" "$1/build/"
}

# How a test says that it failed; a sanitizer's report counts.
failures='verdict=fail|^\[  (FAILED  |ERROR   )\] [a-z0-9]|^[0-9]+ passed, [1-9][0-9]* failed$'
failures="$failures|^==[0-9]+==ERROR: [A-Za-z]*Sanitizer|: runtime error: |^WARNING: ThreadSanitizer"

# Says how a killer ended: dead, alive, hangs or odd.
ending() { # $1 exit code, $2 what it printed
    if [ "$1" = 124 ] || [ "$1" = 137 ]; then
        echo hangs
    elif [ "$1" = 0 ]; then
        echo alive
    elif grep -qE "$failures" "$2"; then
        echo dead
    else
        echo "odd (exit $1)"
    fi
}

# The size of the first counterexample that the harness tells: the numbered steps of its
# program, and how often the power goes or the process dies.
size_of() {
    awk '
        /: FAILED: / { telling = 1 }
        /^replay: / { if (telling) exit }
        telling && /^  [ 0-9][0-9]  / {
            if (/power loss,|the process dies/) crashes++
            else steps++
        }
        telling && /^power lost/ { crashes++ }
        END {
            if (steps + crashes > 0)
                printf "%d operation%s, %d crash%s\n", steps, steps == 1 ? "" : "s",
                    crashes, crashes == 1 ? "" : "es"
        }' "$1"
}

now() { date +%s.%N; }
since() { echo "$1 $(now)" | awk '{ printf "%.1f", $2 - $1 }'; }

# Prints: verdict, seconds, size, and leaves what the killer printed in $work/NAME.out
hunt() { # $1 patch, $2 work folder
    local patch=$1 name work=$2 flavour killer tree out code begun took result size calm
    name=$(basename "$patch" .patch)
    out=$work/$name.out tree=$work/$name
    : >"$out"
    flavour=$(field Flavour "$patch")
    flavour=${flavour:-check}
    killer=$(field Killer "$patch")
    killer=${killer//'{build}'/build/$flavour}
    took=- size=
    if result=$(header_trouble "$patch") && [ -n "$result" ]; then
        :
    elif ! mkdir "$tree" || ! copy_tree "$tree" "$flavour"; then
        result="cannot copy"
    elif ! (cd "$tree" && GIT_CEILING_DIRECTORIES=$work git apply "$patch") >"$out" 2>&1; then
        result="does not apply"
    elif ! make -C "$tree" -j1 $(programs "$killer") >"$out" 2>&1; then
        result="does not build"
    else
        begun=$(now)
        (cd "$tree" && timeout -k 5 "$limit" bash -c "$killer") >"$out" 2>&1 </dev/null
        code=$?
        took=$(since "$begun")
        result=$(ending $code "$out")
        size=$(size_of "$out")
        if [ "$result" = dead ]; then
            # The healthy tree, on the same seed, for a little longer.
            calm=$(awk -v t="$took" 'BEGIN { printf "%d", t + 2 }')
            calm=$(sed -E "s/--seconds[ =][0-9]+/--seconds $calm/" <<<"$killer")
            if ! timeout -k 5 "$limit" bash -c "$calm" >"$work/$name.calm" 2>&1 </dev/null; then
                result="killer fails without the bug"
                mv "$work/$name.calm" "$out"
            fi
        fi
    fi
    rm -rf "$tree"
    printf '%-34s %-24s %6s s  %-24s %s\n' "$name" "$(killed_by "$killer")" "$took" \
        "${size:--}" "$result" | tee "$work/$name.row"
}

killed_by() { # the check's name, or the program's
    local name=${1##*--check[ =]}
    [ "$name" != "$1" ] || name=$(programs "$1" | tail -n 1)
    basename "${name%% *}"
}

select_patches() {
    local patch word
    for patch in "$root"/faults/bugs/*.patch; do
        [ -f "$patch" ] || continue
        [ $# -gt 0 ] || echo "$patch"
        for word in "$@"; do
            [[ $(basename "$patch") != *"$word"* ]] || echo "$patch"
        done
    done
}

if [ "${1-}" = --hunt ]; then # a worker
    hunt "$2" "$3"
    exit 0
fi

mode=all
case ${1-} in
--show | --quick) mode=${1#--} && shift ;;
esac
mapfile -t patches <<<"$(select_patches "$@" | sort -u)"
if [ -z "${patches[0]}" ]; then
    echo "no such bug in faults/bugs/"
    exit 2
fi

passed=0 failed=0
if [ $mode = quick ]; then
    for patch in "${patches[@]}"; do
        trouble=$(header_trouble "$patch")
        [ -n "$trouble" ] || trouble=$(git apply --check "$patch" 2>&1)
        if [ -z "$trouble" ]; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "$(basename "$patch"): $trouble"
        fi
    done
    echo "$passed passed, $failed failed"
    exit $((failed > 0))
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# What the copies start from, and what must stay well without the bugs.
make -s --no-print-directory $(for patch in "${patches[@]}"; do
    flavour=$(field Flavour "$patch")
    killer=$(field Killer "$patch")
    programs "${killer//'{build}'/build/${flavour:-check}}"
done | sort -u) || exit 2

printf '%-34s %-24s %8s  %-24s %s\n' bug 'killed by' seconds 'counterexample' verdict
printf '%s\0' "${patches[@]}" |
    xargs -0 -P "${CORES:-$(nproc)}" -I '{}' "$self" --hunt '{}' "$work"

for patch in "${patches[@]}"; do
    name=$(basename "$patch" .patch)
    if grep -q ' dead$' "$work/$name.row"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "--- $name" && tail -n 20 "$work/$name.out"
    fi
    if [ $mode = show ]; then
        echo && cat "$patch" && echo && cat "$work/$name.out"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
