/* How samples get into the record: blocks of samples, and the events around them. */
#include "verifiers/stream.h"

#include "base/clock.h"
#include "base/own.h"
#include "verifiers/verifier.h"

#include <string.h>

#define FLUSH_NS (NS_PER_S / 2) /* half of the second that the record promises */

struct stream {
	struct sink *sink;
	int number; /* the sink's; -1: it could not be made */
	bool finite, control;
	unsigned phases;
	int workload;
	int64_t period_ns, timeout_ns, oldest_ns;
	char verifier[SAMPLES_NAME_BYTES], kind[32], file[SAMPLES_NAME_BYTES + 24];
	char *title;
	size_t n;
	struct sample block[SAMPLES_BLOCK];
};

static void add_phases(cJSON *event, unsigned phases)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = { { PHASE_BASELINE, "baseline" }, { PHASE_FAULTS, "faults" },
		{ PHASE_RECOVERY, "recovery" } };
	cJSON *list = cJSON_AddArrayToObject(event, "phases");

	for (size_t i = 0; list && i < ARRAY_LEN(names); i++)
		if (phases & names[i].bit)
			cJSON_AddItemToArray(list, cJSON_CreateString(names[i].name));
}

static void tell(const struct stream *stream, const char *mark)
{
	cJSON *event = json_object("e", "verifier", "name", stream->verifier, "kind", stream->kind,
		"mark", mark, "file", stream->file, NULL);

	if (!event)
		return;
	cJSON_AddBoolToObject(event, "finite", stream->finite);
	cJSON_AddBoolToObject(event, "control", stream->control);
	json_add_int(event, "period", stream->period_ns);
	json_add_int(event, "timeout", stream->timeout_ns);
	add_phases(event, stream->phases);
	json_add_str(event, "workload", stream->title);
	stream->sink->event(stream->sink, event);
}

static void set_file(struct stream *stream)
{
	if (stream->workload == STREAM_WHOLE)
		snprintf(stream->file, sizeof(stream->file), "%s.samples", stream->verifier);
	else
		snprintf(stream->file, sizeof(stream->file), "%s.%d.samples", stream->verifier,
			stream->workload);
}

struct stream *stream_open(struct sink *sink, const struct stream_spec *spec)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->sink = sink;
	stream->finite = spec->finite;
	stream->control = spec->control;
	stream->phases = spec->phases;
	stream->workload = spec->workload;
	stream->period_ns = spec->period_ns;
	stream->timeout_ns = spec->timeout_ns;
	snprintf(stream->verifier, sizeof(stream->verifier), "%s", spec->verifier);
	snprintf(stream->kind, sizeof(stream->kind), "%s", spec->kind);
	set_file(stream);
	if (spec->title)
		stream->title = strdup(spec->title);
	stream->number = sink->open(sink, stream->file, stream->verifier, stream->period_ns);
	tell(stream, "begin");
	return stream;
}

void stream_add(struct stream *stream, const struct sample *sample)
{
	if (!stream->n)
		stream->oldest_ns = clock_now_ns();
	stream->block[stream->n++] = *sample;
	if (stream->n == SAMPLES_BLOCK)
		stream_flush(stream);
}

int64_t stream_due_ns(const struct stream *stream)
{
	return stream->n ? stream->oldest_ns + FLUSH_NS : INT64_MAX;
}

void stream_flush(struct stream *stream)
{
	if (stream->n && stream->number >= 0)
		stream->sink->samples(stream->sink, stream->number, stream->block, stream->n);
	stream->n = 0;
}

void stream_close(struct stream *stream)
{
	if (!stream)
		return;
	stream_flush(stream);
	if (!stream->finite)
		tell(stream, "end");
	free(stream->title);
	free(stream);
}
