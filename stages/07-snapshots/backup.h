/* A row of backups, and the way back (kv_checkpoint.h has the layout). */
#ifndef STRATA_BACKUP_H
#define STRATA_BACKUP_H

#include "kv_checkpoint.h"

/* As store_ops has them. */
enum status engine_backup(void *engine, const char *backups,
                          const struct kv_copy_options *options, uint64_t *number,
                          struct error *error);
enum status backups_list(const char *backups, const struct kv_options *options,
                         kv_backup_visitor *visit, void *context, struct error *error);
enum status backup_restore(const char *backup, const char *target,
                           const struct kv_options *options,
                           const struct kv_copy_options *copy, struct error *error);

#endif
