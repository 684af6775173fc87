/*
 * The client against a server that plays a script: what is sent, what is tried again and what
 * never is, and what people are told. Replies are those that a real server gave.
 */
#include "base/clock.h"
#include "k8s/k8s_internal.h"
#include "tests/support/api_stub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

/* A recorded reply as raw bytes with a length of its own, to be freed. */
static char *recorded(const char *name)
{
	OWN_MEM char *path = str_format("%s/samples/kubernetes/%s.txt", TESTS_DIR, name);
	OWN_MEM char *text = NULL, *headers = NULL;
	char *head, *body, *line;
	int status;

	assert_int_equal(buf_read_file(path, 1 << 20, &text, NULL, NULL), 0);
	head = strstr(text, "HTTP/1.1 ");
	assert_non_null(head);
	status = atoi(head + 9);
	body = strstr(head, "\n\n");
	assert_non_null(body);
	*body = '\0';
	line = strstr(head, "Retry-After: ");
	headers = str_format("%.*s%s", line ? (int)strcspn(line, "\n") : 0, line ? line : "",
		line ? "\r\n" : "");
	return api_reply(status, headers, body + 2);
}

struct session {
	struct api_stub *stub;
	struct k8s_config config;
	struct k8s *client;
};

static void begin(struct session *s, bool tls, const struct api_step *steps)
{
	*s = (struct session){ 0 };
	s->stub = api_stub_new(tls, steps);
	s->config.server = strdup(api_stub_url(s->stub));
	if (tls)
		s->config.ca_data = strdup(api_stub_ca(s->stub));
	assert_int_equal(config_finish(&s->config, "test", NULL), 0);
	assert_int_equal(k8s_new(&s->config, NULL, &s->client, NULL), 0);
}

/* The client first: what it holds open would keep nobody, but the order is the real one. */
static void end(struct session *s)
{
	k8s_free(s->client);
	free(s->config.server);
	free(s->config.ca_data);
	free(s->config.token);
	free(s->config.token_file);
	free(s->config.cert_data);
	free(s->config.key_data);
	free(s->config.context);
	api_stub_end(s->stub);
}

static void has(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("\"%s\" lacks \"%s\"", text, words);
}

static void ok(int result, const struct err *err)
{
	if (result)
		fail_msg("%s", err->text);
}

static void has_not(const char *text, const char *words)
{
	if (strstr(text, words))
		fail_msg("\"%s\" has \"%s\"", text, words);
}

#define OBJECT \
	"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\",\"namespace\":\"a\"}}"

/* ---- what an answer means ---- */

