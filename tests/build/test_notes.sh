#!/bin/sh
# notes/check.sh must see a note that is wrong, and accept one that is right.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

note() { # $1: expected summary; the block's lines on standard input
    { printf '<!-- check -->\n```console\n' && cat && printf '```\n'; } >"$work/note.md"
    got=$(SECONDS_PER_NOTE=2 "$here/notes/check.sh" "$work/note.md" | tail -n 1)
    if [ "$got" = "$1" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "expected \"$1\", got \"$got\" for:" && cat "$work/note.md"
    fi
}

note '2 passed, 0 failed' <<'END'
$ echo a.b; echo 'took 17 us (fast)'
a.b
took <micros> us (fast)
$ (exit 3)
END
note '2 passed, 0 failed' <<'END'
$ (exit 3)
$ echo $?
3
END
note '1 passed, 0 failed' <<'END'
$ for i in 1 2 3 4; do
> echo line $i
> done
line 1
…
line …
END
note '0 passed, 1 failed' <<'END'
$ echo axb
a.b
END
note '0 passed, 1 failed' <<'END'
$ echo one; echo two
one
END
note '0 passed, 1 failed' <<'END'
$ echo one
one
two
END
note '0 passed, 1 failed' <<'END'
$ echo took us
took <micros> us
END
note '1 passed, 1 failed' <<'END'
$ echo x > $DIR; cat $DIR
x
$ sleep 9
END

# Unmarked blocks are pictures.
printf '```console\n$ false\nwhatever\n```\n' >"$work/note.md"
if [ "$("$here/notes/check.sh" "$work/note.md")" = '0 passed, 0 failed' ]; then
    passed=$((passed + 1))
else
    failed=$((failed + 1)) && echo "an unmarked block was run"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
