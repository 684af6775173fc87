/* An exec, an HTTP GET, a TCP connection, a sleep; none of them blocks. */
#include "k8s/sandbox/action.h"

#include "base/clock.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/spawn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void finish(struct action *action, enum action_result result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void finish(struct action *action, enum action_result result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(action->message, sizeof(action->message), format, args);
	va_end(args);
	if (action->fd >= 0)
		close(action->fd);
	action->fd = -1;
	keeper_end(&action->keeper);
	action->keeper = (struct keeper){ 0 };
	free(action->request);
	action->request = NULL;
	action->result = result;
}

void action_cancel(struct action *action)
{
	if (action->type != ACTION_NONE)
		finish(action, ACTION_FAILED, "cancelled");
	*action = (struct action){ .fd = -1 };
}

/* A port by number or by its name among the container's; 0: no such port. */
static int port_of(const cJSON *spec, const cJSON *ports)
{
	const cJSON *port = json_at(spec, "port", NULL), *one;

	if (cJSON_IsNumber(port))
		return port->valueint;
	cJSON_ArrayForEach(one, ports) if (cJSON_IsString(port) &&
					   same_text(json_str(one, "name", NULL),
						   port->valuestring)) return (int)json_int(one, 0,
		"containerPort", NULL);
	return cJSON_IsString(port) ? atoi(port->valuestring) : 0;
}

static void start_connect(
	struct action *action, const cJSON *spec, const struct action_context *context)
{
	const char *host = json_str(spec, "host", NULL);
	struct sockaddr_in address = { .sin_family = AF_INET };
	int port = port_of(spec, context->ports);

	address.sin_port = htons((uint16_t)port);
	if (!host || !*host || !strcmp(host, "127.0.0.1") || !strcmp(host, "localhost"))
		host = context->ip;
	if (port < 1 || port > 65535 || inet_pton(AF_INET, host, &address.sin_addr) != 1) {
		finish(action, ACTION_FAILED, "no such port or host");
		return;
	}
	action->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (action->fd < 0 || (connect(action->fd, (struct sockaddr *)&address, sizeof(address)) &&
				      errno != EINPROGRESS))
		finish(action, ACTION_FAILED, "dial tcp %s:%d: connect: %s", host, port,
			strerror(errno));
}

static void start_http(
	struct action *action, const cJSON *spec, const struct action_context *context)
{
	const char *path = json_str(spec, "path", NULL), *scheme = json_str(spec, "scheme", NULL);
	const cJSON *header;
	char *request;

	if (same_text(scheme, "HTTPS")) {
		finish(action, ACTION_FAILED, "the sandbox has no https probes");
		return;
	}
	request = must_format("GET %s%s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: kube-probe/1.37\r\n"
			      "Accept: */*\r\nConnection: close\r\n",
		path && *path == '/' ? "" : "/", path ? path : "", context->ip,
		port_of(spec, context->ports));
	cJSON_ArrayForEach(header, json_at(spec, "httpHeaders", NULL))
	{
		char *longer = must_format("%s%s: %s\r\n", request, json_str(header, "name", NULL),
			json_str(header, "value", NULL));

		free(request);
		request = longer;
	}
	action->request = must_format("%s\r\n", request);
	free(request);
	start_connect(action, spec, context);
}

static void start_exec(struct action *action, const struct action_context *context)
{
	struct err err;

	if (!context->argv || !context->argv[0])
		finish(action, ACTION_FAILED, "no command");
	else if (spawn_process(
			 context->argv, context->env, context->cwd, NULL, &action->keeper, &err))
		finish(action, ACTION_FAILED, "%.200s", err.text);
}

