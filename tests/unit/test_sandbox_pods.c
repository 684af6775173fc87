/*
 * What the sandbox shows of pods and puts into them: Tables against recorded pods and a recorded
 * server's columns, mount paths in texts, the environment a kubelet makes.
 */
#include "base/buf.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/podenv.h"
#include "k8s/sandbox/present.h"
#include "k8s/sandbox/volumes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static cJSON *parse(const char *text)
{
	cJSON *json;

	assert_int_equal(json_parse("test", text, strlen(text), &json, NULL), 0);
	return json;
}

/* The first JSON value behind a recorded request. */
static cJSON *sample(const char *name)
{
	OWN_MEM char *path = str_format("%s/samples/kubernetes/%s.txt", TESTS_DIR, name);
	OWN_MEM char *text = NULL;
	const char *body;
	cJSON *json;

	assert_int_equal(buf_read_file(path, 1 << 20, &text, NULL, NULL), 0);
	body = strstr(text, "\n{");
	assert_non_null(body);
	json = cJSON_Parse(body);
	assert_non_null(json);
	return json;
}

/* ---- tables ---- */

static void check_columns(const char *name, enum kind_id kind)
{
	OWN_JSON cJSON *recorded = sample(name);
	OWN_JSON cJSON *ours = table_columns(&kinds[kind]);
	const cJSON *theirs = json_at(recorded, "columnDefinitions", NULL);

	assert_int_equal(cJSON_GetArraySize(ours), cJSON_GetArraySize(theirs));
	for (int i = 0; i < cJSON_GetArraySize(ours); i++) {
		static const char *const keys[] = { "name", "type", "format" };
		const cJSON *a = cJSON_GetArrayItem(ours, i), *b = cJSON_GetArrayItem(theirs, i);

		for (size_t k = 0; k < ARRAY_LEN(keys); k++)
			assert_string_equal(json_str(a, keys[k], NULL), json_str(b, keys[k], NULL));
		assert_int_equal(
			json_int(a, -1, "priority", NULL), json_int(b, -2, "priority", NULL));
	}
}

static void test_columns_are_the_real_ones(void **state)
{
	(void)state;
	check_columns("list-pods-table-metadata", KIND_POD);
	check_columns("list-table", KIND_CONFIGMAP);
}

static void check_pod(const char *name, const char *ready, const char *status, int restarts)
{
	OWN_JSON cJSON *pod = sample(name);
	OWN_JSON cJSON *cells = table_cells(&kinds[KIND_POD], pod);
	const char *shown = json_str(cells, "3", NULL);

	assert_string_equal(json_str(cells, "0", NULL), meta(pod, "name"));
	assert_string_equal(json_str(cells, "1", NULL), ready);
	assert_string_equal(json_str(cells, "2", NULL), status);
	assert_int_equal(atoi(shown), restarts);
	assert_int_equal(restarts > 0, strstr(shown, " ago)") != NULL);
}

static void test_cells_of_recorded_pods(void **state)
{
	(void)state;
	check_pod("pod-ready", "1/1", "Running", 0);
	check_pod("pod-running-unready", "0/1", "Running", 0);
	check_pod("pod-created-pending", "0/1", "Pending", 0);
	check_pod("pod-terminating", "1/1", "Terminating", 0);
	check_pod("pod-failed", "0/1", "Error", 0);
	check_pod("pod-crashloopbackoff", "0/1", "CrashLoopBackOff", 1);
	check_pod("pod-oomkilled", "0/1", "OOMKilled", 0);
	check_pod("pod-image-missing", "0/1", "ErrImageNeverPull", 0);
}

static void test_cells_of_a_recorded_deployment(void **state)
{
	OWN_JSON cJSON *deployment = sample("deployment-during-rollout");
	OWN_JSON cJSON *cells = table_cells(&kinds[KIND_DEPLOYMENT], deployment);

	(void)state;
	assert_string_equal(json_str(cells, "1", NULL), "3/3");
	assert_int_equal(json_int(cells, -1, "2", NULL), 2);
	assert_int_equal(json_int(cells, -1, "3", NULL), 3);
	assert_string_equal(json_str(cells, "6", NULL), "localhost/web:1");
	assert_string_equal(json_str(cells, "7", NULL), "app=web");
}

