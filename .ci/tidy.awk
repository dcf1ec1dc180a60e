# The house rules that a line-by-line reader can check; prints FILE:LINE: MESSAGE.
# Called by .ci/tidy.sh with the files to read. Works in mawk.
#
# A size may be exceeded where a comment argues for it, "tidy: long because …": for a
# function in it or in the comment right above it; for a file, and lines that only one
# row of a table can fill, in the comment at its top.

BEGIN {
    split("open open64 openat creat close read write pread pwrite readv writev preadv " \
          "pwritev fsync fdatasync syncfs sync_file_range truncate ftruncate fallocate " \
          "posix_fallocate posix_fadvise mmap munmap msync mremap madvise lseek stat " \
          "fstat lstat fstatat access unlink unlinkat remove rename renameat renameat2 " \
          "link symlink mkdir mkdirat rmdir opendir fdopendir readdir closedir flock " \
          "lockf fcntl ioctl dup dup2 pipe socket accept select poll epoll_wait syscall " \
          "fopen fdopen freopen fread fwrite fclose fseek ftell tmpfile mkstemp mkdtemp " \
          "fork vfork execv execve execvp waitpid kill raise signal sigaction exit _exit " \
          "system popen getenv setenv getpid sysconf " \
          "time clock clock_gettime gettimeofday localtime sleep usleep nanosleep " \
          "sched_yield rand srand random drand48 getrandom", names, " ")
    for (i in names) forbidden[names[i]] = "the operating system is reached through common/file.h, thread.h and clock.h"
    split("malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf " \
          "aligned_alloc posix_memalign alloca getline getdelim open_memstream", names2, " ")
    for (i in names2) forbidden[names2[i]] = "memory is taken through common/memory.h"
    split("sys/ unistd.h fcntl.h dirent.h pthread.h threads.h semaphore.h time.h " \
          "signal.h stdatomic.h malloc.h linux/", headers, " ")
}

FNR == 1 {
    finish_file()
    file = FILENAME
    in_comment = in_function = top_over = in_define = 0
    file_excused = excused = 0
    start = 0
    comment_started = -1
    header = file ~ /\.h$/
    # The world and the program are where the operating system begins.
    engine = file ~ /^(common|stages)\// && file !~ /^common\/program\// &&
        file !~ /^common\/(file_posix|thread|clock|memory|guarded_copy)[a-z_]*\.[ch]$/ &&
        file !~ /^stages\/08-server\/(loop|socket[a-z_]*|process|stop_signal|metrics_http)\.[ch]$/
    if (header && $0 !~ /^\/\*/)
        say(1, "a header begins with its contract, as a comment")
}

