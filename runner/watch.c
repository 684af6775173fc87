/* The run's one watch of pods: a thread and a client a namespace. */
#include "runner/watch.h"

#include "base/buf.h"
#include "base/clock.h"

#include <pthread.h>
#include <string.h>

#define SYNC_NS (60 * NS_PER_S)

struct space {
	struct watch *watch;
	struct space *next;
	char *ns;
	struct k8s *k8s;
	pthread_t thread;
	bool synced, over;
	struct err err;
};

struct watch {
	const struct k8s_config *config;
	struct recorder *recorder;
	struct bites *bites;
	struct stop *stop;
	pthread_mutex_t lock; /* guards all below, and what hangs on it */
	pthread_cond_t cond;
	struct space *spaces;
};

/* ---- the threads ---- */

static int each_change(void *arg, enum k8s_change change, const cJSON *pod, const char *text)
{
	struct space *space = arg;
	struct watch *w = space->watch;

	if (change == K8S_TROUBLE) {
		cJSON *event = recorder_make("note");
		OWN_MEM char *told = str_format("watch of namespace %s: %s", space->ns, text);

		json_add_str(event, "text", told);
		recorder_event(w->recorder, event);
		return 0;
	}
	if (change != K8S_SYNCED) {
		bites_see(w->bites, space->ns, change, pod);
		return 0;
	}
	pthread_mutex_lock(&w->lock);
	space->synced = true;
	pthread_cond_broadcast(&w->cond);
	pthread_mutex_unlock(&w->lock);
	return 0;
}

static void *watch_space(void *arg)
{
	struct space *space = arg;
	struct watch *w = space->watch;
	struct err err = { ERR_NONE, "" };
	int failed = k8s_watch(
		space->k8s, &k8s_pod, space->ns, NULL, w->stop, each_change, space, &err);

	pthread_mutex_lock(&w->lock);
	space->over = true;
	if (failed) {
		err_wrap(&err, "watch pods of namespace %s", space->ns);
		space->err = err;
	}
	pthread_cond_broadcast(&w->cond);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static struct space *find_space(struct watch *w, const char *ns)
{
	for (struct space *space = w->spaces; space; space = space->next)
		if (!strcmp(space->ns, ns))
			return space;
	return NULL;
}

static void space_free(struct space *space)
{
	k8s_free(space->k8s);
	free(space->ns);
	free(space);
}

static struct space *space_new(struct watch *w, const char *ns, struct err *err)
{
	struct space *space = calloc(1, sizeof(*space));

	if (space)
		space->ns = strdup(ns);
	if (!space || !space->ns) {
		free(space);
		err_set(err, ERR_NOMEM, "no memory for a watch");
		return NULL;
	}
	space->watch = w;
	return space;
}

static int start_space(struct watch *w, const char *ns, struct err *err)
{
	struct space *space = space_new(w, ns, err);

	if (!space)
		return -1;
	if (k8s_new(w->config, w->stop, &space->k8s, err)) {
		space_free(space);
		return -1;
	}
	if (pthread_create(&space->thread, NULL, watch_space, space)) {
		space_free(space);
		return err_set(err, ERR_NOMEM, "no thread for a watch");
	}
	pthread_mutex_lock(&w->lock);
	space->next = w->spaces;
	w->spaces = space;
	pthread_mutex_unlock(&w->lock);
	return 0;
}

static int await_sync(struct watch *w, struct space *space, struct stop *stop, struct err *err)
{
	int64_t deadline_ns = clock_now_ns() + SYNC_NS;
	int result = 0;

	pthread_mutex_lock(&w->lock);
	while (!space->synced && !space->over && !stop_requested(stop) &&
		clock_now_ns() < deadline_ns) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 100 * NS_PER_MS;
		until.tv_sec += until.tv_nsec / NS_PER_S;
		until.tv_nsec %= NS_PER_S;
		pthread_cond_timedwait(&w->cond, &w->lock, &until);
	}
	if (space->over && space->err.code != ERR_NONE) {
		if (err)
			*err = space->err;
		result = -1;
	} else if (!space->synced) {
		result = err_set(err, stop_requested(stop) ? ERR_STOPPED : ERR_TIMEOUT,
			"the watch of pods in namespace %s did not come up", space->ns);
	}
	pthread_mutex_unlock(&w->lock);
	return result;
}

int watch_namespace(struct watch *w, const char *ns, struct stop *stop, struct err *err)
{
	struct space *space;

	pthread_mutex_lock(&w->lock);
	space = find_space(w, ns);
	pthread_mutex_unlock(&w->lock);
	if (!space && start_space(w, ns, err))
		return -1;
	pthread_mutex_lock(&w->lock);
	space = find_space(w, ns);
	pthread_mutex_unlock(&w->lock);
	return await_sync(w, space, stop, err);
}

bool watch_failed(struct watch *w, struct err *err)
{
	bool failed = false;

	pthread_mutex_lock(&w->lock);
	for (struct space *space = w->spaces; space && !failed; space = space->next) {
		failed = space->over && space->err.code != ERR_NONE;
		if (failed && err)
			*err = space->err;
	}
	pthread_mutex_unlock(&w->lock);
	return failed;
}

/* ---- life ---- */

int watch_new(const struct k8s_config *config, struct recorder *recorder, struct bites *bites,
	struct watch **ret_watch, struct err *err)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return err_set(err, ERR_NOMEM, "no memory for the watch");
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->cond, NULL);
	w->config = config;
	w->recorder = recorder;
	w->bites = bites;
	if (stop_new(NULL, &w->stop, err)) {
		watch_free(w);
		return -1;
	}
	*ret_watch = w;
	return 0;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	if (w->stop)
		stop_request(w->stop, 1);
	while (w->spaces) {
		struct space *space = w->spaces;

		w->spaces = space->next;
		pthread_join(space->thread, NULL);
		space_free(space);
	}
	stop_free(w->stop);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->cond);
	free(w);
}