static void test_statuses(void **state)
{
	static const struct {
		const char *file;
		enum err_code code;
		const char *words;
	} answers[] = {
		{ "error-400", ERR_API, ": 400 Bad Request: Pod in version \"v1\" cannot be" },
		{ "error-401", ERR_AUTH, ": 401 Unauthorized (the credentials of context ctx" },
		{ "error-403", ERR_FORBIDDEN,
			": 403 Forbidden: pods is forbidden: User \"alice\"" },
		{ "error-404", ERR_NOT_FOUND, ": 404 Not Found: pods \"nothing\" not found" },
		{ "error-409-exists", ERR_CONFLICT,
			": 409 Conflict: namespaces \"default\" already" },
		{ "error-422", ERR_API, ": 422 Unprocessable Entity: ConfigMap \"Not_Valid\"" },
		{ "eviction-pdb-429", ERR_API,
			"429 Too Many Requests: Cannot evict pod as it would violate the pod's "
			"disruption budget.; The disruption budget web needs 3 healthy pods" },
		{ "list-continue-410", ERR_GONE, ": 410 Gone: The provided continue" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		OWN_MEM char *raw = recorded(answers[i].file), *expected = NULL;
		struct api_step steps[] = { { "GET /api/v1/namespaces/a/pods/x HTTP", raw, 0 },
			{ 0 } };
		struct session s;
		struct err err = { 0 };
		cJSON *object = NULL;

		begin(&s, false, steps);
		s.config.context = strdup("ctx");
		assert_int_equal(k8s_get(s.client, &k8s_pod, "a", "x", &object, &err), -1);
		assert_null(object);
		assert_int_equal(err.code, answers[i].code);
		expected = str_format("GET %s/api/v1/namespaces/a/pods/x: ", s.config.server);
		assert_int_equal(strncmp(err.text, expected, strlen(expected)), 0);
		has(err.text, answers[i].words);
		has_not(err.text, "\n");
		end(&s);
	}
}

static void test_get_and_version(void **state)
{
	OWN_MEM char *pod = recorded("pod-ready"), *version = recorded("version"), *text = NULL;
	struct api_step steps[] = { { "GET /version HTTP", version, API_KEEP },
		{ "GET /api/v1/namespaces/samples/pods/ready HTTP", pod, API_KEEP }, { 0 } };
	struct session s;
	OWN_JSON cJSON *object = NULL;

	(void)state;
	begin(&s, true, steps);
	assert_int_equal(k8s_version(s.client, &text, NULL), 0);
	assert_string_equal(text, "v1.37.2");
	assert_int_equal(k8s_get(s.client, &k8s_pod, "samples", "ready", &object, NULL), 0);
	assert_true(k8s_pod_ready(object));
	has(api_stub_log(s.stub), "\r\nUser-Agent: crumble/");
	has(api_stub_log(s.stub), "\r\nAccept: application/json\r\n");
	end(&s);
}

/* A reply that is no API server's is never taken for one. */
static void test_no_api_server(void **state)
{
	OWN_MEM char *html = api_reply(200, "", "<html>login</html>");
	OWN_MEM char *other = api_reply(200, "", "{\"hello\":1}"), *text = NULL;
	struct api_step steps[] = { { NULL, html, 0 }, { NULL, other, 0 }, { 0 } };
	struct session s;
	struct err err;

	(void)state;
	begin(&s, false, steps);
	assert_int_equal(k8s_version(s.client, &text, &err), -1);
	assert_int_equal(err.code, ERR_FORMAT);
	assert_int_equal(k8s_version(s.client, &text, &err), -1);
	has(err.text, "is this an API server?");
	end(&s);
}

/* ---- trust and credentials ---- */

static void test_wrong_ca(void **state)
{
	struct api_step steps[] = { { 0 } };
	OWN_MEM char *cert = NULL, *key = NULL, *text = NULL;
	struct session s;
	struct err err;

	(void)state;
	begin(&s, true, steps);
	api_stub_certificate("other", &cert, &key);
	s.config.tls.ca_data = cert;
	assert_int_equal(k8s_version(s.client, &text, &err), -1);
	assert_int_equal(err.code, ERR_TLS);
	end(&s);
}

static void test_insecure_and_client_certificate(void **state)
{
	OWN_MEM char *version = recorded("version"), *text = NULL;
	struct api_step steps[] = { { "GET /version", version, 0 }, { 0 } };
	struct session s;

	(void)state;
	begin(&s, true, steps);
	free(s.config.ca_data);
	s.config.ca_data = NULL;
	s.config.insecure = true;
	api_stub_certificate("somebody", &s.config.cert_data, &s.config.key_data);
	assert_int_equal(config_finish(&s.config, "test", NULL), 0);
	assert_int_equal(k8s_version(s.client, &text, NULL), 0);
	has(api_stub_log(s.stub), " cert=somebody");
	end(&s);
}

/* A rotated token is read again after a 401, at once and once. */
static void test_token_file(void **state)
{
	OWN_MEM char *refused = recorded("error-401"), *version = recorded("version");
	struct api_step steps[] = { { "GET /version", version, 0 }, { "GET /version", refused, 0 },
		{ "GET /version", version, 0 }, { "GET /version", refused, 0 }, { 0 } };
	char path[] = "/tmp/crumble-token-XXXXXX";
	OWN_FD int fd = mkstemp(path);
	struct session s;
	struct err err;
	char *text;

	(void)state;
	begin(&s, true, steps);
	s.config.token_file = strdup(path);
	assert_int_equal(write(fd, "first\n", 6), 6);
	assert_int_equal(k8s_version(s.client, &text, NULL), 0);
	free(text);
	assert_int_equal(pwrite(fd, "other\n", 6, 0), 6);
	assert_int_equal(k8s_version(s.client, &text, &err), 0);
	free(text);
	assert_int_equal(k8s_version(s.client, &text, &err), -1);
	assert_int_equal(err.code, ERR_AUTH);
	has(err.text, "expired?");
	has_not(err.text, "other");
	has(api_stub_log(s.stub), "\r\nAuthorization: Bearer first\r\n");
	has(api_stub_log(s.stub), "\r\nAuthorization: Bearer other\r\n");
	unlink(path);
	end(&s);
}

static void test_no_token_over_plain_http(void **state)
{
	OWN_MEM char *version = recorded("version"), *text = NULL;
	struct api_step steps[] = { { "GET /version", version, 0 }, { 0 } };
	struct session s;

	(void)state;
	begin(&s, false, steps);
	s.config.token = strdup("secret");
	assert_int_equal(k8s_version(s.client, &text, NULL), 0);
	has_not(api_stub_log(s.stub), "secret");
	end(&s);
}

/* ---- again, and not again ---- */

static void test_flow_control(void **state)
{
	OWN_MEM char *busy = recorded("flowcontrol-429"), *pod = api_reply(201, "", OBJECT);
	struct api_step steps[] = { { "POST /api/v1/namespaces/a/pods HTTP", busy, 0 },
		{ "POST /api/v1/namespaces/a/pods HTTP", pod, 0 }, { 0 } };
	OWN_JSON cJSON *object = NULL, *made = NULL;
	struct session s;
	int64_t began = clock_now_ns();

	(void)state;
	begin(&s, false, steps);
	assert_int_equal(json_parse("x", OBJECT, strlen(OBJECT), &object, NULL), 0);
	assert_int_equal(k8s_create(s.client, object, "other", &made, NULL), 0);
	assert_string_equal(json_str(made, "metadata", "name", NULL), "x");
	/* never before the second that the server asked for */
	assert_true(clock_now_ns() - began >= NS_PER_S);
	end(&s);
}

static void test_server_errors(void **state)
{
	OWN_MEM char *bad = api_reply(500, "", "{\"kind\":\"Status\",\"message\":\"boom\"}");
	OWN_MEM char *gateway = api_reply(503, "", "no healthy upstream\r\n");
	OWN_MEM char *pod = api_reply(200, "", OBJECT);
	struct api_step steps[] = { { "GET", bad, API_CLOSE }, { "GET", gateway, API_CLOSE },
		{ "GET", "", API_CLOSE },
		{ "GET", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", API_CLOSE },
		{ "GET", pod, 0 }, { "POST", bad, 0 }, { "POST", gateway, 0 },
		{ "POST", "", API_CLOSE }, { "PATCH", bad, 0 }, { "PATCH", bad, 0 },
		{ "PATCH", pod, 0 }, { 0 } };
	OWN_JSON cJSON *object = NULL;
	struct session s;
	struct err err;

	(void)state;
	begin(&s, false, steps);
	ok(k8s_get(s.client, &k8s_pod, "a", "x", &object, &err), &err);
	/* what may have been carried out is not sent again */
	assert_int_equal(k8s_create(s.client, object, NULL, NULL, &err), -1);
	has(err.text, ": 500 Internal Server Error: boom");
	assert_int_equal(k8s_create(s.client, object, NULL, NULL, &err), -1);
	has(err.text, ": 503 Service Unavailable: no healthy upstream");
	assert_int_equal(k8s_create(s.client, object, NULL, NULL, &err), -1);
	assert_int_equal(err.code, ERR_NET);
	assert_int_equal(
		k8s_patch(s.client, &k8s_pod, "a", "x", NULL, "json", object, NULL, &err), -1);
	assert_int_equal(
		k8s_patch(s.client, &k8s_pod, "a", "x", "scale", "merge", object, NULL, &err), 0);
	has(api_stub_log(s.stub), "Content-Type: application/json-patch+json\r\n");
	has(api_stub_log(s.stub), "/pods/x/scale HTTP/1.1\r\n");
	has(api_stub_log(s.stub), "Content-Type: application/merge-patch+json\r\n");
	assert_int_equal(
		k8s_patch(s.client, &k8s_pod, "a", "x", NULL, "odd", object, NULL, &err), -1);
	assert_int_equal(err.code, ERR_BUG);
	end(&s);
}

static void test_unreachable(void **state)
{
	struct session s;
	struct api_step steps[] = { { 0 } };
	struct err err;
	char *text = NULL;

	(void)state;
	begin(&s, false, steps);
	free(s.config.server);
	s.config.server = strdup("http://127.0.0.1:1");
	assert_int_equal(k8s_version(s.client, &text, &err), -1);
	assert_int_equal(err.code, ERR_NET);
	has(err.text, "GET http://127.0.0.1:1/version: ");
	has(err.text, "(3 tries)");
	end(&s);
}

static void *stop_soon(void *arg)
{
	stop_wait(NULL, 50);
	stop_request(arg, 15);
	return NULL;
}

/* A stop ends a request that hangs, and a pause between tries. */
static void test_stopped(void **state)
{
	OWN_MEM char *busy = api_reply(429, "Retry-After: 20\r\n", "later");
	struct api_step steps[] = { { "GET", "", API_HANG }, { "GET", busy, 0 }, { 0 } };
	struct session s;

	(void)state;
	begin(&s, false, steps);
	for (int i = 0; i < 2; i++) {
		struct stop *stop;
		struct err err;
		pthread_t thread;
		cJSON *object;

		assert_int_equal(stop_new(NULL, &stop, NULL), 0);
		k8s_set_stop(s.client, stop);
		pthread_create(&thread, NULL, stop_soon, stop);
		assert_int_equal(k8s_get(s.client, &k8s_pod, "a", "x", &object, &err), -1);
		assert_int_equal(err.code, ERR_STOPPED);
		pthread_join(thread, NULL);
		k8s_set_stop(s.client, NULL);
		stop_free(stop);
	}
	end(&s);
}

/* ---- delete ---- */

static void test_delete(void **state)
{
	OWN_MEM char *done = recorded("pod-delete-response");
	OWN_MEM char *conflict = recorded("delete-uid-precondition-409");
	OWN_MEM char *missing = recorded("error-404"), *bad = api_reply(500, "", "{}");
	struct api_step steps[] = { { "DELETE /api/v1/namespaces/a/pods/x HTTP", done, 0 },
		{ "DELETE", done, 0 },
		/* refused at first sight */
		{ "DELETE", conflict, 0 }, { "DELETE", missing, 0 },
		/* the answer is lost, with a uid: again, and gone means done */
		{ "DELETE", "", API_CLOSE }, { "DELETE", missing, 0 }, { "DELETE", bad, 0 },
		{ "DELETE", conflict, 0 },
		/* without one: perhaps it was carried out, and the name is another's by now */
		{ "DELETE", "", API_CLOSE }, { 0 } };
	struct k8s_delete by_uid = { .uid = "u-1", .grace_s = 0, .propagation = "Background" };
	struct k8s_delete plain = { .grace_s = -1 };
	struct session s;
	struct err err;

	(void)state;
	begin(&s, false, steps);
	ok(k8s_delete(s.client, &k8s_pod, "a", "x", &by_uid, &err), &err);
	has(api_stub_log(s.stub), "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\","
				  "\"preconditions\":{\"uid\":\"u-1\"},\"gracePeriodSeconds\":0,"
				  "\"propagationPolicy\":\"Background\"}");
	assert_int_equal(k8s_delete(s.client, &k8s_pod, "a", "x", &plain, &err), 0);
	has(api_stub_log(s.stub), "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\"}");
	assert_int_equal(k8s_delete(s.client, &k8s_pod, "a", "x", &by_uid, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(k8s_delete(s.client, &k8s_pod, "a", "x", &by_uid, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	ok(k8s_delete(s.client, &k8s_pod, "a", "x", &by_uid, &err), &err);
	ok(k8s_delete(s.client, &k8s_pod, "a", "x", &by_uid, &err), &err);
	assert_int_equal(k8s_delete(s.client, &k8s_pod, "a", "x", NULL, &err), -1);
	assert_int_equal(err.code, ERR_NET);
	/* never a request for the whole collection, nor for another kind */
	assert_int_equal(k8s_delete(s.client, &k8s_pod, "a", "", NULL, &err), -1);
	assert_int_equal(k8s_delete(s.client, &k8s_pod, "a", NULL, NULL, &err), -1);
	assert_int_equal(k8s_delete(s.client, &k8s_pod, "a", "..", NULL, &err), -1);
	assert_int_equal(k8s_delete(s.client, &k8s_pod, NULL, "x", NULL, &err), -1);
	end(&s);
}

/* ---- kinds, logs, services ---- */

static void test_discovery(void **state)
{
	OWN_MEM char *list = api_reply(200, "",
		"{\"kind\":\"APIResourceList\",\"resources\":[{\"name\":\"widgets/scale\","
		"\"kind\":\"Widget\",\"namespaced\":false},{\"name\":\"widgets\",\"kind\":\"Widget\","
		"\"namespaced\":true}]}");
	OWN_MEM char *missing = api_reply(404, "", "404 page not found\n");
	struct api_step steps[] = { { "GET /apis/x.io/v1 HTTP", list, 0 },
		{ "GET /apis/x.io/v1 HTTP", list, 0 }, { "GET /apis/no.io/v1 HTTP", missing, 0 },
		{ 0 } };
	const struct k8s_kind *kind, *again;
	struct session s;
	struct err err;

	(void)state;
	begin(&s, false, steps);
	assert_int_equal(k8s_find_kind(s.client, "apps/v1", "Deployment", &kind, NULL), 0);
	assert_ptr_equal(kind, &k8s_deployment);
	assert_int_equal(k8s_find_kind(s.client, "x.io/v1", "Widget", &kind, NULL), 0);
	assert_string_equal(kind->plural, "widgets");
	assert_true(kind->namespaced);
	assert_int_equal(k8s_find_kind(s.client, "x.io/v1", "Widget", &again, NULL), 0);
	assert_ptr_equal(kind, again);
	assert_int_equal(k8s_find_kind(s.client, "x.io/v1", "Other", &kind, &err), -1);
	has(err.text, "the server's API \"x.io/v1\" has no kind \"Other\"");
	assert_int_equal(k8s_find_kind(s.client, "no.io/v1", "Other", &kind, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	has(err.text, "the server knows no API \"no.io/v1\"");
	assert_int_equal(k8s_find_kind(s.client, "../../x", "Other", &kind, &err), -1);
	assert_int_equal(k8s_find_kind(s.client, NULL, "Other", &kind, &err), -1);
	end(&s);
}

static void test_log(void **state)
{
	OWN_MEM char *log = recorded("pod-log"), *text = NULL;
	struct api_step steps[] = { { "GET /api/v1/namespaces/a/pods/x/log?container=c&tailLines=5&"
				      "limitBytes=1048576 HTTP",
					    log, 0 },
		{ 0 } };
	struct session s;

	(void)state;
	begin(&s, false, steps);
	assert_int_equal(k8s_pod_log(s.client, "a", "x", "c", 5, &text, NULL), 0);
	has(text, "failing\n");
	end(&s);
}

static void expect_address(
	struct session *s, const char *port, const char *expected, const char *error)
{
	OWN_MEM char *address = NULL;
	struct err err = { 0 };
	int result = k8s_service_address(s->client, "a", "web", port, &address, &err);

	assert_int_equal(result, expected ? 0 : -1);
	if (expected)
		assert_string_equal(address, expected);
	else
		has(err.text, error);
}

static void test_service_address(void **state)
{
#define PORTS                                                                              \
	"\"ports\":[{\"name\":\"u\",\"port\":80,\"protocol\":\"UDP\"},{\"name\":\"http\"," \
	"\"port\":80,\"targetPort\":8080,\"nodePort\":30080}]"
	OWN_MEM char *loop = api_reply(
		200, "", "{\"spec\":{\"clusterIP\":\"127.96.0.1\"," PORTS "}}");
	OWN_MEM char *real = api_reply(
		200, "", "{\"spec\":{\"clusterIP\":\"10.0.0.1\"," PORTS "}}");
	OWN_MEM char *none = api_reply(200, "", "{\"spec\":{\"clusterIP\":\"None\"," PORTS "}}");
	OWN_MEM char *inner = api_reply(
		200, "", "{\"spec\":{\"clusterIP\":\"10.0.0.1\",\"ports\":[{\"port\":80}]}}");
	OWN_MEM char *nodes = api_reply(200, "",
		"{\"kind\":\"NodeList\",\"metadata\":{},\"items\":[{\"metadata\":{\"uid\":\"1\"},"
		"\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"Unknown\"}],"
		"\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"10.1.0.1\"}]}},"
		"{\"metadata\":{\"uid\":\"2\"},\"status\":{\"conditions\":[{\"type\":\"Ready\","
		"\"status\":\"True\"}],\"addresses\":[{\"type\":\"InternalIP\","
		"\"address\":\"10.1.0.2\"}]}}]}");
	OWN_MEM char *down = api_reply(
		200, "", "{\"kind\":\"NodeList\",\"metadata\":{},\"items\":[]}");
	struct api_step steps[] = { { "GET /api/v1/namespaces/a/services/web", loop, 0 },
		{ "GET", real, 0 }, { "GET /api/v1/nodes?", nodes, 0 }, { "GET", real, 0 },
		{ "GET /api/v1/nodes?", down, 0 }, { "GET", loop, 0 }, { "GET", inner, 0 },
		{ "GET", real, 0 }, { "GET", none, 0 }, { 0 } };
	struct session s;

	(void)state;
	begin(&s, false, steps);
	expect_address(&s, "http", "127.96.0.1:80", NULL);
	expect_address(&s, "80", "10.1.0.2:30080", NULL);
	expect_address(&s, "80", NULL, "no node is Ready");
	expect_address(&s, "81", NULL, "has no TCP port 81 (it has: 80 u, 80 http)");
	expect_address(&s, "80", NULL, "give it type NodePort");
	s.config.in_cluster = true;
	expect_address(&s, "http", "web.a.svc:80", NULL);
	expect_address(&s, "http", "web.a.svc:8080", NULL);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_get_and_version),
		cmocka_unit_test(test_no_api_server),
		cmocka_unit_test(test_wrong_ca),
		cmocka_unit_test(test_insecure_and_client_certificate),
		cmocka_unit_test(test_token_file),
		cmocka_unit_test(test_no_token_over_plain_http),
		cmocka_unit_test(test_flow_control),
		cmocka_unit_test(test_server_errors),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_discovery),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_service_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
