/*
 * One thing that a kubelet does to a container and that succeeds or fails: an exec, an HTTP GET,
 * a TCP connection, a sleep. Probes and hooks are made of them. Nothing blocks: start it, step it
 * when something may have happened, until its result is there.
 */
#ifndef CRUMBLE_K8S_SANDBOX_ACTION_H
#define CRUMBLE_K8S_SANDBOX_ACTION_H

#include "base/json.h"
#include "base/keeper.h"

#include <stdint.h>

enum action_result { ACTION_PENDING, ACTION_OK, ACTION_FAILED };

struct action {
	enum { ACTION_NONE, ACTION_EXEC, ACTION_HTTP, ACTION_TCP, ACTION_SLEEP } type;
	enum action_result result;
	struct keeper keeper; /* of an exec under way; zeroed: none */
	int fd;             /* of a connection under way; -1: none */
	char *request;      /* still to be sent; NULL: sent */
	char reply[32];     /* the beginning of a status line */
	size_t reply_len;
	int64_t deadline_ns;
	int64_t timeout_ms;
	char message[256];  /* why it failed */
};

/* What an exec or a request needs. */
struct action_context {
	char *const *env;
	const char *cwd;
	const char *ip;             /* where connections go unless `host` says otherwise */
	const cJSON *ports;         /* the container's, by which names become numbers */
	char *const *argv;          /* of an exec, expanded */
};

/* `spec` holds exec, httpGet, tcpSocket or sleep. */
void action_start(struct action *action, const cJSON *spec, int64_t timeout_ms,
	const struct action_context *context);
enum action_result action_step(struct action *action);
/* What to poll for; -1: nothing but the time. */
int action_fd(const struct action *action, short *ret_events);
/* Ends it, whatever it is doing. Zeroed is fine. */
void action_cancel(struct action *action);
static inline bool action_busy(const struct action *action)
{
	return action->type != ACTION_NONE && action->result == ACTION_PENDING;
}

#endif
