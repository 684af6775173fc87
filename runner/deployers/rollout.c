/* Waiting until a workload is rolled out, and saying why it is not. */
#include "runner/deployers/rollout.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define FIRST_PAUSE_MS 100
#define LAST_PAUSE_MS 2000
#define LOG_LINES 3
#define TOLD_BYTES 600

/* Before this nothing is asked or said of a rollout: starting takes a moment. */
#define QUIET_NS (3 * NS_PER_S / 2)

struct sick {
	bool found;
	char name[254], state[300];
};

/* ---- what ails a pod, in its kubelet's words ---- */

static bool is(const char *a, const char *b)
{
	return a && !strcmp(a, b);
}

/* "cannot start: exec: ...: not found", "exited with 1, restarted 4 times". */
static void describe_end(const cJSON *status, const cJSON *ended, char *out, size_t size)
{
	const char *reason = json_str(ended, "reason", NULL);
	const char *message = json_str(ended, "message", NULL);
	bool told = reason && strcmp(reason, "Error") && strcmp(reason, "Completed");

	if (is(reason, "StartError") || is(reason, "ContainerCannotRun"))
		snprintf(out, size, "cannot start: %.200s", message ? message : reason);
	else
		snprintf(out, size, "exited with %d%s%s%s, restarted %d times%s%.120s",
			(int)json_int(ended, -1, "exitCode", NULL), told ? " (" : "",
			told ? reason : "", told ? ")" : "",
			(int)json_int(status, 0, "restartCount", NULL), message ? ": " : "",
			message ? message : "");
}

/* False: nothing ails this container. */
static bool describe_container(const cJSON *status, char *out, size_t size)
{
	const cJSON *ended = json_at(status, "state", "terminated", NULL);
	const char *waiting = json_str(status, "state", "waiting", "reason", NULL);
	const char *message = json_str(status, "state", "waiting", "message", NULL);

	if (json_bool(status, 0, "ready", NULL) == 1)
		return false;
	if (!ended)
		ended = json_at(status, "lastState", "terminated", NULL);
	if (ended) /* CrashLoopBackOff says less than the end before it */
		describe_end(status, ended, out, size);
	else if (waiting && strcmp(waiting, "ContainerCreating") &&
		 strcmp(waiting, "PodInitializing"))
		snprintf(out, size, "waiting: %s%s%.200s", waiting, message ? ", " : "",
			message ? message : "");
	else
		return false;
	return true;
}

static bool describe_containers(const cJSON *list, char *out, size_t size)
{
	const cJSON *status;

	cJSON_ArrayForEach(status, list) if (describe_container(status, out, size)) return true;
	return false;
}

/* No node takes it. */
static const char *unscheduled(const cJSON *pod)
{
	const cJSON *condition;

	cJSON_ArrayForEach(condition, json_at(pod, "status", "conditions", NULL))
	{
		if (is(json_str(condition, "type", NULL), "PodScheduled") &&
			is(json_str(condition, "status", NULL), "False"))
			return json_str(condition, "message", NULL);
	}
	return NULL;
}

/* True: something ails it. False: it has only not come up yet. */
static bool describe_pod(const cJSON *pod, char *out, size_t size)
{
	const char *phase = json_str(pod, "status", "phase", NULL), *why = unscheduled(pod);

	if (describe_containers(json_at(pod, "status", "initContainerStatuses", NULL), out, size) ||
		describe_containers(json_at(pod, "status", "containerStatuses", NULL), out, size))
		return true;
	if (why)
		snprintf(out, size, "finds no node: %.200s", why);
	else
		snprintf(out, size, "%s, not ready", phase ? phase : "no phase");
	return why != NULL;
}

