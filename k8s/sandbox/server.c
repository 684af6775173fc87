/* The API's HTTPS server, on libmicrohttpd. */
#include "k8s/sandbox/server.h"

#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/request.h"
#include "k8s/sandbox/stream.h"

#include <errno.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define BODY_MAX ((size_t)3 << 20) /* as the API server has it */
#define PEER_CHECK_NS NS_PER_S

struct server {
	struct MHD_Daemon *daemon;
	struct cluster *cluster;
};

/* One request while its body comes in. */
struct incoming {
	struct buf body;
};

/* An answer that streams, with what does not fit MHD's buffer yet. */
struct sending {
	struct stream *stream;
	struct buf out;
	int fd;
	bool ended;
};

static bool peer_gone(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLRDHUP };

	return poll(&poll_fd, 1, 0) > 0;
}

static ssize_t send_more(void *arg, uint64_t at, char *room, size_t size)
{
	struct sending *sending = arg;
	size_t n;

	(void)at;
	while (!sending->out.len) {
		if (sending->ended)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (peer_gone(sending->fd))
			return MHD_CONTENT_READER_END_WITH_ERROR;
		sending->ended = !sending->stream->next(
			sending->stream, &sending->out, clock_now_ns() + PEER_CHECK_NS);
	}
	n = sending->out.len < size ? sending->out.len : size;
	memcpy(room, sending->out.data, n);
	buf_drop(&sending->out, n);
	return (ssize_t)n;
}

static void send_done(void *arg)
{
	struct sending *sending = arg;

	stream_free(sending->stream);
	buf_done(&sending->out);
	free(sending);
}

static int fd_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static struct MHD_Response *stream_response(
	struct MHD_Connection *connection, struct answer *answer)
{
	struct sending *sending = must_alloc(sizeof(*sending));
	struct MHD_Response *response;

	*sending = (struct sending){ .fd = fd_of(connection) };
	sending->stream = TAKE(answer->stream);
	buf_init(&sending->out, PRESENT_MAX_BYTES);
	response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, 65536, send_more, sending, send_done);
	if (response)
		MHD_add_response_header(response, "Content-Type", sending->stream->content_type);
	else
		send_done(sending);
	return response;
}

static struct MHD_Response *text_response(struct answer *answer)
{
	struct MHD_Response *response;
	const char *type = answer->plain ? "text/plain; charset=utf-8" : "application/json";

	if (!answer->text)
		answer->text = cJSON_PrintUnformatted(answer->json);
	response = MHD_create_response_from_buffer(
		strlen(answer->text), answer->text, MHD_RESPMEM_MUST_FREE);
	if (!response)
		return NULL;
	answer->text = NULL;
	MHD_add_response_header(response, "Content-Type", type);
	return response;
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct answer *answer)
{
	struct MHD_Response *response = answer->stream ? stream_response(connection, answer)
						       : text_response(answer);
	enum MHD_Result result;
	char seconds[12];

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Cache-Control", "no-cache, private");
	if (answer->retry_after_s) {
		snprintf(seconds, sizeof(seconds), "%d", answer->retry_after_s);
		MHD_add_response_header(response, "Retry-After", seconds);
	}
	result = MHD_queue_response(connection, (unsigned)answer->code, response);
	MHD_destroy_response(response);
	return result;
}

/* ---- requests ---- */

static const char *header_of(struct MHD_Connection *connection, const char *name)
{
	const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);

	return value ? value : "";
}

static bool is_public(const char *path)
{
	return !strcmp(path, "/healthz") || !strcmp(path, "/livez") || !strcmp(path, "/readyz") ||
	       !strcmp(path, "/version");
}

static bool is_known(struct MHD_Connection *connection, const struct cluster *cluster)
{
	OWN_MEM char *wanted = must_format("Bearer %s", cluster->token);
	const char *header = header_of(connection, "Authorization");

	return strlen(header) == strlen(wanted) &&
	       CRYPTO_memcmp(header, wanted, strlen(wanted)) == 0;
}

static enum MHD_Result add_param(
	void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct request *request = arg;

	(void)kind;
	if (request->n_params == PARAMS_MAX)
		return MHD_NO;
	request->params[request->n_params].key = must_dup(key);
	request->params[request->n_params++].value = value ? must_dup(value) : NULL;
	return MHD_YES;
}

