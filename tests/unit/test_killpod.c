/* killpod: whom it would eat, whom never, and that it eats nobody else. The cluster is a list. */
#include "base/own.h"
#include "runner/cookies/cookie.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- the cluster ---- */

static struct {
	cJSON *workloads, *pods; /* arrays of objects */
	char deleted[512];       /* "name=uid:grace " each */
	enum err_code refuse;    /* what lists and deletes answer; NONE: success */
} cluster;

static cJSON *parse(const char *text)
{
	cJSON *json = NULL;
	struct err err;

	assert_int_equal(json_parse("fixture", text, strlen(text), &json, &err), 0);
	return json;
}

static void add_workload(const char *kind, const char *name, int replicas)
{
	char text[512];

	snprintf(text, sizeof(text),
		"{\"kind\":\"%s\",\"metadata\":{\"name\":\"%s\"},\"spec\":{\"replicas\":%d,"
		"\"selector\":{\"matchLabels\":{\"app\":\"%s\"}}}}",
		kind, name, replicas, name);
	cJSON_AddItemToArray(cluster.workloads, parse(text));
}

enum health { READY, UNREADY, TERMINATING };

static void add_pod(const char *kind, const char *workload, const char *name, enum health health)
{
	bool deployment = !strcmp(kind, "Deployment");
	char text[1024];

	snprintf(text, sizeof(text),
		"{\"metadata\":{\"name\":\"%s\",\"uid\":\"uid-%s\",\"labels\":{\"app\":\"%s\","
		"\"pod-template-hash\":\"5f6\"},%s\"ownerReferences\":[{\"controller\":true,"
		"\"kind\":\"%s\",\"name\":\"%s%s\"}]},\"status\":{\"phase\":\"Running\","
		"\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\"}]}}",
		name, name, workload,
		health == TERMINATING ? "\"deletionTimestamp\":\"2026-11-24T00:00:00Z\"," : "",
		deployment ? "ReplicaSet" : kind, workload, deployment ? "-5f6" : "",
		health == UNREADY ? "False" : "True");
	cJSON_AddItemToArray(cluster.pods, parse(text));
}

static void add_replicas(const char *kind, const char *workload, int defined, int ready)
{
	add_workload(kind, workload, defined);
	for (int i = 0; i < defined; i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s-%d", workload, i);
		add_pod(kind, workload, name, i < ready ? READY : UNREADY);
	}
}

int k8s_get(struct k8s *client, const struct k8s_kind *kind, const char *ns, const char *name,
	cJSON **ret_object, struct err *err)
{
	const cJSON *item;

	assert_null(client);
	assert_string_equal(ns, "shop");
	cJSON_ArrayForEach(item, cluster.workloads)
	{
		if (strcmp(json_str(item, "kind", NULL), kind->kind) ||
			strcmp(json_str(item, "metadata", "name", NULL), name))
			continue;
		*ret_object = cJSON_Duplicate(item, 1);
		return 0;
	}
	return err_set(err, ERR_NOT_FOUND, "GET .../%s: 404 Not Found", name);
}

static bool is_selected(const cJSON *item, const struct k8s_select *select)
{
	const char *app = json_str(item, "metadata", "labels", "app", NULL);

	return !select || !select->labels || !strcmp(select->labels + strlen("app="), app);
}

int k8s_list(struct k8s *client, const struct k8s_kind *kind, const char *ns,
	const struct k8s_select *select, int (*each)(void *arg, const cJSON *item), void *arg,
	char **ret_version, struct err *err)
{
	const cJSON *list = kind == &k8s_pod ? cluster.pods : cluster.workloads, *item;

	assert_null(client);
	assert_null(ret_version);
	assert_string_equal(ns, "shop");
	if (cluster.refuse)
		return err_set(err, cluster.refuse, "GET .../%s: refused", kind->plural);
	cJSON_ArrayForEach(item, list)
	{
		const char *is = json_str(item, "kind", NULL);

		if (kind != &k8s_pod && strcmp(is, kind->kind))
			continue;
		if (is_selected(item, select) && each(arg, item))
			break;
	}
	return 0;
}

