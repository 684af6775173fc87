/* What is read out of objects: recorded pods and workloads, selectors, columns, paths. */
#include "k8s/k8s_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

/* The JSON body of a recorded reply. */
static cJSON *sample(const char *name)
{
	OWN_MEM char *path = str_format("%s/samples/kubernetes/%s.txt", TESTS_DIR, name);
	OWN_MEM char *text = NULL;
	const char *body;
	size_t len;
	cJSON *json;

	assert_int_equal(buf_read_file(path, 1 << 20, &text, NULL, NULL), 0);
	body = strstr(text, "\n{");
	assert_non_null(body);
	len = strlen(body);
	while (body[len - 1] != '}')
		len--;
	assert_int_equal(json_parse(name, body, len, &json, NULL), 0);
	return json;
}

static cJSON *parse(const char *text)
{
	cJSON *json;

	assert_int_equal(json_parse("test", text, strlen(text), &json, NULL), 0);
	return json;
}

static void test_ready_and_terminating(void **state)
{
	static const struct {
		const char *name;
		bool ready, terminating;
	} pods[] = {
		{ "pod-ready", true, false },
		{ "pod-running-unready", false, false },
		{ "pod-terminating", false, true },
		{ "pod-created-pending", false, false },
		{ "pod-crashloopbackoff", false, false },
		{ "pod-failed", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pods); i++) {
		OWN_JSON cJSON *pod = sample(pods[i].name);

		assert_int_equal(k8s_pod_ready(pod), pods[i].ready);
		assert_int_equal(k8s_pod_terminating(pod), pods[i].terminating);
	}
	assert_false(k8s_pod_ready(NULL));
}

/* As the real server's table said of them. */
static void test_columns(void **state)
{
	static const struct {
		const char *name, *ready, *status;
	} pods[] = {
		{ "pod-ready", "1/1", "Running" },
		{ "pod-running-unready", "0/1", "Running" },
		{ "pod-terminating", "1/1", "Terminating" },
		{ "pod-created-pending", "0/1", "Pending" },
		{ "pod-crashloopbackoff", "0/1", "CrashLoopBackOff" },
		{ "pod-failed", "0/1", "Error" },
		{ "pod-oomkilled", "0/1", "OOMKilled" },
		{ "pod-pending-unschedulable", "0/1", "Pending" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pods); i++) {
		OWN_JSON cJSON *pod = sample(pods[i].name);
		OWN_BUF struct buf text;

		buf_init(&text, 1000);
		assert_int_equal(column_text(&text, &k8s_pod, pod, "Ready"), 0);
		assert_string_equal(buf_str(&text), pods[i].ready);
		buf_reset(&text);
		assert_int_equal(column_text(&text, &k8s_pod, pod, "Status"), 0);
		assert_string_equal(buf_str(&text), pods[i].status);
	}
}

static void test_columns_of_init_containers(void **state)
{
	OWN_JSON cJSON *pod = parse(
		"{\"metadata\":{\"name\":\"x\"},\"spec\":{\"containers\":[{\"name\":\"a\"}],"
		"\"initContainers\":[{\"name\":\"i\"},{\"name\":\"s\",\"restartPolicy\":\"Always\"}]},"
		"\"status\":{\"phase\":\"Pending\",\"initContainerStatuses\":["
		"{\"name\":\"i\",\"state\":{\"terminated\":{\"exitCode\":0,\"reason\":\"Completed\"}}},"
		"{\"name\":\"s\",\"state\":{\"waiting\":{\"reason\":\"PodInitializing\"}}}]}}");
	OWN_BUF struct buf text;

	(void)state;
	buf_init(&text, 1000);
	column_text(&text, &k8s_pod, pod, "Status");
	buf_add_str(&text, " ");
	column_text(&text, &k8s_pod, pod, "Ready");
	buf_add_str(&text, " ");
	column_text(&text, &k8s_pod, pod, "Name");
	assert_string_equal(buf_str(&text), "Init:1/2 0/2 x");
}

