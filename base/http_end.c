/*
 * How a transfer goes on and ends: with curl's result, with a name's lookup, at a deadline of ours
 * or cancelled; then back into the pool.
 */
#include "base/http_impl.h"

#include "base/clock.h"

#include <netdb.h>
#include <string.h>

#define KEEP_BODY_BYTES ((size_t)64 << 10) /* a pooled transfer keeps no more than this */

/* --- the end of a transfer -------------------------------------------------------------------- */

void http_recycle(struct http_transfer *t)
{
	if (t->body.size > KEEP_BODY_BYTES)
		buf_done(&t->body);
	if (t->payload.size > KEEP_BODY_BYTES)
		buf_done(&t->payload);
	if (t->resolved) {
		curl_easy_setopt(t->easy, CURLOPT_RESOLVE, NULL);
		curl_slist_free_all(TAKE(t->resolved));
	}
	t->next = t->http->pool;
	t->http->pool = t;
}

void http_release_held(struct http *http)
{
	if (http->held)
		http_recycle(TAKE(http->held));
}

static void leave_multi(struct http_transfer *t)
{
	if (t->in_multi)
		curl_multi_remove_handle(t->http->multi, t->easy);
	t->in_multi = false;
}

/* Tells whoever waits for it; t is the pool's afterwards. */
void http_finish(struct http_transfer *t, enum outcome outcome)
{
	struct http *http = t->http;
	struct http_reply reply;

	leave_multi(t);
	http_heap_remove(http, t);
	t->active = false;
	http_reply_fill(t, outcome, &reply);
	t->done(t->arg, &reply);
	if (!t->hold) {
		http_recycle(t);
		return;
	}
	http_release_held(http);
	http->held = t;
	http->held_reply = reply;
}

int http_enter_multi(struct http_transfer *t)
{
	t->intercepted = false;
	t->in_multi = curl_multi_add_handle(t->http->multi, t->easy) == CURLM_OK;
	return t->in_multi ? 0 : -1;
}

/* --- names ------------------------------------------------------------------------------------ */

/* curl wanted to look up a name: by its result for the proxy or for the host itself. */
static void await_name(struct http_transfer *t, CURLcode code)
{
	const char *name = code == CURLE_COULDNT_RESOLVE_PROXY ? t->proxy : t->host;

	leave_multi(t);
	t->lookup_allowed = true;
	if (*name) {
		t->lookup = http_resolver_ask(t->http->resolver, name);
		if (t->lookup)
			return;
		http_explain(t, "no thread to look up %s", name);
	} else if (!http_enter_multi(t)) {
		return; /* an address after all */
	} else {
		http_explain(t, "libcurl did not take the request again");
	}
	http_finish(t, OUTCOME_FAILED);
}

/* Goes on with a transfer whose name was looked up. */
static bool resume(struct http_transfer *t, const struct http_lookup *lookup)
{
	long port = strcmp(lookup->host, t->host) ? t->proxy_port : t->port;

	t->lookup = NULL;
	if (!lookup->error && !http_transfer_resolved(t, lookup->host, port, lookup->addresses) &&
		!http_enter_multi(t))
		return false;
	if (lookup->error)
		http_explain(t, "the name %s did not resolve: %s", lookup->host,
			gai_strerror(lookup->error));
	else
		http_explain(t, "libcurl did not take the request again");
	http_finish(t, lookup->error ? OUTCOME_DNS : OUTCOME_FAILED);
	return true;
}

int http_end_lookups(struct http *http)
{
	struct http_lookup *lookup;
	int ended = 0;

	while ((lookup = http_resolver_next(http->resolver))) {
		/* a callback may start and end others: begin again after each that ended */
		for (size_t i = 0; i < http->n_active; i++)
			if (http->heap[i]->lookup == lookup && resume(http->heap[i], lookup)) {
				ended++;
				i = (size_t)-1;
			}
		free(lookup);
	}
	return ended;
}

/* --- deadlines and results -------------------------------------------------------------------- */

static curl_off_t time_of(const struct http_transfer *t, CURLINFO which)
{
	curl_off_t us = 0;

	if (t->in_multi)
		curl_easy_getinfo(t->easy, which, &us);
	return us;
}

static void finish_late(struct http_transfer *t, int64_t limit_ms, const char *what)
{
	bool naming = t->lookup || (t->curl_looks_up && (*t->host || *t->proxy) &&
					   !time_of(t, CURLINFO_NAMELOOKUP_TIME_T));
	char limit[32];

	http_show_ms(limit_ms, limit);
	if (naming)
		http_explain(t, "the name %s did not resolve within %s",
			t->lookup ? t->lookup->host : t->host, limit);
	else
		http_explain(t, "%s within %s", what, limit);
	http_finish(t, naming ? OUTCOME_DNS : OUTCOME_TIMEOUT);
}

/* Looks at a transfer whose time has come. True: it ended. */
static bool look_at(struct http_transfer *t, int64_t now)
{
	bool connected = time_of(t, CURLINFO_PRETRANSFER_TIME_T) > 0;

	if (t->cancelled) {
		http_explain(t, "cancelled");
		http_finish(t, OUTCOME_CANCELLED);
		return true;
	}
	if (t->total_at <= now) {
		finish_late(t, t->total_ms,
			!connected    ? "no connection"
			: t->first_ns ? "no whole answer"
				      : "no answer");
		return true;
	}
	if (t->connect_at && t->connect_at <= now) {
		if (!connected) {
			finish_late(t, t->connect_ms, "no connection");
			return true;
		}
		t->connect_at = 0;
	}
	if (t->idle_ms > 0 && !connected) {
		t->last_ns = now; /* silence counts from the connection on */
	} else if (t->idle_ms > 0 && t->last_ns + t->idle_ms * NS_PER_MS <= now) {
		finish_late(t, t->idle_ms, "silence: not one byte");
		return true;
	}
	http_schedule(t);
	return false;
}

int http_expire(struct http *http)
{
	int64_t now = clock_now_ns();
	int ended = 0;

	while (http->n_active && http->heap[0]->wake_ns <= now)
		ended += look_at(http->heap[0], now);
	return ended;
}

int http_collect(struct http *http)
{
	int ended = 0, left;
	CURLMsg *message;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		struct http_transfer *t = NULL;
		CURLcode code = message->data.result;
		enum outcome outcome;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
		if (t->intercepted && (code == CURLE_COULDNT_RESOLVE_HOST ||
					      code == CURLE_COULDNT_RESOLVE_PROXY)) {
			await_name(t, code);
			continue;
		}
		outcome = t->cancelled ? OUTCOME_CANCELLED : http_classify(t, code);
		if (outcome == OUTCOME_CANCELLED)
			http_explain(t, "cancelled");
		else if (outcome != OUTCOME_OK)
			http_explain_code(t, code, outcome);
		http_finish(t, outcome);
		ended++;
	}
	return ended;
}
