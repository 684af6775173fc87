/*
 * The record of a run: the files in OUT/NAME that the runner writes and reports read.
 *
 * This header is the format, version 1. Journal: one line an event: eight hex digits of CRC-32C
 * over the rest of the line behind the space, a space, one compact JSON object, newline. Every
 * object has `t` (ns since the run began) and `e` (the event's name). Times are ns since the run
 * began (t = 0), durations ns. Readers ignore keys and events that they do not know.
 *
 *  e             keys
 *  run           format:1 id short scenario title file wall (RFC 3339 of t=0) wall_ns tool commit
 *                sha256 seed (decimal string) pid host cluster{kind: none|sandbox|kubeconfig|
 *                in-cluster, context, server, version, namespace} phases{baseline,faults,recovery;
 *                faults 0: until done} artifact_base?
 *  cluster       kind context namespace server version: once it has answered
 *  cookie        name kind mark: plan|begin|end, line, instant:bool, settle
 *  verifier      name kind mark: plan|begin|end, line, finite:bool control:bool period timeout flap
 *                warmup phases[] file (samples file below samples/); a finite one may have several:
 *                one `begin` each (with `workload`: its own title). `end` of a finite one, once
 *                for the whole: ok:bool message (it ended by itself, with success)
 *  expect        of (verifier's or cookie's name) role: verifier|cookie, text, line, default:bool
 *  phase         name: deploy|baseline|faults|recovery|sweep|teardown, mark: begin|end
 *  preflight     ok:bool message                     gate  ok:bool message (steady state, as judged)
 *  deploy.intent name deployer undo{}     deploy.done name ok message
 *  undo.intent   name                     undo.done   name ok kept:bool message
 *  bite.intent   bite ("COOKIE/17") cookie due targets[{kind namespace name uid workload{kind name}}]
 *                undo{}
 *  bite.sent     bite (t: first request sent)        bite.done bite ok message (all acknowledged)
 *  bite.proof    bite verdict: proved|disproved evidence
 *  bite.skip     cookie due reason workload{kind namespace name}?
 *  target        bite target (index) state: gone|replaced|scheduled|ready, name uid (the new one's)
 *  heal.intent   bite      heal.done bite ok message      heal.proof bite evidence
 *  detail        verifier number text
 *  case          verifier name verdict: pass|fail|broken|skip, message text (name: a stable word;
 *                it becomes the JUnit case `VERIFIER sla: NAME`)
 *  clock         wall_ns           note text           signal signal (number) name
 *  error         text (makes the run BROKEN)           sweep ok:bool message left[]
 *  run.end       verdict exit
 */
#ifndef CRUMBLE_BASE_RECORD_H
#define CRUMBLE_BASE_RECORD_H

#include "base/err.h"
#include "base/json.h"
#include "base/outcome.h"

#include <stdbool.h>
#include <stdint.h>

#define RECORD_FORMAT 1

/* ---- journal: written by the recorder's thread alone ---- */

struct journal;

/* Creates DIR/journal.jsonl (it must not exist) and locks it (flock) while open. */
int journal_create(const char *dir, struct journal **ret_journal, struct err *err);
/* Opens an existing one for appending (heal): locked by a live run is ERR_CONFLICT; a torn last
 * line is cut off. */
int journal_open(const char *dir, struct journal **ret_journal, struct err *err);
/* One event, one write(2). `t` must be in it. ERR_IO when the disk is full: nothing is half
 * written (a partial line is cut off again). */
int journal_append(struct journal *journal, const cJSON *event, struct err *err);
/* fdatasync. */
int journal_sync(struct journal *journal, struct err *err);
void journal_close(struct journal *journal);

struct journal_state {
	size_t lines;     /* good ones */
	size_t bad_line;  /* number of the first bad one that is not a torn last one; 0: none */
	bool torn;        /* the last line was torn and is dropped */
	bool locked;      /* a live run holds it */
};

/* Calls `each` for every good event up to the first bad line. `each` returns 0 to go on; anything
 * else ends the reading (not an error). A newer format is ERR_FORMAT. */
int journal_read(const char *dir, int (*each)(void *arg, const cJSON *event), void *arg,
	struct journal_state *ret_state, struct err *err);

/* ---- samples ---- */

#define SAMPLE_NEVER UINT32_C(0xffffffff)
#define SAMPLE_LONG UINT32_C(0xfffffffe) /* over 71 minutes */

enum sample_flag { SAMPLE_NEW_CONNECTION = 1, SAMPLE_RETRIED = 2, SAMPLE_RENEWAL = 4 };

/* The record on disk, little-endian. */
struct sample {
	int64_t due_ns;                     /* since the run began */
	uint32_t sent_us, first_us, done_us; /* after due */
	uint16_t status;                    /* HTTP status, 0: none */
	uint16_t detail;                    /* number of a `detail` event; 0: none */
	uint8_t outcome;                    /* enum outcome */
	uint8_t flags;
	uint16_t reserved;
	uint32_t seq;                       /* 0, 1, 2 ... in due order */
};
_Static_assert(sizeof(struct sample) == 32, "the sample is 32 bytes on disk");

#define SAMPLES_BLOCK 1024
#define SAMPLES_NAME_BYTES 31

/* Microseconds from due to `at` (both clock_now_ns or both since the run began); NEVER when at
 * is 0. */
uint32_t sample_us(int64_t due_ns, int64_t at_ns);

struct samples_writer;
/* `file` is relative to DIR/samples (made when missing). `name` is the verifier's. */
int samples_create(const char *dir, const char *file, const char *name, int64_t wall_t0_ns,
	int64_t period_ns, struct samples_writer **ret_writer, struct err *err);
/* Appends up to SAMPLES_BLOCK records as one block, written whole. */
int samples_append(struct samples_writer *writer, const struct sample *samples, size_t n,
	struct err *err);
void samples_close(struct samples_writer *writer);

struct samples_info {
	char name[SAMPLES_NAME_BYTES];
	int64_t wall_t0_ns, period_ns;
	uint64_t records;     /* good ones delivered */
	uint64_t lost_bytes;  /* in bad or torn blocks, skipped */
	uint64_t lost_records; /* as far as headers and gaps in seq tell */
};

/* Delivers every good record in the order of seq; constant memory. */
int samples_read(const char *dir, const char *file,
	int (*each)(void *arg, const struct sample *sample), void *arg,
	struct samples_info *ret_info, struct err *err);

#endif
