/* The kubelet of all nodes. */
#include "k8s/sandbox/kubelet.h"

#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"
#include "k8s/sandbox/pod.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

#define FDS_MAX 16384

struct kubelet {
	struct cluster *cluster;
	pthread_t thread;
	int wake;
	struct pod **pods;
	size_t n, size;
	uint32_t last_ip; /* addresses are not used again at once */
	uint64_t seen;    /* the store's version that was looked at */
};

static struct pod *find(struct kubelet *kubelet, const char *uid)
{
	for (size_t i = 0; i < kubelet->n; i++)
		if (!strcmp(kubelet->pods[i]->uid, uid))
			return kubelet->pods[i];
	return NULL;
}

/* 0: all are taken. */
static uint32_t free_ip(struct kubelet *kubelet)
{
	for (uint32_t tries = 0; tries < ADDRESSES - 2; tries++) {
		bool taken = false;

		kubelet->last_ip = kubelet->last_ip % (ADDRESSES - 2) + 1;
		for (size_t i = 0; i < kubelet->n && !taken; i++)
			taken = kubelet->pods[i]->ip ==
				kubelet->cluster->pods_base + kubelet->last_ip;
		if (!taken)
			return kubelet->cluster->pods_base + kubelet->last_ip;
	}
	return 0;
}

static void admit(struct kubelet *kubelet, const cJSON *json)
{
	uint32_t ip = free_ip(kubelet);

	if (!ip)
		return;
	if (kubelet->n == kubelet->size) {
		kubelet->size = kubelet->size ? kubelet->size * 2 : 16;
		kubelet->pods = must_grow(kubelet->pods, kubelet->size * sizeof(*kubelet->pods));
	}
	kubelet->pods[kubelet->n++] = pod_new(kubelet->cluster, json, ip);
}

static void ask_to_end(struct pod *pod, const struct object *object)
{
	int64_t grace = json_int(
		object->now->json, 30, "metadata", "deletionGracePeriodSeconds", NULL);

	if (!pod->terminating) {
		pod->terminating = true;
		pod->asked_rv = object->now->rv;
		pod->asked_ns = clock_now_ns();
		pod->grace_s = grace;
	} else if (grace < pod->grace_s) {
		pod->grace_s = grace;
	}
}

static void look_at(struct kubelet *kubelet, const struct object *object)
{
	struct pod *pod = find(kubelet, meta(object->now->json, "uid"));

	if (!pod && json_str(object->now->json, "spec", "nodeName", NULL) &&
		!pod_is_over(object->now->json)) {
		admit(kubelet, object->now->json);
		pod = find(kubelet, meta(object->now->json, "uid"));
	}
	if (!pod)
		return;
	pod->removed = false;
	if (is_terminating(object->now->json))
		ask_to_end(pod, object);
}

static void look_at_store(struct kubelet *kubelet)
{
	struct store *store = kubelet->cluster->store;
	const struct object *all;
	size_t n;

	store_lock(store);
	if (kubelet->seen != store_version(store)) {
		kubelet->seen = store_version(store);
		for (size_t i = 0; i < kubelet->n; i++)
			kubelet->pods[i]->removed = true;
		all = store_objects(store, &kinds[KIND_POD], &n);
		for (size_t i = 0; i < n; i++)
			look_at(kubelet, &all[i]);
	}
	store_unlock(store);
}

/* Steps all pods; returns when the next thing is due. */
static int64_t step_all(struct kubelet *kubelet)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < kubelet->n;) {
		bool gone;

		sooner(&next, pod_step(kubelet->pods[i], clock_now_ns(), &gone));
		if (!gone) {
			i++;
			continue;
		}
		pod_free(kubelet->pods[i]);
		kubelet->pods[i] = kubelet->pods[--kubelet->n];
	}
	return next;
}

static int wait_ms(int64_t next)
{
	int64_t left = next == INT64_MAX ? INT64_MAX : next - clock_now_ns();

	if (left <= 0)
		return 0;
	return left > 3600 * NS_PER_S ? 3600 * 1000 : (int)((left + NS_PER_MS - 1) / NS_PER_MS);
}

static void *run(void *arg)
{
	struct kubelet *kubelet = arg;
	struct pollfd *fds = must_alloc(FDS_MAX * sizeof(*fds));

	while (!store_stopped(kubelet->cluster->store)) {
		size_t n = 1;
		int64_t next;
		uint64_t count;

		look_at_store(kubelet);
		next = step_all(kubelet);
		fds[0] = (struct pollfd){ .fd = kubelet->wake, .events = POLLIN };
		for (size_t i = 0; i < kubelet->n; i++)
			n += pod_fds(kubelet->pods[i], fds + n, FDS_MAX - n);
		if (poll(fds, n, wait_ms(next)) > 0 && fds[0].revents)
			while (read(kubelet->wake, &count, sizeof(count)) > 0)
				;
	}
	for (size_t i = 0; i < kubelet->n; i++)
		pod_free(kubelet->pods[i]);
	free(kubelet->pods);
	free(fds);
	return NULL;
}

int kubelet_start(struct cluster *cluster, struct kubelet **ret_kubelet, struct err *err)
{
	struct kubelet *kubelet = must_alloc(sizeof(*kubelet));

	*kubelet = (struct kubelet){ .cluster = cluster };
	kubelet->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (kubelet->wake < 0) {
		free(kubelet);
		return err_errno(err, "eventfd");
	}
	store_add_wake(cluster->store, kubelet->wake);
	if (pthread_create(&kubelet->thread, NULL, run, kubelet)) {
		close(kubelet->wake);
		free(kubelet);
		return err_set(err, ERR_NOMEM, "no thread for the kubelet");
	}
	*ret_kubelet = kubelet;
	return 0;
}

void kubelet_stop(struct kubelet *kubelet)
{
	if (!kubelet)
		return;
	pthread_join(kubelet->thread, NULL);
	close(kubelet->wake);
	free(kubelet);
}
