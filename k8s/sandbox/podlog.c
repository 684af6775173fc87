/* pods/log: what a container wrote, now or as it comes. */
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/podfiles.h"
#include "k8s/sandbox/request.h"
#include "k8s/sandbox/stream.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define POLL_NS (50 * NS_PER_MS)
#define CHUNK 65536

struct log {
	struct stream stream;
	struct cluster *cluster;
	char *ns, *pod, *uid, *container;
	int64_t restart; /* the run of the container that this log is of */
	int fd;
	bool follow;
};

static const cJSON *status_of(const cJSON *pod, const char *container)
{
	static const char *const lists[] = { "containerStatuses", "initContainerStatuses" };
	const cJSON *one;

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		cJSON_ArrayForEach(one, json_at(pod, "status", lists[i],
						NULL)) if (same_text(json_str(one, "name", NULL),
								   container)) return one;
	return NULL;
}

/* Does the container still run, as the run that is followed? */
static bool is_running(const struct log *log)
{
	struct store *store = log->cluster->store;
	const cJSON *pod, *status;
	bool running;

	store_lock(store);
	pod = store_get(store, &kinds[KIND_POD], log->ns, log->pod);
	status = status_of(pod, log->container);
	running = pod && !strcmp(meta(pod, "uid"), log->uid) &&
		  json_int(status, 0, "restartCount", NULL) == log->restart &&
		  json_at(status, "state", "running", NULL);
	store_unlock(store);
	return running;
}

static bool add_bytes(struct log *log, struct buf *out)
{
	char data[CHUNK];
	ssize_t n = read(log->fd, data, sizeof(data));

	return n > 0 && buf_add(out, data, (size_t)n) == 0;
}

static bool log_next(struct stream *stream, struct buf *out, int64_t until_ns)
{
	struct log *log = (struct log *)stream;
	struct store *store = log->cluster->store;
	bool running = log->follow && is_running(log); /* asked before the last read */

	if (add_bytes(log, out))
		return true;
	if (!running || store_stopped(store))
		return false;
	while (clock_now_ns() < until_ns && !add_bytes(log, out) && is_running(log) &&
		!store_stopped(store)) {
		store_lock(store);
		store_wait(store, clock_now_ns() + POLL_NS);
		store_unlock(store);
	}
	return true;
}

static void log_free(struct stream *stream)
{
	struct log *log = (struct log *)stream;

	if (log->fd >= 0)
		close(log->fd);
	free(log->ns);
	free(log->pod);
	free(log->uid);
	free(log->container);
	free(log);
}

/* Sets the descriptor to where the last `lines` lines begin. */
static void seek_tail(int fd, int64_t lines)
{
	off_t at = lseek(fd, 0, SEEK_END);
	int64_t found = 0;
	char data[CHUNK];

	while (at > 0) {
		off_t from = at > CHUNK ? at - CHUNK : 0;
		ssize_t n = pread(fd, data, (size_t)(at - from), from);

		for (ssize_t i = n - 1; i >= 0; i--) {
			bool last = from + i + 1 == lseek(fd, 0, SEEK_CUR);

			if (data[i] == '\n' && !last && ++found >= lines) {
				lseek(fd, from + i + 1, SEEK_SET);
				return;
			}
		}
		at = from;
	}
	lseek(fd, 0, lines > 0 ? SEEK_SET : SEEK_END);
}

static const char *default_container(const cJSON *pod)
{
	const char *named = json_str(
		pod, "metadata", "annotations", "kubectl.kubernetes.io/default-container", NULL);
	const cJSON *list = json_at(pod, "spec", "containers", NULL);

	if (named)
		return named;
	return cJSON_GetArraySize(list) == 1 ? json_str(list, "0", "name", NULL) : NULL;
}

static int must_choose(const cJSON *pod, struct answer *answer)
{
	OWN_BUF struct buf names = { .max_bytes = 4096 };
	const cJSON *one;

	cJSON_ArrayForEach(one, json_at(pod, "spec", "containers", NULL))
		buf_addf(&names, "%s%s", names.len ? " " : "", json_str(one, "name", NULL));
	return answer_bad(answer,
		"a container name must be specified for pod %s, choose one of: [%s]",
		meta(pod, "name"), buf_str(&names));
}

static bool has_container(const cJSON *pod, const char *name)
{
	static const char *const lists[] = { "containers", "initContainers" };
	const cJSON *one;

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		cJSON_ArrayForEach(one, json_at(pod, "spec", lists[i],
						NULL)) if (same_text(json_str(one, "name", NULL),
								   name)) return true;
	return false;
}

/* Fills `log` for this pod. With the lock held. */
static int find_log(
	struct log *log, const struct request *request, const cJSON *pod, struct answer *answer)
{
	const char *name = request_param(request, "container");
	bool previous = !strcmp(request_param(request, "previous"), "true");
	const char *reason;
	OWN_MEM char *path = NULL;
	const cJSON *status;

	if (!*name && !(name = default_container(pod)))
		return must_choose(pod, answer);
	if (!has_container(pod, name))
		return answer_bad(
			answer, "container %s is not valid for pod %s", name, meta(pod, "name"));
	status = status_of(pod, name);
	log->restart = json_int(status, 0, "restartCount", NULL) - previous;
	log->container = must_dup(name);
	log->uid = must_dup(meta(pod, "uid"));
	path = pod_log_path(log->cluster, log->uid, name, log->restart);
	log->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (log->fd >= 0)
		return 0;
	if (previous)
		return answer_bad(answer,
			"previous terminated container \"%s\" in pod \"%s\" not found", name,
			meta(pod, "name"));
	reason = json_str(status, "state", "waiting", "reason", NULL);
	return answer_bad(answer, "container \"%s\" in pod \"%s\" is waiting to start: %s", name,
		meta(pod, "name"), reason ? reason : "ContainerCreating");
}

void verb_log(struct cluster *cluster, const struct request *request, struct answer *answer)
{
	const char *tail = request_param(request, "tailLines");
	struct log *log = must_alloc(sizeof(*log));
	const cJSON *pod;
	int failed;

	*log = (struct log){
		.stream = { log_next, log_free, "text/plain" },
		.cluster = cluster,
		.ns = must_dup(request->ns),
		.pod = must_dup(request->name),
		.fd = -1,
		.follow = !strcmp(request_param(request, "follow"), "true"),
	};
	store_lock(cluster->store);
	pod = store_get(cluster->store, request->kind, request->ns, request->name);
	failed = pod ? find_log(log, request, pod, answer)
		     : answer_not_found(answer, request->kind, request->name);
	store_unlock(cluster->store);
	if (failed) {
		log_free(&log->stream);
		return;
	}
	if (*tail)
		seek_tail(log->fd, strtoll(tail, NULL, 10));
	answer->code = 200;
	answer->stream = &log->stream;
}
