/* verify for a database of logs (kv_verify in kv.h): reads every log to its end, past
 * damage too, and judges it as recovery would. What recovery would drop without harm, the
 * unsynced tail that a crash leaves, is reported and is no fault. */
#ifndef STRATA_VERIFY_H
#define STRATA_VERIFY_H

#include "replay.h"
#include "report.h"

/* The logs of a held directory, those that `which` names. CORRUPT: with the first fault
 * as the message, after all were reported. */
MUST_CHECK enum status verify_logs(const struct directory *directory,
                                   const struct replay_options *which,
                                   const struct report *report, struct error *error);

MUST_CHECK enum status log_verify(const char *dir, const struct kv_options *options,
                                  kv_report *report, void *context, struct error *error);

#endif
