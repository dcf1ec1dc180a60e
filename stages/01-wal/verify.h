/* verify for a database of logs (kv_verify in kv.h): reads every log to its end, past
 * damage too, and judges it as recovery would. What recovery would drop without harm, the
 * unsynced tail that a crash leaves, is reported and is no fault. */
#ifndef STRATA_VERIFY_H
#define STRATA_VERIFY_H

#include "kv.h"

MUST_CHECK enum status log_verify(const char *dir, const struct kv_options *options,
                                  kv_report *report, void *context, struct error *error);

#endif
