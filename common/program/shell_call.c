#include "shell_call.h"

#include "commands.h"
#include "invocation.h"
#include "memory.h"
#include "output.h"
#include "thread.h"

struct shell_call {
    struct shell_call *next; /* of those that were started */
    struct command_run run;
    struct error error;
    int code;
    struct thread thread;
    char **words; /* copies; NULL: the shell's own are used */
};

bool shell_call_possible(const struct command *command) {
    return (command->directory == DIRECTORY_OPEN ||
            command->directory == DIRECTORY_CREATE ||
            command->directory == DIRECTORY_BESIDE ||
            command->directory == DIRECTORY_LENT) &&
           command->run != command_shell.run;
}

/* Parses the options. False: it is told, and call->code is the exit code. */
static bool prepare(struct shell_call *call, const struct command_run *shell,
                    struct globals *help, const struct command *command, int count,
                    char **words) {
    struct command_run *run = &call->run;
    *run = *shell;
    run->command = command;
    run->count = 0;
    run->error = &call->error;
    run->in_shell = true;
    run->values = memory_take_zeroed(command->values_bytes + 1);
    run->arguments = memory_take_zeroed(sizeof *run->arguments * ((size_t)count + 1));
    if (run->values == NULL || run->arguments == NULL) {
        enum status status =
            error_no_memory(&call->error, "the options", command->values_bytes);
        call->code = invocation_report(run, status, false);
        return false;
    }
    return invocation_parse(run, help, count, words, &call->code);
}

static void carry_out(struct shell_call *call) {
    struct error later = {0};
    enum status status = call->run.command->run(&call->run);
    enum status flushed = output_flush(&later);
    if (status == STATUS_OK && flushed != STATUS_OK) {
        status = flushed;
        call->error = later;
    }
    call->code = status == STATUS_OK ? 0 : invocation_report(&call->run, status, false);
}

static void release(struct shell_call *call) {
    memory_give(call->run.values);
    memory_give(call->run.arguments);
}

int shell_call_now(const struct command_run *shell, struct globals *help,
                   const struct command *command, int count, char **words) {
    struct shell_call call = {0};
    if (prepare(&call, shell, help, command, count, words)) {
        carry_out(&call);
    }
    release(&call);
    return call.code;
}

/* ---- beside others --------------------------------------------------------------- */

/* The pointers and, behind them, the bytes. */
static char **copy_words(int count, char **words) {
    size_t head = sizeof *words * ((size_t)count + 1);
    size_t bytes = head;
    for (int i = 0; i < count; i++) {
        bytes += strlen(words[i]) + 1;
    }
    char **copy = memory_take(bytes);
    char *to = (char *)copy + head;
    for (int i = 0; copy != NULL && i < count; i++) {
        copy[i] = strcpy(to, words[i]);
        to += strlen(to) + 1;
    }
    if (copy != NULL) {
        copy[count] = NULL;
    }
    return copy;
}

static void carry_out_beside(void *argument) {
    carry_out(argument);
}

int shell_call_start(const struct command_run *shell, struct globals *help,
                     const struct command *command, int count, char **words,
                     struct shell_call **calls) {
    struct error error = {0};
    struct command_run run = *shell;
    struct shell_call *call = memory_take_zeroed(sizeof *call);
    char **copy = copy_words(count, words);
    int code = 0;
    run.command = command;
    run.error = &error;
    run.beside = true;
    if (call == NULL || copy == NULL) {
        code = invocation_report(&run, error_no_memory(&error, "a command", sizeof *call),
                                 false);
    } else if (!prepare(call, &run, help, command, count, copy)) {
        code = call->code;
        release(call);
    } else if (thread_create(&call->thread, shell->options->world->threads,
                             carry_out_beside, call) != STATUS_OK) {
        code = invocation_report(&call->run, error_no_memory(&call->error, "a thread", 0),
                                 false);
        release(call);
    } else {
        call->words = copy;
        call->next = *calls;
        *calls = call;
        return 0;
    }
    memory_give(copy);
    memory_give(call);
    return code;
}

int shell_call_wait(struct shell_call **calls) {
    int code = 0;
    while (*calls != NULL) {
        struct shell_call *call = *calls;
        *calls = call->next;
        thread_join(&call->thread);
        code = call->code != 0 ? call->code : code;
        release(call);
        memory_give(call->words);
        memory_give(call);
    }
    return code;
}