/* The first that something ails; else the first that is not ready. */
static int find_sick(void *arg, const cJSON *pod)
{
	struct sick *sick = arg;
	const char *name = json_str(pod, "metadata", "name", NULL);
	char state[sizeof(sick->state)];

	if (!name || k8s_pod_ready(pod) || k8s_pod_terminating(pod))
		return 0;
	if (describe_pod(pod, state, sizeof(state))) {
		snprintf(sick->name, sizeof(sick->name), "%s", name);
		snprintf(sick->state, sizeof(sick->state), "%s", state);
		sick->found = true;
		return 1;
	}
	if (!*sick->name) {
		snprintf(sick->name, sizeof(sick->name), "%s", name);
		snprintf(sick->state, sizeof(sick->state), "%s", state);
	}
	return 0;
}

static void find_pod(struct k8s *k8s, const cJSON *object, const char *ns, struct sick *ret)
{
	struct k8s_select select = { NULL, NULL, 0 };
	OWN_MEM char *labels = NULL;

	*ret = (struct sick){ .found = false };
	if (k8s_selector_text(json_at(object, "spec", "selector", NULL), &labels, NULL))
		return;
	select.labels = labels;
	k8s_list(k8s, &k8s_pod, ns, &select, find_sick, ret, NULL, NULL);
}

/* The last lines of a log on one line. */
static void fold_lines(char *text)
{
	size_t len = strlen(text);

	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	for (; *text; text++)
		if (*text == '\n')
			*text = '|';
}

static void add_pod(struct k8s *k8s, const cJSON *object, const char *ns, struct err *err)
{
	OWN_MEM char *log = NULL;
	struct sick sick;
	size_t len = strlen(err->text);

	find_pod(k8s, object, ns, &sick);
	if (!*sick.name)
		return;
	snprintf(err->text + len, sizeof(err->text) - len, "; pod %s %s", sick.name, sick.state);
	if (k8s_pod_log(k8s, ns, sick.name, NULL, LOG_LINES, &log, NULL) || !*log)
		return;
	fold_lines(log);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, "; its log ends: %.200s", log);
}

/* ---- waiting ---- */

/* What is missing, told when it changes: nobody should wait minutes for a word. */
static void tell(
	const struct rollout *r, const cJSON *object, const char *why, char last[TOLD_BYTES])
{
	char text[TOLD_BYTES];
	struct sick sick;

	find_pod(r->k8s, object, r->ns, &sick);
	snprintf(text, sizeof(text), "%s %.100s: %.100s%s%s", r->kind->kind, r->name,
		why ? why : "not rolled out", sick.found ? "; a pod " : "",
		sick.found ? sick.state : "");
	if (!strcmp(text, last))
		return;
	memcpy(last, text, sizeof(text));
	r->say(text);
}

static int give_up(const struct rollout *r, const cJSON *object, const char *why, struct err *err)
{
	bool failed = k8s_job_failed(object);

	err_set(err, failed ? ERR_API : ERR_TIMEOUT, "%s %s in namespace %s %s: %s", r->kind->kind,
		r->name, r->ns, failed ? "has failed" : "is not rolled out in time",
		why ? why : "unknown");
	add_pod(r->k8s, object, r->ns, err);
	return -1;
}

int rollout_wait(const struct rollout *r, int64_t deadline_ns, struct stop *stop, struct err *err)
{
	int64_t pause_ms = FIRST_PAUSE_MS, quiet_ns = clock_now_ns() + QUIET_NS;
	char last[TOLD_BYTES] = "";

	for (;;) {
		OWN_JSON cJSON *object = NULL;
		OWN_MEM char *why = NULL;
		struct err mine;

		if (!err)
			err = &mine;
		if (k8s_get(r->k8s, r->kind, r->ns, r->name, &object, err))
			return err_wrap(err, "wait for %s %s", r->kind->kind, r->name);
		if (k8s_rolled_out(object, &why))
			return 0;
		if (k8s_job_failed(object) || clock_now_ns() >= deadline_ns)
			return give_up(r, object, why, err);
		if (r->say && clock_now_ns() >= quiet_ns)
			tell(r, object, why, last);
		if (stop_wait(stop, pause_ms))
			return err_set(err, ERR_STOPPED, "stopped while waiting for %s %s",
				r->kind->kind, r->name);
		pause_ms = pause_ms * 2 < LAST_PAUSE_MS ? pause_ms * 2 : LAST_PAUSE_MS;
	}
}
