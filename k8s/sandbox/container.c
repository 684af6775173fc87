/* One container: a process that starts, is probed, ends, and starts again. */
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/pod.h"
#include "k8s/sandbox/podfiles.h"
#include "k8s/sandbox/spawn.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* A kubelet waits 10 s, 20 s ... 5 min; a stage for short runs should not take that long. */
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MOST_MS 10000
#define BACKOFF_FORGET_NS (60 * NS_PER_S)

void container_init(struct container *container, const cJSON *spec)
{
	static const char *const keys[PROBE_COUNT] = { "startupProbe", "livenessProbe",
		"readinessProbe" };

	*container = (struct container){ .spec = spec };
	container->name = json_str(spec, "name", NULL);
	container->hook.fd = -1;
	snprintf(container->reason, sizeof(container->reason), "ContainerCreating");
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		container->probes[i].spec = json_at(spec, keys[i], NULL);
		container->probes[i].action.fd = -1;
	}
}

static void forget_run(struct container *container)
{
	for (size_t i = 0; i < PROBE_COUNT; i++)
		probe_reset(&container->probes[i], 0);
	action_cancel(&container->hook);
	words_done(&container->hook_argv);
	words_done(&container->env);
	mounts_done(&container->mounts);
	free(container->cwd);
	container->cwd = NULL;
	container->stop = STOP_NONE;
}

void container_done(struct container *container)
{
	forget_run(container);
	keeper_end(&container->keeper);
}

bool container_is_init(const struct pod *pod, const struct container *container)
{
	return container < pod->containers + pod->n_init;
}

bool container_has_started(const struct container *container)
{
	return container->state == CONTAINER_RUNNING &&
	       (!container->probes[PROBE_STARTUP].spec || container->probes[PROBE_STARTUP].passed);
}

bool container_is_ready(const struct container *container)
{
	return container_has_started(container) &&
	       (!container->probes[PROBE_READINESS].spec ||
		       container->probes[PROBE_READINESS].passed);
}

static bool restarts_after(const struct pod *pod, const struct container *container, int code)
{
	const char *policy = json_str(pod->json, "spec", "restartPolicy", NULL);

	if (pod->terminating || pod->removed || pod->over || pod->failed_reason)
		return false;
	if (container_is_init(pod, container))
		return code != 0 && strcmp(policy, "Never");
	return !strcmp(policy, "Always") || (!strcmp(policy, "OnFailure") && code != 0);
}

bool container_is_over(const struct pod *pod, const struct container *container)
{
	return container->state == CONTAINER_ENDED &&
	       !restarts_after(pod, container, container->end.exit_code);
}

/* ---- starting ---- */

static void wait_because(struct pod *pod, struct container *container, const char *reason,
	const char *message, int64_t until_ns)
{
	container->state = CONTAINER_WAITING;
	snprintf(container->reason, sizeof(container->reason), "%s", reason);
	snprintf(container->message, sizeof(container->message), "%s", message);
	container->start_at_ns = until_ns;
	pod->changed = true;
}

static int make_environment(struct pod *pod, struct container *container, struct err *err)
{
	const char *dir = json_str(container->spec, "workingDir", NULL);
	OWN_MEM char *home = pod_dir(pod->cluster, pod->uid);
	int failed;

	forget_run(container);
	mounts_of(&container->mounts, pod->cluster, pod->json, container->spec);
	container->cwd = dir ? mounts_apply(&container->mounts, dir) : must_format("%s/w", home);
	if (!dir)
		mkdir(container->cwd, 0755);
	store_lock(pod->cluster->store);
	failed = podenv_make(pod->cluster, pod->json, container->spec, pod->ip_text,
		&container->mounts, &container->env, err);
	store_unlock(pod->cluster->store);
	return failed;
}

/* It could not even start: as a runtime tells it. */
static void not_started(struct pod *pod, struct container *container, const char *why, int64_t now)
{
	int64_t wall = time_wall_s();

	container->end = (struct run_end){
		.there = true, .exit_code = 128, .started_s = wall, .finished_s = wall
	};
	snprintf(container->end.reason, sizeof(container->end.reason), "StartError");
	snprintf(container->end.message, sizeof(container->end.message), "%.250s", why);
	container->state = CONTAINER_ENDED;
	container->started_ns = now;
	pod->changed = true;
	pod_event(pod, "Warning", "Failed", "Error: %s", why);
}

