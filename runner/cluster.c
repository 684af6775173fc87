/* The cluster of a run. */
#include "runner/cluster.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/tempdir.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SANDBOX_START_NS (30 * NS_PER_S)
#define SANDBOX_GRACE_MS 10000

struct cluster {
	enum cluster_kind kind;
	struct k8s_config *config;
	char *version, *id;
	/* A sandbox of our own. */
	struct tempdir dir;
	char *kubeconfig, *path;
	int lifeline;
	struct proc *proc;
	struct stop *end;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t cond;
	bool ended;
	char *ready;
	char last[256];
};

static const char *const kind_names[] = { "none", "sandbox", "kubeconfig", "in-cluster" };

const char *cluster_kind_name(enum cluster_kind kind)
{
	return kind_names[kind];
}

int cluster_parse(
	const char *text, enum cluster_kind *ret_kind, const char **ret_context, struct err *err)
{
	const char *context = NULL;
	enum cluster_kind kind;

	if (!strcmp(text, "sandbox"))
		kind = CLUSTER_SANDBOX;
	else if (!strcmp(text, "in-cluster"))
		kind = CLUSTER_IN_CLUSTER;
	else if (!strncmp(text, "kubeconfig", 10) && (!text[10] || (text[10] == ':' && text[11])))
		kind = CLUSTER_KUBECONFIG;
	else
		return err_set(err, ERR_USAGE,
			"--cluster %s: give sandbox, kubeconfig, kubeconfig:CONTEXT or in-cluster",
			text);
	if (kind == CLUSTER_KUBECONFIG && text[10])
		context = text + 11;
	*ret_kind = kind;
	*ret_context = context;
	return 0;
}

/* ---- the sandbox ---- */

int cluster_find_sandbox(char **ret_path, struct err *err)
{
	static const char *const places[] = { "crumble-sandbox",
		"../libexec/crumble/crumble-sandbox" };
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (len < 0)
		return err_errno(err, "/proc/self/exe");
	self[len] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		OWN_MEM char *path = str_format("%s/%s", self, places[i]);

		if (path && !access(path, X_OK)) {
			*ret_path = TAKE(path);
			return 0;
		}
	}
	return err_set(err, ERR_NOT_FOUND,
		"crumble-sandbox is neither in %s nor in %s/../libexec/crumble: build or install it, "
		"or name a real cluster with --cluster",
		self, self);
}

/* From the sandbox's thread: "ready KUBECONFIG" on its standard output; the last line of its log
 * is kept for the error text. */
