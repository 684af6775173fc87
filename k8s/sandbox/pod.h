/*
 * One pod, as its kubelet sees it: containers that run as processes, their probes, the way they
 * end. All of it belongs to the kubelet's thread.
 */
#ifndef CRUMBLE_K8S_SANDBOX_POD_H
#define CRUMBLE_K8S_SANDBOX_POD_H

#include "k8s/sandbox/action.h"
#include "k8s/sandbox/cluster.h"
#include "k8s/sandbox/podenv.h"

enum probe_kind { PROBE_STARTUP, PROBE_LIVENESS, PROBE_READINESS, PROBE_COUNT };

struct probe {
	const cJSON *spec; /* NULL: there is none */
	struct action action;
	struct words argv; /* of an exec */
	int64_t due_ns;
	int good, bad; /* in a row */
	bool passed;
};

enum container_state { CONTAINER_WAITING, CONTAINER_RUNNING, CONTAINER_ENDED };
enum stop_stage { STOP_NONE, STOP_HOOK, STOP_TERM, STOP_KILL };

struct run_end {
	bool there;
	int exit_code, signal;
	char reason[32], message[256];
	int64_t started_s, finished_s; /* wall time */
	char id[80];
};

struct container {
	const cJSON *spec;
	const char *name;
	enum container_state state;
	char reason[32], message[512]; /* while waiting */
	struct keeper keeper;
	struct mounts mounts;
	struct words env;
	char *cwd;
	int restarts;
	bool ever_ran;
	int64_t started_s, started_ns, start_at_ns;
	int64_t backoff_ms;
	struct run_end last, end; /* the run before, and the one that is over (CONTAINER_ENDED) */
	char id[80];
	struct probe probes[PROBE_COUNT];
	enum stop_stage stop;
	struct action hook;
	struct words hook_argv;
	int64_t kill_at_ns;
};

struct pod {
	struct cluster *cluster;
	cJSON *json; /* as it was when it came to the node */
	const char *ns, *name, *uid; /* in json */
	uint32_t ip;
	char ip_text[IP_BYTES];
	struct container *containers; /* the init ones first */
	size_t n_init, n;
	bool volumes_made;
	int64_t retry_ns; /* of the volumes */
	char waiting_for[512];
	int64_t start_s, start_ns;
	bool removed;       /* its object is gone: end at once */
	bool terminating;   /* asked to end, within grace_s */
	uint64_t asked_rv;  /* the version that asked */
	int64_t asked_ns, grace_s;
	bool over;          /* Succeeded or Failed */
	const char *failed_reason; /* why the kubelet failed it; NULL: it did not */
	bool changed;       /* its status is to be told */
};

/* ---- pod.c ---- */

/* Takes a copy of the object. */
struct pod *pod_new(struct cluster *cluster, const cJSON *json, uint32_t ip);
/* Ends what still runs, at once; removes its files. NULL is fine. */
void pod_free(struct pod *pod);
/* Does what is due. Returns when the next thing is. *ret_gone: it has ended and may be freed. */
int64_t pod_step(struct pod *pod, int64_t now, bool *ret_gone);
/* The descriptors to poll. Returns how many. */
struct pollfd;
size_t pod_fds(const struct pod *pod, struct pollfd *fds, size_t size);

/* ---- container.c ---- */

void container_init(struct container *container, const cJSON *spec);
void container_done(struct container *container);
/* Does what is due; *next is lowered to when the next thing is. */
void container_step(struct pod *pod, struct container *container, int64_t now, int64_t *next);
/* Begins to end it: preStop, SIGTERM, and SIGKILL after grace_s. Again with less grace: sooner. */
void container_stop(struct pod *pod, struct container *container, int64_t now, int64_t grace_s);
bool container_is_ready(const struct container *container);
bool container_has_started(const struct container *container);
/* Has it ended for good, by its pod's restart policy? */
bool container_is_over(const struct pod *pod, const struct container *container);
bool container_is_init(const struct pod *pod, const struct container *container);

/* ---- probe.c ---- */

void probe_reset(struct probe *probe, int64_t now);
/* Does what is due. True: its verdict changed. */
bool probe_step(struct pod *pod, struct container *container, enum probe_kind kind, int64_t now,
	int64_t *next);

/* ---- podstatus.c ---- */

/* Writes the status into the store when it has changed. */
void pod_report(struct pod *pod);
/* The object is gone from the store (unless another one has its name). */
void pod_forget(struct pod *pod);
void pod_event(struct pod *pod, const char *type, const char *reason, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
bool pod_initialized(const struct pod *pod);
const char *pod_phase(const struct pod *pod);

static inline void sooner(int64_t *next, int64_t at)
{
	if (at < *next)
		*next = at;
}

#endif
