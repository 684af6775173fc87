/* Lists and tables: pages, cuts, tokens that expire, servers without tables, and memory. */
#include "k8s/k8s_internal.h"
#include "tests/support/api_stub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <sys/resource.h>

struct session {
	struct api_stub *stub;
	struct k8s_config config;
	struct k8s *client;
	struct buf told; /* "a,b," */
	int stop_after;  /* 0: never */
	int n;
};

static void begin(struct session *s, const struct api_step *steps)
{
	*s = (struct session){ 0 };
	buf_init(&s->told, 1 << 20);
	s->stub = api_stub_new(false, steps);
	s->config.server = strdup(api_stub_url(s->stub));
	assert_int_equal(config_finish(&s->config, "test", NULL), 0);
	assert_int_equal(k8s_new(&s->config, NULL, &s->client, NULL), 0);
}

static void end(struct session *s)
{
	k8s_free(s->client);
	free(s->config.server);
	buf_done(&s->told);
	api_stub_end(s->stub);
}

static int each(void *arg, const cJSON *item)
{
	struct session *s = arg;

	buf_addf(&s->told, "%s,", json_str(item, "metadata", "name", NULL));
	return ++s->n == s->stop_after;
}

static int each_row(void *arg, const char *const *cells)
{
	struct session *s = arg;

	buf_addf(&s->told, "%s|%s|%s|%s,", cells[0], cells[1], cells[2], cells[3]);
	return ++s->n == s->stop_after;
}

static const char *const columns[] = { "Name", "Ready", "Status", "Unknown", NULL };

/* A page with items of these one-letter names. */
static char *page_text(const char *names, const char *token)
{
	OWN_BUF struct buf text;

	buf_init(&text, 1 << 20);
	buf_addf(&text,
		"{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{"
		"\"resourceVersion\":\"9\",\"continue\":\"%s\"},\"items\":[",
		token);
	for (size_t i = 0; names[i]; i++)
		buf_addf(&text, "%s{\"metadata\":{\"name\":\"%c\",\"uid\":\"u%c\"}}", i ? "," : "",
			names[i], names[i]);
	buf_add_str(&text, "]}");
	return buf_take(&text);
}

static char *page(const char *names, const char *token)
{
	OWN_MEM char *text = page_text(names, token);

	return api_reply(200, "", text);
}

/* The same, cut off in the middle of the last item. */
static char *cut_page(const char *names, const char *token)
{
	char *raw = page(names, token);

	raw[strlen(raw) - 10] = '\0';
	return raw;
}

static char *recorded_body(const char *name, char first)
{
	OWN_MEM char *path = str_format("%s/samples/kubernetes/%s.txt", TESTS_DIR, name);
	OWN_MEM char *text = NULL;
	char *body, mark[] = { '\n', first, '\0' }, *last;

	assert_int_equal(buf_read_file(path, 1 << 20, &text, NULL, NULL), 0);
	body = strstr(text, mark);
	assert_non_null(body);
	last = strrchr(body, '}');
	last[1] = '\0';
	return strdup(body + 1);
}

static char *recorded(const char *name, int status)
{
	OWN_MEM char *body = recorded_body(name, '{');

	return api_reply(status, "", body);
}

#define PODS "GET /api/v1/namespaces/a/pods?"

static void test_pages(void **state)
{
	OWN_MEM char *one = page("ab", "t/1="), *two = page("", "t2"), *three = page("c", "");
	struct api_step steps[] = {
		{ PODS "limit=2&labelSelector=app%3Dx&fieldSelector=f%21%3Dy HTTP", one, 0 },
		{ PODS "limit=2&labelSelector=app%3Dx&fieldSelector=f%21%3Dy&continue=t%2F1%3D HTTP",
			two, 0 },
		{ PODS "limit=2&labelSelector=app%3Dx&fieldSelector=f%21%3Dy&continue=t2 HTTP",
			three, 0 },
		{ 0 }
	};
	struct k8s_select select = { .labels = "app=x", .fields = "f!=y", .limit = 2 };
	OWN_MEM char *version = NULL;
	struct session s;

	(void)state;
	begin(&s, steps);
	assert_int_equal(k8s_list(s.client, &k8s_pod, "a", &select, each, &s, &version, NULL), 0);
	assert_string_equal(buf_str(&s.told), "a,b,c,");
	assert_string_equal(version, "9");
	end(&s);
}

static void test_recorded_pages(void **state)
{
	OWN_MEM char *one = recorded("list-page-1", 200), *two = recorded("list-page-2", 200);
	struct api_step steps[] = { { "GET /api/v1/configmaps?limit=500 HTTP", one, 0 },
		{ "GET /api/v1/configmaps?limit=500&continue=", two, 0 }, { 0 } };
	struct session s;

	(void)state;
	begin(&s, steps);
	s.stop_after = 4;
	assert_int_equal(k8s_list(s.client, &k8s_configmap, NULL, NULL, each, &s, NULL, NULL), 0);
	assert_non_null(strstr(buf_str(&s.told), "page-1,page-2,"));
	end(&s);
}

