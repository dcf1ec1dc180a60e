/* verify, repair and dump: work on files that no store has open. */
#include "commands.h"
#include "output.h"

static enum status run_verify(struct command_run *run) {
    return kv_verify(run->dir, run->options, output_line, NULL, run->error);
}

static enum status run_repair(struct command_run *run) {
    return kv_repair(run->dir, run->options, output_line, NULL, run->error);
}

static enum status run_dump(struct command_run *run) {
    return kv_dump(run->arguments[0], run->options, output_line, NULL, run->error);
}

const struct command command_verify = {
    .name = "verify",
    .arguments = "",
    .summary = "Read everything and report every fault",
    .help = "Each fault is a line with file and offset. Nothing is changed.\n\n"
            "Example:\n"
            "  $0 -d /srv/fruit verify\n\n"
            "Exit code 3: there is a fault. 5: the database is open elsewhere.",
    .directory = DIRECTORY_PRESENT,
    .run = run_verify};

const struct command command_repair = {
    .name = "repair",
    .arguments = "",
    .summary = "Save what can be read of a damaged database",
    .help = "Writes what can be read, in its order, into fresh logs; the old files are "
            "set aside in DIR/lost, none is deleted. If it is cut off, run it again.\n\n"
            "Example:\n"
            "  $0 -d /srv/fruit repair",
    .directory = DIRECTORY_PRESENT,
    .run = run_repair};

const struct command command_dump = {
    .name = "dump",
    .arguments = "FILE",
    .summary = "Decode one file of a database, line by line",
    .help =
        "Works on any file of a database, also beside a process that has it open, and "
        "on damaged files as far as they can be decoded.\n\n"
        "Example:\n"
        "  $0 dump data/000001.log\n\n"
        "Exit code 3: the file is damaged.",
    .arguments_least = 1,
    .arguments_most = 1,
    .directory = DIRECTORY_UNUSED,
    .run = run_dump};
