/* Bites in force: proofs and replacements, from the changes that a watch would tell. */
#include "base/clock.h"
#include "base/own.h"
#include "base/record.h"
#include "runner/bites.h"
#include "runner/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	char dir[64];
	struct recorder *recorder;
	struct bites *bites;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	strcpy(f->dir, "/tmp/test-feed-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(recorder_new(f->dir, clock_now_ns(), 0, &f->recorder, &err), 0);
	assert_int_equal(bites_new(f->recorder, &f->bites, &err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bites_free(f->bites);
	recorder_free(f->recorder);
	assert_int_equal(folder_remove(f->dir, NULL), 0);
	free(f);
	return 0;
}

/* A pod of Deployment or StatefulSet `workload`, by the kind's first letter. */
static cJSON *pod(char kind, const char *workload, const char *name, const char *uid, bool ready)
{
	char text[1024];
	cJSON *json = NULL;
	struct err err;

	snprintf(text, sizeof(text),
		"{\"metadata\":{\"name\":\"%s\",\"uid\":\"%s\",\"labels\":{"
		"\"pod-template-hash\":\"5f6\"},\"ownerReferences\":[{\"controller\":true,"
		"\"kind\":\"%s\",\"name\":\"%s%s\"}]},\"spec\":{\"nodeName\":\"n1\"},"
		"\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\","
		"\"status\":\"%s\"}]}}",
		name, uid, kind == 'D' ? "ReplicaSet" : "StatefulSet", workload,
		kind == 'D' ? "-5f6" : "", ready ? "True" : "False");
	assert_int_equal(json_parse("pod", text, strlen(text), &json, &err), 0);
	return json;
}

static void see(struct fixture *f, enum k8s_change change, cJSON *json)
{
	bites_see(f->bites, "ns", change, json);
	cJSON_Delete(json);
}

static struct bite *add(struct fixture *f, const char *id, char kind, const char *workload,
	const char *name, const char *uid)
{
	struct cookie_target target = { &k8s_pod, (char *)"ns", (char *)name, (char *)uid,
		kind == 'D' ? &k8s_deployment : &k8s_statefulset, (char *)workload };
	struct cookie_plan plan = { .targets = &target, .n_targets = 1 };
	struct bite *bite = NULL;
	struct err err;

	assert_int_equal(bites_add(f->bites, id, cookie_find("killpod"), &plan, &bite, &err), 0);
	return bite;
}

static struct bite *bite_whole(struct fixture *f, const char *id, char kind, const char *workload,
	const char *name, const char *uid)
{
	struct bite *bite = add(f, id, kind, workload, name, uid);

	bite_sent(bite);
	bite_done(bite, true);
	return bite;
}

struct told {
	char text[4096];
};

static int each(void *arg, const cJSON *event)
{
	struct told *told = arg;
	const char *state = json_str(event, "state", NULL);
	const char *verdict = json_str(event, "verdict", NULL), *uid = json_str(event, "uid", NULL);
	size_t len = strlen(told->text);

	snprintf(told->text + len, sizeof(told->text) - len, "%s:%s%s%s ",
		json_str(event, "bite", NULL), state ? state : verdict, uid ? "=" : "",
		uid ? uid : "");
	return 0;
}

static void assert_told(struct fixture *f, const char *expected)
{
	struct told told = { "" };
	struct journal_state journal;
	struct err err;

	recorder_flush(f->recorder);
	assert_int_equal(journal_read(f->dir, each, &told, &journal, &err), 0);
	assert_string_equal(told.text, expected);
}

static struct bites_count count(struct fixture *f)
{
	struct bites_count c;

	bites_count(f->bites, &c);
	return c;
}

static void kill_is_proved_and_replaced(void **state)
{
	struct fixture *f = *state;

	see(f, K8S_ADDED, pod('D', "web", "web-5f6-a", "u1", true));
	bite_whole(f, "eat/1", 'D', "web", "web-5f6-a", "u1");
	assert_int_equal(count(f).unproved, 1);
	assert_int_equal(count(f).unready, 1);
	see(f, K8S_ADDED, pod('D', "web", "web-5f6-b", "u2", false));
	see(f, K8S_DELETED, pod('D', "web", "web-5f6-a", "u1", false));
	assert_int_equal(count(f).proved, 1);
	assert_int_equal(count(f).unready, 1);
	see(f, K8S_MODIFIED, pod('D', "web", "web-5f6-b", "u2", true));
	assert_int_equal(count(f).unready, 0);
	assert_int_equal(count(f).unproved, 0);
	assert_true(count(f).last_ns > 0);
	assert_told(f, "eat/1:replaced=u2 eat/1:scheduled=u2 eat/1:gone=u2 eat/1:proved "
		       "eat/1:ready=u2 ");
}

/* Nobody may be credited with a pod that was there before, or is another workload's. */
static void old_and_foreign_pods_are_no_replacement(void **state)
{
	struct fixture *f = *state;

	see(f, K8S_ADDED, pod('D', "web", "web-5f6-a", "u1", true));
	see(f, K8S_ADDED, pod('D', "web", "web-5f6-b", "u2", true));
	bite_whole(f, "eat/1", 'D', "web", "web-5f6-a", "u1");
	see(f, K8S_MODIFIED, pod('D', "web", "web-5f6-b", "u2", true));
	see(f, K8S_ADDED, pod('D', "db", "db-5f6-c", "u3", true));
	see(f, K8S_DELETED, pod('D', "web", "web-5f6-a", "u1", false));
	assert_int_equal(count(f).unready, 1);
	assert_told(f, "eat/1:gone eat/1:proved ");
}

/* With several in flight each replacement goes to the oldest that has none. */
static void replacements_go_to_the_oldest(void **state)
{
	struct fixture *f = *state;

	bite_whole(f, "eat/1", 'D', "web", "web-5f6-a", "u1");
	bite_whole(f, "eat/2", 'D', "web", "web-5f6-b", "u2");
	see(f, K8S_ADDED, pod('D', "web", "web-5f6-c", "u3", true));
	see(f, K8S_ADDED, pod('D', "web", "web-5f6-d", "u4", true));
	assert_told(f, "eat/1:replaced=u3 eat/1:scheduled=u3 eat/1:ready=u3 "
		       "eat/2:replaced=u4 eat/2:scheduled=u4 eat/2:ready=u4 ");
}

static void lost_replacement_makes_room_for_the_next(void **state)
{
	struct fixture *f = *state;

	bite_whole(f, "eat/1", 'D', "web", "web-5f6-a", "u1");
	see(f, K8S_ADDED, pod('D', "web", "web-5f6-b", "u2", false));
	see(f, K8S_DELETED, pod('D', "web", "web-5f6-b", "u2", false));
	assert_int_equal(count(f).unready, 1);
	see(f, K8S_ADDED, pod('D', "web", "web-5f6-c", "u3", true));
	assert_int_equal(count(f).unready, 0);
	assert_told(f, "eat/1:replaced=u2 eat/1:scheduled=u2 eat/1:replaced=u3 "
		       "eat/1:scheduled=u3 eat/1:ready=u3 ");
}

static void statefulset_pods_come_back_by_name(void **state)
{
	struct fixture *f = *state;

	bite_whole(f, "eat/1", 'S', "db", "db-1", "u1");
	see(f, K8S_ADDED, pod('S', "db", "db-2", "u9", true)); /* scaled up meanwhile */
	assert_int_equal(count(f).unready, 1);
	/* The deletion itself was missed: the name with another UID is proof enough. */
	see(f, K8S_ADDED, pod('S', "db", "db-1", "u2", true));
	assert_int_equal(count(f).unready, 0);
	assert_told(f, "eat/1:gone eat/1:proved eat/1:replaced=u2 eat/1:scheduled=u2 "
		       "eat/1:ready=u2 ");
}

/* A pod that went by itself was not eaten. */
static void gone_before_it_was_bitten_is_disproved(void **state)
{
	struct fixture *f = *state;
	struct bite *bite = add(f, "eat/1", 'D', "web", "web-5f6-a", "u1");

	see(f, K8S_DELETED, pod('D', "web", "web-5f6-a", "u1", false));
	bite_sent(bite);
	bite_done(bite, false);
	assert_int_equal(count(f).proved, 0);
	assert_int_equal(count(f).unready, 0);
	assert_told(f, "eat/1:disproved ");
}

static void refused_bite_awaits_nothing(void **state)
{
	struct fixture *f = *state;
	struct bite *bite = add(f, "eat/1", 'D', "web", "web-5f6-a", "u1");

	bite_sent(bite);
	bite_done(bite, false);
	see(f, K8S_ADDED, pod('D', "web", "web-5f6-b", "u2", true));
	assert_int_equal(count(f).unready, 0);
	assert_int_equal(count(f).unproved, 0);
	assert_told(f, "");
}

/* ... but one whose answer was lost may have happened, and is then seen. */
static void unanswered_bite_is_proved_by_the_watch(void **state)
{
	struct fixture *f = *state;
	struct bite *bite = add(f, "eat/1", 'D', "web", "web-5f6-a", "u1");

	bite_sent(bite);
	bite_done(bite, false);
	see(f, K8S_DELETED, pod('D', "web", "web-5f6-a", "u1", false));
	assert_int_equal(count(f).proved, 1);
	assert_int_equal(count(f).unready, 1);
	see(f, K8S_ADDED, pod('D', "web", "web-5f6-b", "u2", true));
	assert_int_equal(count(f).unready, 0);
}

static void dropped_bite_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct bite *first = add(f, "eat/1", 'D', "web", "web-5f6-a", "u1");

	bite_whole(f, "eat/2", 'D', "web", "web-5f6-b", "u2");
	bite_drop(first);
	see(f, K8S_DELETED, pod('D', "web", "web-5f6-a", "u1", false));
	see(f, K8S_DELETED, pod('D', "web", "web-5f6-b", "u2", false));
	assert_told(f, "eat/2:gone eat/2:proved ");
	/* The list's end is where the next one goes. */
	bite_whole(f, "eat/3", 'D', "web", "web-5f6-c", "u3");
	see(f, K8S_DELETED, pod('D', "web", "web-5f6-c", "u3", false));
	assert_int_equal(count(f).proved, 2);
}

static void bite_of_two_is_proved_when_both_are_gone(void **state)
{
	struct fixture *f = *state;
	struct cookie_target targets[2] = {
		{ &k8s_pod, (char *)"ns", (char *)"web-5f6-a", (char *)"u1", &k8s_deployment,
			(char *)"web" },
		{ &k8s_pod, (char *)"ns", (char *)"web-5f6-b", (char *)"u2", &k8s_deployment,
			(char *)"web" },
	};
	struct cookie_plan plan = { .targets = targets, .n_targets = 2 };
	struct bite *bite = NULL;
	struct err err;

	assert_int_equal(
		bites_add(f->bites, "eat/1", cookie_find("killpod"), &plan, &bite, &err), 0);
	bite_sent(bite);
	bite_done(bite, true);
	see(f, K8S_DELETED, pod('D', "web", "web-5f6-a", "u1", false));
	assert_int_equal(count(f).proved, 0);
	see(f, K8S_DELETED, pod('D', "web", "web-5f6-b", "u2", false));
	assert_int_equal(count(f).proved, 1);
	assert_int_equal(count(f).unready, 2);
}

/* Many pods: the set of those seen grows, and stays right. */
static void thousands_of_pods(void **state)
{
	struct fixture *f = *state;
	char name[32], uid[32];

	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "web-5f6-%d", i);
		snprintf(uid, sizeof(uid), "u%d", i);
		see(f, K8S_ADDED, pod('D', "web", name, uid, true));
	}
	bite_whole(f, "eat/1", 'D', "web", "web-5f6-7", "u7");
	for (int i = 0; i < 3000; i++) { /* a relist tells them all again */
		snprintf(name, sizeof(name), "web-5f6-%d", i);
		snprintf(uid, sizeof(uid), "u%d", i);
		see(f, K8S_ADDED, pod('D', "web", name, uid, true));
	}
	assert_told(f, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(kill_is_proved_and_replaced),
		TEST(old_and_foreign_pods_are_no_replacement),
		TEST(replacements_go_to_the_oldest),
		TEST(lost_replacement_makes_room_for_the_next),
		TEST(statefulset_pods_come_back_by_name),
		TEST(gone_before_it_was_bitten_is_disproved),
		TEST(refused_bite_awaits_nothing),
		TEST(unanswered_bite_is_proved_by_the_watch),
		TEST(dropped_bite_is_forgotten),
		TEST(bite_of_two_is_proved_when_both_are_gone),
		TEST(thousands_of_pods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
