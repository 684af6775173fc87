/*
 * The HTTP loop against a server that misbehaves: every failure in its class, every deadline kept,
 * no secret in a message. The tests about name servers run in a mount namespace of their own (a
 * second process of this program), where resolv.conf names one that never answers.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/http.h"
#include "base/own.h"
#include "base/proc.h"
#include "tests/support/stub_certs.h"
#include "tests/support/stub_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define LONG_MS 60000 /* longer than any test: a deadline that must not be what ends it */

static struct http *http;

static int set_up(void **state)
{
	(void)state;
	return http_new(NULL, &http, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	http_free(http);
	http = NULL;
	return 0;
}

static const struct http_reply *perform(const struct http_request *request)
{
	const struct http_reply *reply = NULL;
	struct err err = { 0 };

	if (http_perform(http, request, NULL, &reply, &err))
		fail_msg("%s", err.text);
	return reply;
}

static const struct http_reply *get(const char *url)
{
	const struct http_request request = { .url = url, .total_ms = LONG_MS };

	return perform(&request);
}

static struct stub *one_row(const struct stub_row *row)
{
	const struct stub_options options = { .rows = row, .n_rows = 1 };

	return stub_new(&options);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void test_reply_whole(void **state)
{
	const struct stub_row row = {
		.status = 429, .headers = "Retry-After: 7\r\nX-Thing: a b\r\n", .body = "hello"
	};
	struct stub *stub = one_row(&row);
	const struct http_reply *r = get(stub_url(stub));

	(void)state;
	assert_int_equal(r->outcome, OUTCOME_OK);
	assert_int_equal(r->status, 429);
	assert_string_equal(r->body, "hello");
	assert_int_equal(r->body_len, 5);
	assert_int_equal(r->retry_after_s, 7);
	assert_string_equal(r->header(r, "x-THING"), "a b");
	assert_null(r->header(r, "X-Other"));
	assert_true(r->new_connection);
	assert_true(r->sent_ns > 0 && r->first_ns >= r->sent_ns && r->done_ns >= r->first_ns);
	assert_string_equal(r->error, "");
	assert_int_equal(http_err_code(r), ERR_API);
	stub_free(stub);
}

static void test_keep_alive(void **state)
{
	struct stub *stub = stub_new(NULL);

	(void)state;
	assert_true(get(stub_url(stub))->new_connection);
	for (int i = 0; i < 5; i++) {
		const struct http_reply *r = get(stub_url(stub));

		assert_int_equal(r->status, 200);
		assert_int_equal(r->retry_after_s, -1);
		assert_false(r->new_connection);
	}
	assert_int_equal(stub_connections(stub), 1);
	assert_int_equal(stub_requests(stub), 6);
	stub_free(stub);
}

static void test_new_connection(void **state)
{
	struct stub *stub = stub_new(NULL);
	const struct http_request fresh = {
		.url = stub_url(stub), .total_ms = LONG_MS, .new_connection = true
	};

	(void)state;
	get(stub_url(stub));
	for (int i = 0; i < 3; i++)
		assert_true(perform(&fresh)->new_connection);
	assert_false(get(stub_url(stub))->new_connection); /* the first one was kept */
	assert_int_equal(stub_connections(stub), 4);
	stub_free(stub);
}

static void test_idle_connection_closed(void **state)
{
	const struct stub_row rows[] = { { .body = "a" }, { .act = STUB_DROP }, { .body = "b" } };
	const struct stub_options options = { .rows = rows, .n_rows = 3 };
	struct stub *stub = stub_new(&options);
	const struct http_request once = {
		.url = stub_url(stub), .total_ms = LONG_MS, .new_connection = true
	};

	(void)state;
	assert_string_equal(get(stub_url(stub))->body, "a");
	assert_int_equal(perform(&once)->outcome, OUTCOME_RESET); /* a new one that drops is told */
	assert_string_equal(get(stub_url(stub))->body, "b");
	stub_free(stub);
}

/* How often the loop wakes within 100 ms. */
static int count_wakes(void)
{
	int64_t until = clock_now_ns() + 100 * NS_PER_MS;
	int wakes = 0;

	for (; clock_now_ns() < until; wakes++)
		http_drive(http, until, NULL);
	return wakes;
}

/* What must not be sent twice is not, whichever way the kept connection breaks; what is known to
 * be closed is not used. The handles are the pool's: each kind of request finds the other's. */
static void test_once(void **state)
{
	const struct stub_row rows[] = { { .body = "a" }, { .act = STUB_DROP }, { .body = "b" },
		{ .act = STUB_RESET },
		{ .act = STUB_RAW,
			.body = "HTTP/1.1 200 OK\r\n"
				"Content-Length: 1\r\n\r\nc" },
		{ .body = "d" }, { .act = STUB_DROP }, { .body = "e" } };
	const struct stub_options options = { .rows = rows, .n_rows = ARRAY_LEN(rows) };
	struct stub *stub = stub_new(&options);
	const struct http_request once = {
		.method = "POST", .url = stub_url(stub), .total_ms = LONG_MS, .once = true
	};
	const struct http_request again = {
		.method = "POST", .url = stub_url(stub), .total_ms = LONG_MS
	};

	(void)state;
	assert_string_equal(perform(&once)->body, "a");
	for (size_t sent = 2; sent <= 4; sent += 2) { /* a close, a reset */
		const struct http_reply *r = perform(&once);

		assert_int_equal(r->outcome, OUTCOME_RESET);
		assert_int_equal(stub_requests(stub), sent);
		assert_non_null(strstr(r->error, ": the "));
		assert_non_null(strstr(r->error, "connection was "));
		if (sent == 2)
			assert_string_equal(perform(&once)->body, "b");
	}
	assert_string_equal(perform(&once)->body, "c"); /* and closed behind it */
	count_wakes();
	assert_string_equal(perform(&once)->body, "d");
	assert_string_equal(perform(&again)->body, "e"); /* dropped once, sent again */
	assert_int_equal(stub_requests(stub), 8);
	stub_free(stub);
}

/* What a server closes behind a reply costs nothing, and the next request is made anew. */
static void test_kept_connection_closes(void **state)
{
	const struct stub_row row = { .act = STUB_RAW,
		.body = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" };
	struct stub *stub = one_row(&row);

	(void)state;
	for (int i = 0; i < 3; i++) {
		const struct http_reply *r = get(stub_url(stub));

		assert_int_equal(r->outcome, OUTCOME_OK);
		assert_true(r->new_connection);
		assert_in_range(count_wakes(), 1, 20);
	}
	stub_free(stub);
}

static void expect_request(struct stub *stub, size_t n, const char *method, const char *body)
{
	const struct stub_request *r = stub_request(stub, n);
	OWN_MEM char *expects = NULL;
	OWN_MEM char *type = NULL;

	assert_non_null(r);
	assert_string_equal(r->method, method);
	assert_string_equal(r->body, body);
	expects = stub_header(r, "Expect");
	assert_null(expects);
	type = stub_header(r, "Content-Type");
	assert_null(type);
}

static void test_methods(void **state)
{
	static const struct {
		const char *method, *body;
	} cases[] = { { "GET", "" }, { "POST", "{\"a\":1}" }, { "PUT", "" }, { "PATCH", "[]" },
		{ "DELETE", "" }, { "DELETE", "{}" }, { "HEAD", "" }, { "POST", "" } };
	struct stub *stub = stub_new(NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct http_request request = { .method = cases[i].method,
			.url = stub_url(stub),
			.body = cases[i].body,
			.body_len = strlen(cases[i].body),
			.total_ms = LONG_MS };
		const struct http_reply *r = perform(&request);

		assert_int_equal(r->outcome, OUTCOME_OK);
		assert_string_equal(r->body, strcmp(cases[i].method, "HEAD") ? "ok" : "");
		expect_request(stub, i, cases[i].method, cases[i].body);
	}
	stub_free(stub);
}

static void test_large_body_both_ways(void **state)
{
	const size_t len = 3000000;
	OWN_MEM char *big = malloc(len + 1);
	struct stub_row row = { .body = big };
	struct stub *stub;

	(void)state;
	memset(big, 'x', len);
	big[len] = '\0';
	stub = one_row(&row);
	const struct http_request request = { .method = "POST",
		.url = stub_url(stub),
		.body = big,
		.body_len = len,
		.total_ms = LONG_MS };
	const struct http_reply *r = perform(&request);

	assert_int_equal(r->body_len, len);
	assert_memory_equal(r->body, big, len);
	assert_int_equal(stub_request(stub, 0)->body_len, len);
	stub_free(stub);
}

static void test_headers_and_bearer(void **state)
{
	static const char *const headers[] = { "Accept: application/json", "X-A: 1", NULL };
	struct stub *stub = stub_new(NULL);
	struct http_request request = {
		.url = stub_url(stub), .headers = headers, .bearer = "s3cret", .total_ms = LONG_MS
	};
	OWN_MEM char *first = NULL;
	OWN_MEM char *second = NULL;
	OWN_MEM char *third = NULL;
	OWN_MEM char *accept = NULL;
	OWN_MEM char *agent = NULL;

	(void)state;
	perform(&request);
	request.bearer = "other";
	perform(&request);
	request.bearer = NULL;
	request.headers = NULL;
	perform(&request);
	first = stub_header(stub_request(stub, 0), "Authorization");
	accept = stub_header(stub_request(stub, 0), "accept");
	agent = stub_header(stub_request(stub, 0), "user-agent");
	second = stub_header(stub_request(stub, 1), "Authorization");
	third = stub_header(stub_request(stub, 2), "Authorization");
	assert_string_equal(first, "Bearer s3cret");
	assert_string_equal(accept, "application/json");
	assert_int_equal(strncmp(agent, "crumble/", 8), 0);
	assert_string_equal(second, "Bearer other");
	assert_null(third); /* nothing of the handle's last request is left */
	stub_free(stub);
}

static void test_redirect_is_an_answer(void **state)
{
	struct stub *other = stub_new(NULL);
	OWN_MEM char *location = str_format("Location: %s/x\r\n", stub_url(other));
	const struct stub_row row = { .status = 302, .headers = location };
	struct stub *stub = one_row(&row);
	const struct http_request request = {
		.url = stub_url(stub), .bearer = "s3cret", .total_ms = LONG_MS
	};

	(void)state;
	assert_int_equal(perform(&request)->status, 302);
	assert_int_equal(stub_connections(other), 0);
	stub_free(stub);
	stub_free(other);
}

static void test_reply_cap(void **state)
{
	const struct stub_row row = { .body = "0123456789" };
	struct stub *stub = one_row(&row);
	struct http_request request = {
		.url = stub_url(stub), .max_reply_bytes = 10, .total_ms = LONG_MS
	};
	const struct http_reply *r = perform(&request);

	(void)state;
	assert_int_equal(r->outcome, OUTCOME_OK);
	assert_string_equal(r->body, "0123456789");
	request.max_reply_bytes = 9;
	r = perform(&request);
	assert_int_equal(r->outcome, OUTCOME_BODY);
	assert_non_null(strstr(r->error, "larger than 9 bytes"));
	assert_int_equal(http_err_code(r), ERR_FORMAT);
	stub_free(stub);
}

/* --- what cannot be asked --------------------------------------------------------------------- */

static void refuse(const struct http_request *request)
{
	const struct http_reply *reply = NULL;
	struct err err = { 0 };

	assert_int_equal(http_perform(http, request, NULL, &reply, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_null(reply);
	assert_int_not_equal(err.text[0], '\0');
	assert_null(strstr(err.text, "s3cret"));
	assert_int_equal(http_pending(http), 0);
}

static void test_bad_requests(void **state)
{
	static const char *const urls[] = { "", "nonsense://x/", "file:///etc/passwd", "http://",
		"http://a b/", "http://u:s3cret@/", "127.0.0.1:80", "http://h:99999/" };
	static const char *const split[] = { "X-A: 1\r\nX-Evil: s3cret", NULL };
	struct stub *stub = stub_new(NULL);
	const struct http_request with_header = { .url = stub_url(stub), .headers = split };
	const struct http_request with_token = { .url = stub_url(stub), .bearer = "s3cret\nX: 1" };
	const struct http_request with_method = { .url = stub_url(stub), .method = "GET /x HTTP" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++)
		refuse(&(struct http_request){ .url = urls[i] });
	refuse(&with_header);
	refuse(&with_token);
	refuse(&with_method);
	assert_int_equal(get(stub_url(stub))->status, 200); /* the handle works on */
	assert_int_equal(stub_requests(stub), 1);
	stub_free(stub);
}

/* --- failures --------------------------------------------------------------------------------- */

static void test_failure_classes(void **state)
{
	static const struct {
		struct stub_row row;
		enum outcome outcome;
		int status;
		const char *words;
	} cases[] = { { { .act = STUB_RESET }, OUTCOME_RESET, 0,
			      "the connection was reset before the answer" },
		{ { .act = STUB_DROP }, OUTCOME_RESET, 0,
			"the connection was closed before the answer" },
		{ { .act = STUB_CUT, .body = "0123456789" }, OUTCOME_RESET, 200,
			"the connection ended before the answer was whole" },
		{ { .act = STUB_RAW, .body = "SSH-2.0-OpenSSH\r\n" }, OUTCOME_BODY, 0,
			"the answer is not HTTP/1" },
		{ { .act = STUB_RAW, .body = "HTTP/1.1 200 OK\r\nContent-Le" }, OUTCOME_RESET, 200,
			NULL },
		{ { .act = STUB_RAW,
			  .body = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				  "2\r\nab\r\n0\r\nX-Late: 1\r\n\r\n" },
			OUTCOME_OK, 200, NULL },
		{ { .act = STUB_RAW,
			  .body = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				  "5\r\nab" },
			OUTCOME_RESET, 200, NULL },
		{ { .act = STUB_RAW, .body = "HTTP/1.0 503 Busy\r\n\r\nbye" }, OUTCOME_OK, 503,
			NULL } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct stub *stub = one_row(&cases[i].row);
		OWN_MEM char *url = str_format(
			"http://me:s3cret@127.0.0.1:%d/path?token=s3cret", stub_port(stub));
		const struct http_request request = {
			.url = url, .bearer = "s3cret", .total_ms = LONG_MS
		};
		const struct http_reply *r = perform(&request);

		print_message(
			"case %zu: %s %d %s\n", i, outcome_name(r->outcome), r->status, r->error);
		assert_int_equal(r->outcome, cases[i].outcome);
		assert_int_equal(r->status, cases[i].status);
		assert_null(strstr(r->error, "s3cret"));
		if (r->outcome != OUTCOME_OK)
			assert_non_null(strstr(r->error, "/path?...: "));
		if (cases[i].words)
			assert_string_equal(strstr(r->error, "...: ") + 5, cases[i].words);
		stub_free(stub);
	}
}

static void test_refused(void **state)
{
	OWN_MEM char *url = str_format("http://127.0.0.1:%d/", stub_refused_port());
	const struct http_reply *r = get(url);
	OWN_MEM char *words = NULL;

	(void)state;
	assert_int_equal(r->outcome, OUTCOME_REFUSED);
	assert_int_equal(r->status, 0);
	assert_int_equal(r->first_ns, 0);
	assert_string_equal(r->body, "");
	assert_null(r->header(r, "Server"));
	assert_int_equal(http_err_code(r), ERR_NET);
	words = str_format(
		"GET %s: connection refused by 127.0.0.1:%s", url, strrchr(url, ':') + 1);
	words[strlen(words) - 1] = '\0'; /* the URL's slash */
	assert_string_equal(r->error, words);
}

static void test_total_deadline(void **state)
{
	static const char *const drops[] = { "a", "b", "c", NULL };
	const struct stub_row rows[] = { { .act = STUB_HANG },
		{ .act = STUB_CHUNKS, .chunks = drops, .endless = true } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct stub *stub = one_row(&rows[i]);
		const struct http_request request = { .url = stub_url(stub), .total_ms = 100 };
		const struct http_reply *r = perform(&request);

		assert_int_equal(r->outcome, OUTCOME_TIMEOUT);
		assert_non_null(strstr(r->error,
			i ? ": no whole answer within 100ms" : ": no answer within 100ms"));
		assert_true(r->done_ns - r->sent_ns >= 100 * NS_PER_MS);
		assert_int_equal(http_err_code(r), ERR_TIMEOUT);
		stub_free(stub);
	}
}

static void test_connect_deadline(void **state)
{
	const struct stub_options options = { .tls = true, .hang_handshake = true };
	struct stub *stub = stub_new(&options);
	const struct http_request request = {
		.url = stub_url(stub), .connect_ms = 100, .total_ms = LONG_MS
	};
	const struct http_reply *r = perform(&request);

	(void)state;
	assert_int_equal(r->outcome, OUTCOME_TIMEOUT);
	assert_non_null(strstr(r->error, "no connection within 100ms"));
	stub_free(stub);
}

/* A connection that stands in time must not be ended by connect_ms. */
static void test_connect_deadline_over(void **state)
{
	const struct stub_row row = { .body = "late", .pause_ms = 200 };
	struct stub *stub = one_row(&row);
	const struct http_request request = { .url = stub_url(stub), .connect_ms = 50 };

	(void)state;
	assert_string_equal(perform(&request)->body, "late");
	stub_free(stub);
}

static int count_bytes(void *arg, const char *data, size_t len)
{
	(void)data;
	*(size_t *)arg += len;
	return 0;
}

static void test_idle_deadline(void **state)
{
	static const char *const drops[] = { "a", "b", "c", "d", "e", "f", NULL };
	const struct stub_row row = {
		.act = STUB_CHUNKS, .chunks = drops, .pause_ms = 100, .endless = true
	};
	struct stub *stub = one_row(&row);
	size_t bytes = 0;
	const struct http_request request = {
		.url = stub_url(stub), .idle_ms = 400, .on_data = count_bytes, .on_data_arg = &bytes
	};
	const struct http_reply *r = perform(&request);

	(void)state;
	assert_int_equal(r->outcome, OUTCOME_TIMEOUT);
	assert_non_null(strstr(r->error, "silence"));
	assert_int_equal(bytes, 6); /* 600 ms of drops were no silence */
	stub_free(stub);
}

/* --- streaming -------------------------------------------------------------------------------- */

static int stop_at_second(void *arg, const char *data, size_t len)
{
	(void)data;
	(void)len;
	return ++*(int *)arg == 2;
}

static void test_stream(void **state)
{
	static const char *const parts[] = { "one\n", "two\n", "three\n", NULL };
	const struct stub_row row = { .act = STUB_CHUNKS, .chunks = parts, .pause_ms = 20 };
	struct stub *stub = one_row(&row);
	size_t bytes = 0;
	int calls = 0;
	struct http_request request = { .url = stub_url(stub),
		.total_ms = LONG_MS,
		.max_reply_bytes = 5, /* is for collected ones only */
		.on_data = count_bytes,
		.on_data_arg = &bytes };
	const struct http_reply *r = perform(&request);

	(void)state;
	assert_int_equal(r->outcome, OUTCOME_OK);
	assert_int_equal(bytes, 14);
	assert_int_equal(r->body_len, 0);
	request.on_data = stop_at_second;
	request.on_data_arg = &calls;
	r = perform(&request);
	assert_int_equal(r->outcome, OUTCOME_CANCELLED);
	assert_int_equal(calls, 2);
	assert_int_equal(http_err_code(r), ERR_STOPPED);
	stub_free(stub);
}

static void test_stream_error_is_collected(void **state)
{
	const struct stub_row row = { .status = 410, .body = "too old" };
	struct stub *stub = one_row(&row);
	size_t bytes = 0;
	const struct http_request request = { .url = stub_url(stub),
		.total_ms = LONG_MS,
		.on_data = count_bytes,
		.on_data_arg = &bytes };
	const struct http_reply *r = perform(&request);

	(void)state;
	assert_string_equal(r->body, "too old");
	assert_int_equal(bytes, 0);
	assert_int_equal(http_err_code(r), ERR_GONE);
	stub_free(stub);
}

/* --- many at once ----------------------------------------------------------------------------- */

struct tally {
	size_t ended, by_outcome[OUTCOME_COUNT];
	const char *again; /* started from inside `done`, once */
};

static void count_end(void *arg, const struct http_reply *reply)
{
	struct tally *tally = arg;
	struct http_request request = { .total_ms = LONG_MS };

	tally->ended++;
	tally->by_outcome[reply->outcome]++;
	request.url = tally->again;
	tally->again = NULL;
	if (request.url)
		assert_int_equal(http_start(http, &request, count_end, tally, NULL, NULL), 0);
}

static struct http_transfer *start(const char *url, int64_t total_ms, struct tally *tally)
{
	const struct http_request request = { .url = url, .total_ms = total_ms };
	struct http_transfer *t;

	assert_int_equal(http_start(http, &request, count_end, tally, &t, NULL), 0);
	return t;
}

/* At most as long as a test may last. */
static void drive_until(const struct tally *tally, size_t n)
{
	int64_t until = clock_now_ns() + LONG_MS * NS_PER_MS;

	while (tally->ended < n && clock_now_ns() < until)
		http_drive(http, until, NULL);
	assert_int_equal(tally->ended, n);
}

static void test_hung_ones_hold_up_nothing(void **state)
{
	const struct stub_row hangs = { .act = STUB_HANG };
	struct stub *deaf = one_row(&hangs), *good = stub_new(NULL);
	struct tally hung = { 0 }, fine = { 0 };

	(void)state;
	for (int i = 0; i < 190; i++)
		start(stub_url(deaf), 1500, &hung);
	for (int i = 0; i < 50; i++) {
		start(stub_url(good), LONG_MS, &fine);
		drive_until(&fine, (size_t)i + 1);
	}
	assert_int_equal(fine.by_outcome[OUTCOME_OK], 50);
	assert_int_equal(stub_connections(good), 1);
	drive_until(&hung, 190);
	assert_int_equal(hung.by_outcome[OUTCOME_TIMEOUT], 190);
	assert_int_equal(http_pending(http), 0);
	stub_free(deaf);
	stub_free(good);
}

static void test_deadlines_in_order(void **state)
{
	const struct stub_row hangs = { .act = STUB_HANG };
	struct stub *stub = one_row(&hangs);
	struct tally tallies[5] = { 0 };
	static const int64_t ms[5] = { 900, 500, 700, 600, 800 };
	static const int order[5] = { 1, 3, 2, 4, 0 };

	(void)state;
	for (int i = 0; i < 5; i++)
		start(stub_url(stub), ms[i], &tallies[i]);
	assert_in_range(count_wakes(), 1, 100); /* waiting is no work */
	for (int i = 0; i < 5; i++) {
		for (int later = i + 1; later < 5; later++)
			assert_int_equal(tallies[order[later]].ended, 0);
		drive_until(&tallies[order[i]], 1);
	}
	stub_free(stub);
}

static void test_start_from_done(void **state)
{
	struct stub *stub = stub_new(NULL);
	struct tally tally = { .again = stub_url(stub) };

	(void)state;
	start(stub_url(stub), LONG_MS, &tally);
	assert_int_equal(tally.ended, 0); /* never from http_start */
	drive_until(&tally, 2);
	assert_int_equal(tally.by_outcome[OUTCOME_OK], 2);
	stub_free(stub);
}

static void test_cancel(void **state)
{
	const struct stub_row hangs = { .act = STUB_HANG };
	struct stub *stub = one_row(&hangs);
	struct tally tally = { 0 };
	struct http_transfer *t = start(stub_url(stub), LONG_MS, &tally);

	(void)state;
	http_cancel(t);
	assert_int_equal(tally.ended, 0);
	http_drive(http, 0, NULL);
	assert_int_equal(tally.by_outcome[OUTCOME_CANCELLED], 1);
	start(stub_url(stub), LONG_MS, &tally);
	http_free(http);
	http = NULL;
	assert_int_equal(tally.by_outcome[OUTCOME_CANCELLED], 2);
	stub_free(stub);
}

static void *request_stop(void *arg)
{
	stop_wait(NULL, 50);
	stop_request(arg, 1);
	return NULL;
}

static void test_stop(void **state)
{
	const struct stub_row hangs = { .act = STUB_HANG };
	struct stub *stub = one_row(&hangs);
	const struct http_request request = { .url = stub_url(stub) };
	const struct http_reply *reply;
	struct stop *stop = NULL;
	struct err err = { 0 };
	pthread_t thread;

	(void)state;
	assert_int_equal(stop_new(NULL, &stop, NULL), 0);
	pthread_create(&thread, NULL, request_stop, stop);
	assert_int_equal(http_perform(http, &request, stop, &reply, &err), -1);
	assert_int_equal(err.code, ERR_STOPPED);
	pthread_join(thread, NULL);
	assert_int_equal(http_perform(http, &request, stop, &reply, &err), -1);
	assert_int_equal(err.code, ERR_STOPPED);
	assert_int_equal(http_drive(http, INT64_MAX, stop), 0);
	assert_int_equal(http_pending(http), 0);
	stop_free(stop);
	stub_free(stub);
}

static void test_drive_waits_until(void **state)
{
	int64_t until = clock_now_ns() + 30 * NS_PER_MS;

	(void)state;
	assert_int_equal(http_drive(http, until, NULL), 0);
	assert_true(clock_now_ns() >= until);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void test_tls_trust(void **state)
{
	const struct stub_options options = { .tls = true };
	struct stub *stub = stub_new(&options);
	char *ca_file = stub_file(stub_ca_pem(stub));
	struct stub_certs other;
	struct http_tls right = { .ca_data = stub_ca_pem(stub) }, file = { .ca_file = ca_file };
	struct http_tls none = { .insecure = true }, wrong = { 0 };
	struct http_request request = { .url = stub_url(stub), .total_ms = LONG_MS };
	const struct http_reply *r;

	(void)state;
	stub_certs_make(NULL, &other);
	wrong.ca_data = other.ca;
	request.tls = &right;
	assert_int_equal(perform(&request)->status, 200);
	request.tls = &wrong; /* must not ride on the connection that `right` made */
	r = perform(&request);
	assert_int_equal(r->outcome, OUTCOME_TLS);
	assert_int_equal(http_err_code(r), ERR_TLS);
	request.tls = NULL;
	assert_int_equal(perform(&request)->outcome, OUTCOME_TLS);
	request.tls = &file;
	assert_int_equal(perform(&request)->status, 200);
	request.tls = &none;
	assert_int_equal(perform(&request)->status, 200);
	request.tls = &wrong;
	assert_int_equal(perform(&request)->outcome, OUTCOME_TLS);
	stub_certs_done(&other);
	stub_file_remove(ca_file);
	stub_free(stub);
}

static void test_tls_same_address_other_trust(void **state)
{
	const struct stub_options options = { .tls = true };
	struct stub *stub = stub_new(&options);
	struct stub_certs other;
	struct http_tls tls = { .ca_data = stub_ca_pem(stub) };
	const struct http_request request = {
		.url = stub_url(stub), .total_ms = LONG_MS, .tls = &tls
	};

	(void)state;
	stub_certs_make(NULL, &other);
	assert_int_equal(perform(&request)->status, 200);
	tls.ca_data = other.ca;
	assert_int_equal(perform(&request)->outcome, OUTCOME_TLS);
	stub_certs_done(&other);
	stub_free(stub);
}

static void test_tls_other_host(void **state)
{
	const struct stub_options options = { .tls = true, .cert_host = "elsewhere.test" };
	struct stub *stub = stub_new(&options);
	const struct http_tls tls = { .ca_data = stub_ca_pem(stub) };
	const struct http_request request = {
		.url = stub_url(stub), .total_ms = LONG_MS, .tls = &tls
	};

	(void)state;
	assert_int_equal(perform(&request)->outcome, OUTCOME_TLS);
	stub_free(stub);
}

static void test_tls_client_certificate(void **state)
{
	const struct stub_options options = { .tls = true, .client_cert = true };
	struct stub *stub = stub_new(&options);
	char *cert_file = stub_file(stub_client_cert_pem(stub));
	char *key_file = stub_file(stub_client_key_pem(stub));
	const struct http_tls data = { .ca_data = stub_ca_pem(stub),
		.cert_data = stub_client_cert_pem(stub),
		.key_data = stub_client_key_pem(stub) };
	const struct http_tls file = {
		.ca_data = stub_ca_pem(stub), .cert_file = cert_file, .key_file = key_file
	};
	const struct http_tls nobody = { .ca_data = stub_ca_pem(stub) };
	const struct http_tls broken = {
		.ca_data = stub_ca_pem(stub), .cert_data = "not PEM", .key_data = "s3cret"
	};
	struct http_request request = { .url = stub_url(stub), .total_ms = LONG_MS };
	const struct http_reply *r;

	(void)state;
	request.tls = &data;
	assert_int_equal(perform(&request)->status, 200);
	request.tls = &file;
	assert_int_equal(perform(&request)->status, 200);
	request.tls = &nobody;
	assert_int_not_equal(perform(&request)->outcome, OUTCOME_OK);
	request.tls = &broken;
	r = perform(&request);
	assert_int_equal(r->outcome, OUTCOME_TLS);
	assert_null(strstr(r->error, "s3cret"));
	stub_file_remove(cert_file);
	stub_file_remove(key_file);
	stub_free(stub);
}

static void test_tls_broken_handshake(void **state)
{
	const struct stub_options resets = { .tls = true, .reset_handshake = true };
	struct stub *stub = stub_new(&resets);
	const struct http_tls tls = { .ca_data = stub_ca_pem(stub) };
	const struct http_request request = {
		.url = stub_url(stub), .total_ms = LONG_MS, .tls = &tls
	};
	const struct http_reply *r = perform(&request);

	(void)state;
	print_message("%s: %s\n", outcome_name(r->outcome), r->error);
	assert_int_equal(r->outcome, OUTCOME_RESET); /* it went away: nothing was wrong with TLS */
	stub_free(stub);
}

static void test_tls_to_plain_server(void **state)
{
	const struct stub_row row = { .act = STUB_RAW, .body = "HTTP/1.1 400 Bad\r\n\r\n" };
	struct stub *stub = one_row(&row);
	OWN_MEM char *url = str_format("https://127.0.0.1:%d/", stub_port(stub));
	const struct http_tls tls = { .insecure = true };
	const struct http_request request = { .url = url, .total_ms = 1000, .tls = &tls };
	const struct http_reply *r = perform(&request);

	(void)state;
	/* the stub reads the ClientHello as a request that never ends */
	assert_int_equal(r->outcome, OUTCOME_TIMEOUT);
	stub_free(stub);
}

/* --- proxies ---------------------------------------------------------------------------------- */

static void test_proxy(void **state)
{
	struct stub *proxy = stub_new(NULL), *direct = stub_new(NULL);
	OWN_MEM char *with_user = str_format("http://me:s3cret@127.0.0.1:%d", stub_port(proxy));
	const struct http_reply *r;

	(void)state;
	setenv("http_proxy", with_user, 1);
	setenv("no_proxy", "127.0.0.1,.inside.test", 1);
	assert_string_equal(get("http://far.test/a")->body, "ok");
	assert_string_equal(stub_request(proxy, 0)->target, "http://far.test/a");
	assert_string_equal(get(stub_url(direct))->body, "ok");
	assert_int_equal(stub_requests(direct), 1);
	assert_int_equal(stub_requests(proxy), 1);
	stub_free(proxy);
	r = get("http://far.test/b");
	assert_int_equal(r->outcome, OUTCOME_REFUSED);
	assert_null(strstr(r->error, "s3cret"));
	unsetenv("http_proxy");
	unsetenv("no_proxy");
	stub_free(direct);
}

static void test_proxy_name(void **state)
{
	const struct http_reply *r;

	(void)state;
	setenv("http_proxy", "http://no-such-proxy.invalid:3128", 1);
	r = get("http://127.0.0.9/a");
	assert_int_equal(r->outcome, OUTCOME_DNS);
	r = get("http://far.test/a");
	assert_int_equal(r->outcome, OUTCOME_DNS);
	assert_non_null(strstr(r->error, "no-such-proxy.invalid"));
	unsetenv("http_proxy");
}

/* --- names ------------------------------------------------------------------------------------ */

static void test_unknown_name(void **state)
{
	const struct http_reply *r = get("http://no-such-host.invalid/");

	(void)state;
	assert_int_equal(r->outcome, OUTCOME_DNS);
	assert_int_equal(http_err_code(r), ERR_DNS);
	assert_non_null(strstr(r->error, ": the name no-such-host.invalid did not resolve: "));
}

static void test_own_mount_namespace(void **state)
{
	const char *const argv[] = { "/proc/self/exe", "--with-silent-resolver", NULL };
	const struct proc_spec spec = { .argv = argv };
	struct err err = { 0 };
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *const real[] = { self, argv[1], NULL };
	struct proc_spec own = spec;

	(void)state;
	assert_true(len > 0);
	self[len] = '\0';
	own.argv = real;
	if (geteuid() != 0) {
		print_message("skipped: a mount namespace with a silent name server needs root\n");
		skip();
	}
	if (proc_run(&own, NULL, LONG_MS, 1 << 20, NULL, &err))
		fail_msg("%s", err.text);
}

static int silent_socket;

/* A name server that listens and never answers; names in a hosts file. */
static int enter_namespace(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(53) };
	char *resolv, *hosts;
	int failed;

	inet_aton("127.0.0.77", &address.sin_addr);
	silent_socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(silent_socket, (struct sockaddr *)&address, sizeof(address)))
		return -1;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	resolv = stub_file("nameserver 127.0.0.77\noptions timeout:30 attempts:1\n");
	hosts = stub_file("127.0.0.1 known.test\n127.0.0.99 two.test\n127.0.0.1 two.test\n");
	failed = mount(resolv, "/etc/resolv.conf", NULL, MS_BIND, NULL) ||
		 mount(hosts, "/etc/hosts", NULL, MS_BIND, NULL);
	stub_file_remove(resolv);
	stub_file_remove(hosts);
	return failed ? -1 : 0;
}

static size_t packets_waiting(void)
{
	char packet[512];
	size_t n = 0;

	while (recv(silent_socket, packet, sizeof(packet), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

static void test_silent_resolver(void **state)
{
	struct stub *good = stub_new(NULL);
	struct tally lost = { 0 }, fine = { 0 };
	const struct http_request request = { .url = "http://silent.test/", .total_ms = 200 };
	const struct http_reply *r;

	(void)state;
	for (int i = 0; i < 30; i++)
		start("http://silent.test/", 500, &lost);
	for (int i = 0; i < 20; i++) {
		start(stub_url(good), LONG_MS, &fine);
		drive_until(&fine, (size_t)i + 1);
	}
	assert_int_equal(
		lost.ended, 0); /* the good ones did not wait for the others' name server */
	drive_until(&lost, 30);
	assert_int_equal(lost.by_outcome[OUTCOME_DNS], 30);
	r = perform(&request);
	assert_int_equal(r->outcome, OUTCOME_DNS);
	assert_non_null(strstr(r->error, "silent.test did not resolve within 200ms"));
	assert_in_range(packets_waiting(), 1, 2); /* one lookup for all 31: A and AAAA */
	stub_free(good);
}

static void test_silent_resolver_connect_deadline(void **state)
{
	const struct http_request request = { .url = "http://silent2.test/", .connect_ms = 100 };
	const struct http_reply *r = perform(&request);

	(void)state;
	assert_int_equal(r->outcome, OUTCOME_DNS);
	assert_non_null(strstr(r->error, "silent2.test did not resolve within 100ms"));
	packets_waiting();
}

static void test_silent_resolver_of_proxy(void **state)
{
	const struct http_request request = { .url = "http://127.0.0.9/", .total_ms = 200 };
	const struct http_reply *r;

	(void)state;
	setenv("http_proxy", "http://silent3.test:3128", 1);
	r = perform(&request);
	unsetenv("http_proxy");
	assert_int_equal(r->outcome, OUTCOME_DNS);
	packets_waiting();
}

static void test_known_names(void **state)
{
	struct stub *stub = stub_new(NULL);
	OWN_MEM char *known = str_format("http://known.test:%d/", stub_port(stub));
	OWN_MEM char *two = str_format("http://two.test:%d/", stub_port(stub));
	struct tally tally = { 0 };

	(void)state;
	for (int i = 0; i < 20; i++)
		start(i % 2 ? known : two, LONG_MS, &tally);
	drive_until(&tally, 20);
	assert_int_equal(tally.by_outcome[OUTCOME_OK], 20); /* two.test: its second address */
	assert_int_equal(stub_requests(stub), 20);
	assert_false(get(known)->new_connection);
	stub_free(stub);
}

static int run_with_silent_resolver(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_silent_resolver, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_silent_resolver_connect_deadline, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_silent_resolver_of_proxy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_known_names, set_up, tear_down),
	};

	if (enter_namespace()) {
		fprintf(stderr, "no mount namespace or no port 53 on 127.0.0.77: %s\n",
			strerror(errno));
		return 1;
	}
	return cmocka_run_group_tests_name("http with a silent name server", tests, NULL, NULL);
}

/* --- codes ------------------------------------------------------------------------------------ */

static void test_err_codes(void **state)
{
	static const struct {
		enum outcome outcome;
		int status;
		enum err_code code;
	} cases[] = { { OUTCOME_OK, 200, ERR_NONE }, { OUTCOME_OK, 204, ERR_NONE },
		{ OUTCOME_OK, 301, ERR_API }, { OUTCOME_OK, 401, ERR_AUTH },
		{ OUTCOME_OK, 403, ERR_FORBIDDEN }, { OUTCOME_OK, 404, ERR_NOT_FOUND },
		{ OUTCOME_OK, 409, ERR_CONFLICT }, { OUTCOME_OK, 410, ERR_GONE },
		{ OUTCOME_OK, 429, ERR_API }, { OUTCOME_OK, 500, ERR_API },
		{ OUTCOME_RESET, 200, ERR_NET }, { OUTCOME_TIMEOUT, 404, ERR_TIMEOUT },
		{ OUTCOME_DNS, 0, ERR_DNS }, { OUTCOME_TLS, 0, ERR_TLS },
		{ OUTCOME_FAILED, 0, ERR_IO } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct http_reply r = { .outcome = cases[i].outcome,
			.status = cases[i].status };

		assert_int_equal(http_err_code(&r), cases[i].code);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reply_whole),
		TEST(test_keep_alive),
		TEST(test_new_connection),
		TEST(test_idle_connection_closed),
		TEST(test_kept_connection_closes),
		TEST(test_once),
		TEST(test_methods),
		TEST(test_large_body_both_ways),
		TEST(test_headers_and_bearer),
		TEST(test_redirect_is_an_answer),
		TEST(test_reply_cap),
		TEST(test_bad_requests),
		TEST(test_failure_classes),
		TEST(test_refused),
		TEST(test_total_deadline),
		TEST(test_connect_deadline),
		TEST(test_connect_deadline_over),
		TEST(test_idle_deadline),
		TEST(test_stream),
		TEST(test_stream_error_is_collected),
		TEST(test_hung_ones_hold_up_nothing),
		TEST(test_deadlines_in_order),
		TEST(test_start_from_done),
		TEST(test_cancel),
		TEST(test_stop),
		TEST(test_drive_waits_until),
		TEST(test_tls_trust),
		TEST(test_tls_same_address_other_trust),
		TEST(test_tls_other_host),
		TEST(test_tls_client_certificate),
		TEST(test_tls_broken_handshake),
		TEST(test_tls_to_plain_server),
		TEST(test_proxy),
		TEST(test_proxy_name),
		TEST(test_unknown_name),
		TEST(test_own_mount_namespace),
		cmocka_unit_test(test_err_codes),
	};

	unsetenv("http_proxy");
	unsetenv("https_proxy");
	unsetenv("all_proxy");
	if (argc > 1 && !strcmp(argv[1], "--with-silent-resolver"))
		return run_with_silent_resolver();
	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
