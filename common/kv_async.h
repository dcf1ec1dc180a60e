/* Changes that nobody waits for: submit one, go on, and be told when it is as durable as
 * was asked (from stage 06). So an event loop never waits for a sync:
 *
 *     static void tell(void *context, uint64_t sequence, enum status status,
 *                      const struct error *error) {
 *         struct request *request = context;       // the loop's, until it is told
 *         request->status = status;
 *         queue_push(&request->loop->told, request);         // a queue with a lock
 *         eventfd_write(request->loop->eventfd, 1);          // wakes epoll_wait
 *     }
 *     …
 *     const struct kv_write_options how = {.durability = DURABILITY_ALWAYS,
 *                                          .no_wait = true};
 *     status = kv_submit(kv, ops, count, &how, tell, request, &error);
 *     if (status == STATUS_STALLED) { … later again … } */
#ifndef STRATA_KV_ASYNC_H
#define STRATA_KV_ASYNC_H

#include "kv.h"

/* So many changes of a store may be submitted and not yet told of. */
enum { KV_SUBMITTED_MAX = 16384 };

/* OK: the change that ends with `sequence` (0: it was empty), and with it all before it,
 * is as durable as asked.
 * Otherwise that failed, and error says how; the change is visible, and as with kv_write
 * it is unknown whether it survives. The error lives until the call returns.
 *
 * It is called by a thread of the store, which tells of all changes, so it should be
 * short. It may call functions of the store, but not kv_close or kv_resume, and kv_submit
 * only with no_wait. */
typedef void kv_told(void *context, uint64_t sequence, enum status status,
                     const struct error *error);

/* As kv_write, but it returns when W has passed the change, which is then visible;
 * options->sequence tells its last sequence. If it returns OK, `told` is called exactly
 * once: before kv_close returns, and for changes of one durability in the order of their
 * sequences; with DURABILITY_NONE, and for an empty change, by the calling thread before
 * kv_submit returns. If it returns an error, `told` is never called.
 *
 * With options->no_wait it never waits for a flush or a compaction, nor where as many
 * changes as may be are submitted already: then it is STALLED, and nothing of it is
 * written. UNSUPPORTED before stage 06. */
MUST_CHECK enum status kv_submit(struct kv *kv, const struct kv_op *ops, size_t count,
                                 const struct kv_write_options *options, kv_told *told,
                                 void *context, struct error *error);

/* As kv_submit with no_wait, but without a change: `told` is called once all changes up
 * to `sequence`, whoever wrote them, are as durable as changes of that durability. So one
 * who writes much with DURABILITY_NONE, or answers reads, asks once for the greatest
 * sequence that he wrote or observed, and holds back his answers until he is told. With
 * DURABILITY_INTERVAL the changes are synced within interval_millis from then on.
 *
 * If they are so already, it is told by the calling thread before kv_notify returns.
 * Notices are told in no order. After a fail-stop those up to D are told well, others are
 * refused. STALLED: as many as may be wait already; INVALID: nothing of that sequence was
 * written. UNSUPPORTED before stage 06. */
MUST_CHECK enum status kv_notify(struct kv *kv, uint64_t sequence,
                                 enum durability durability, kv_told *told, void *context,
                                 struct error *error);

#endif
