/* repair for a database of logs (kv_repair in kv.h): saves every change that can be read,
 * also behind damage, where recovery by its rules would stop.
 *
 *   1. save     NNNNNN.dbtmp: the changes in the order of their sequences, numbered anew
 *               from 1, with marks; synced
 *   2. decide   renamed to NNNNNN.repaired, directory synced      (COMMIT POINT)
 *   3. move     the old logs go to DIR/lost, both directories synced
 *   4. place    renamed to NNNNNN.log, directory synced
 *
 * A crash before the commit point leaves the database as it was; after it, open refuses
 * until repair is run again and goes on from step 3. */
#ifndef STRATA_REPAIR_H
#define STRATA_REPAIR_H

#include "kv.h"

MUST_CHECK enum status log_repair(const char *dir, const struct kv_options *options,
                                  kv_report *report, void *context, struct error *error);

#endif