/* The token expired: the list begins anew. Without one, 410 is an error. */
static void test_expired(void **state)
{
	OWN_MEM char *one = page("ab", "t"), *gone = recorded("list-continue-410", 410);
	OWN_MEM char *all = page("abc", "");
	struct api_step steps[] = { { PODS "limit=500 HTTP", one, 0 },
		{ PODS "limit=500&continue=t HTTP", gone, 0 }, { PODS "limit=500 HTTP", all, 0 },
		{ PODS, gone, 0 }, { 0 } };
	struct session s;
	struct err err;

	(void)state;
	begin(&s, steps);
	assert_int_equal(k8s_list(s.client, &k8s_pod, "a", NULL, each, &s, NULL, &err), 0);
	assert_string_equal(buf_str(&s.told), "a,b,a,b,c,");
	assert_int_equal(k8s_list(s.client, &k8s_pod, "a", NULL, each, &s, NULL, &err), -1);
	assert_int_equal(err.code, ERR_GONE);
	end(&s);
}

/* A server that expires every token must not keep us for ever. */
static void test_always_expired(void **state)
{
	OWN_MEM char *one = page("a", "t"), *gone = recorded("list-continue-410", 410);
	struct api_step steps[] = { { PODS, one, 0 }, { PODS, gone, 0 }, { PODS, one, 0 },
		{ PODS, gone, 0 }, { PODS, one, 0 }, { PODS, gone, 0 }, { PODS, one, 0 },
		{ PODS, gone, 0 }, { PODS, one, 0 }, { PODS, gone, 0 }, { PODS, one, 0 },
		{ PODS, gone, 0 }, { 0 } };
	struct session s;
	struct err err;

	(void)state;
	begin(&s, steps);
	assert_int_equal(k8s_list(s.client, &k8s_pod, "a", NULL, each, &s, NULL, &err), -1);
	assert_int_equal(err.code, ERR_GONE);
	end(&s);
}

/* A page that is cut is read again, and every item told once. */
static void test_cut(void **state)
{
	OWN_MEM char *cut = cut_page("abcd", "t"), *one = page("abxd", "t"), *two = page("e", "");
	struct api_step steps[] = { { PODS "limit=500 HTTP", cut, API_CLOSE },
		{ PODS "limit=500 HTTP", one, 0 }, { PODS "limit=500&continue=t HTTP", two, 0 },
		{ 0 } };
	struct session s;
	struct err err;

	(void)state;
	begin(&s, steps);
	assert_int_equal(k8s_list(s.client, &k8s_pod, "a", NULL, each, &s, NULL, &err), 0);
	assert_string_equal(buf_str(&s.told), "a,b,c,x,d,e,");
	end(&s);
}

/* What is no list is never an empty one. */
static void test_no_list(void **state)
{
	OWN_MEM char *html = api_reply(200, "", "<html>"), *empty = api_reply(200, "", "");
	OWN_MEM char *object = api_reply(200, "", "{\"kind\":\"Pod\"}");
	OWN_MEM char *half = api_reply(200, "", "{\"metadata\":{},\"items\":[");
	OWN_MEM char *loop = page("", "t");
	struct api_step steps[] = { { PODS, html, 0 }, { PODS, empty, 0 }, { PODS, object, 0 },
		{ PODS, half, 0 }, { PODS, loop, 0 }, { PODS, loop, 0 }, { 0 } };
	struct session s;
	struct err err;

	(void)state;
	begin(&s, steps);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(k8s_list(s.client, &k8s_pod, "a", NULL, each, &s, NULL, &err), -1);
		assert_int_equal(err.code, ERR_FORMAT);
		assert_non_null(strstr(err.text, "/api/v1/namespaces/a/pods: "));
	}
	assert_int_equal(s.n, 0);
	end(&s);
}

/* ---- tables ---- */

