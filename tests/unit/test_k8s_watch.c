/* Watches: what is told, and where they go on after each way of being cut off. */
#include "k8s/k8s_internal.h"
#include "tests/support/api_stub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

struct session {
	struct api_stub *stub;
	struct k8s_config config;
	struct k8s *client;
	struct stop *stop;
	struct buf told;      /* "+a *a -a S T " */
	const char *end_word; /* ends the watch when told */
	char trouble[ERR_TEXT_BYTES];
};

static void begin(struct session *s, const struct api_step *steps, const char *end_word)
{
	*s = (struct session){ .end_word = end_word };
	buf_init(&s->told, 1 << 20);
	s->stub = api_stub_new(false, steps);
	s->config.server = strdup(api_stub_url(s->stub));
	assert_int_equal(config_finish(&s->config, "test", NULL), 0);
	assert_int_equal(k8s_new(&s->config, NULL, &s->client, NULL), 0);
	assert_int_equal(stop_new(NULL, &s->stop, NULL), 0);
}

static void end(struct session *s)
{
	k8s_free(s->client);
	stop_free(s->stop);
	free(s->config.server);
	buf_done(&s->told);
	api_stub_end(s->stub);
}

static int each(void *arg, enum k8s_change change, const cJSON *object, const char *text)
{
	static const char marks[] = { [K8S_ADDED] = '+',
		[K8S_MODIFIED] = '*',
		[K8S_DELETED] = '-',
		[K8S_SYNCED] = 'S',
		[K8S_TROUBLE] = 'T' };
	struct session *s = arg;
	const char *name = json_str(object, "metadata", "name", NULL);
	size_t at = s->told.len;

	assert_int_equal(object != NULL, change <= K8S_DELETED);
	assert_int_equal(text != NULL, change == K8S_TROUBLE);
	if (text)
		snprintf(s->trouble, sizeof(s->trouble), "%s", text);
	buf_addf(&s->told, "%c%s", marks[change], name ? name : "");
	if (s->end_word && !strcmp(s->told.data + at, s->end_word))
		return 1;
	buf_add_str(&s->told, " ");
	return 0;
}

/* Runs until the end word; what was told. */
static const char *watch(struct session *s)
{
	struct err err = { 0 };

	if (k8s_watch(s->client, &k8s_pod, "a", NULL, s->stop, each, s, &err))
		fail_msg("%s", err.text);
	return buf_str(&s->told);
}

static char *list(const char *names, const char *version)
{
	OWN_BUF struct buf text;

	buf_init(&text, 1 << 20);
	buf_addf(&text,
		"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"%s\"},\"items\":[",
		version);
	for (size_t i = 0; names[i]; i++)
		buf_addf(&text, "%s{\"metadata\":{\"name\":\"%c\",\"uid\":\"u%c\"}}", i ? "," : "",
			names[i], names[i]);
	buf_add_str(&text, "]}");
	return api_reply(200, "", buf_str(&text));
}

#define EVENT(type, name, version)                                                           \
	"{\"type\":\"" type "\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"name\":\"" name \
	"\",\"uid\":\"u" name "\",\"resourceVersion\":\"" version "\"}}}\n"
#define BOOKMARK(version)                                                                                  \
	"{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"" version \
	"\"}}}\n"
#define EXPIRED                                                                                   \
	"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":" \
	"\"too old resource version: 1 (294)\",\"reason\":\"Expired\",\"code\":410}}\n"

/* A stream that ends by itself (a whole HTTP answer); without an end when `open`. */
static char *stream(const char *events, bool open)
{
	return str_format("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n%s",
		strlen(events), events, open ? "" : "0\r\n\r\n");
}

#define LIST "GET /api/v1/namespaces/a/pods?limit=500 HTTP"
#define FROM(version)                                                                       \
	"GET /api/v1/namespaces/a/pods?watch=1&allowWatchBookmarks=true&timeoutSeconds=60&" \
	"resourceVersion=" version " HTTP"