static void test_selector(void **state)
{
	OWN_JSON cJSON *labels = parse(
		"{\"matchLabels\":{\"app\":\"web\",\"tier\":\"a\"},\"matchExpressions\":["
		"{\"key\":\"k\",\"operator\":\"In\",\"values\":[\"x\",\"y\"]},"
		"{\"key\":\"n\",\"operator\":\"NotIn\",\"values\":[\"z\"]},"
		"{\"key\":\"e\",\"operator\":\"Exists\"},{\"key\":\"d\",\"operator\":\"DoesNotExist\"}]}");
	OWN_JSON cJSON *empty = parse("{}");
	OWN_JSON cJSON *odd = parse(
		"{\"matchExpressions\":[{\"key\":\"k\",\"operator\":\"Gt\",\"values\":[\"1\"]}]}");
	OWN_JSON cJSON *no_values = parse(
		"{\"matchExpressions\":[{\"key\":\"k\",\"operator\":\"In\",\"values\":[]}]}");
	OWN_MEM char *text = NULL;
	struct err err;

	(void)state;
	assert_int_equal(k8s_selector_text(labels, &text, &err), 0);
	assert_string_equal(text, "app=web,tier=a,k in (x,y),n notin (z),e,!d");
	assert_int_equal(k8s_selector_text(empty, &text, &err), -1);
	assert_int_equal(k8s_selector_text(NULL, &text, &err), -1);
	assert_int_equal(k8s_selector_text(odd, &text, &err), -1);
	assert_non_null(strstr(err.text, "\"Gt\""));
	assert_int_equal(k8s_selector_text(no_values, &text, &err), -1);
}

static void expect_rollout(const char *text, const char *why)
{
	OWN_JSON cJSON *object = parse(text);
	OWN_MEM char *said = NULL;

	assert_int_equal(k8s_rolled_out(object, &said), why == NULL);
	if (why)
		assert_string_equal(said, why);
	else
		assert_null(said);
	assert_int_equal(k8s_rolled_out(object, NULL), why == NULL);
}

#define META "\"metadata\":{\"generation\":2},"

/* A Job has a generation and no observedGeneration. */
static void test_jobs(void **state)
{
	OWN_JSON cJSON *failed = parse("{\"kind\":\"Job\",\"status\":{\"conditions\":[{\"type\":"
				       "\"Failed\",\"status\":\"True\"}]}}");
	OWN_JSON cJSON *running = parse("{\"kind\":\"Job\",\"status\":{\"active\":1}}");

	(void)state;
	expect_rollout("{\"kind\":\"Job\"," META "\"status\":{\"active\":1,\"failed\":2}}",
		"0 of 1 completed, 2 failed");
	expect_rollout("{\"kind\":\"Job\"," META "\"spec\":{\"completions\":3},\"status\":{"
		       "\"succeeded\":2,\"conditions\":[{\"type\":\"Complete\",\"status\":"
		       "\"False\"}]}}",
		"2 of 3 completed, 0 failed");
	expect_rollout("{\"kind\":\"Job\"," META "\"status\":{\"succeeded\":1,\"conditions\":[{"
		       "\"type\":\"Complete\",\"status\":\"True\"}]}}",
		NULL);
	assert_true(k8s_job_failed(failed));
	assert_false(k8s_rolled_out(failed, NULL));
	assert_false(k8s_job_failed(running));
}

static void test_rolled_out(void **state)
{
	OWN_JSON cJSON *stable = sample("deployment-stable");
	OWN_JSON cJSON *during = sample("deployment-during-rollout");
	OWN_MEM char *why = NULL;

	(void)state;
	assert_true(k8s_rolled_out(stable, &why));
	assert_null(why);
	assert_false(k8s_rolled_out(during, &why));
	assert_string_equal(why, "2 of 3 updated");
	expect_rollout("{\"kind\":\"Deployment\"," META "\"spec\":{\"replicas\":3},\"status\":{"
		       "\"observedGeneration\":1,\"updatedReplicas\":3,\"readyReplicas\":3}}",
		"its controller has not seen it yet");
	expect_rollout("{\"kind\":\"Deployment\"," META "\"spec\":{\"replicas\":3},\"status\":{"
		       "\"observedGeneration\":2,\"updatedReplicas\":3,\"replicas\":4}}",
		"1 old pods are still there");
	expect_rollout("{\"kind\":\"Deployment\"," META "\"spec\":{\"replicas\":3},\"status\":{"
		       "\"observedGeneration\":2,\"updatedReplicas\":3,\"replicas\":3,"
		       "\"readyReplicas\":2,\"conditions\":[{\"type\":\"Progressing\","
		       "\"reason\":\"ProgressDeadlineExceeded\"}]}}",
		"2 of 3 ready, its progress deadline is exceeded");
	expect_rollout("{\"kind\":\"Deployment\"," META "\"spec\":{\"replicas\":0},\"status\":{"
		       "\"observedGeneration\":2}}",
		NULL);
	expect_rollout("{\"kind\":\"StatefulSet\"," META "\"spec\":{\"replicas\":2},\"status\":{"
		       "\"observedGeneration\":2,\"readyReplicas\":1}}",
		"1 of 2 ready");
	expect_rollout("{\"kind\":\"StatefulSet\"," META "\"spec\":{\"replicas\":2},\"status\":{"
		       "\"observedGeneration\":2,\"readyReplicas\":2,\"updatedReplicas\":1,"
		       "\"currentRevision\":\"a\",\"updateRevision\":\"b\"}}",
		"1 of 2 updated");
	expect_rollout("{\"kind\":\"StatefulSet\"," META "\"spec\":{\"replicas\":2},\"status\":{"
		       "\"observedGeneration\":2,\"readyReplicas\":2,\"updatedReplicas\":2,"
		       "\"currentRevision\":\"b\",\"updateRevision\":\"b\"}}",
		NULL);
	expect_rollout("{\"kind\":\"StatefulSet\"," META "\"spec\":{\"replicas\":2,"
		       "\"updateStrategy\":{\"type\":\"OnDelete\"}},\"status\":{"
		       "\"observedGeneration\":2,\"readyReplicas\":2,"
		       "\"currentRevision\":\"a\",\"updateRevision\":\"b\"}}",
		NULL);
	expect_rollout("{\"kind\":\"DaemonSet\"," META "\"status\":{\"observedGeneration\":2,"
		       "\"desiredNumberScheduled\":2,\"updatedNumberScheduled\":2,"
		       "\"numberReady\":1,\"numberAvailable\":1}}",
		"1 of 2 ready");
	expect_rollout("{\"kind\":\"DaemonSet\"," META "\"status\":{\"observedGeneration\":2,"
		       "\"desiredNumberScheduled\":2,\"updatedNumberScheduled\":2,"
		       "\"numberReady\":2,\"numberAvailable\":2}}",
		NULL);
	expect_rollout("{\"kind\":\"ConfigMap\"}", NULL);
}

