/* One sample, from its slot to its record: the step machine's requests, one after the other, under
 * one deadline that counts from the moment the first was sent. */
#include "verifiers/sampler.h"

#include "base/clock.h"
#include "base/own.h"

#include <stddef.h>
#include <string.h>

static void flight_step(struct flight *flight, const struct http_reply *reply);

int flights_new(struct track *track, struct err *err)
{
	size_t n = track->v->concurrency, align = _Alignof(max_align_t);
	size_t size = (track->v->ops->state_size + align) / align * align;

	track->flights = calloc(n, sizeof(*track->flights));
	track->states = calloc(n, size);
	if (!track->flights || !track->states)
		return err_set(err, ERR_NOMEM, "no memory for %zu requests", n);
	for (size_t i = n; i-- > 0;) {
		struct flight *flight = &track->flights[i];

		flight->track = track;
		flight->state = track->states + i * size;
		flight->next_free = track->free;
		track->free = flight;
	}
	return 0;
}

void flights_free(struct track *track)
{
	free(track->flights);
	free(track->states);
}

/* ---- its end ---- */

struct ending {
	enum outcome outcome;
	const char *detail;
	int64_t done_ns; /* 0: never */
	bool renewal;
};

static void record(const struct flight *flight, const struct ending *end)
{
	struct track *track = flight->track;
	struct sample sample = {
		.due_ns = flight->due_ns - track->sampler->sink->t0_ns,
		.sent_us = sample_us(flight->due_ns, flight->sent_ns),
		.first_us = sample_us(flight->due_ns, flight->first_ns),
		.done_us = sample_us(flight->due_ns, end->done_ns),
		.status = flight->status,
		.outcome = (uint8_t)end->outcome,
		.seq = flight->seq,
	};

	if (end->outcome != OUTCOME_OK)
		sample.detail = details_number(track->details, end->detail);
	if (flight->new_connection)
		sample.flags |= SAMPLE_NEW_CONNECTION;
	if (end->renewal)
		sample.flags |= SAMPLE_RENEWAL;
	stream_add(track->stream, &sample);
	live_result(track, flight->seq, end->outcome, flight->sent_ns,
		end->done_ns ? end->done_ns - flight->due_ns : 0);
}

static void flight_end(struct flight *flight, const struct ending *end)
{
	struct track *track = flight->track;

	if (flight->trial) {
		track->tried = end->outcome;
		snprintf(track->tried_detail, sizeof(track->tried_detail), "%s", end->detail);
	} else {
		record(flight, end);
	}
	flight->next_free = track->free;
	track->free = flight;
	track->in_flight--;
	track->sampler->in_flight--;
	track->sampler->tend |= track->over;
}

void flight_none(struct track *track, int64_t due_ns, uint32_t seq, enum outcome outcome)
{
	struct flight none = { .track = track, .due_ns = due_ns, .seq = seq };

	live_due(track, seq, due_ns);
	record(&none, &(struct ending){ .outcome = outcome, .detail = "" });
}

/* ---- its requests ---- */

static void replied(void *arg, const struct http_reply *reply)
{
	struct flight *flight = arg;
	enum outcome outcome = reply->outcome;

	flight->transfer = NULL;
	if (!flight->first_ns)
		flight->first_ns = reply->first_ns;
	if (reply->status)
		flight->status = (uint16_t)reply->status;
	if (reply->new_connection)
		flight->new_connection = true;
	if (outcome == OUTCOME_OK) {
		flight_step(flight, reply);
		return;
	}
	/* only a run that is stopped cancels; a check that breaks off its own reply has failed */
	if (outcome == OUTCOME_CANCELLED && !flight->track->sampler->cancelling)
		outcome = OUTCOME_FAILED;
	flight_end(flight,
		&(struct ending){
			.outcome = outcome, .detail = reply->error, .done_ns = reply->done_ns });
}

static void request_failed(struct flight *flight, const struct err *err)
{
	/* what cannot be sent for want of memory is the runner's own fault, not the service's */
	enum outcome outcome = err->code == ERR_NOMEM ? OUTCOME_MISSED : OUTCOME_FAILED;

	flight_end(flight, &(struct ending){ .outcome = outcome,
				   .detail = err->text,
				   .done_ns = outcome == OUTCOME_FAILED ? clock_now_ns() : 0 });
}

static void start(struct flight *flight, struct http_request *request)
{
	struct track *track = flight->track;
	int64_t now_ns = clock_now_ns(), left_ns;
	struct err err;

	if (!flight->sent_ns)
		flight->sent_ns = now_ns;
	left_ns = flight->sent_ns + track->v->timeout_ns - now_ns;
	if (track->sampler->cancelling || left_ns <= 0) {
		flight_end(flight, &(struct ending){ .outcome = left_ns <= 0 ? OUTCOME_TIMEOUT
									     : OUTCOME_CANCELLED,
					   .detail = "no time was left for the next request",
					   .done_ns = now_ns });
		return;
	}
	request->total_ms = (left_ns + NS_PER_MS - 1) / NS_PER_MS;
	request->connect_ms = request->total_ms;
	request->new_connection = track->v->connection == CONNECTION_NEW;
	request->once = true;
	if (http_start(track->sampler->http, request, replied, flight, &flight->transfer, &err))
		request_failed(flight, &err);
}

static void flight_step(struct flight *flight, const struct http_reply *reply)
{
	struct track *track = flight->track;
	struct http_request request = { 0 };
	struct step_result result;

	result.outcome = OUTCOME_FAILED;
	result.detail[0] = '\0';
	result.renewal = false;
	if (track->v->ops->step(track->session, flight->state, reply, &request, &result) ==
		STEP_REQUEST) {
		start(flight, &request);
		return;
	}
	flight_end(flight, &(struct ending){ .outcome = result.outcome,
				   .detail = result.detail,
				   .done_ns = reply ? reply->done_ns : clock_now_ns(),
				   .renewal = result.renewal });
}

void flight_begin(struct track *track, int64_t due_ns, uint32_t seq, bool trial)
{
	struct flight *flight = track->free;

	track->free = flight->next_free;
	track->in_flight++;
	track->sampler->in_flight++;
	flight->transfer = NULL;
	flight->due_ns = due_ns;
	flight->sent_ns = flight->first_ns = 0;
	flight->seq = seq;
	flight->status = 0;
	flight->new_connection = false;
	flight->trial = trial;
	memset(flight->state, 0, track->v->ops->state_size);
	if (!trial)
		live_due(track, seq, due_ns);
	flight_step(flight, NULL);
}

void flights_cancel(struct sampler *sampler)
{
	for (size_t i = 0; i < sampler->n_tracks; i++) {
		struct track *track = &sampler->tracks[i];

		for (size_t k = 0; k < track->v->concurrency; k++)
			if (track->flights[k].transfer)
				http_cancel(track->flights[k].transfer);
	}
}
