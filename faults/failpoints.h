/* The registry of failpoints: one line each, in the order in which the engine's story
 * meets them.
 *
 *   name    as in failpoint(name); libfiu's name of the point is the same text
 *   kind    ERROR: the call at this point can be made to fail
 *           MOMENT: nothing fails; crashes are aimed here
 *           SOCKET: as ERROR, where a server meets its clients; stores never pass it
 *           SERVER: as MOMENT, in the story of a server; stores never pass it
 *   first, last   the stages whose engine passes it (0: no last stage)
 *   story   what has happened and what has not, at that moment
 *
 * The harness fails if a point listed for its stage was never hit, and so does
 * tests/08-server/test_socket_faults.c for those of kind SOCKET, test_host_moments.c for
 * those of kind SERVER; the compiler fails if a point that is hit is not listed. */
#ifndef STRATA_FAILPOINTS_H
#define STRATA_FAILPOINTS_H

/* clang-format off */
#define FAILPOINT_TABLE(X) \
    X(log_create, ERROR, 1, 0, "a new log is wanted, nothing of it is there") \
    X(log_created_not_named, MOMENT, 1, 0, \
      "a log and its first mark are written, the directory is not synced") \
    X(log_begun, MOMENT, 1, 0, "a new log is live, the one before may be unsynced") \
    X(log_append, ERROR, 1, 0, "a change is about to be written to the live log") \
    X(log_appended_not_synced, MOMENT, 1, 0, \
      "a change has been handed to the system, no sync covers it") \
    X(log_sync, ERROR, 1, 0, "a log is about to be synced") \
    X(log_old_synced_live_not, MOMENT, 1, 0, \
      "an older log is synced, the live one is not") \
    X(log_synced_not_told, MOMENT, 1, 0, "all logs are synced, D has not moved yet") \
    X(buffer_room, ERROR, 2, 0, "memory for a change is about to be set aside") \
    X(buffer_appended_not_inserted, MOMENT, 2, 0, \
      "a change is in the log and not yet in the memtable") \
    X(buffer_inserted_not_visible, MOMENT, 2, 0, \
      "a change is in the memtable, no reader sees it yet") \
    X(buffer_visible_not_synced, MOMENT, 2, 0, \
      "readers see a change, no sync was asked for it") \
    X(buffer_swapped, MOMENT, 2, 2, \
      "after resume: readers find the new memtable, some may be in the old one") \
    X(buffer_frozen, MOMENT, 3, 0, \
      "a full buffer takes no more changes, the next one has a log of its own") \
    X(table_written_not_synced, MOMENT, 3, 0, \
      "a table is written under a temporary name, not synced") \
    X(table_sync, ERROR, 3, 0, "a table is about to be synced") \
    X(table_name, ERROR, 3, 0, "a synced table is about to get its name") \
    X(table_named_not_synced, MOMENT, 3, 0, \
      "a table has its name, the directory is not synced") \
    X(edit_recorded_not_placed, MOMENT, 3, 0, \
      "a table is in force, readers still find the buffer that it came from") \
    X(view_placed, MOMENT, 3, 0, \
      "readers find the new view, some may be in the old one") \
    X(compaction_begin, ERROR, 5, 0, "a compaction is about to read its tables") \
    X(compaction_output_synced, MOMENT, 5, 0, \
      "a table of a compaction is synced under a temporary name, more may follow") \
    X(compaction_written_not_in_force, MOMENT, 5, 0, \
      "all tables of a compaction are synced, no edit names them") \
    X(log_removed, MOMENT, 3, 0, "one of the logs that tables replace is gone") \
    X(obsolete_removed, MOMENT, 5, 0, "a table that a compaction replaced is gone") \
    X(group_taken_in_not_told, MOMENT, 6, 0, \
      "a group of changes is visible, its writers do not know it yet") \
    X(log_close, ERROR, 1, 0, "the closing mark is written and about to be synced") \
    X(recovery_read, ERROR, 1, 0, "the logs are about to be replayed") \
    X(recovery_rewritten_not_synced, MOMENT, 1, 0, \
      "what followed the last mark is written again, not synced") \
    X(recovery_synced_not_trimmed, MOMENT, 1, 0, \
      "the rewritten changes are durable, and stand in old logs too") \
    X(recovery_trim, ERROR, 1, 0, "an old log is about to be cut or removed") \
    X(repair_saved_not_named, MOMENT, 1, 0, \
      "what a repair could read is written and synced under a temporary name") \
    X(repair_named, MOMENT, 1, 0, \
      "the repair is decided: its file has its name, the old logs are in place") \
    X(repair_moved, MOMENT, 1, 0, \
      "the old logs are set aside, the new one not in place") \
    X(repair_placed, MOMENT, 3, 0, \
      "what a repair wrote has its names, CURRENT is the old one or none") \
    X(manifest_adopting, MOMENT, 4, 0, \
      "CURRENT says LISTING, what is listed is about to go into a first manifest") \
    X(manifest_tables_named, MOMENT, 4, 0, \
      "new tables have durable names, no edit names them") \
    X(manifest_create, ERROR, 4, 0, "a new manifest is wanted, nothing of it is there") \
    X(manifest_created_not_named, MOMENT, 4, 0, \
      "a new manifest is written and synced, its name is not") \
    X(manifest_append, ERROR, 4, 0, "an edit is about to be written to the manifest") \
    X(manifest_appended_not_synced, MOMENT, 4, 0, \
      "an edit has been handed to the system, no sync covers it") \
    X(manifest_sync, ERROR, 4, 0, "the manifest is about to be synced") \
    X(current_write, ERROR, 3, 0, "another CURRENT is wanted, nothing of it is there") \
    X(current_written_not_renamed, MOMENT, 3, 0, \
      "the new CURRENT is synced under a temporary name") \
    X(current_renamed_not_synced, MOMENT, 3, 0, \
      "the new CURRENT has its name, the directory is not synced") \
    X(socket_listen, SOCKET, 8, 0, "an address is about to be listened at") \
    X(socket_accept, SOCKET, 8, 0, "a client waits and is about to be let in") \
    X(loop_watch, SOCKET, 8, 0, "a descriptor is about to be watched") \
    X(socket_read, SOCKET, 8, 0, "a client's bytes are about to be read") \
    X(socket_write, SOCKET, 8, 0, "replies are about to be sent") \
    X(replied_not_held, SERVER, 8, 0, \
      "a tick's changes are written and replied to, no sync was asked for") \
    X(notice_asked_not_told, SERVER, 8, 0, \
      "replies are held, the store knows up to which change") \
    X(notice_told_not_released, SERVER, 8, 0, \
      "changes are durable, the replies that wait for that are still held") \
    X(job_done_not_returned, SERVER, 8, 0, \
      "a worker has carried out a command, the client's loop does not know") \
    X(stop_begun, SERVER, 8, 0, "nobody is let in any more, nobody was told to go") \
    X(clients_gone_not_synced, SERVER, 8, 0, \
      "all clients have gone, what they wrote last is not synced") \
    X(store_resumed_not_told, SERVER, 8, 0, \
      "the store takes writes again, loops take it for broken") \
    X(settings_written_not_named, SERVER, 8, 0, \
      "a new file of settings is synced under a temporary name")
/* clang-format on */

enum failpoint {
#define FAILPOINT_MEMBER(name, kind, first, last, story) FAILPOINT_##name,
    FAILPOINT_TABLE(FAILPOINT_MEMBER) FAILPOINT_COUNT
#undef FAILPOINT_MEMBER
};

#endif
