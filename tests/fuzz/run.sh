#!/bin/sh
# Runs one fuzz target, and says how to have again what it found.
#
#     tests/fuzz/run.sh BUILD TARGET [libFuzzer's options]     as in build/fuzz fuzz_log
#
# It begins with the inputs that BUILD/seeds has for it. With -max_total_time it also goes
# on from, and adds to, what such runs kept in BUILD/corpus; else nothing is kept, so that
# the same -seed does the same.
set -u
build=$1 target=$2
shift 2
name=${target#fuzz_}
mkdir -p "$build/found"
case " $*" in
*' -max_total_time='*) corpus=$build/corpus/$name && mkdir -p "$corpus" ;;
*) corpus=$(mktemp -d) && trap 'rm -rf "$corpus"' EXIT ;;
esac
printed=$(mktemp)
"$build/tests/fuzz/$target" -artifact_prefix="$build/found/$target-" -print_final_stats=1 \
    -timeout=20 -rss_limit_mb=3000 -max_len=20000 "$@" "$corpus" "$build/seeds/$name" \
    >"$printed" 2>&1
code=$?
if [ "$code" = 0 ]; then
    awk -v target="$target" '
        / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
        /^stat::number_of_executed_units/ { runs = $2 }
        /^stat::average_exec_per_sec/ { rate = $2 }
        END { printf "%s: %d inputs, %d a second, %d edges\n", target, runs, rate, edges }
    ' "$printed"
else
    tail -n 60 "$printed"
    input=$(sed -n 's/.*Test unit written to //p' "$printed" | tail -n 1)
    [ -z "$input" ] || echo "replay: $build/tests/fuzz/$target $input"
fi
rm -f "$printed"
exit "$code"