static void test_ages(void **state)
{
	static const struct {
		int64_t s;
		const char *text;
	} cases[] = { { 0, "0s" }, { 119, "119s" }, { 120, "2m" }, { 130, "2m10s" }, { 700, "11m" },
		{ 3 * 3600, "3h" }, { 4 * 3600 + 60, "4h1m" }, { 30 * 3600, "30h" },
		{ 50 * 3600, "2d2h" }, { 9 * 86400, "9d" } };
	char age[24];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		table_age(cases[i].s, age, sizeof(age));
		assert_string_equal(age, cases[i].text);
	}
}

static void test_shapes(void **state)
{
	(void)state;
	assert_int_equal(shape_of("application/json", "").form, SHAPE_OBJECT);
	assert_int_equal(shape_of("*/*", "").form, SHAPE_OBJECT);
	assert_int_equal(shape_of("application/vnd.kubernetes.protobuf,application/json", "").form,
		SHAPE_OBJECT);
	assert_int_equal(
		shape_of("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "").form,
		SHAPE_TABLE);
	assert_true(shape_of("application/json;as=Table;v=v1beta1;g=meta.k8s.io", "").beta);
	assert_int_equal(shape_of("application/json;as=PartialObjectMetadataList;v=v1;"
				  "g=meta.k8s.io",
				 "")
				 .form,
		SHAPE_METADATA);
	assert_int_equal(shape_of("application/json;as=Table;v=v1", "None").include, INCLUDE_NONE);
}

static void test_a_row_without_its_object(void **state)
{
	OWN_JSON cJSON *pod = sample("pod-ready");
	struct shape shape = { .form = SHAPE_TABLE, .include = INCLUDE_NONE };
	OWN_BUF struct buf out = { .max_bytes = 1 << 20 };
	OWN_JSON cJSON *table = NULL;

	(void)state;
	present_object(&shape, &kinds[KIND_POD], pod, &out);
	table = parse(buf_str(&out));
	assert_string_equal(json_str(table, "kind", NULL), "Table");
	assert_true(cJSON_IsNull(json_at(table, "rows", "0", "object", NULL)));
}

/* ---- mount paths ---- */

static void test_mount_paths_are_replaced_where_they_are_paths(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "/data", "/D" },
		{ "/data/x", "/D/x" },
		{ "cp /data/a /data/b", "cp /D/a /D/b" },
		{ "--datadir=/data", "--datadir=/D" },
		{ "-S/data/sock", "-S/D/sock" },
		{ "sqlite:////data/k.db", "sqlite:////D/k.db" },
		{ "unix:/data/s", "unix:/D/s" },
		{ "file:///data/s", "file:///D/s" },
		{ "\"/data\":'/data'", "\"/D\":'/D'" },
		{ "/data/conf/x", "/C/x" },
		{ "/var/data", "/var/data" },
		{ "/database", "/database" },
		{ "/data.txt", "/data.txt" },
		{ "/data-1", "/data-1" },
		{ "http://data/x", "http://data/x" },
		{ "x/data", "x/data" },
		{ "/data/confusion", "/D/confusion" },
		{ "", "" },
	};
	OWN(mounts_done) struct mounts mounts = { 0 };

	(void)state;
	mounts_add(&mounts, "/data/", "/D");
	mounts_add(&mounts, "/data/conf", "/C");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWN_MEM char *have = mounts_apply(&mounts, cases[i].text);

		assert_string_equal(have, cases[i].want);
	}
}

/* ---- the environment ---- */

static const char *value(const struct words *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < env->n; i++)
		if (!strncmp(env->v[i], name, len) && env->v[i][len] == '=')
			return env->v[i] + len + 1;
	return NULL;
}

static void put(struct store *store, enum kind_id kind, const char *text)
{
	store_set(store, &kinds[kind], parse(text));
}