static void new_id(struct container *container)
{
	char a[UID_BYTES], b[UID_BYTES];

	random_uid(a);
	random_uid(b);
	snprintf(container->id, sizeof(container->id), "sandbox://%.8s%.8s", a, b);
}

static void start(struct pod *pod, struct container *container, int64_t now)
{
	OWN(words_done) struct words argv = { 0 };
	OWN_MEM char *log = NULL;
	struct err err;

	if (make_environment(pod, container, &err)) {
		wait_because(
			pod, container, "CreateContainerConfigError", err.text, now + NS_PER_S);
		return;
	}
	podenv_argv(&container->env, &container->mounts, json_at(container->spec, "command", NULL),
		json_at(container->spec, "args", NULL), &argv);
	if (!argv.n) {
		wait_because(pod, container, "CreateContainerError",
			"the sandbox runs no images: the container needs a command",
			now + 3600 * NS_PER_S);
		return;
	}
	if (container->ever_ran) {
		container->restarts++;
		container->last = container->end;
	}
	container->ever_ran = true;
	new_id(container);
	container->started_s = time_wall_s();
	container->started_ns = now;
	log = pod_log_path(pod->cluster, pod->uid, container->name, container->restarts);
	if (spawn_process(
		    argv.v, container->env.v, container->cwd, log, &container->keeper, &err)) {
		not_started(pod, container, err.text, now);
		return;
	}
	container->state = CONTAINER_RUNNING;
	for (size_t i = 0; i < PROBE_COUNT; i++)
		probe_reset(&container->probes[i], now);
	pod->changed = true;
	pod_event(pod, "Normal", "Created", "Container created");
	pod_event(pod, "Normal", "Started", "Container started");
}

/* ---- ending ---- */

static void send_term(struct container *container)
{
	container->stop = STOP_TERM;
	keeper_signal(&container->keeper, SIGTERM, false);
}

static void begin_hook(struct pod *pod, struct container *container, const cJSON *hook)
{
	struct action_context context = { .env = container->env.v,
		.cwd = container->cwd,
		.ip = pod->ip_text,
		.ports = json_at(container->spec, "ports", NULL) };
	int64_t left_ms = (container->kill_at_ns - clock_now_ns()) / NS_PER_MS;

	podenv_argv(&container->env, &container->mounts, json_at(hook, "exec", "command", NULL),
		NULL, &container->hook_argv);
	context.argv = container->hook_argv.v;
	container->stop = STOP_HOOK;
	action_start(&container->hook, hook, left_ms > 0 ? left_ms : 1, &context);
}

void container_stop(struct pod *pod, struct container *container, int64_t now, int64_t grace_s)
{
	const cJSON *hook = json_at(container->spec, "lifecycle", "preStop", NULL);
	int64_t kill_at = now + grace_s * NS_PER_S;

	if (container->state != CONTAINER_RUNNING)
		return;
	if (container->stop != STOP_NONE) {
		if (kill_at < container->kill_at_ns)
			container->kill_at_ns = kill_at;
		return;
	}
	container->kill_at_ns = kill_at;
	pod_event(pod, "Normal", "Killing", "Stopping container %s", container->name);
	if (hook && grace_s > 0)
		begin_hook(pod, container, hook);
	else
		send_term(container);
}

static void step_stop(struct container *container, int64_t now, int64_t *next)
{
	if (container->stop == STOP_HOOK && action_step(&container->hook) != ACTION_PENDING)
		send_term(container);
	if (container->stop == STOP_HOOK)
		sooner(next, container->hook.deadline_ns);
	if (container->stop != STOP_KILL && now >= container->kill_at_ns) {
		action_cancel(&container->hook);
		container->stop = STOP_KILL;
		keeper_signal(&container->keeper, SIGKILL, true);
	}
	if (container->stop != STOP_KILL)
		sooner(next, container->kill_at_ns);
}

