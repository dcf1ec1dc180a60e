#!/bin/sh
# build/bench runs every workload on every engine, checks what it reads, leaves nothing
# behind, and says what is wrong with what it is told.
set -u
# shellcheck source=tests/build/benched.sh
. "$(dirname "$0")/benched.sh"

expect() { # $1 exit code, $2 what must be printed, then the arguments
    code=$1 printed=$2
    shift 2
    runs bench "$code" "$printed" "$here/build/bench" --dir "$work" "$@"
    [ "$(ls "$work")" = "$(printf 'error\nout')" ]
    result $? "bench $*: it left something behind: $(ls "$work")"
}

timed='fillseq fillrandom overwrite deleterandom fillbig fillsync fillsync4 fillsync16 fillbatch
    compact compactdeleted readrandom readrandom2 readmissing readhot readseq readreverse
    seekrandom readwhilewriting itswriter reopen'
small='--count 2000 --rounds 1 --write-buffer-bytes 32k'

# shellcheck disable=SC2086
expect 0 'strata is ahead in [0-9]* of 18' $small
timed_in() { # how many engines have a time in row $1
    grep -m 1 "^$1 " "$work/out" | sed 's/$/ /' | grep -o ' [0-9][0-9.]* *[mu]*s ' | wc -l
}
for row in $timed; do
    [ "$(timed_in "$row")" = 3 ]
    result $? "$row: $(grep -m 1 "^$row " "$work/out")"
done
narrow() {
    awk 'length($0) > 100 { exit 1 }' "$work/out"
    result $? "wider than 100 columns: $(cat "$work/out")"
}
narrow
expect 0 'readseq .* us *x[0-9.]* [0-9.]*-[0-9.]*$' --count 500 --rounds 2 --workloads readseq
narrow

# shellcheck disable=SC2086
expect 0 '"name":"readseq"' --json --engines leveldb,strata --workloads readseq $small
found=$(grep -o '"name":"[a-z]*","counted\|"contender":"[a-z]*","operations":[0-9]*' "$work/out" |
    tr -d '"\n')
[ "$found" = 'name:readseq,countedcontender:strata,operations:2000contender:leveldb,operations:2000' ] &&
    grep -q '"compared_rows":1}$' "$work/out"
result $? "--json: $(cat "$work/out")"

expect 2 '"zebra" is not one of' --workloads fillseq,zebra
expect 2 '"x" is not one of' --engines x
expect 2 '"0" is not a number' --count 0
expect 2 'filter-bits' --filter-bits 41
expect 2 'compression' --compression zstd
expect 2 'no such setting' --strata zebra=1
expect 4 'none/bench-.*: No such file' --dir "$work/none" --count 1 # the last --dir counts

end