/* A stream that ends in good order goes on from its last event or bookmark, and is no trouble. */
static void test_changes(void **state)
{
	OWN_MEM char *all = list("ab", "5"), *last = NULL;
	OWN_MEM char *one = stream(EVENT("ADDED", "c", "6") EVENT("MODIFIED", "a", "7")
					   EVENT("DELETED", "b", "8") BOOKMARK("11"),
		false);
	OWN_MEM char *two = stream(EVENT("ADDED", "d", "12"), false);
	struct api_step steps[] = { { LIST, all, 0 }, { FROM("5"), one, 0 }, { FROM("11"), two, 0 },
		{ FROM("12"), NULL, API_HANG }, { 0 } };
	struct session s;

	(void)state;
	last = stream(EVENT("ADDED", "e", "13"), true);
	steps[3].reply = last;
	begin(&s, steps, "+e");
	assert_string_equal(watch(&s), "+a +b S +c *a -b +d +e");
	end(&s);
}

/* Cut in the middle of a line: half an event is no event; it comes again from the last version. */
static void test_cut_line(void **state)
{
	OWN_MEM char *all = list("a", "5"), *rest = stream(EVENT("ADDED", "c", "7"), true);
	OWN_MEM char *cut = stream(
		EVENT("ADDED", "b", "6") "{\"type\":\"ADDED\",\"object\":{\"me", true);
	struct api_step steps[] = { { LIST, all, 0 }, { FROM("5"), cut, API_CLOSE },
		{ FROM("6"), rest, API_HANG }, { 0 } };
	struct session s;

	(void)state;
	begin(&s, steps, "+c");
	assert_string_equal(watch(&s), "+a S +b T +c");
	end(&s);
}

/* Too old, told inside the stream: all anew, and what vanished meanwhile is told. */
static void test_expired_in_stream(void **state)
{
	OWN_MEM char *all = list("abc", "5"), *old = stream(EXPIRED, false);
	OWN_MEM char *again = list("bd", "50"), *rest = stream(EVENT("ADDED", "e", "51"), true);
	struct api_step steps[] = { { LIST, all, 0 }, { FROM("5"), old, 0 }, { LIST, again, 0 },
		{ FROM("50"), rest, API_HANG }, { 0 } };
	struct session s;
	const char *told;

	(void)state;
	begin(&s, steps, "+e");
	told = watch(&s);
	assert_int_equal(strncmp(told, "+a +b +c S T +b +d -", 20), 0);
	assert_non_null(strstr(told, "-a "));
	assert_non_null(strstr(told, "-c "));
	assert_string_equal(told + strlen(told) - 5, " S +e");
	assert_non_null(strstr(s.trouble, "410 Gone: too old resource version: 1 (294)"));
	end(&s);
}

static void test_expired_by_status(void **state)
{
	OWN_MEM char *all = list("a", "5"), *again = list("b", "6");
	OWN_MEM char *gone = api_reply(410, "", "{\"kind\":\"Status\",\"message\":\"old\"}");
	struct api_step steps[] = { { LIST, all, 0 }, { FROM("5"), gone, 0 }, { LIST, again, 0 },
		{ 0 } };
	struct session s;

	(void)state;
	begin(&s, steps, "-a");
	assert_string_equal(watch(&s), "+a S T +b -a");
	end(&s);
}

/* A list whose token expires on the way counts from its new beginning. */
static void test_list_restart(void **state)
{
	OWN_MEM char *one = api_reply(200, "",
		"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"5\",\"continue\":\"t\"},"
		"\"items\":[{\"metadata\":{\"name\":\"a\",\"uid\":\"ua\"}}]}");
	OWN_MEM char *gone = api_reply(410, "", "{}"), *two = list("b", "9");
	struct api_step steps[] = { { LIST, one, 0 },
		{ "GET /api/v1/namespaces/a/pods?limit=500&continue=t", gone, 0 }, { LIST, two, 0 },
		{ 0 } };
	struct session s;

	(void)state;
	begin(&s, steps, "S");
	assert_string_equal(watch(&s), "+a +b -a S");
	end(&s);
}

/* A list that is cut and read again is told again whole: the watch goes on from the second one's
 * version, and what the first one said may be older. */
static void test_list_cut(void **state)
{
	OWN_MEM char *cut = list("abc", "5"), *all = list("abd", "9");
	struct api_step steps[] = { { LIST, cut, API_CLOSE }, { LIST, all, 0 }, { 0 } };
	struct session s;

	(void)state;
	cut[strlen(cut) - 10] = '\0';
	begin(&s, steps, "S");
	assert_string_equal(watch(&s), "+a +b +a +b +d S");
	end(&s);
}

