#include "dump_engine.h"

#include "current.h"
#include "dump.h"
#include "dump_table.h"
#include "report.h"

struct name dump_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return name_parse(slash == NULL ? path : slash + 1);
}

static enum status dump_current(const char *path, const struct kv_options *options,
                                const struct report *report, struct error *error) {
    struct current current;
    char name[NAME_BYTES];
    enum status status = current_read_path(path, options->world, &current, error);
    if (status == STATUS_CORRUPT) {
        report_line(report, "       0  CORRUPT  not one line LISTING or MANIFEST-NNNNNN");
    } else if (status == STATUS_OK && current.kind == CURRENT_LISTING) {
        report_line(report, "       0  LISTING: the tables of the directory are the "
                            "database");
    } else if (status == STATUS_OK) {
        name_print(name, NAME_MANIFEST, current.number);
        report_line(report, "       0  %s: it lists the tables of the database", name);
    }
    return status;
}

enum status engine_dump(const char *path, const struct kv_options *options,
                        kv_report *line, void *context, struct error *error) {
    const struct report report = {line, context};
    enum name_kind kind = dump_name(path).kind;
    if (kind == NAME_TABLE || kind == NAME_OLD_TABLE) {
        return table_dump(path, options, line, context, error);
    }
    if (kind == NAME_CURRENT) {
        return dump_current(path, options, &report, error);
    }
    if (kind == NAME_LOG) {
        return log_dump(path, options, line, context, error);
    }
    return error_set(error, STATUS_INVALID,
                     "%s: by its name no file that this stage decodes", path);
}
