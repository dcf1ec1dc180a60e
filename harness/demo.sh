#!/bin/sh
# A walk through all stages, about two minutes: real data in, questions asked, the writer
# killed, the power cut, a bug seeded and caught; then the same data in tables, the writer killed
# in the middle of a flush, and all of it read by LevelDB; then in levels, drawn before, during
# and after a compaction that is killed midway; then two writers whose batches are torn, a
# snapshot that is read while all is overwritten, and a backup beside a writer; then the same
# directory behind a server, with clients, load, and a kill. It works in a fresh directory and leaves nothing behind. Ends with 0 only if everything that it claims was
# seen to be so.
#
#     harness/demo.sh [none|interval|always]      durability of the imports (interval)
#
# DEMO_DURABILITY does the same; NO_COLOR switches colour off; DEMO_PACKAGES limits how
# many records are imported (5000); DEMO_BUG names the bug to seed, of faults/bugs/.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
program=$root/build/strata-01
harness=$root/build/harness-01
durability=${1:-${DEMO_DURABILITY:-interval}}
packages=${DEMO_PACKAGES:-5000}
export LC_ALL=C

case $durability in
none | interval | always) ;;
*)
    echo "demo: durability is none, interval or always, not \"$durability\"" >&2
    exit 2
    ;;
esac
[ -x "$program" ] || {
    echo "demo: $program is not there; run make first" >&2
    exit 2
}

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') green=$(printf '\033[32m')
    red=$(printf '\033[31m') blue=$(printf '\033[1;34m') plain=$(printf '\033[0m')
else
    bold='' dim='' green='' red='' blue='' plain=''
fi

directory=$(mktemp -d)
keeper= # runs while a writer does that is going to be killed
clean_up() {
    [ -z "$keeper" ] || kill -9 "$(cat "$directory/writer")" 2>/dev/null
    rm -rf "$directory"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
cd "$directory" || exit 2

chapter() { printf '\n%s== %s%s\n' "$blue" "$1" "$plain"; }
say() { printf '%s\n' "$@"; }
good() { printf '%s✔ %s%s\n' "$green" "$1" "$plain"; }
fail() {
    printf '%s✘ %s%s\n' "$red" "$1" "$plain"
    exit 1
}

# Shows a command as a person would type it, then runs it.
show() {
    printf '%s$ %s' "$bold" "${program##*/}"
    printf ' %s' "$@"
    printf '%s\n' "$plain"
    "$program" "$@" 2>&1 | sed "s/^/  /"
}
strata() { "$program" "$@" || fail "${program##*/} $* ended with exit code $?"; }

now() { date +%s%N; }
millis_since() { echo $((($(now) - $1) / 1000000)); }

# ---- 1 ------------------------------------------------------------------------------------

# Stanzas of an RFC 822 file, each one line: name, tab, the stanza with backslash, tab and
# line end escaped as `import` reads them. A name that comes twice keeps its first record.
to_lines() {
    awk -v most="$1" '
        BEGIN { RS = ""; FS = "\n" }
        count < most && $1 ~ /^Package: / {
            name = substr($1, 10)
            if (name in seen) next
            seen[name] = 1
            count++
            gsub(/[\\]/, "&&")
            gsub(/\t/, "\\t")
            gsub(/\n/, "\\n")
            printf "%s\t%s\n", name, $0
        }'
}

chapter '1. Real data: the package index of this machine'
apt-cache dumpavail 2>/dev/null | to_lines "$packages" >packages.tsv
source='apt-cache dumpavail'
if [ ! -s packages.tsv ]; then
    source=/var/lib/dpkg/status
    to_lines "$packages" <"$source" >packages.tsv
fi
count=$(wc -l <packages.tsv)
[ "$count" -gt 10 ] || fail "no package records in $source"
say "$count records from $source: key = name of the package, value = its record." \
    "Durability of this import: $bold$durability$plain (none: the system writes when it likes;" \
    'interval: synced within a second; always: synced before each acknowledgement).'
show -d db --durability "$durability" import packages.tsv
[ "$("$program" -d db export | wc -l)" -eq "$count" ] || fail 'not every record arrived'
good "all $count records are in the database"

chapter '2. Questions'
key=$(awk -F '\t' '$1 == "bash" { found = 1 } NR == 1 { first = $1 }
    END { print found ? "bash" : first }' packages.tsv)
printf '%s$ strata-01 -d db get %s%s\n' "$bold" "$key" "$plain"
strata -d db get "$key" | head -n 6 | sed 's/^/  /'
show -d db scan --prefix lib --keys --limit 5
show -d db scan --reverse --keys --limit 3
show -d db get no-such-package
strata -d db export >exported.tsv
strata -d copy --durability none import exported.tsv 2>/dev/null
strata -d copy export | cmp -s - exported.tsv || fail 'export and import lost something'
good 'exported and imported again: byte for byte the same'

chapter '3. Why this stage is slow: the log is the database'
time_get() { # the least of five, in milliseconds
    least=
    for _ in 1 2 3 4 5; do
        began=$(now)
        "$program" -d db get "$key" >/dev/null || fail "$key is gone"
        millis=$(millis_since "$began")
        [ -n "$least" ] && [ "$least" -le "$millis" ] || least=$millis
    done
    echo "$least"
}
bytes() { du -b -c db/*.log | awk 'END { print $1 }'; }
once=$(time_get) size=$(bytes)
say "A get replays the whole log: $size bytes, $once ms for one key."
for _ in 1 2 3; do
    strata -d db --durability none import packages.tsv 2>/dev/null
done
again=$(time_get) size=$(bytes)
say "The same records written three times more: $size bytes, $again ms for the same answer." \
    'Nothing is ever forgotten, so a lookup costs what the history costs. Stage 02 keeps' \
    'a sorted table in memory; stage 05 forgets what was overwritten.'

# ---- 4 ------------------------------------------------------------------------------------

chapter '4. Kill the writer: everything acknowledged is there (W)'
awk -F '\t' -v OFS='\t' -v whole="$count" '{ key[NR] = $1; value[NR] = $2 }
    END { while (lines < 60000) for (i = 1; i <= whole; i++) {
              record = substr(value[i], 1, 200); sub(/[\\]+$/, "", record)
              print key[i] "#" lines, record; lines++ } }' \
    packages.tsv >many.tsv
mkfifo acknowledged
say 'import --acknowledge prints the number of a line once its write has returned. At' \
    'number 2000 the writer is killed with signal 9, in the middle of its work.'
(
    sh -c 'echo $$ >writer; exec "$@"' - "$program" -d killed --durability "$durability" \
        import --acknowledge many.tsv >acknowledged 2>/dev/null
    echo $? >code
) 2>/dev/null & # bash would say "Killed" there
keeper=$!
last=$(awk 'NR == 2000 { system("kill -9 $(cat writer)") } END { print NR }' acknowledged)
wait "$keeper"
keeper=
code=$(cat code)
[ "$code" -eq 137 ] || fail "the writer ended with exit code $code before it was killed"
strata -d killed stats | grep -E '^recovered_' | sed 's/^/  /'
found=$("$program" -d killed scan --keys | wc -l)
head -n "$last" many.tsv | strata -d wanted --durability none import 2>/dev/null
strata -d wanted export >wanted.tsv
strata -d killed export >found.tsv
missing=$(comm -23 wanted.tsv found.tsv | wc -l)
say "Acknowledged before its death: $last. Found after recovery: $found."
[ "$missing" -eq 0 ] || fail "$missing acknowledged changes are missing"
[ "$(head -n "$found" many.tsv | awk -F '\t' '{ print $1 }' | sort)" = \
    "$(awk -F '\t' '{ print $1 }' found.tsv)" ] || fail 'there is a hole in the history'
good "every acknowledged change is there, and what is there is the first $found lines, no holes"
say "${dim}This shows W, what the operating system was given: it survives the process. It shows" \
    "nothing about D, what a power cut spares: the system's memory was never lost.$plain"

chapter '5. Cut the power: nothing durable is lost (D)'
say 'The harness runs the same store on a simulated disk, cuts the power after any operation,' \
    'and lets the disk keep any legal part of what was not synced: some writes, torn writes,' \
    'old bytes, zeros. Each such state is opened by the real recovery and held against a model.'
if [ -x "$harness" ]; then
    printf '%s$ harness-01 crash --seconds 5 --seed 1%s\n' "$bold" "$plain"
    "$harness" crash --seconds 5 --seed 1 >campaign.txt 2>&1
    code=$?
    tail -n 12 campaign.txt | sed 's/^/  /'
    [ "$code" -eq 0 ] || fail 'the campaign found a state that breaks the contract'
    good 'every state that was looked at recovered to a legal one'
else
    fail "$harness is not there; run make first"
fi

chapter '6. A proof that the harness can see: one seeded bug'
bug=${DEMO_BUG:-01-old-log-not-synced}
say "Into a scratch copy of the sources goes the bug of faults/bugs/$bug.patch; the harness" \
    'has to find it, shrink it to the shortest program that shows it, and explain.'
printf '%s$ faults/zoo.sh --show %s%s\n' "$bold" "$bug" "$plain"
"$root/faults/zoo.sh" --show "$bug" >bug.txt 2>&1
code=$?
sed 's/^/  /' bug.txt
[ "$code" -eq 0 ] || fail 'the bug was not caught'
good 'caught'

# ---- stage 02 -----------------------------------------------------------------------------

program=$root/build/strata-02
chapter '7. Stage 02: the same directory, a sorted table in memory'
[ -x "$program" ] || fail "$program is not there; run make first"
strata -d db export | cmp -s - exported.tsv || fail 'stage 02 reads something else'
good 'strata-02 opens the directory of strata-01, and finds every record as it was'
strata -d db stats | grep -E '^(replayed_bytes|recovered_changes)' | sed 's/^/  /'
restart=$(time_get)
awk -F '\t' 'NR <= 1000 { print "get --escape \047" $1 "\047" }' packages.tsv >lookups.txt
lookups=$(wc -l <lookups.txt)
began=$(now)
strata -d db shell <lookups.txt >answers.txt
session=$(millis_since "$began")
[ "$(wc -l <answers.txt)" -eq "$lookups" ] || fail 'a lookup went unanswered'
say "Open, replay and one get: stage 01 $again ms, stage 02 $restart ms: the log is replayed" \
    "once. Open, replay and $lookups gets in one shell: $session ms; stage 01 would have" \
    "replayed $lookups times."

chapter '8. The shell: commands over one open database'
cat >session.txt <<'END'
put demo:apple "dark red"
put demo:pear 'it is "green"'
get demo:apple
scan --prefix demo: --reverse
del demo:apple demo:pear
scan --prefix demo:
END
sed 's/^/  strata-02> /' session.txt
printf '%s$ strata-02 -d db shell < session.txt%s\n' "$bold" "$plain"
strata -d db shell <session.txt >session.out
sed 's/^/  /' session.out
[ "$(wc -l <session.out)" -eq 3 ] || fail 'the shell gave other answers'
good 'the session ended cleanly'

race=15-buffer-swapped-before-published
if [ -f "$root/faults/bugs/$race.patch" ]; then
    chapter '9. A race, found and replayed'
    say 'Threads run in orders that the harness draws, and what they saw must fit one order.'
    env -u MAKEFLAGS make -C "$root" build/sim/harness-02 >/dev/null || fail 'no sim harness'
    "$root/faults/zoo.sh" --show "$race" >race.txt 2>&1
    code=$?
    tail -n 40 race.txt | sed 's/^/  /'
    [ "$code" -eq 0 ] || fail 'the race was not caught'
    good 'caught'
fi

# ---- stage 04 -----------------------------------------------------------------------------

program=$root/build/strata-04
leveldb=$root/build/leveldb-export
for needed in "$program" "$leveldb" "$root/build/harness-04"; do
    [ -x "$needed" ] || fail "$needed is not there; run make first"
done

# wanted.tsv: what stage 02 exports once it has imported these files.
as_stage_02() {
    rm -rf reference
    cat "$@" | "$root/build/strata-02" -d reference --durability none import 2>/dev/null &&
        "$root/build/strata-02" -d reference export >wanted.tsv || fail 'stage 02 failed'
}

chapter '10. Stages 03 and 04: the same directory grows beyond its memory'
strata -d db export >before.tsv
awk -F '\t' 'NR <= 40000' many.tsv >grown.tsv
say "$(wc -l <grown.tsv) records more, with room for 2 MiB of them in memory: what is full is" \
    'written to a table, sorted, and its log goes.'
show -d db --durability none --write-buffer-bytes 2m import grown.tsv
show -d db flush
strata -d db stats | grep -E '^(log_files|memtable_entries|tables|table_bytes) ' | sed 's/^/  /'
tables=$(find db -name '*.ldb' | wc -l)
[ "$tables" -ge 2 ] || fail "only $tables tables came of it"
as_stage_02 grown.tsv before.tsv
strata -d db export | cmp -s - wanted.tsv || fail 'something was lost on the way'
good "old and new records are all there, in $tables tables, as stage 02 would export them"
manifest=$(cat db/CURRENT)
say "CURRENT names $manifest, and that the tables that count:"
printf '%s$ strata-04 dump db/%s%s\n' "$bold" "$manifest" "$plain"
strata dump "db/$manifest" | tail -n 8 | cut -c 1-100 | sed 's/^/  /'
newest=$(find db -name '*.ldb' | sort | tail -n 1)
say 'And the end of a table, which is read first:'
printf '%s$ strata-04 dump %s%s\n' "$bold" "$newest" "$plain"
strata dump "$newest" | tail -n 2 | sed 's/^/  /'
awk -F '\t' 'NR <= 2000 { print "get \047no such " $1 "\047" } END { print "stats" }' \
    grown.tsv >absent.txt
"$program" -d db shell <absent.txt 2>/dev/null | grep -E '^(reads|filter_|blocks_)' >asked.txt
sed 's/^/  /' asked.txt
[ "$(awk '/^filter_saves/ { print ($2 > 0) }' asked.txt)" = 1 ] || fail 'no filter saved anything'
say 'Most lookups of keys that are not there read no block: the filters said so.'

chapter '11. Kill the writer in the middle of a flush'
awk -F '\t' -v OFS='\t' '{ print $1 "a", $2; print $1 "b", $2 }' many.tsv >crowd.tsv
say 'A writer fills 16 MiB of memory and begins to write them to a table. As soon as the' \
    'unfinished table is seen, the writer is killed.'
kill_in_flush() { # sets $last, the lines acknowledged; false: the moment was missed
    rm -rf flushed
    sh -c 'echo $$ >writer; exec "$@"' - "$program" -d flushed --durability none \
        import --acknowledge crowd.tsv >numbers 2>/dev/null &
    keeper=$!
    until find flushed -name '*.dbtmp' -size +31k 2>/dev/null | grep -q . ||
        ! kill -0 "$keeper" 2>/dev/null; do :; done
    kill -9 "$keeper" 2>/dev/null
    wait "$keeper" 2>/dev/null
    keeper=
    last=$(tail -n 1 numbers)
    find flushed -name '*.dbtmp' -size +31k | grep -q .
}
tries=1
until kill_in_flush 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -le 5 ] || fail 'the moment was missed five times'
done
listed() { find flushed -type f -printf '%f\n' | sort | tr '\n' ' '; }
say "  left behind:     $(listed)"
found=$("$program" -d flushed scan --keys | wc -l)
say "  after recovery:  $(listed)" \
    "Acknowledged before its death: $last. Found after recovery: $found."
[ "$found" -ge "$last" ] || fail "$((last - found)) acknowledged changes are missing"
head -n "$found" crowd.tsv >first.tsv
as_stage_02 first.tsv
strata -d flushed export | cmp -s - wanted.tsv || fail 'there is a hole in the history'
[ -z "$(find flushed -name '*.dbtmp')" ] || fail 'the unfinished table is still there'
strata -d flushed verify | tail -n 1 | sed 's/^/  /'
good 'the log was still whole, the unfinished table is gone, nothing is lost'

chapter '12. LevelDB reads both directories'
say 'build/leveldb-export is a small program over Debian'\''s libleveldb; nothing of Strata reads' \
    'here. LevelDB opens the directory, recovers it its own way, and prints all that it finds.'
cp -r db unmerged # LevelDB, once it is open, merges tables
for directory_of in db flushed; do
    strata -d "$directory_of" export >ours.tsv
    printf '%s$ leveldb-export %s%s\n' "$bold" "$directory_of" "$plain"
    "$leveldb" "$directory_of" >theirs.tsv || fail "LevelDB refuses $directory_of"
    cmp -s ours.tsv theirs.tsv || fail "LevelDB reads something else in $directory_of"
    strata -d "$directory_of" export | cmp -s - ours.tsv ||
        fail "stage 04 reads something else behind LevelDB in $directory_of"
    good "$(wc -l <theirs.tsv) records, the same; and Strata reads what LevelDB has left"
done

# ---- stage 05 -----------------------------------------------------------------------------

program=$root/build/strata-05
for needed in "$program" "$root/build/harness-05"; do
    [ -x "$needed" ] || fail "$needed is not there; run make first"
done

# Small, so that a few megabytes make a tree: level 1 has room for 512 kB, level 2 for 5 MB.
small='--durability none --write-buffer-bytes 128k --table-bytes 128k'
in_log() { grep -c "\"event\":\"$1\"" db/LOG; } # lines of the event log that are of this kind

chapter '13. Stage 05: the same directory, merged into levels; killed in the middle of it'
rm -rf db
mv unmerged db
strata -d db export >before.tsv
say 'Before, as stage 04 left it: each table may hold any key, so a lookup asks them all.'
show -d db levels
[ "$("$program" -d db levels | grep -c '^level')" -eq 1 ] || fail 'it has levels already'
awk -F '\t' 'NR > 40000' many.tsv >more.tsv
say 'More records come in. The first write wakes the compactor, and the rule is: four tables' \
    'in level 0 are merged into level 1. It may write 256 kB a second only, so that it can be' \
    'seen at work; the writer goes on meanwhile, into new tables of level 0.'
# At that rate a merge of level 0 takes many seconds, and the writer, who waits once level 0 has
# 36 tables, does not end before: it is killed in the middle of a compaction.
# shellcheck disable=SC2086
sh -c 'echo $$ >writer; exec "$@"' - "$program" -d db $small \
    --compaction-bytes-per-second 256k import --acknowledge more.tsv >numbers 2>/dev/null &
keeper=$!
tries=0
until "$program" -d db levels >during.txt 2>/dev/null &&
    grep -Eq 'under way: level .* [0-9]+ tables' during.txt && [ "$(wc -l <numbers)" -gt 2000 ]; do
    tries=$((tries + 1))
    [ "$tries" -le 2000 ] || fail 'no compaction was seen at work'
    kill -0 "$keeper" 2>/dev/null || fail 'the writer ended by itself'
    sleep 0.01
done
say 'During: double lines are tables that are being merged. Then the process is killed.'
sed 's/^/  /' during.txt
kill -9 "$(cat writer)"
wait "$keeper" 2>/dev/null
keeper=
begun=$(in_log compaction_begins) ended=$(in_log compaction)
[ "$begun" -gt "$ended" ] || fail 'the compaction had ended before the writer was killed'
last=$(tail -n 1 numbers)
files() { # of tables: how many, and how many unfinished
    echo "$(find db -name '*.ldb' | wc -l) tables, $(find db -name '*.dbtmp' | wc -l) unfinished"
}
say "  compactions begun: $begun, ended: $ended" "  left behind:     $(files)"
strata -d db verify | tail -n 1 | sed 's/^/  /'
strata -d db export >found.tsv
say "  after recovery:  $(files)"
found=$(($(wc -l <found.tsv) - $(wc -l <before.tsv)))
say "Acknowledged before its death: $last. Found after recovery: $found."
[ "$found" -ge "$last" ] || fail "$((last - found)) acknowledged changes are missing"
head -n "$found" more.tsv >first.tsv
as_stage_02 first.tsv before.tsv
cmp -s found.tsv wanted.tsv || fail 'the database holds something else'
good 'the old tables are still in force, the unfinished ones gone, nothing is lost'

chapter '14. At full speed: several levels'
mkfifo session
# shellcheck disable=SC2086
"$program" -d db $small shell <session >session.out 2>&1 &
keeper=$!
echo "$keeper" >writer
exec 3>session
say 'All 60000 records once more, most of them in place of others.'
printf '%s$ strata-05 -d db %s import many.tsv%s\n' "$bold" "$small" "$plain"
printf 'import many.tsv\nflush\nput settled yes\nget settled\n' >&3
tries=0
until grep -q '^yes' session.out && "$program" -d db levels >after.txt 2>/dev/null &&
    ! grep -Eq 'under way: |score [1-9]' after.txt; do
    tries=$((tries + 1))
    [ "$tries" -le 3000 ] || fail 'the tree does not come to rest'
    sleep 0.01
done
printf 'del settled\nstats\n' >&3
exec 3>&-
wait "$keeper" || fail 'the session ended with an error'
keeper=
say 'After: every level within its target. Below level 0 the tables of a level do not overlap,' \
    'so a lookup asks one of each.'
sed 's/^/  /' after.txt
deepest=$(awk '/^level/ && $3 > 0 { deepest = $2 } END { print deepest }' after.txt)
[ "$deepest" -ge 2 ] || fail "level $deepest is the deepest that came of it"
say 'What the session did:'
grep -E '^(flushes|compactions|tables_moved|(write|space|read)_amplification) ' session.out |
    sed 's/^/  /'
as_stage_02 many.tsv before.tsv
strata -d db export | cmp -s - wanted.tsv || fail 'something was lost on the way'
"$leveldb" db >theirs.tsv || fail 'LevelDB refuses it'
cmp -s theirs.tsv wanted.tsv || fail 'LevelDB reads something else'
good "$(wc -l <theirs.tsv) records down to level $deepest, as stage 02 and LevelDB read them"

chapter '15. Delete everything'
kilobytes() { echo $(($(du -b -c db/*.ldb db/*.log 2>/dev/null | awk 'END { print $1 }') / 1000)); }
awk -F '\t' '{ print "del --escape \047" $1 "\047" }' wanted.tsv >deletions.txt
full=$(kilobytes)
# shellcheck disable=SC2086
strata -d db $small shell <deletions.txt
dead=$(kilobytes)
show -d db compact
empty=$(kilobytes)
say "Tables and logs: $full kB, with the deletions $dead kB, compacted $empty kB."
[ "$empty" -lt 100 ] || fail 'the room did not come back'
[ -z "$("$program" -d db scan --keys --limit 1)" ] || fail 'something came back'
good 'a deletion is a record, too; at the bottom it dies with what it hides'

chapter '16. Cut the power, in flushes and compactions'
printf '%s$ harness-05 crash --seconds 5 --seed 1%s\n' "$bold" "$plain"
"$root/build/harness-05" crash --seconds 5 --seed 1 >campaign.txt 2>&1
code=$?
tail -n 6 campaign.txt | sed 's/^/  /'
[ "$code" -eq 0 ] || fail 'the campaign found a state that breaks the contract'
good 'every state that was looked at recovered to a legal one'

# ---- stage 06 -----------------------------------------------------------------------------

program=$root/build/strata-06
for needed in "$program" "$root/build/strata-07" "$root/build/harness-07"; do
    [ -x "$needed" ] || fail "$needed is not there; run make first"
done

# Batch n of a writer sets all ten of its accounts to n.
for writer in north south; do
    awk -v writer="$writer" 'BEGIN {
        for (n = 1; n <= 20000; n++)
            for (i = 0; i < 10; i++) print writer ":" i "\t" n }' >"$writer.tsv"
done

# Reads a scan; says the batch that each writer has come to. False: half of one is there.
whole_batches() {
    awk -F '[:\t]' '
        $1 != "north" && $1 != "south" { next }
        count[$1]++ && last[$1] != $3 { half = 1 }
        { last[$1] = $3 }
        END {
            for (writer in count) if (count[writer] != 10) half = 1
            print last["north"] + 0, last["south"] + 0
            exit half
        }'
}

chapter '17. Stage 06: two writers, in batches; killed, and their log torn'
say 'Two files are imported at once, ten lines a batch. Batch n sets all ten accounts of its' \
    'writer to n, so a writer whose accounts differ has left half of a batch. Killed again.'
printf '%s$ strata-06 -d bank --durability none import --batch 10 --acknowledge north.tsv south.tsv%s\n' \
    "$bold" "$plain"
(
    sh -c 'echo $$ >writer; exec "$@"' - "$program" -d bank --durability none \
        import --batch 10 --acknowledge north.tsv south.tsv >acknowledged 2>/dev/null
    echo $? >code
) 2>/dev/null &
keeper=$!
told=$(awk 'NR == 40000 { system("kill -9 $(cat writer)") } { line[$2] = $1 }
    END { print int(line["north.tsv"] / 10), int(line["south.tsv"] / 10) }' acknowledged)
wait "$keeper"
keeper=
code=$(cat code)
[ "$code" -eq 137 ] || fail "the writers ended with exit code $code before they were killed"
cp -r bank left # as the crash left it
strata -d bank scan >found.tsv
found=$(whole_batches <found.tsv) || fail 'half of a batch was found'
say "  acknowledged, north and south: batch $told" "  found:                         batch $found"
[ "${found% *}" -ge "${told% *}" ] && [ "${found#* }" -ge "${told#* }" ] ||
    fail 'an acknowledged batch is missing'
say 'A kill seldom hits the middle of a write. So the log that was left is cut off at 60 places,' \
    'in the middle of the work of both, as a crash may cut it, and each remainder is opened.'
log=$(basename "$(find left -name '*.log')")
torn=0 cut=0
while [ "$cut" -lt 60 ]; do
    at=$((100000 + cut * 997)) cut=$((cut + 1))
    rm -rf torn
    cp -r left torn
    head -c "$at" "left/$log" >"torn/$log"
    printf 'scan\nstats\n' | "$program" -d torn shell >torn.txt || fail "cut at $at: refused"
    found=$(whole_batches <torn.txt) || fail "cut at $at: half of a batch"
    dropped=$(awk '$1 == "recovered_dropped_bytes" { print $2 }' torn.txt)
    [ "$dropped" -eq 0 ] || torn=$((torn + 1))
    [ $((cut % 15)) -ne 0 ] ||
        say "  cut at byte $at: $dropped bytes of a batch dropped, north and south at batch $found"
done
[ "$torn" -ge 30 ] || fail "only $torn of 60 cuts tore a batch"
good "$torn of 60 cuts tore a batch in two: what was left of it was never seen"

chapter '18. Cut the power among four writers'
say 'Four writers with drawn durabilities, in drawn orders; the power goes at a drawn operation' \
    'of the disk. What each had been promised is held against what is found.'
printf '%s$ harness-07 crash --check crash.group --seed 1 --runs 6000%s\n' "$bold" "$plain"
"$root/build/harness-07" crash --check crash.group --seed 1 --runs 6000 >campaign.txt 2>&1
code=$?
sed 's/^/  /' campaign.txt
[ "$code" -eq 0 ] || fail 'a writer was promised what it did not get'
lost() { awk -v mode="$1:" '$2 == mode { print $6 }' campaign.txt; }
[ "$(lost always)" = 0 ] || fail 'a change with always was lost'
[ "$(lost none)" -gt 0 ] || fail 'nothing was at risk'
good "always: nothing lost; none: $(lost none) lost, and never a part of a change"

# ---- stage 07 -----------------------------------------------------------------------------

program=$root/build/strata-07
small='--durability none --write-buffer-bytes 1m --table-bytes 1m'
tables() { echo $(($(du -b -c db/*.ldb 2>/dev/null | awk 'END { print $1 }') / 1000)); }
settled() { # so many times the session has said so
    tries=0
    until [ "$(grep -c '^==settled==$' session.out)" -eq "$1" ]; do
        tries=$((tries + 1))
        [ "$tries" -le 6000 ] && kill -0 "$keeper" 2>/dev/null || fail 'the session hangs'
        sleep 0.01
    done
}
within() { # the tables come to lie between so many kilobytes; files go when nobody reads them
    tries=0
    until size=$(tables) && [ "$size" -ge "$1" ] && [ "$size" -le "$2" ]; do
        tries=$((tries + 1))
        [ "$tries" -le 300 ] || fail "the tables take $size kB, not $1 to $2"
        sleep 0.01
    done
}
exported() { # what the session printed between two such words
    awk -v wanted="$1" '/^==settled==$/ { n++; next } n + 1 == wanted && /\t/' session.out
}

chapter '19. Stage 07: a snapshot, read while everything is overwritten'
# shellcheck disable=SC2086
strata -d db $small import packages.tsv 2>/dev/null
strata -d db put settled ==settled==
strata -d db compact
strata -d db export >before.tsv
size=$(tables) before=$size
awk -F '\t' '{ key[NR] = $1; value[NR] = $2 }
    END { for (n = 1; n <= 5 || n * NR <= 25000; n++) for (i = 1; i <= NR; i++)
              print key[i] "\t" n " " value[(i + 17 * n) % NR + 1] }' packages.tsv >over.tsv
# shellcheck disable=SC2086
"$program" -d db $small shell <session >session.out 2>session.err &
keeper=$!
echo "$keeper" >writer
exec 3>session
cat >session.txt <<'END'
.snapshot monday
.start import over.tsv
.at monday export
stats
get settled
.wait
compact
.at monday export
get settled
END
say "In the database are $count records. In one shell a snapshot is taken, then another thread" \
    'gives each of them the value of another, many times, and all is compacted. The snapshot is' \
    'read meanwhile, and afterwards.'
sed 's/^/  strata-07> /' session.txt
cat session.txt >&3
settled 2
exported 1 | cmp -s - before.tsv || fail 'read under load the snapshot was another'
exported 2 | cmp -s - before.tsv || fail 'compacted, the snapshot was another'
written=$(awk '$1 == "writes" { print $2 }' session.out)
say "When it had first been read, $written of $(wc -l <over.tsv) writes had been made."
good "$(wc -l <before.tsv) records, twice, byte for byte as when the snapshot was taken"
within $((before * 3 / 2)) $((before * 3))
held=$size
printf '  strata-07> %s\n' '.release monday' compact
printf '.release monday\ncompact\nget settled\n' >&3
settled 3
within 1 $((before * 5 / 4))
exec 3>&-
wait "$keeper" || fail 'the session ended with an error'
keeper=
say "Tables on disk: $before kB before, $held kB with the snapshot, $size kB after its release."
good 'a snapshot costs one old version of what was overwritten, and gives it back'
say 'And a million overwrites, each entry compared with what was written:'
printf '%s$ strata-07 bench snapshot --count 1000000%s\n' "$bold" "$plain"
strata bench snapshot --count 1000000 >bench.txt
sed 's/^/  /' bench.txt
awk '/^filled/ { before = $NF } /^compacted, the/ { held = $NF } /^released/ { released = $NF }
    END { exit !(before > 0 && held > before * 1.5 && released < before * 1.25) }' bench.txt ||
    fail 'the sizes are others'
good 'the same again'

chapter '20. A backup while writers work; the database is lost, and restored'
say 'Both writers again, in another thread each, and backups in the same process: two as soon as' \
    'they have begun, and one when they have ended.'
cat >session.txt <<'END'
.start import --batch 10 north.tsv south.tsv
backup kept
backup kept
.wait
backup kept
END
sed 's/^/  strata-07> /' session.txt
strata -d live --durability none --write-buffer-bytes 1m shell <session.txt >session.out 2>session.err
[ "$(grep -c '^00000[123]$' session.out)" -eq 3 ] || fail 'there are not three backups'
show backup --list kept
strata -d live export >lost.tsv
rm -rf live
say 'The database is removed. Each of the backups is restored; a restore verifies what it copies.'
earlier='0 0'
for number in 000001 000002 000003; do
    strata -d "back$number" restore "kept/$number"
    strata -d "back$number" export >found.tsv
    found=$(whole_batches <found.tsv) || fail "backup $number holds half of a batch"
    say "  backup $number: north and south at batch $found"
    [ "${found% *}" -ge "${earlier% *}" ] && [ "${found#* }" -ge "${earlier#* }" ] ||
        fail "backup $number is older than the one before"
    earlier=$found
done
cmp -s found.tsv lost.tsv || fail 'the last backup is not what was lost'
"$leveldb" back000003 >theirs.tsv || fail 'LevelDB refuses what was restored'
cmp -s theirs.tsv lost.tsv || fail 'LevelDB reads something else'
strata -d back000003 verify >verified.txt
tail -n 1 verified.txt | sed 's/^/  /'
good 'every backup is a moment of the writers; the last is what was lost, to the byte'

# ---- stage 08 -----------------------------------------------------------------------------

program=$root/build/strata-08
[ -x "$program" ] || fail "$program is not there; run make first"
for needed in redis-cli redis-benchmark; do
    command -v "$needed" >/dev/null || fail "$needed is not there; make demo installs it (redis-tools)"
done
small='--write-buffer-bytes 1m --table-bytes 1m'
port=

# Starts it over ./db, on a port of the loopback that nobody has; waits until it is ready.
serve() {
    tries=0
    until
        : >server.log
        [ -n "$port" ] || port=$(shuf -i 20000-29999 -n 1)
        # shellcheck disable=SC2086
        "$program" server --dir db --port "$port" $small "$@" 2>server.log &
        keeper=$!
        echo "$keeper" >writer
        while kill -0 "$keeper" 2>/dev/null && ! grep -q ' ready: ' server.log; do sleep 0.01; done
        grep -q ' ready: ' server.log
    do
        tries=$((tries + 1)) port=
        grep -q 'another program listens' server.log && [ "$tries" -le 20 ] ||
            fail "the server does not start: $(cat server.log)"
    done
    printf '%s$ strata-08 server --dir db --port %s %s %s%s\n' "$bold" "$port" "$small" "$*" "$plain"
    cut -d ' ' -f 2- server.log | sed 's/^/  /'
}
cli() { redis-cli -p "$port" "$@"; }
ask() { # as a person would, at the prompt of redis-cli
    printf '  %s>' "$bold"
    for word in "$@"; do
        case $word in
        '' | *' '*) printf " '%s'" "$word" ;;
        *) printf ' %s' "$word" ;;
        esac
    done
    printf '%s\n' "$plain"
    cli --no-raw "$@" | sed 's/^/  /'
}
of_info() { cli info "$1" | tr -d '\r' | awk -F : -v name="$2" '$1 == name { print $2 }'; }

chapter '21. Stage 08: the same directory, served; redis-cli asks'
strata -d db del settled
strata -d db scan --keys >keys.txt
serve --appendfsync everysec
key=$(awk 'NR == 1 { first = $0 } $0 == "bash" { found = 1 } END { print found ? "bash" : first }' keys.txt)
ask strlen "$key"
ask getrange "$key" 0 50
ask rscan p LIMIT 2 KEYS
ask rscan '' REV KEYS LIMIT 1
ask incr visits
ask incrby visits 41
ask set session:1 'somebody is here' PX 300
ask pttl session:1
until [ -z "$(cli get session:1)" ]; do sleep 0.02; done
ask get session:1
[ "$(cli get visits)" = 42 ] || fail 'it cannot count'
ask del visits nobody
ask get visits
cli rscan '' KEYS >found.txt
cmp -s found.txt keys.txt || fail 'the server has other keys, or another order'
[ "$(cli dbsize)" -eq "$(wc -l <keys.txt)" ] || fail 'DBSIZE says something else'
good "RSCAN: all $(wc -l <keys.txt) keys, in the order in which stage 07 has them"

chapter '22. Fifty clients at once'
# Mode, commands in a piece, requests of each command.
load() {
    cli config set appendfsync "$1" >/dev/null
    cli config resetstat >/dev/null
    before=$(of_info lsm syncs)
    redis-benchmark -p "$port" -c 50 -P "$2" -n "$3" -r 100000 -d 100 -t set,get --csv \
        >bench.txt 2>bench.err || fail "redis-benchmark: $(cat bench.err)"
    for command in set get; do
        cli info commandstats | tr -d '\r' |
            grep -q "^cmdstat_$command:calls=$3,.*rejected_calls=0,failed_calls=0\$" ||
            fail "not all of $3 $command were carried out"
    done
    syncs=$(($(of_info lsm syncs) - before))
    awk -F '"' -v mode="$1" -v pieces="$2" -v count="$3" -v syncs="$syncs" '
        $2 == "SET" || $2 == "GET" {
            printf "  %-9s %2d in a piece  %s  %7d a second, p50 %5.2f ms, p99 %5.2f ms", mode,
                   pieces, $2, $4, $10, $14
            print $2 == "SET" ? ";  " count " changes, " syncs " syncs" : ""
        }' bench.txt
}
say 'redis-benchmark, 50 clients, values of 100 bytes, 100000 keys; syncs as INFO lsm counts them.'
load everysec 16 100000
load always 1 2500
load always 16 40000
[ "$syncs" -lt 10000 ] || fail "$syncs syncs for 40000 changes are not shared"
good 'every request answered without an error; one sync serves many clients'
show -d db levels
say 'INFO lsm, a few lines of it:'
cli info lsm | tr -d '\r' |
    grep -E '^(writes|flushes|compactions|write_amplification|block_cache_hit_ratio|filter_saves|stall_stops):' |
    sed 's/^/  /'
[ "$(of_info lsm flushes)" -gt 0 ] || fail 'no write buffer has become a table'

chapter '23. Kill the server under two clients; start it again'
say 'Each of two clients sends SETs, one after the other, and notes each OK. In the middle of it' \
    'the server is killed with signal 9.'
writers=
for writer in north south; do
    awk -v key="$writer" 'BEGIN { for (n = 1; n <= 100000; n++)
        printf "SET %s:%06d at-%d\n", key, n, n }' >"$writer.txt"
    stdbuf -oL redis-cli -p "$port" <"$writer.txt" >"$writer.told" 2>/dev/null &
    writers="$writers $!"
done
tries=0
until [ "$(grep -c '^OK' north.told)" -gt 500 ] && [ "$(grep -c '^OK' south.told)" -gt 500 ]; do
    tries=$((tries + 1))
    [ "$tries" -le 6000 ] && kill -0 "$keeper" 2>/dev/null || fail 'the clients get no answers'
    sleep 0.01
done
kill -9 "$keeper"
# shellcheck disable=SC2086
kill -9 $writers
# shellcheck disable=SC2086
wait "$keeper" $writers 2>/dev/null
keeper=
say "  acknowledged: north $(grep -c '^OK' north.told), south $(grep -c '^OK' south.told)"
serve --appendfsync always
for writer in north south; do
    cli rscan "$writer:" "$writer;" >found.txt
    found=$(($(wc -l <found.txt) / 2))
    head -n "$found" "$writer.txt" | awk '{ print $2; print $3 }' | cmp -s - found.txt ||
        fail "$writer has a hole, or another value"
    [ "$found" -ge "$(grep -c '^OK' "$writer.told")" ] || fail "acknowledged writes of $writer are lost"
    say "  found:        $writer $found, from the first to the last"
done
good 'nothing that was acknowledged is lost, and there is no hole'
ask rscan north: 'north;' REV LIMIT 1
ask shutdown
wait "$keeper" || fail 'the server ended with an error'
keeper=
cut -d ' ' -f 2- server.log | tail -n 2 | sed 's/^/  /'
strata -d db verify >verified.txt
tail -n 1 verified.txt | sed 's/^/  /'
good 'it ended in order, and the directory is whole'

printf '\n%sThat was stage 08. Try it: make run, and in another terminal: redis-cli -p 6380%s\n' \
    "$bold" "$plain"
