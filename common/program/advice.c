#include "advice.h"

#include "escape.h"
#include "holder.h"

enum { NAMES_SHOWN = 5 };

struct names {
    struct buf *out;
    size_t count;
    enum status status;
};

static void add_name(void *context, const char *name) {
    struct names *names = context;
    names->count++;
    if (names->status == STATUS_OK && names->count <= NAMES_SHOWN) {
        names->status = buf_append_text(names->out, names->count == 1 ? "" : ", ");
    }
    if (names->status == STATUS_OK && names->count <= NAMES_SHOWN) {
        names->status = escape_print(slice_of(name), names->out);
    }
}

/* "data holds: a.txt, b.txt and 3 more" */
static enum status list_contents(const struct command_run *run, struct buf *out) {
    struct names names = {.out = out, .status = STATUS_OK};
    size_t before = out->length;
    enum status status = buf_printf(out, "  %s holds: ", run->dir);
    if (status != STATUS_OK) {
        return status;
    }
    status = directory_list(run->options->world->files, run->dir, add_name, &names, NULL);
    if (status != STATUS_OK || names.count == 0) {
        out->length = before; /* no directory: the message has said so */
        return STATUS_OK;
    }
    if (names.status == STATUS_OK && names.count > NAMES_SHOWN) {
        names.status = buf_printf(out, " and %zu more", names.count - NAMES_SHOWN);
    }
    return names.status == STATUS_OK ? buf_append_text(out, "\n") : names.status;
}

/* Of the database that is locked, which need not be run->dir. */
static enum status name_holder(const struct command_run *run, struct buf *out) {
    struct buf path = {0};
    struct holder holder;
    if (run->error->locked_bytes == 0) {
        return STATUS_OK; /* it is something else that others have */
    }
    enum status status = buf_append(&path, run->error->message, run->error->locked_bytes);
    if (status == STATUS_OK) {
        status = buf_append(&path, "", 1);
    }
    if (status == STATUS_OK && holder_find((const char *)path.data, &holder)) {
        status = buf_printf(out,
                            "  process %ld (%s) has it open; end that one, or wait until "
                            "it is done\n",
                            holder.process, holder.name);
    } else if (status == STATUS_OK) {
        status = buf_printf(out,
                            "  a database is open in one process at a time; `fuser %s` "
                            "names it\n",
                            (const char *)path.data);
    }
    buf_free(&path);
    return status;
}

static enum status name_tools(const struct command_run *run, struct buf *out) {
    if (run->command->directory == DIRECTORY_UNUSED ||
        run->command->directory == DIRECTORY_LENT) {
        return STATUS_OK; /* it was not about the database in run->dir */
    }
    enum status status = STATUS_OK;
    if (run->command->directory != DIRECTORY_PRESENT) {
        status = buf_printf(out, "  `%s -d %s verify` shows every fault\n", run->program,
                            run->dir);
    }
    return status == STATUS_OK ? buf_printf(out,
                                            "  `%s -d %s repair` saves what can be read, "
                                            "and keeps the old files\n",
                                            run->program, run->dir)
                               : status;
}

enum status advice_print(const struct command_run *run, enum status status, bool opening,
                         struct buf *out) {
    switch (status) {
    case STATUS_CORRUPT:
        return name_tools(run, out);
    case STATUS_BUSY:
        return name_holder(run, out);
    case STATUS_NO_SPACE:
        return buf_append_text(out,
                               "  make room on the file system and run it again; what "
                               "was acknowledged before is kept\n");
    case STATUS_INVALID:
        return opening ? list_contents(run, out) : STATUS_OK;
    case STATUS_OK:
    case STATUS_NOT_FOUND:
    case STATUS_UNSUPPORTED:
    case STATUS_IO:
    case STATUS_NO_MEMORY:
    case STATUS_LIMIT:
    case STATUS_STALLED:
        break;
    }
    return STATUS_OK;
}