int k8s_delete(struct k8s *client, const struct k8s_kind *kind, const char *ns, const char *name,
	const struct k8s_delete *options, struct err *err)
{
	size_t len = strlen(cluster.deleted);

	assert_null(client);
	assert_ptr_equal(kind, &k8s_pod);
	assert_string_equal(ns, "shop");
	if (cluster.refuse)
		return err_set(err, cluster.refuse, "DELETE .../%s: refused", name);
	snprintf(cluster.deleted + len, sizeof(cluster.deleted) - len, "%s=%s:%d ", name,
		options->uid, (int)options->grace_s);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	cluster.workloads = cJSON_CreateArray();
	cluster.pods = cJSON_CreateArray();
	*cluster.deleted = '\0';
	cluster.refuse = ERR_NONE;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cJSON_Delete(cluster.workloads);
	cJSON_Delete(cluster.pods);
	return 0;
}

/* ---- the cookie ---- */

static const struct cookie_ops *ops(void)
{
	return cookie_find("killpod");
}

/* Pairs of key and value, NULL-terminated. */
static void *params(const char *key, ...)
{
	void *p = calloc(1, ops()->params_size);
	struct err err;
	va_list args;

	assert_int_equal(param_defaults(ops()->params, p, &err), 0);
	va_start(args, key);
	for (; key; key = va_arg(args, const char *)) {
		const struct param *param = param_find(ops()->params, key);

		assert_non_null(param);
		assert_int_equal(param_set(param, p, va_arg(args, const char *), &err), 0);
	}
	va_end(args);
	return p;
}

static void params_free(void *p)
{
	param_done(ops()->params, p);
	free(p);
}

static struct cookie_env env = { NULL, "eat", "shop", "run-1", 7 };

/* Plans and frees the params. */
static struct cookie_plan plan(unsigned round, void *p)
{
	struct cookie_plan result = { 0 };
	struct err err = { ERR_NONE, "" };

	if (ops()->plan(&env, p, round, &result, &err))
		fail_msg("%s", err.text);
	params_free(p);
	return result;
}

static void one_of_three(void **state)
{
	struct cookie_plan p;

	(void)state;
	add_replicas("Deployment", "web", 3, 3);
	p = plan(0, params("kind", "deployment", "name", "web", "interval", "1s", NULL));
	assert_int_equal(p.n_targets, 1);
	assert_string_equal(p.targets[0].workload, "web");
	assert_ptr_equal(p.targets[0].workload_kind, &k8s_deployment);
	assert_string_equal(p.targets[0].ns, "shop");
	assert_non_null(strstr(p.targets[0].uid, p.targets[0].name));
	assert_string_equal(p.watch_ns, "shop");
	assert_null(p.reason);
	assert_null(p.undo);
	cookie_plan_done(&p);
}

static void same_seed_same_victim_other_round_other_victim(void **state)
{
	char drawn[20][64];
	bool differ = false;

	(void)state;
	add_replicas("Deployment", "web", 20, 20);
	for (unsigned round = 0; round < 20; round++) {
		for (int again = 0; again < 2; again++) {
			struct cookie_plan p = plan(round, params("kind", "deployment", "name",
								   "web", "interval", "1s", NULL));

			if (again)
				assert_string_equal(p.targets[0].name, drawn[round]);
			snprintf(drawn[round], sizeof(drawn[round]), "%s", p.targets[0].name);
			cookie_plan_done(&p);
		}
		differ |= strcmp(drawn[round], drawn[0]) != 0;
	}
	assert_true(differ);
}

