/*
 * How samples get into the record: samples files with their `verifier` begin and end events, and
 * the numbers of a verifier's error texts. The open-loop core and finite verifiers (Rally) write
 * through it alike. Each object belongs to one thread at a time; nothing here fails: what cannot
 * be written is the recorder's own `error` event.
 */
#ifndef CRUMBLE_VERIFIERS_STREAM_H
#define CRUMBLE_VERIFIERS_STREAM_H

#include "base/record.h"
#include "verifiers/sink.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- error texts: one table a verifier, shared by all its streams ---- */

#define DETAILS_MAX 1000 /* distinct texts; one more number stands for "other" */
#define DETAIL_BYTES 256

struct details;

/* `verifier` is copied. NULL when there is no memory. */
struct details *details_new(struct sink *sink, const char *verifier);
void details_free(struct details *details);
/* The number of a text for struct sample's `detail`; 0 for NULL and "". A text that is new (after
 * ids and numbers in it are collapsed) is told to the sink once: as it was, but for what may be a
 * token ("ID") and what cannot be shown. */
uint16_t details_number(struct details *details, const char *text);
/* What is counted as distinct: UUIDs and hex or random words become "ID", numbers "N" (the status
 * behind "HTTP " stays), control characters spaces, bytes that are no UTF-8 "?". */
void details_collapse(const char *text, char ret_text[DETAIL_BYTES]);

/* ---- one samples file ---- */

#define STREAM_WHOLE (-1) /* the verifier has no workloads: one file */

struct stream_spec {
	const char *verifier; /* its name */
	const char *kind;
	int workload;         /* 0, 1, ...: "VERIFIER.N.samples"; STREAM_WHOLE: "VERIFIER.samples" */
	const char *title;    /* of the workload; NULL: none */
	int64_t period_ns;    /* 0: closed loop */
	int64_t timeout_ns;   /* 0: none */
	bool finite, control;
	unsigned phases;      /* PHASE_* bits */
};

struct stream;

/* Opens the file and tells `begin`. The spec is copied. NULL when there is no memory. */
struct stream *stream_open(struct sink *sink, const struct stream_spec *spec);
/* Adds one; a full block goes to the sink at once. A caller that adds slowly calls stream_flush at
 * stream_due_ns, so that no sample waits for longer than a second. */
void stream_add(struct stream *stream, const struct sample *sample);
/* When the samples that wait are to be flushed (clock_now_ns); INT64_MAX: none waits. */
int64_t stream_due_ns(const struct stream *stream);
void stream_flush(struct stream *stream);
/* Flushes, tells `end` of a sampled verifier, frees. The `end` of a finite one comes once for all
 * its streams, with its result, from whoever runs it. NULL is fine. */
void stream_close(struct stream *stream);

#endif