static void expect_path(const struct k8s_kind *kind, const char *ns, const char *name,
	const char *sub, const char *expected)
{
	OWN_BUF struct buf path;
	struct err err = { 0 };
	int result;

	buf_init(&path, PATH_BYTES);
	result = path_of(&path, kind, ns, name, sub, &err);
	assert_int_equal(result, expected ? 0 : -1);
	if (expected)
		assert_string_equal(buf_str(&path), expected);
	else
		assert_int_not_equal(err.code, 0);
}

/* No name may turn a request for one object into another request. */
static void test_paths(void **state)
{
	OWN_BUF struct buf query;

	(void)state;
	expect_path(&k8s_pod, "a", "b", NULL, "/api/v1/namespaces/a/pods/b");
	expect_path(&k8s_pod, NULL, NULL, NULL, "/api/v1/pods");
	expect_path(&k8s_pod, "a", NULL, NULL, "/api/v1/namespaces/a/pods");
	expect_path(&k8s_node, "ignored", "n", NULL, "/api/v1/nodes/n");
	expect_path(&k8s_deployment, "a", "b", "scale",
		"/apis/apps/v1/namespaces/a/deployments/b/scale");
	expect_path(&k8s_pod, "a", "x y?&#:\xc3\xa4", NULL,
		"/api/v1/namespaces/a/pods/x%20y%3F%26%23%3A%C3%A4");
	expect_path(&k8s_pod, "a", "", NULL, NULL);
	expect_path(&k8s_pod, "a", "..", NULL, NULL);
	expect_path(&k8s_pod, "a", ".", NULL, NULL);
	expect_path(&k8s_pod, "a", "b/c", NULL, NULL);
	expect_path(&k8s_pod, "a", "b%2fc", NULL, NULL);
	expect_path(&k8s_pod, "..", "b", NULL, NULL);
	expect_path(&k8s_pod, NULL, "b", NULL, NULL);
	buf_init(&query, 1000);
	buf_add_str(&query, "/x");
	path_query(&query, "limit", "5");
	path_query(&query, "empty", "");
	path_query(&query, "labelSelector", "a=b,c in (d)");
	assert_string_equal(buf_str(&query), "/x?limit=5&labelSelector=a%3Db%2Cc%20in%20%28d%29");
}

static void test_words(void **state)
{
	(void)state;
	assert_ptr_equal(k8s_kind_by_word("deployment"), &k8s_deployment);
	assert_ptr_equal(k8s_kind_by_word("StatefulSet"), &k8s_statefulset);
	assert_ptr_equal(k8s_kind_by_word("daemonsets"), &k8s_daemonset);
	assert_null(k8s_kind_by_word("unicorn"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ready_and_terminating),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_columns_of_init_containers),
		cmocka_unit_test(test_selector),
		cmocka_unit_test(test_rolled_out),
		cmocka_unit_test(test_jobs),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
