/* One pod: volumes, init containers one after another, containers, and how it ends. */
#include "k8s/sandbox/pod.h"

#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"
#include "k8s/sandbox/podfiles.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PROXIES_WAIT_NS NS_PER_S /* for the services to turn away from a pod that ends */

struct pod *pod_new(struct cluster *cluster, const cJSON *json, uint32_t ip)
{
	struct pod *pod = must_alloc(sizeof(*pod));
	const cJSON *inits, *mains, *one;
	OWN_MEM char *dir = NULL;
	size_t i = 0;

	*pod = (struct pod){ .cluster = cluster, .ip = ip, .changed = true };
	pod->json = edit_copy(json);
	pod->ns = meta(pod->json, "namespace");
	pod->name = meta(pod->json, "name");
	pod->uid = meta(pod->json, "uid");
	ip_text(ip, pod->ip_text);
	pod->start_s = time_wall_s();
	pod->start_ns = clock_now_ns();
	inits = json_at(pod->json, "spec", "initContainers", NULL);
	mains = json_at(pod->json, "spec", "containers", NULL);
	pod->n_init = (size_t)cJSON_GetArraySize(inits);
	pod->n = pod->n_init + (size_t)cJSON_GetArraySize(mains);
	pod->containers = must_alloc(pod->n * sizeof(*pod->containers));
	cJSON_ArrayForEach(one, inits) container_init(&pod->containers[i++], one);
	cJSON_ArrayForEach(one, mains) container_init(&pod->containers[i++], one);
	dir = pod_dir(cluster, pod->uid);
	mkdir(dir, 0700);
	return pod;
}

void pod_free(struct pod *pod)
{
	OWN_MEM char *dir = NULL;

	if (!pod)
		return;
	dir = pod_dir(pod->cluster, pod->uid);
	for (size_t i = 0; i < pod->n; i++)
		container_done(&pod->containers[i]);
	remove_tree(dir);
	free(pod->containers);
	cJSON_Delete(pod->json);
	free(pod);
}

/* ---- ending ---- */

static bool all_still(const struct pod *pod)
{
	for (size_t i = 0; i < pod->n; i++)
		if (pod->containers[i].state == CONTAINER_RUNNING)
			return false;
	return true;
}

static void stop_all(struct pod *pod, int64_t now, int64_t grace_s)
{
	for (size_t i = 0; i < pod->n; i++)
		container_stop(pod, &pod->containers[i], now, grace_s);
}

/* Have the services turned away, so that no new connection meets its end? */
static bool may_stop(struct pod *pod, int64_t now, int64_t *next)
{
	if (pod->removed || atomic_load(&pod->cluster->proxied) >= pod->asked_rv ||
		now - pod->asked_ns >= PROXIES_WAIT_NS)
		return true;
	sooner(next, now + NS_PER_MS);
	return false;
}

static int64_t step_ending(struct pod *pod, int64_t now, bool *ret_gone)
{
	int64_t next = INT64_MAX;

	if (may_stop(pod, now, &next))
		stop_all(pod, now, pod->removed ? 0 : pod->grace_s);
	for (size_t i = 0; i < pod->n; i++)
		if (pod->containers[i].state == CONTAINER_RUNNING)
			container_step(pod, &pod->containers[i], now, &next);
	if (!all_still(pod)) {
		pod_report(pod);
		return next;
	}
	if (!pod->removed) {
		pod_report(pod);
		pod_forget(pod);
	}
	*ret_gone = true;
	return next;
}

/* ---- living ---- */

/* True once the volumes are there. */
static bool make_volumes(struct pod *pod, int64_t now, int64_t *next)
{
	struct err err;
	int failed;

	if (pod->volumes_made)
		return true;
	if (now < pod->retry_ns) {
		sooner(next, pod->retry_ns);
		return false;
	}
	store_lock(pod->cluster->store);
	failed = volumes_make(pod->cluster, pod->json, &err);
	store_unlock(pod->cluster->store);
	if (!failed) {
		pod->volumes_made = pod->changed = true;
		return true;
	}
	pod_event(pod, "Warning", "FailedMount", "%s", err.text);
	pod->retry_ns = now + NS_PER_S;
	sooner(next, pod->retry_ns);
	return false;
}