static void ended(struct pod *pod, struct container *container, int status)
{
	struct run_end *end = &container->end;

	*end = (struct run_end){
		.there = true, .started_s = container->started_s, .finished_s = time_wall_s()
	};
	snprintf(end->id, sizeof(end->id), "%s", container->id);
	if (WIFSIGNALED(status)) {
		end->signal = WTERMSIG(status);
		end->exit_code = 128 + end->signal;
	} else {
		end->exit_code = WEXITSTATUS(status);
	}
	snprintf(end->reason, sizeof(end->reason), "%s", end->exit_code ? "Error" : "Completed");
	keeper_end(&container->keeper);
	container->keeper = (struct keeper){ 0 };
	forget_run(container);
	container->state = CONTAINER_ENDED;
	pod->changed = true;
}

/* ---- running ---- */

/* After an end: at once the first time, then later and later. */
static void restart_later(struct pod *pod, struct container *container, int64_t now)
{
	char message[256];

	if (now - container->started_ns > BACKOFF_FORGET_NS)
		container->backoff_ms = 0;
	if (!container->backoff_ms) {
		container->backoff_ms = BACKOFF_FIRST_MS;
		start(pod, container, now);
		return;
	}
	snprintf(message, sizeof(message),
		"back-off %llds restarting failed container=%s pod=%s_%s(%s)",
		(long long)container->backoff_ms / 1000, container->name, pod->name, pod->ns,
		pod->uid);
	wait_because(pod, container, "CrashLoopBackOff", message,
		now + container->backoff_ms * NS_PER_MS);
	pod_event(pod, "Warning", "BackOff",
		"Back-off restarting failed container %s in pod %s_%s(%s)", container->name,
		pod->name, pod->ns, pod->uid);
	container->backoff_ms *= 2;
	if (container->backoff_ms > BACKOFF_MOST_MS)
		container->backoff_ms = BACKOFF_MOST_MS;
}

static void kill_unhealthy(
	struct pod *pod, struct container *container, enum probe_kind kind, int64_t now)
{
	const cJSON *own = json_at(
		container->probes[kind].spec, "terminationGracePeriodSeconds", NULL);
	int64_t grace = json_int(pod->json, 30, "spec", "terminationGracePeriodSeconds", NULL);

	if (container->probes[kind].passed ||
		container->probes[kind].bad <
			json_int(container->probes[kind].spec, 3, "failureThreshold", NULL))
		return;
	pod_event(pod, "Normal", "Killing", "Container %s failed %s probe, will be restarted",
		container->name, kind == PROBE_STARTUP ? "startup" : "liveness");
	container_stop(pod, container, now, own ? own->valueint : grace);
}

static void step_probes(struct pod *pod, struct container *container, int64_t now, int64_t *next)
{
	if (container->probes[PROBE_STARTUP].spec && !container->probes[PROBE_STARTUP].passed) {
		if (probe_step(pod, container, PROBE_STARTUP, now, next)) {
			pod->changed = true;
			kill_unhealthy(pod, container, PROBE_STARTUP, now);
		}
		return;
	}
	if (container->probes[PROBE_READINESS].spec)
		pod->changed |= probe_step(pod, container, PROBE_READINESS, now, next);
	if (container->probes[PROBE_LIVENESS].spec &&
		probe_step(pod, container, PROBE_LIVENESS, now, next))
		kill_unhealthy(pod, container, PROBE_LIVENESS, now);
}

void container_step(struct pod *pod, struct container *container, int64_t now, int64_t *next)
{
	int status;

	if (container->state == CONTAINER_RUNNING && keeper_ended(&container->keeper, &status))
		ended(pod, container, status);
	if (container->state == CONTAINER_ENDED &&
		restarts_after(pod, container, container->end.exit_code))
		restart_later(pod, container, now);
	if (container->state == CONTAINER_ENDED && !container_is_over(pod, container))
		sooner(next, now); /* it could not even start: it waits from the next step on */
	if (container->state == CONTAINER_WAITING) {
		if (now >= container->start_at_ns)
			start(pod, container, now);
		else
			sooner(next, container->start_at_ns);
	}
	if (container->state == CONTAINER_RUNNING) {
		if (container->stop != STOP_NONE)
			step_stop(container, now, next);
		else
			step_probes(pod, container, now, next);
	}
}