/* Server trouble: told, waited for, gone on; after three failures in a row everything anew. */
static void test_trouble(void **state)
{
	OWN_MEM char *bad = api_reply(500, "", "{}"), *all = list("a", "5"),
		     *again = list("b", "6");
	OWN_MEM char *error = stream("{\"type\":\"ERROR\",\"object\":{\"code\":504,\"message\":"
				     "\"Timeout: Too large resource version\"}}\n",
		false);
	OWN_MEM char *odd = stream("nonsense\n", false);
	struct api_step steps[] = { { LIST, all, 0 }, { FROM("5"), bad, 0 },
		{ FROM("5"), error, 0 }, { FROM("5"), odd, 0 }, { LIST, again, 0 }, { 0 } };
	struct session s;

	(void)state;
	begin(&s, steps, "-a");
	assert_string_equal(watch(&s), "+a S T T T +b -a");
	assert_non_null(strstr(s.trouble, "a watch event: not JSON"));
	end(&s);
}

/* Bytes without a line's end must not fill the memory. */
static void test_endless_line(void **state)
{
	size_t len = LINE_BYTES + 1000;
	OWN_MEM char *data = malloc(len + 1), *all = list("a", "5"), *again = NULL, *raw = NULL;
	struct session s;

	(void)state;
	memset(data, 'x', len);
	data[len] = '\0';
	raw = stream(data, true);
	again = stream(EVENT("ADDED", "b", "6"), true);
	struct api_step steps[] = { { LIST, all, 0 }, { FROM("5"), raw, API_CLOSE },
		{ FROM("5"), again, API_HANG }, { 0 } };
	begin(&s, steps, "+b");
	assert_string_equal(watch(&s), "+a S T +b");
	assert_non_null(strstr(s.trouble, "more than 8 MiB"));
	end(&s);
}

static void expect_refused(int status, enum err_code code, bool twice)
{
	OWN_MEM char *no = api_reply(status, "", "{\"kind\":\"Status\",\"message\":\"no\"}");
	struct api_step steps[] = { { LIST, no, 0 }, { LIST, twice ? no : NULL, 0 }, { 0 } };
	struct session s;
	struct err err = { 0 };

	begin(&s, steps, NULL);
	assert_int_equal(k8s_watch(s.client, &k8s_pod, "a", NULL, s.stop, each, &s, &err), -1);
	assert_int_equal(err.code, code);
	assert_string_equal(buf_str(&s.told), twice ? "T " : "");
	end(&s);
}

static void test_refused(void **state)
{
	(void)state;
	expect_refused(403, ERR_FORBIDDEN, false);
	expect_refused(404, ERR_NOT_FOUND, false);
	expect_refused(401, ERR_AUTH, true);
}

static void *stop_soon(void *arg)
{
	stop_wait(NULL, 50);
	stop_request(arg, 1);
	return NULL;
}

/* A quiet stream, and a server that is not there: both end with the stop. */
static void test_stopped(void **state)
{
	OWN_MEM char *all = list("a", "5"), *quiet = stream(BOOKMARK("6"), true);
	struct api_step steps[] = { { LIST, all, 0 }, { FROM("5"), quiet, API_HANG }, { 0 } };
	struct session s;
	pthread_t thread;

	(void)state;
	begin(&s, steps, NULL);
	pthread_create(&thread, NULL, stop_soon, s.stop);
	assert_string_equal(watch(&s), "+a S ");
	pthread_join(thread, NULL);
	assert_string_equal(watch(&s), "+a S "); /* stopped already: nothing more */
	end(&s);
	begin(&s, steps + 2, NULL);
	free(s.config.server);
	s.config.server = strdup("http://127.0.0.1:1");
	pthread_create(&thread, NULL, stop_soon, s.stop);
	assert_string_equal(watch(&s), "");
	pthread_join(thread, NULL);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_cut_line),
		cmocka_unit_test(test_expired_in_stream),
		cmocka_unit_test(test_expired_by_status),
		cmocka_unit_test(test_list_restart),
		cmocka_unit_test(test_list_cut),
		cmocka_unit_test(test_trouble),
		cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