static void on_line(void *arg, bool is_err, const char *line)
{
	struct cluster *c = arg;

	pthread_mutex_lock(&c->lock);
	if (!is_err && !strncmp(line, "ready ", 6) && !c->ready)
		c->ready = strdup(line + 6);
	else if (is_err && *line)
		snprintf(c->last, sizeof(c->last), "%s", line);
	pthread_cond_broadcast(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

static void *wait_for_sandbox(void *arg)
{
	struct cluster *c = arg;
	struct proc_result result;

	proc_wait(c->proc, c->end, INT64_MAX, SANDBOX_GRACE_MS, &result, NULL);
	pthread_mutex_lock(&c->lock);
	c->ended = true;
	pthread_cond_broadcast(&c->cond);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* The child's stdin is the read end; the write end dies with us. */
static int start_child(struct cluster *c, const char *log_path, struct err *err)
{
	int ends[2];
	const char *argv[] = { c->path, "--dir", c->dir.path, "--lifeline", "0", NULL };
	struct proc_spec spec = {
		.argv = argv,
		.log_path = log_path,
		.on_line = on_line,
		.arg = c,
	};
	int failed;

	if (pipe2(ends, O_CLOEXEC))
		return err_errno(err, "pipe");
	c->lifeline = ends[1];
	spec.in_fd = ends[0];
	failed = proc_start(&spec, &c->proc, err);
	close(ends[0]);
	return failed;
}

static int await_ready(struct cluster *c, struct stop *stop, struct err *err)
{
	int64_t deadline_ns = clock_now_ns() + SANDBOX_START_NS;
	int result = 0;

	pthread_mutex_lock(&c->lock);
	while (!c->ready && !c->ended && !stop_requested(stop) && clock_now_ns() < deadline_ns) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 100 * NS_PER_MS;
		until.tv_sec += until.tv_nsec / NS_PER_S;
		until.tv_nsec %= NS_PER_S;
		pthread_cond_timedwait(&c->cond, &c->lock, &until);
	}
	if (stop_requested(stop))
		result = err_set(err, ERR_STOPPED, "stopped while the sandbox was starting");
	else if (!c->ready)
		result = err_set(err, ERR_IO, "the sandbox %s: %s",
			c->ended ? "ended at once" : "is not ready after 30 s",
			*c->last ? c->last : "it said nothing");
	else
		c->kubeconfig = strdup(c->ready);
	pthread_mutex_unlock(&c->lock);
	return result;
}

static int start_sandbox(
	struct cluster *c, const char *log_path, struct stop *stop, struct err *err)
{
	if (cluster_find_sandbox(&c->path, err) || tempdir_new("crumble", &c->dir, err) ||
		stop_new(NULL, &c->end, err) || start_child(c, log_path, err))
		return -1;
	if (pthread_create(&c->thread, NULL, wait_for_sandbox, c))
		return err_set(err, ERR_NOMEM, "no thread for the sandbox");
	c->has_thread = true;
	if (await_ready(c, stop, err))
		return -1;
	return k8s_config_kubeconfig(c->kubeconfig, NULL, &c->config, err);
}

/* ---- any ---- */

static void ask_id(struct cluster *c, struct k8s *client)
{
	OWN_JSON cJSON *namespace = NULL;
	const char *uid;

	if (k8s_get(client, k8s_kind_by_word("Namespace"), NULL, "kube-system", &namespace, NULL))
		return;
	uid = json_str(namespace, "metadata", "uid", NULL);
	c->id = uid ? strdup(uid) : NULL;
}

static int ask_who(struct cluster *c, struct stop *stop, struct err *err)
{
	struct k8s *client = NULL;
	int failed;

	if (k8s_new(c->config, stop, &client, err))
		return -1;
	failed = k8s_version(client, &c->version, err);
	if (!failed)
		ask_id(c, client);
	k8s_free(client);
	return failed ? err_wrap(err, "cluster %s", k8s_config_server(c->config)) : 0;
}

static int open_kind(struct cluster *c, const char *context, const char *log_path,
	struct stop *stop, struct err *err)
{
	int failed = 0;

	switch (c->kind) {
	case CLUSTER_NONE:
		return 0;
	case CLUSTER_SANDBOX:
		failed = start_sandbox(c, log_path, stop, err);
		break;
	case CLUSTER_KUBECONFIG:
		failed = k8s_config_kubeconfig(NULL, context, &c->config, err);
		break;
	case CLUSTER_IN_CLUSTER:
		failed = k8s_config_in_cluster(&c->config, err);
		break;
	}
	return failed ? -1 : ask_who(c, stop, err);
}

int cluster_open(enum cluster_kind kind, const char *context, const char *log_path,
	struct stop *stop, struct cluster **ret_cluster, struct err *err)
{
	struct cluster *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(err, ERR_NOMEM, "no memory for a cluster");
	c->kind = kind;
	c->lifeline = -1;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->cond, NULL);
	if (open_kind(c, context, log_path, stop, err)) {
		cluster_close(c);
		return -1;
	}
	*ret_cluster = c;
	return 0;
}

void cluster_close(struct cluster *c)
{
	if (!c)
		return;
	if (c->lifeline >= 0)
		close(c->lifeline);
	if (c->has_thread) {
		stop_request(c->end, 1);
		pthread_join(c->thread, NULL);
	}
	proc_free(c->proc);
	stop_free(c->end);
	tempdir_done(&c->dir);
	k8s_config_free(c->config);
	free(c->version);
	free(c->id);
	free(c->path);
	free(c->kubeconfig);
	free(c->ready);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->cond);
	free(c);
}

const struct k8s_config *cluster_config(const struct cluster *c)
{
	return c ? c->config : NULL;
}

const char *cluster_version(const struct cluster *c)
{
	return c && c->version ? c->version : "";
}

const char *cluster_id(const struct cluster *c)
{
	return c ? c->id : NULL;
}

const char *cluster_kubeconfig(const struct cluster *c)
{
	return c ? c->kubeconfig : NULL;
}