/* True once all init containers have succeeded. */
static bool step_inits(struct pod *pod, int64_t now, int64_t *next)
{
	for (size_t i = 0; i < pod->n_init; i++) {
		struct container *container = &pod->containers[i];

		if (container->state == CONTAINER_ENDED && container->end.exit_code == 0)
			continue;
		container_step(pod, container, now, next);
		if (container->state != CONTAINER_ENDED || container->end.exit_code)
			return false;
	}
	return true;
}

static bool is_over(const struct pod *pod)
{
	for (size_t i = 0; i < pod->n_init; i++)
		if (container_is_over(pod, &pod->containers[i]) && pod->containers[i].end.exit_code)
			return true;
	for (size_t i = pod->n_init; i < pod->n; i++)
		if (!container_is_over(pod, &pod->containers[i]))
			return false;
	return true;
}

/* activeDeadlineSeconds: true when it has passed and the pod is being ended for it. */
static bool step_deadline(struct pod *pod, int64_t now, int64_t *next)
{
	int64_t seconds = json_int(pod->json, 0, "spec", "activeDeadlineSeconds", NULL);
	int64_t at = pod->start_ns + seconds * NS_PER_S;

	if (pod->failed_reason)
		return true;
	if (!seconds)
		return false;
	if (now < at) {
		sooner(next, at);
		return false;
	}
	pod->failed_reason = "DeadlineExceeded";
	pod->changed = true;
	stop_all(pod, now, json_int(pod->json, 30, "spec", "terminationGracePeriodSeconds", NULL));
	return true;
}

static void step_failed(struct pod *pod, int64_t now, int64_t *next)
{
	for (size_t i = 0; i < pod->n; i++)
		if (pod->containers[i].state == CONTAINER_RUNNING)
			container_step(pod, &pod->containers[i], now, next);
	if (all_still(pod))
		pod->over = pod->changed = true;
}

int64_t pod_step(struct pod *pod, int64_t now, bool *ret_gone)
{
	int64_t next = INT64_MAX;

	*ret_gone = false;
	if (pod->removed || pod->terminating)
		return step_ending(pod, now, ret_gone);
	if (!pod->over && step_deadline(pod, now, &next)) {
		step_failed(pod, now, &next);
	} else if (!pod->over && make_volumes(pod, now, &next)) {
		if (step_inits(pod, now, &next))
			for (size_t i = pod->n_init; i < pod->n; i++)
				container_step(pod, &pod->containers[i], now, &next);
		if (is_over(pod))
			pod->over = pod->changed = true;
	}
	pod_report(pod);
	return next;
}

static size_t add_fd(struct pollfd *fds, size_t size, size_t n, int fd, short events)
{
	if (fd < 0 || n == size)
		return n;
	fds[n] = (struct pollfd){ .fd = fd, .events = events };
	return n + 1;
}

size_t pod_fds(const struct pod *pod, struct pollfd *fds, size_t size)
{
	size_t n = 0;
	short events;
	int fd;

	for (size_t i = 0; i < pod->n; i++) {
		const struct container *container = &pod->containers[i];

		if (container->state != CONTAINER_RUNNING)
			continue;
		n = add_fd(fds, size, n, container->keeper.fd, POLLIN);
		fd = action_fd(&container->hook, &events);
		n = add_fd(fds, size, n, fd, events);
		for (size_t p = 0; p < PROBE_COUNT; p++) {
			fd = action_fd(&container->probes[p].action, &events);
			n = add_fd(fds, size, n, fd, events);
		}
	}
	return n;
}
