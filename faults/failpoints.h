/* The registry of failpoints: one line each, in the order in which the engine's story
 * meets them.
 *
 *   name    as in failpoint(name); libfiu's name of the point is the same text
 *   kind    ERROR: the call at this point can be made to fail
 *           MOMENT: nothing fails; crashes are aimed here
 *   first, last   the stages whose engine passes it (0: no last stage)
 *   story   what has happened and what has not, at that moment
 *
 * The harness fails if a point listed for its stage was never hit; the compiler fails if
 * a point that is hit is not listed. */
#ifndef STRATA_FAILPOINTS_H
#define STRATA_FAILPOINTS_H

#define FAILPOINT_TABLE(X) X(log_create, ERROR, 1, 0, "a new log is about to be created")

enum failpoint {
#define FAILPOINT_MEMBER(name, kind, first, last, story) FAILPOINT_##name,
    FAILPOINT_TABLE(FAILPOINT_MEMBER) FAILPOINT_COUNT
#undef FAILPOINT_MEMBER
};

#endif