static void request_done(struct request *request)
{
	for (size_t i = 0; i < request->n_params; i++) {
		free(request->params[i].key);
		free(request->params[i].value);
	}
	free(request->path);
	cJSON_Delete(request->body);
}

static int read_body(struct request *request, const struct buf *body, struct answer *answer)
{
	struct err err;

	if (buf_failed(body))
		return answer_fail(answer, 413, "RequestEntityTooLarge",
			"Request entity too large: limit is %zu", BODY_MAX);
	if (!body->len)
		return 0;
	if (!strncmp(request->content_type, "application/vnd.kubernetes.protobuf", 35) ||
		strstr(request->content_type, "yaml"))
		return answer_fail(answer, 415, "UnsupportedMediaType",
			"the body of the request was in an unknown format - accepted media types "
			"include: application/json");
	if (json_parse("body", body->data, body->len, &request->body, &err))
		return answer_bad(answer,
			"the object provided is unrecognized (must be of JSON): %s", err.text);
	return 0;
}

static enum MHD_Result answer_request(struct server *server, struct MHD_Connection *connection,
	const char *path, const char *method, const struct buf *body)
{
	struct request request = { .method = method };
	struct answer answer = { 0 };
	enum MHD_Result result;

	request.path = must_dup(path);
	request.content_type = header_of(connection, "Content-Type");
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_param, &request);
	request.shape = shape_of(
		header_of(connection, "Accept"), request_param(&request, "includeObject"));
	if (!is_public(path) && !is_known(connection, server->cluster))
		answer_fail(&answer, 401, "Unauthorized", "Unauthorized");
	else if (read_body(&request, body, &answer) == 0)
		api_answer(server->cluster, &request, &answer);
	result = send_answer(connection, &answer);
	answer_done(&answer);
	request_done(&request);
	return result;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *path,
	const char *method, const char *version, const char *data, size_t *size, void **state)
{
	struct incoming *incoming = *state;

	(void)version;
	if (!incoming) {
		incoming = must_alloc(sizeof(*incoming));
		buf_init(&incoming->body, BODY_MAX);
		*state = incoming;
		return MHD_YES;
	}
	if (*size) {
		buf_add(&incoming->body, data, *size);
		*size = 0;
		return MHD_YES;
	}
	return answer_request(arg, connection, path, method, &incoming->body);
}

static void completed(void *arg, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode how)
{
	struct incoming *incoming = *state;

	(void)arg, (void)connection, (void)how;
	if (!incoming)
		return;
	buf_done(&incoming->body);
	free(incoming);
	*state = NULL;
}

/* ---- life ---- */

static int listen_on(uint16_t port, int *ret_fd, struct err *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	OWN_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return err_errno(err, "socket for the API");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 256))
		return err_errno(err,
			"cannot listen on 127.0.0.1:%u (another --port, or none, "
			"would do)",
			port);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in address = { 0 };
	socklen_t len = sizeof(address);

	getsockname(fd, (struct sockaddr *)&address, &len);
	return ntohs(address.sin_port);
}

int server_start(struct cluster *cluster, const char *cert_pem, const char *key_pem,
	struct server **ret_server, struct err *err)
{
	struct server *server;
	int fd = -1;

	if (listen_on(cluster->port, &fd, err))
		return -1;
	cluster->port = port_of(fd);
	server = must_alloc(sizeof(*server));
	server->cluster = cluster;
	server->daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION |
						  MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
						  MHD_USE_TLS,
		0, NULL, NULL, handle, server, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_HTTPS_MEM_CERT, cert_pem, MHD_OPTION_HTTPS_MEM_KEY, key_pem,
		MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_CONNECTION_LIMIT, 2000u,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)131072, MHD_OPTION_END);
	if (!server->daemon) {
		close(fd);
		free(server);
		return err_set(
			err, ERR_IO, "libmicrohttpd did not start on 127.0.0.1:%u", cluster->port);
	}
	*ret_server = server;
	return 0;
}

void server_stop(struct server *server)
{
	if (!server)
		return;
	MHD_stop_daemon(server->daemon);
	free(server);
}
