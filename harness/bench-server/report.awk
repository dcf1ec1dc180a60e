# The tables of compare.sh, or its JSON: medians of "row, who, measure, value" lines.

function median(key,    values, n, i, j, swap) {
    n = split(all[key], values, " ")
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && values[j - 1] + 0 > values[j] + 0; j--) {
            swap = values[j]; values[j] = values[j - 1]; values[j - 1] = swap
        }
    return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
}

function of(row, who, measure) { return median(row SUBSEP who SUBSEP measure) }

function ratio(row, measure,    redis) {
    redis = of(row, "redis", measure)
    return redis > 0 ? of(row, "strata", measure) / redis : 0
}

function number(value) {
    return sprintf(value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value)
}

# Redis, Strata, ratio; the ratio goes into the verdict, `good` is 1 where more is better.
function cells(row, measure, good,    share) {
    share = ratio(row, measure)
    if (share > 0) {
        compared[measure]++
        logs[measure] += log(share)
        if (good ? share >= 1 : share <= 1)
            ahead[measure]++
        else
            behind[measure] = behind[measure] sprintf("  %s: %.2f\n", row, share)
    }
    return sprintf(" %8s %8s %6s", number(of(row, "redis", measure)),
                   number(of(row, "strata", measure)), share > 0 ? sprintf("%.2f", share) : "-")
}

function is_open(row) { return row ~ /open-/ }

function closed_table(    i) {
    printf "\n%-24s %-24s %s\n", "closed loop", " requests a second", " CPU us a request"
    printf "%-24s %8s %8s %6s %8s %8s %6s\n", "", "redis", "strata", "ratio", "redis",
           "strata", "ratio"
    for (i = 1; i <= count; i++)
        if (!is_open(rows[i]))
            printf "%-24s%s%s\n", rows[i], cells(rows[i], "rate", 1), cells(rows[i], "cpu", 0)
}

function open_table(    i, row) {
    printf "\n%-20s %-24s %-24s %-24s %s\n", "open loop", " p50 us", " p99 us", " p99.9 us",
           " CPU us a request"
    printf "%-20s", ""
    for (i = 1; i <= 4; i++)
        printf " %8s %8s %6s", "redis", "strata", "ratio"
    print ""
    for (i = 1; i <= count; i++) {
        row = rows[i]
        if (is_open(row))
            printf "%-20s%s%s%s%s\n", row, cells(row, "p50", 0), cells(row, "p99", 0),
                   cells(row, "p99.9", 0), cells(row, "cpu", 0)
    }
    for (i = 1; i <= count; i++)
        for (who in both)
            if (is_open(rows[i]) && of(rows[i], who, "errors") > 0)
                printf "%s: %s: %d errors or missing replies\n", rows[i], who,
                       of(rows[i], who, "errors")
}

function verdict(measure, words) {
    if (compared[measure] > 0)
        printf "%s: %.2f by geometric mean; strata is at least as good in %d of %d%s\n%s",
               words, exp(logs[measure] / compared[measure]), ahead[measure],
               compared[measure], behind[measure] == "" ? "." : ", not in", behind[measure]
}

function text() {
    printf "%s; %d cores; load before: %s; rounds: %d%s\n", versions, cores, load, rounds,
           (rounds > 1 ? ", medians" : "")
    printf "ratio: strata / redis\n"
    if (any_closed) closed_table()
    if (any_open) open_table()
    print ""
    verdict("rate", "rate")
    verdict("cpu", "CPU")
    verdict("p50", "open loop, p50")
    verdict("p99", "open loop, p99")
    verdict("p99.9", "open loop, p99.9")
}

function object(    i, j, first) {
    printf "{\"versions\":\"%s\",\"cores\":%d,\"load\":%s,\"rounds\":%d,\"rows\":[", versions,
           cores, load, rounds
    for (i = 1; i <= count; i++) {
        printf "%s{\"name\":\"%s\"", (i > 1 ? "," : ""), rows[i]
        for (j = 1; j <= 2; j++) {
            who = j == 1 ? "redis" : "strata"
            printf ",\"%s\":{", who
            first = 1
            for (m = 1; m <= measure_count; m++)
                if ((rows[i], who, measures[m]) in all) {
                    printf "%s\"%s\":%s", first ? "" : ",", measures[m],
                           of(rows[i], who, measures[m])
                    first = 0
                }
            printf "}"
        }
        printf "}"
    }
    print "]}"
}

!($1 in seen) { seen[$1] = 1; rows[++count] = $1; if (is_open($1)) any_open = 1; else any_closed = 1 }
!($3 in seen_measure) { seen_measure[$3] = 1; measures[++measure_count] = $3 }
{ both[$2] = 1; all[$1, $2, $3] = all[$1, $2, $3] " " $4 }
END { if (json == "yes") object(); else text() }