static const char pod_text[] =
	"{\"metadata\":{\"name\":\"p\",\"namespace\":\"a\",\"uid\":\"12345678-x\","
	"\"labels\":{\"app\":\"web\"}},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"c\","
	"\"envFrom\":[{\"configMapRef\":{\"name\":\"m\"},\"prefix\":\"M_\"}],"
	"\"env\":[{\"name\":\"IP\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.podIP\"}}},"
	"{\"name\":\"APP\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.labels['app']\"}}},"
	"{\"name\":\"PW\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\",\"key\":\"pw\"}}},"
	"{\"name\":\"NONE\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"m\",\"key\":\"no\","
	"\"optional\":true}}},"
	"{\"name\":\"URL\",\"value\":\"http://$(IP):$(MY_DB_SERVICE_PORT)/$$(IP)/$(NOT)\"},"
	"{\"name\":\"DIR\",\"value\":\"/data/x\"}]}]}}";

static struct store *env_store(void)
{
	struct store *store;

	edit_setup();
	store = store_open(100);
	put(store, KIND_CONFIGMAP,
		"{\"metadata\":{\"name\":\"m\",\"namespace\":\"a\"},\"data\":{\"k\":\"v\"}}");
	put(store, KIND_SERVICE,
		"{\"metadata\":{\"name\":\"my-db\",\"namespace\":\"a\"},\"spec\":{\"clusterIP\":"
		"\"127.96.0.9\",\"ports\":[{\"name\":\"sql\",\"port\":3306}]}}");
	put(store, KIND_SERVICE,
		"{\"metadata\":{\"name\":\"far\",\"namespace\":\"b\"},\"spec\":{\"clusterIP\":"
		"\"127.96.0.8\",\"ports\":[{\"port\":1}]}}");
	put(store, KIND_SERVICE,
		"{\"metadata\":{\"name\":\"headless\",\"namespace\":\"a\"},\"spec\":{\"clusterIP\":"
		"\"None\",\"ports\":[{\"port\":1}]}}");
	return store;
}

static void test_environment(void **state)
{
	struct cluster cluster = { .store = env_store(), .dir = "/sandbox" };
	OWN_JSON cJSON *pod = parse(pod_text);
	const cJSON *container = json_at(pod, "spec", "containers", "0", NULL);
	OWN(mounts_done) struct mounts mounts = { 0 };
	OWN(words_done) struct words env = { 0 };
	struct err err;

	(void)state;
	mounts_add(&mounts, "/data", "/D");
	assert_int_equal(
		podenv_make(&cluster, pod, container, "127.64.0.1", &mounts, &env, &err), -1);
	assert_string_equal(err.text, "secret \"s\" not found");
	put(cluster.store, KIND_SECRET,
		"{\"metadata\":{\"name\":\"s\",\"namespace\":\"a\"},\"data\":{\"pw\":\"c2VjcmV0\"}}");
	assert_int_equal(
		podenv_make(&cluster, pod, container, "127.64.0.1", &mounts, &env, &err), 0);
	assert_string_equal(value(&env, "IP"), "127.64.0.1");
	assert_string_equal(value(&env, "APP"), "web");
	assert_string_equal(value(&env, "PW"), "secret");
	assert_string_equal(value(&env, "M_k"), "v");
	assert_null(value(&env, "NONE"));
	assert_string_equal(value(&env, "URL"), "http://127.64.0.1:3306/$(IP)/$(NOT)");
	assert_string_equal(value(&env, "DIR"), "/D/x");
	assert_string_equal(value(&env, "HOSTNAME"), "p");
	assert_string_equal(value(&env, "MY_DB_SERVICE_HOST"), "127.96.0.9");
	assert_string_equal(value(&env, "MY_DB_SERVICE_PORT_SQL"), "3306");
	assert_string_equal(value(&env, "MY_DB_PORT"), "tcp://127.96.0.9:3306");
	assert_string_equal(value(&env, "MY_DB_PORT_3306_TCP_ADDR"), "127.96.0.9");
	assert_null(value(&env, "FAR_SERVICE_HOST"));
	assert_null(value(&env, "HEADLESS_SERVICE_HOST"));
	store_close(cluster.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_are_the_real_ones),
		cmocka_unit_test(test_cells_of_recorded_pods),
		cmocka_unit_test(test_cells_of_a_recorded_deployment),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_a_row_without_its_object),
		cmocka_unit_test(test_mount_paths_are_replaced_where_they_are_paths),
		cmocka_unit_test(test_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