void action_start(struct action *action, const cJSON *spec, int64_t timeout_ms,
	const struct action_context *context)
{
	const cJSON *http = json_at(spec, "httpGet", NULL);
	const cJSON *tcp = json_at(spec, "tcpSocket", NULL);
	const cJSON *nap = json_at(spec, "sleep", NULL);

	*action = (struct action){ .fd = -1, .timeout_ms = timeout_ms };
	action->deadline_ns = clock_now_ns() + timeout_ms * NS_PER_MS;
	if (json_at(spec, "exec", NULL)) {
		action->type = ACTION_EXEC;
		start_exec(action, context);
	} else if (http) {
		action->type = ACTION_HTTP;
		start_http(action, http, context);
	} else if (tcp) {
		action->type = ACTION_TCP;
		start_connect(action, tcp, context);
	} else if (nap) {
		action->type = ACTION_SLEEP;
		action->timeout_ms = json_int(nap, 0, "seconds", NULL) * 1000;
		action->deadline_ns = clock_now_ns() + action->timeout_ms * NS_PER_MS;
	} else {
		action->type = ACTION_SLEEP;
		finish(action, ACTION_FAILED, "missing probe handler");
	}
}

static void step_exec(struct action *action)
{
	int status;

	if (!keeper_ended(&action->keeper, &status))
		return;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		finish(action, ACTION_OK, "ok");
	else if (WIFEXITED(status))
		finish(action, ACTION_FAILED, "command failed with exit code %d",
			WEXITSTATUS(status));
	else
		finish(action, ACTION_FAILED, "command ended by signal %d", WTERMSIG(status));
}

int action_fd(const struct action *action, short *ret_events)
{
	bool sending = action->request || action->type == ACTION_TCP;

	*ret_events = POLLIN;
	if (!action_busy(action))
		return -1;
	if (action->type == ACTION_EXEC)
		return action->keeper.fd;
	if (sending)
		*ret_events = POLLOUT;
	return action->fd;
}

/* True once the connection is there. */
static bool connected(struct action *action)
{
	struct pollfd poll_fd = { .fd = action->fd, .events = POLLOUT };
	int failed = 0;
	socklen_t len = sizeof(failed);

	if (poll(&poll_fd, 1, 0) <= 0)
		return false;
	getsockopt(action->fd, SOL_SOCKET, SO_ERROR, &failed, &len);
	if (!failed)
		return true;
	finish(action, ACTION_FAILED, "dial tcp: connect: %s", strerror(failed));
	return false;
}

static void step_send(struct action *action)
{
	size_t len = strlen(action->request);
	ssize_t n = send(action->fd, action->request, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		finish(action, ACTION_FAILED, "write: %s", strerror(errno));
	} else if (n == (ssize_t)len) {
		free(action->request);
		action->request = NULL;
	} else if (n > 0) {
		memmove(action->request, action->request + n, len - (size_t)n + 1);
	}
}

static void step_receive(struct action *action)
{
	size_t room = sizeof(action->reply) - 1 - action->reply_len;
	ssize_t n = recv(action->fd, action->reply + action->reply_len, room, MSG_DONTWAIT);
	int status = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		action->reply_len += (size_t)n;
	if (action->reply_len < 12 && n > 0)
		return;
	if (action->reply_len < 12 || sscanf(action->reply, "HTTP/%*d.%*d %d", &status) != 1)
		finish(action, ACTION_FAILED, n < 0 ? "read: %s" : "EOF", strerror(errno));
	else if (status >= 200 && status < 400)
		finish(action, ACTION_OK, "ok");
	else
		finish(action, ACTION_FAILED, "HTTP probe failed with statuscode: %d", status);
}

static void step_connection(struct action *action)
{
	if (action->type == ACTION_TCP) {
		if (connected(action))
			finish(action, ACTION_OK, "ok");
		return;
	}
	if (action->request && connected(action))
		step_send(action);
	if (action->result == ACTION_PENDING && !action->request)
		step_receive(action);
}

enum action_result action_step(struct action *action)
{
	if (action->result != ACTION_PENDING)
		return action->result;
	if (action->type == ACTION_EXEC)
		step_exec(action);
	else if (action->fd >= 0)
		step_connection(action);
	if (action->result != ACTION_PENDING || clock_now_ns() < action->deadline_ns)
		return action->result;
	if (action->type == ACTION_SLEEP)
		finish(action, ACTION_OK, "ok");
	else
		finish(action, ACTION_FAILED, "timed out after %" PRId64 " ms", action->timeout_ms);
	return action->result;
}