static void test_table(void **state)
{
	OWN_MEM char *table = recorded("list-pods-table-none", 200);
	OWN_MEM char *rest = api_reply(200, "",
		"{\"kind\":\"Table\",\"metadata\":{},\"columnDefinitions\":null,"
		"\"rows\":[{\"cells\":[\"z\",7,null]},{\"cells\":[\"y\"]}]}");
	struct api_step steps[] = { { PODS "limit=5000&includeObject=None&labelSelector=l HTTP",
					    table, 0 },
		{ PODS "limit=5000&includeObject=None&labelSelector=l&continue=eyJ2", rest, 0 },
		{ 0 } };
	struct k8s_select select = { .labels = "l" };
	struct session s;
	struct err err;

	(void)state;
	begin(&s, steps);
	assert_int_equal(
		k8s_list_table(s.client, &k8s_pod, "a", &select, columns, each_row, &s, &err), 0);
	assert_string_equal(buf_str(&s.told),
		"bench-0000-000000000|1/1|Running|,bench-0000-09e3779b1|1/1|Running|,"
		"bench-0000-13c6ef362|1/1|Running|,z|7||,y|||,");
	assert_non_null(strstr(api_stub_log(s.stub),
		"\r\nAccept: application/json;as=Table;g=meta.k8s.io;v=v1,application/json\r\n"));
	end(&s);
}

/* A server without tables: the same rows from the plain list. */
static void test_table_of_objects(void **state)
{
	OWN_MEM char *ready = recorded_body("pod-ready", '{'), *raw = NULL;
	OWN_MEM char *ending = recorded_body("pod-terminating", '{');
	OWN_MEM char *list = str_format(
		"{\"kind\":\"PodList\",\"metadata\":{},\"items\":[%s,%s]}", ready, ending);
	struct session s;
	struct err err;

	(void)state;
	raw = api_reply(200, "", list);
	struct api_step steps[] = { { PODS, raw, 0 }, { 0 } };
	begin(&s, steps);
	assert_int_equal(
		k8s_list_table(s.client, &k8s_pod, "a", NULL, columns, each_row, &s, &err), 0);
	assert_non_null(strstr(buf_str(&s.told), "ready|1/1|Running|,"));
	assert_non_null(strstr(buf_str(&s.told), "|1/1|Terminating|,"));
	assert_int_equal(s.n, 2);
	end(&s);
}

static void test_table_without_columns(void **state)
{
	OWN_MEM char *raw = api_reply(
		200, "", "{\"kind\":\"Table\",\"metadata\":{},\"rows\":[{\"cells\":[\"z\"]}]}");
	struct api_step steps[] = { { PODS, raw, 0 }, { 0 } };
	struct session s;
	struct err err;

	(void)state;
	begin(&s, steps);
	assert_int_equal(
		k8s_list_table(s.client, &k8s_pod, "a", NULL, columns, each_row, &s, &err), -1);
	assert_int_equal(err.code, ERR_FORMAT);
	end(&s);
}

/* ---- size ---- */

static void test_big_object(void **state)
{
	size_t len = 2 << 20;
	OWN_MEM char *data = malloc(len + 1), *text = NULL, *raw = NULL;
	struct session s;
	struct err err;

	(void)state;
	memset(data, 'x', len);
	data[len] = '\0';
	text = str_format(
		"{\"metadata\":{},\"items\":[{\"metadata\":{\"name\":\"big\",\"uid\":\"u\"},"
		"\"data\":\"%s\"}]}",
		data);
	raw = api_reply(200, "", text);
	struct api_step steps[] = { { PODS, raw, 0 }, { 0 } };
	begin(&s, steps);
	assert_int_equal(k8s_list(s.client, &k8s_pod, "a", NULL, each, &s, NULL, &err), 0);
	assert_string_equal(buf_str(&s.told), "big,");
	end(&s);
}

static int count(void *arg, const char *array, const cJSON *item)
{
	(void)array;
	*(int *)arg += json_str(item, "metadata", "uid", NULL) != NULL;
	return 0;
}

static long peak_kb(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* 20,000 pods of a real size in one list, 150 MB: no more memory than for 200. */
static void test_memory(void **state)
{
	OWN_MEM char *pod = recorded_body("pod-ready", '{');
	static const char start[] = "{\"metadata\":{},\"items\":[";
	struct stream *stream;
	long before = 0;
	int told = 0;

	(void)state;
	assert_int_equal(stream_new(count, &told, &stream, NULL), 0);
	assert_int_equal(stream_feed(stream, start, strlen(start)), 0);
	for (int i = 0; i < 20000; i++) {
		if (i)
			assert_int_equal(stream_feed(stream, ",", 1), 0);
		assert_int_equal(stream_feed(stream, pod, strlen(pod)), 0);
		if (i == 200)
			before = peak_kb();
	}
	assert_int_equal(stream_feed(stream, "]}", 2), 0);
	assert_int_equal(stream_finish(stream, NULL), 0);
	stream_free(stream);
	assert_int_equal(told, 20000);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(peak_kb() - before < 4096);
#else
	(void)before; /* a sanitizer keeps what was freed */
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_recorded_pages),
		cmocka_unit_test(test_expired),
		cmocka_unit_test(test_always_expired),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_no_list),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_of_objects),
		cmocka_unit_test(test_table_without_columns),
		cmocka_unit_test(test_big_object),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