/* Every pod gets its turn: the draw has no favourites. */
static void draws_are_spread(void **state)
{
	int hits[4] = { 0 };

	(void)state;
	add_replicas("Deployment", "web", 4, 4);
	for (unsigned round = 0; round < 400; round++) {
		struct cookie_plan p = plan(
			round, params("kind", "deployment", "name", "web", "interval", "1s", NULL));

		hits[p.targets[0].name[4] - '0']++;
		cookie_plan_done(&p);
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(hits[i], 60, 140);
}

static void victims_are_distinct_and_ready(void **state)
{
	struct cookie_plan p;

	(void)state;
	add_replicas("Deployment", "web", 6, 4);
	add_pod("Deployment", "web", "web-going", TERMINATING);
	p = plan(0,
		params("kind", "deployment", "name", "web", "interval", "1s", "target", "9", NULL));
	assert_int_equal(p.n_targets, 3); /* one of four ready ones stays */
	for (size_t i = 0; i < p.n_targets; i++) {
		assert_in_range(p.targets[i].name[4], '0', '3');
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(p.targets[i].uid, p.targets[k].uid);
	}
	cookie_plan_done(&p);
}

static void last_ready_pod_stays(void **state)
{
	struct cookie_plan p;

	(void)state;
	add_replicas("Deployment", "web", 3, 1);
	p = plan(0, params("kind", "deployment", "name", "web", "interval", "1s", NULL));
	assert_int_equal(p.n_targets, 0);
	assert_int_equal(p.n_skips, 1);
	assert_string_equal(p.skips[0].reason, "only one pod available, doing nothing");
	assert_non_null(p.reason);
	cookie_plan_done(&p);
	p = plan(0, params("kind", "deployment", "name", "web", "interval", "1s", "guard", "false",
			    NULL));
	assert_int_equal(p.n_targets, 1);
	cookie_plan_done(&p);
}

static void majority_stays(void **state)
{
	static const struct {
		const char *kind, *word, *name;
		int defined, ready, eaten;
	} cases[] = {
		{ "StatefulSet", "statefulset", "shard", 3, 3, 1 },
		{ "StatefulSet", "statefulset", "shard", 3, 2, 0 },
		{ "StatefulSet", "statefulset", "shard", 5, 5, 2 },
		{ "StatefulSet", "statefulset", "shard", 2, 2, 0 },
		{ "Deployment", "deployment", "my-rabbitmq-ha", 3, 2, 0 },
		{ "Deployment", "deployment", "mariadb", 3, 3, 1 },
		{ "Deployment", "deployment", "galera-x", 3, 2, 0 },
		{ "Deployment", "deployment", "etcd", 5, 4, 1 },
		{ "Deployment", "deployment", "web", 3, 2, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cookie_plan p;

		teardown(NULL);
		setup(NULL);
		add_replicas(cases[i].kind, cases[i].name, cases[i].defined, cases[i].ready);
		p = plan(0, params("kind", cases[i].word, "name", cases[i].name, "interval", "1s",
				    "target", "10", NULL));
		assert_int_equal(p.n_targets, cases[i].eaten);
		cookie_plan_done(&p);
	}
}

/* Pods that carry the labels but belong to another are nobody's to eat. */
static void owner_is_checked(void **state)
{
	struct cookie_plan p;

	(void)state;
	add_replicas("Deployment", "web", 1, 1);
	for (int i = 0; i < 5; i++) {
		char name[32];
		cJSON *pod;

		snprintf(name, sizeof(name), "other-%d", i);
		add_pod("Deployment", "other", name, READY);
		pod = cJSON_GetArrayItem(cluster.pods, cJSON_GetArraySize(cluster.pods) - 1);
		cJSON_ReplaceItemInObject(
			cJSON_GetObjectItem(cJSON_GetObjectItem(pod, "metadata"), "labels"), "app",
			cJSON_CreateString("web"));
	}
	p = plan(0, params("kind", "deployment", "name", "web", "interval", "1s", "guard", "false",
			    "target", "9", NULL));
	assert_int_equal(p.n_targets, 1);
	assert_string_equal(p.targets[0].name, "web-0");
	cookie_plan_done(&p);
}

static void random_takes_those_that_can_spare(void **state)
{
	bool web = false, api = false;

	(void)state;
	add_replicas("Deployment", "web", 3, 3);
	add_replicas("Deployment", "api", 2, 2);
	add_replicas("Deployment", "single", 1, 1);
	add_replicas("StatefulSet", "db", 3, 3);
	for (unsigned round = 0; round < 30; round++) {
		struct cookie_plan p = plan(
			round, params("kind", "deployment", "interval", "1s", NULL));

		assert_int_equal(p.n_targets, 1);
		web |= !strcmp(p.targets[0].workload, "web");
		api |= !strcmp(p.targets[0].workload, "api");
		assert_string_not_equal(p.targets[0].workload, "single");
		assert_int_equal(p.n_skips, 1);
		assert_string_equal(p.skips[0].name, "single");
		cookie_plan_done(&p);
	}
	assert_true(web && api);
}

static void nothing_to_eat_says_why(void **state)
{
	struct cookie_plan p = plan(0, params("kind", "deployment", "interval", "1s", NULL));

	(void)state;
	assert_int_equal(p.n_targets, 0);
	assert_string_equal(p.reason, "no deployment in namespace shop");
	cookie_plan_done(&p);
}

static void trouble_is_an_error(void **state)
{
	void *p = params("kind", "deployment", "name", "nope", "interval", "1s", NULL);
	struct cookie_plan result;
	struct err err;

	(void)state;
	assert_int_equal(ops()->plan(&env, p, 0, &result, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "deployment nope in namespace shop"));
	params_free(p);
	cluster.refuse = ERR_FORBIDDEN;
	p = params("kind", "deployment", "interval", "1s", NULL);
	assert_int_equal(ops()->plan(&env, p, 0, &result, &err), -1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	params_free(p);
}

static void bite_deletes_exactly_those(void **state)
{
	void *p = params(
		"kind", "deployment", "name", "web", "interval", "1s", "target", "2", NULL);
	struct cookie_plan result;
	struct err err;
	char expected[200];

	(void)state;
	add_replicas("Deployment", "web", 3, 3);
	assert_int_equal(ops()->plan(&env, p, 0, &result, &err), 0);
	assert_int_equal(ops()->bite(&env, p, &result, &err), 0);
	snprintf(expected, sizeof(expected), "%s=%s:-1 %s=%s:-1 ", result.targets[0].name,
		result.targets[0].uid, result.targets[1].name, result.targets[1].uid);
	assert_string_equal(cluster.deleted, expected);
	cluster.refuse = ERR_CONFLICT;
	assert_int_equal(ops()->bite(&env, p, &result, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.text, result.targets[0].name));
	cookie_plan_done(&result);
	params_free(p);
}

static void grace_of_zero_is_not_absence(void **state)
{
	void *p = params(
		"kind", "deployment", "name", "web", "interval", "1s", "grace_period", "0s", NULL);
	struct cookie_plan result;
	struct err err;

	(void)state;
	add_replicas("Deployment", "web", 2, 2);
	assert_int_equal(ops()->plan(&env, p, 0, &result, &err), 0);
	assert_int_equal(ops()->bite(&env, p, &result, &err), 0);
	assert_non_null(strstr(cluster.deleted, ":0 "));
	cookie_plan_done(&result);
	params_free(p);
}

static void proof_is_the_uid(void **state)
{
	struct cookie_target target = { .name = (char *)"a", .uid = (char *)"u1" };
	OWN_JSON cJSON *same = parse("{\"metadata\":{\"name\":\"a\",\"uid\":\"u1\"}}");
	OWN_JSON cJSON *heir = parse("{\"metadata\":{\"name\":\"a\",\"uid\":\"u2\"}}");
	OWN_JSON cJSON *other = parse("{\"metadata\":{\"name\":\"b\",\"uid\":\"u3\"}}");
	char evidence[256] = "";

	(void)state;
	assert_int_equal(ops()->proof(&target, K8S_MODIFIED, same, evidence, sizeof(evidence)),
		PROOF_PENDING);
	assert_int_equal(ops()->proof(&target, K8S_DELETED, other, evidence, sizeof(evidence)),
		PROOF_PENDING);
	assert_int_equal(ops()->proof(&target, K8S_DELETED, heir, evidence, sizeof(evidence)),
		PROOF_PENDING);
	assert_int_equal(
		ops()->proof(&target, K8S_DELETED, same, evidence, sizeof(evidence)), PROOF_PROVED);
	assert_non_null(strstr(evidence, "u1"));
	assert_int_equal(
		ops()->proof(&target, K8S_ADDED, heir, evidence, sizeof(evidence)), PROOF_PROVED);
}

static void params_that_make_no_sense(void **state)
{
	void *p = params("kind", "deployment", "interval", "0s", "duration", "1m", NULL);
	struct err err;

	(void)state;
	assert_int_equal(ops()->check(p, &err), -1);
	assert_non_null(strstr(err.text, "duration"));
	params_free(p);
	p = params("kind", "deployment", "interval", "10ms", NULL);
	assert_int_equal(ops()->check(p, &err), -1);
	assert_non_null(strstr(err.text, "interval"));
	params_free(p);
	p = params("kind", "statefulset", "interval", "30s", "duration", "1m", NULL);
	assert_int_equal(ops()->check(p, &err), 0);
	params_free(p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_of_three),
		TEST(same_seed_same_victim_other_round_other_victim),
		TEST(draws_are_spread),
		TEST(victims_are_distinct_and_ready),
		TEST(last_ready_pod_stays),
		TEST(majority_stays),
		TEST(owner_is_checked),
		TEST(random_takes_those_that_can_spare),
		TEST(nothing_to_eat_says_why),
		TEST(trouble_is_an_error),
		TEST(bite_deletes_exactly_those),
		TEST(grace_of_zero_is_not_absence),
		TEST(proof_is_the_uid),
		TEST(params_that_make_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