{
    lines = FNR
    raw = $0
    code = strip(raw)
    if (raw ~ /[ \t]$/)
        say(FNR, "space at the end of the line")
    if (raw ~ /(^|[^A-Za-z])(TODO|FIXME|XXX)([^A-Za-z]|$)/)
        say(FNR, "what is left to do stands in no file")
    argued = raw ~ /tidy: long because ./
    if (argued && !top_over)
        file_excused = 1
    if (argued)
        excused = 1
    if (columns(raw) > 90 && !file_excused && !excused)
        say(FNR, "longer than 90 columns")
    if (!top_over && code ~ /[^ \t]/)
        top_over = 1
    if (header && guard == "" && code ~ /^#ifndef /)
        guard = substr(code, 9)
    if (engine)
        check_calls(code)
    measure_functions(code)
    collect_failpoints(code)
}

END {
    finish_file()
    for (name in listed)
        if (!(name in used))
            printf "%s: failpoint %s is listed and nowhere in the sources\n", listed[name], name
    for (name in used)
        if (!(name in listed))
            printf "%s: failpoint %s is not listed in faults/failpoints.h\n", used[name], name
}

function say(line, message) {
    printf "%s:%d: %s\n", file, line, message
}

function finish_file(limit) {
    if (file == "")
        return
    limit = header ? 150 : 500
    if (lines > limit && !file_excused)
        say(lines, sprintf("%d lines, more than %d, and no comment at the top argues for it", lines, limit))
    if (header && guard !~ /^STRATA_[A-Z0-9_]+_H$/)
        say(1, "no include guard STRATA_…_H")
    guard = ""
}

# Characters, not bytes: continuation bytes of UTF-8 do not count. Bytes are compared as
# this locale (C) sees them.
function columns(text) {
    gsub(/[\200-\277]/, "", text)
    return length(text)
}

# The line without comments and the contents of literals; remembers an open comment.
function strip(text,   out, i, two, one, quote) {
    out = ""
    quote = ""
    for (i = 1; i <= length(text); i++) {
        one = substr(text, i, 1)
        two = substr(text, i, 2)
        if (in_comment) {
            if (two == "*/") { in_comment = 0; i++ }
        } else if (quote != "") {
            if (one == "\\") i++
            else if (one == quote) { quote = ""; out = out one }
        } else if (two == "/*") { in_comment = 1; i++ }
        else if (two == "//") break
        else {
            if (one == "\"" || one == "'") quote = one
            out = out one
        }
    }
    return out
}

function check_calls(code,   rest, word, before, after, i) {
    if (code ~ /^#[ \t]*include/) {
        for (i in headers)
            if (file != "common/atomic.h" && index(raw, "<" headers[i]))
                say(FNR, "<" headers[i] "…> is for the world only")
        return
    }
    if (file != "common/atomic.h" &&
        code ~ /(^|[^A-Za-z0-9_])(_Atomic|__atomic_|__sync_|atomic_(load|store|fetch|exchange|compare|init|flag|thread_fence|signal_fence))/)
        say(FNR, "atomics are those of common/atomic.h")
    rest = code
    before = ""
    while (match(rest, /[A-Za-z_][A-Za-z0-9_]*/)) {
        word = substr(rest, RSTART, RLENGTH)
        if (RSTART > 1)
            before = substr(rest, 1, RSTART - 1)
        after = substr(rest, RSTART + RLENGTH)
        # A member (x->close, .close, seam calls) is no system call.
        if (before !~ /(->|\.)[ \t]*$/ && after ~ /^[ \t]*\(/) {
            if (word in forbidden)
                say(FNR, word "(): " forbidden[word])
            else if (word ~ /^(pthread|thrd|mtx|cnd|sem)_/)
                say(FNR, word "(): threads are those of common/thread.h")
        }
        before = ""
        rest = after
    }
}

# A function: a statement that begins in the first column, has a parameter list and a
# body, which a brace in the first column ends.
function measure_functions(code,   count) {
    if (code ~ /^#/ || in_define) {
        in_define = code ~ /\\$/
        return
    }
    if (in_function) {
        if (code ~ /^}/) {
            count = FNR - start + 1
            if (count > 60 && !excused)
                say(start, sprintf("function of %d lines, more than 60, and no comment argues for it", count))
            in_function = excused = start = 0
        }
        return
    }
    if (code ~ /^[A-Za-z_]/ && !start) {
        start = FNR
        statement = ""
    }
    if (!start)
        return
    statement = statement code
    if (code ~ /{[ \t]*$/ && statement ~ /\)[ \t]*{[ \t]*$/ && statement !~ /=/) {
        in_function = 1
    } else if (code ~ /^}/ || (code ~ /;[ \t]*$/ && statement !~ /{/)) {
        start = excused = 0
    }
}

function collect_failpoints(code,   rest, name) {
    if (file == "faults/failpoints.h") {
        rest = code
        while (match(rest, /(^|[^A-Z_])X\([a-z0-9_]+,/)) {
            name = substr(rest, RSTART, RLENGTH)
            sub(/^[^(]*\(/, "", name)
            sub(/,$/, "", name)
            listed[name] = file ":" FNR
            rest = substr(rest, RSTART + RLENGTH)
        }
        return
    }
    if (file !~ /^(common|stages)\// || code ~ /^#/)
        return
    rest = code
    while (match(rest, /failpoint(_pass)?\([a-z0-9_]+\)/)) {
        name = substr(rest, RSTART, RLENGTH)
        sub(/^[^(]*\(/, "", name)
        sub(/\)$/, "", name)
        used[name] = file ":" FNR
        rest = substr(rest, RSTART + RLENGTH)
    }
}
