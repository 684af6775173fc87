/* Waiting until a workload is rolled out, and saying why it is not. */
#include "runner/deployers/rollout.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define FIRST_PAUSE_MS 100
#define LAST_PAUSE_MS 2000
#define LOG_LINES 3

struct sick {
	bool found;
	char name[254], state[160];
};

/* "waiting: ImagePullBackOff", "exited with 1 (Error), restarted 4 times", "Pending". */
static void describe_pod(const cJSON *pod, char *out, size_t size)
{
	const cJSON *status = json_at(pod, "status", "containerStatuses", "0", NULL);
	const char *waiting = json_str(status, "state", "waiting", "reason", NULL);
	const char *message = json_str(status, "state", "waiting", "message", NULL);
	const cJSON *ended = json_at(status, "state", "terminated", NULL);
	const char *phase = json_str(pod, "status", "phase", NULL);

	if (!ended)
		ended = json_at(status, "lastState", "terminated", NULL);
	if (ended)
		snprintf(out, size, "exited with %d, restarted %d times",
			(int)json_int(ended, -1, "exitCode", NULL),
			(int)json_int(status, 0, "restartCount", NULL));
	else if (waiting)
		snprintf(out, size, "waiting: %s%s%.80s", waiting, message ? ", " : "",
			message ? message : "");
	else
		snprintf(out, size, "%s, not ready", phase ? phase : "no phase");
}

static int find_sick(void *arg, const cJSON *pod)
{
	struct sick *sick = arg;
	const char *name = json_str(pod, "metadata", "name", NULL);

	if (!name || k8s_pod_ready(pod) || k8s_pod_terminating(pod))
		return 0;
	snprintf(sick->name, sizeof(sick->name), "%s", name);
	describe_pod(pod, sick->state, sizeof(sick->state));
	sick->found = true;
	return 1;
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
	struct k8s_select select = { NULL, NULL, 0 };
	OWN_MEM char *labels = NULL, *log = NULL;
	struct sick sick = { .found = false };
	size_t len = strlen(err->text);

	if (k8s_selector_text(json_at(object, "spec", "selector", NULL), &labels, NULL))
		return;
	select.labels = labels;
	if (k8s_list(k8s, &k8s_pod, ns, &select, find_sick, &sick, NULL, NULL) || !sick.found)
		return;
	snprintf(err->text + len, sizeof(err->text) - len, "; pod %s %s", sick.name, sick.state);
	if (k8s_pod_log(k8s, ns, sick.name, NULL, LOG_LINES, &log, NULL) || !*log)
		return;
	fold_lines(log);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, "; its log ends: %.200s", log);
}

int rollout_wait(struct k8s *k8s, const struct k8s_kind *kind, const char *ns, const char *name,
	int64_t deadline_ns, struct stop *stop, struct err *err)
{
	int64_t pause_ms = FIRST_PAUSE_MS;

	for (;;) {
		OWN_JSON cJSON *object = NULL;
		OWN_MEM char *why = NULL;
		struct err mine;

		if (!err)
			err = &mine;
		if (k8s_get(k8s, kind, ns, name, &object, err))
			return err_wrap(err, "wait for %s %s", kind->kind, name);
		if (k8s_rolled_out(object, &why))
			return 0;
		if (k8s_job_failed(object) || clock_now_ns() >= deadline_ns) {
			bool failed = k8s_job_failed(object);

			err_set(err, failed ? ERR_API : ERR_TIMEOUT, "%s %s in namespace %s %s: %s",
				kind->kind, name, ns,
				failed ? "has failed" : "is not rolled out in time",
				why ? why : "unknown");
			add_pod(k8s, object, ns, err);
			return -1;
		}
		if (stop_wait(stop, pause_ms))
			return err_set(err, ERR_STOPPED, "stopped while waiting for %s %s",
				kind->kind, name);
		pause_ms = pause_ms * 2 < LAST_PAUSE_MS ? pause_ms * 2 : LAST_PAUSE_MS;
	}
}
