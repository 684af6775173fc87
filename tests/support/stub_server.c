/* The scripted server: see stub_server.h. */
#include "tests/support/stub_server.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/stop.h"
#include "tests/support/stub_certs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define MOST_REQUESTS 100000
#define MOST_CONNECTIONS 4096
#define MOST_BYTES ((size_t)32 << 20)

struct connection {
	struct stub *stub;
	pthread_t thread;
	unsigned number;
	int fd;
	SSL *ssl;
	struct buf in;
};

struct stub {
	struct stub_options options;
	struct stop *stop;
	int fd, port;
	char *url;
	pthread_t acceptor;
	SSL_CTX *tls;
	struct stub_certs certs;
	pthread_mutex_t lock;
	struct stub_request **requests;
	size_t n_requests, taken;
	struct connection *connections[MOST_CONNECTIONS];
	size_t n_connections;
};

/* --- bytes ------------------------------------------------------------------------------------ */

/* True when `fd` is ready; false when the server is being freed. */
static bool ready(struct connection *c, short events)
{
	struct pollfd fds[2] = { { .fd = c->fd, .events = events },
		{ .fd = stop_fd(c->stub->stop), .events = POLLIN } };

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	return !fds[1].revents;
}

/* What an SSL call wants before it can go on; false: it never can. */
static bool ssl_waits(struct connection *c, int result)
{
	int why = SSL_get_error(c->ssl, result);

	ERR_clear_error();
	if (why == SSL_ERROR_WANT_READ)
		return ready(c, POLLIN);
	return why == SSL_ERROR_WANT_WRITE && ready(c, POLLOUT);
}

static ssize_t get(struct connection *c, char *data, size_t len)
{
	if (!c->ssl) {
		if (!ready(c, POLLIN))
			return -1;
		return recv(c->fd, data, len, 0);
	}
	for (;;) {
		int got = SSL_read(c->ssl, data, (int)len);

		if (got > 0)
			return got;
		if (!ssl_waits(c, got))
			return -1;
	}
}

static bool put(struct connection *c, const char *data, size_t len)
{
	while (len) {
		ssize_t n = c->ssl ? SSL_write(c->ssl, data, (int)len)
				   : send(c->fd, data, len, MSG_NOSIGNAL);

		if (n <= 0 && c->ssl && ssl_waits(c, (int)n))
			continue;
		if (n < 0 && !c->ssl && errno == EAGAIN && ready(c, POLLOUT))
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* --- requests --------------------------------------------------------------------------------- */

static size_t body_length(const char *head)
{
	const char *at = strcasestr(head, "\ncontent-length:");

	return at ? strtoul(at + 16, NULL, 10) : 0;
}

/* Reads one whole request into c->in; the length of its head, 0 at the end. */
static size_t read_request(struct connection *c, size_t *ret_body)
{
	char chunk[8192], *end;

	for (;;) {
		ssize_t got;

		end = c->in.data ? strstr(c->in.data, "\r\n\r\n") : NULL;
		if (end) {
			size_t head = (size_t)(end + 4 - c->in.data);

			*ret_body = body_length(c->in.data);
			if (c->in.len >= head + *ret_body)
				return head;
		}
		got = get(c, chunk, sizeof(chunk));
		if (got <= 0 || buf_add(&c->in, chunk, (size_t)got))
			return 0;
	}
}

static void note_request(struct connection *c, size_t head, size_t body)
{
	struct stub *stub = c->stub;
	struct stub_request *r = calloc(1, sizeof(*r));
	const char *line_end = strstr(c->in.data, "\r\n") + 2;

	sscanf(c->in.data, "%15s %1023s", r->method, r->target);
	r->head = strndup(line_end, head - (size_t)(line_end - c->in.data));
	r->body = malloc(body + 1);
	memcpy(r->body, c->in.data + head, body);
	r->body[body] = '\0';
	r->body_len = body;
	r->at_ns = clock_now_ns();
	r->connection = c->number;
	buf_drop(&c->in, head + body);
	pthread_mutex_lock(&stub->lock);
	if (stub->n_requests < MOST_REQUESTS)
		stub->requests[stub->n_requests++] = r;
	pthread_mutex_unlock(&stub->lock);
}

static const struct stub_row *next_row(struct stub *stub)
{
	static const struct stub_row fine = { .body = "ok" };
	const struct stub_row *row = &fine;

	pthread_mutex_lock(&stub->lock);
	if (stub->options.rows) {
		row = &stub->options.rows[stub->taken];
		if (stub->taken + 1 < stub->options.n_rows)
			stub->taken++;
	}
	pthread_mutex_unlock(&stub->lock);
	return row;
}

/* --- replies ---------------------------------------------------------------------------------- */

static bool put_head(struct connection *c, const struct stub_row *row, const char *more)
{
	OWN_MEM char *head = str_format("HTTP/1.1 %d Scripted\r\n%s%s\r\n",
		row->status ? row->status : 200, row->headers ? row->headers : "", more);

	return put(c, head, strlen(head));
}

static bool put_chunks(struct connection *c, const struct stub_row *row)
{
	if (!put_head(c, row, "Transfer-Encoding: chunked\r\n"))
		return false;
	for (const char *const *chunk = row->chunks; *chunk; chunk++) {
		OWN_MEM char *framed = str_format("%zx\r\n%s\r\n", strlen(*chunk), *chunk);

		if (stop_wait(c->stub->stop, row->pause_ms) || !put(c, framed, strlen(framed)))
			return false;
	}
	return !row->endless && put(c, "0\r\n\r\n", 5);
}

static void hang(struct connection *c)
{
	char chunk[256];

	while (get(c, chunk, sizeof(chunk)) > 0)
		; /* until the client goes, or the server is freed */
}

static void reset(int fd)
{
	struct linger hard = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

static bool has_no_body(const struct stub_row *row)
{
	return row->status == 204 || row->status == 304;
}

static bool put_whole(struct connection *c, const struct stub_row *row, bool is_head, size_t send)
{
	const char *body = row->body ? row->body : "";
	OWN_MEM char *more = str_format("Content-Length: %zu\r\n%s", strlen(body),
		row->act == STUB_CLOSE ? "Connection: close\r\n" : "");

	return put_head(c, row, has_no_body(row) ? "" : more) &&
	       (is_head || put(c, body, send < strlen(body) ? send : strlen(body)));
}

/* False: the connection ends. */
static bool answer(struct connection *c, const struct stub_row *row, bool is_head)
{
	const char *body = row->body ? row->body : "";

	if (row->act != STUB_CHUNKS && row->pause_ms && stop_wait(c->stub->stop, row->pause_ms))
		return false;
	switch (row->act) {
	case STUB_REPLY:
		return put_whole(c, row, is_head, SIZE_MAX);
	case STUB_CLOSE:
		put_whole(c, row, is_head, SIZE_MAX);
		return false;
	case STUB_RAW:
		put(c, body, strlen(body));
		return false;
	case STUB_CHUNKS:
		if (put_chunks(c, row))
			return true;
		if (row->endless)
			hang(c);
		return false;
	case STUB_HANG:
		hang(c);
		return false;
	case STUB_RESET:
		reset(c->fd);
		return false;
	case STUB_CUT:
		put_whole(c, row, is_head, strlen(body) / 2);
		return false;
	case STUB_DROP:
		break;
	}
	return false;
}

/* --- connections ------------------------------------------------------------------------------ */

static bool shake_hands(struct connection *c)
{
	int result;

	c->ssl = SSL_new(c->stub->tls);
	SSL_set_fd(c->ssl, c->fd);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	while ((result = SSL_accept(c->ssl)) <= 0)
		if (!ssl_waits(c, result))
			return false;
	return true;
}

static void serve(struct connection *c)
{
	const struct stub_options *o = &c->stub->options;
	size_t head, body = 0;
	bool going = true;

	if (o->hang_handshake) {
		hang(c);
		return;
	}
	if (o->reset_handshake) {
		reset(c->fd);
		return;
	}
	if (o->tls && !shake_hands(c))
		return;
	while (going && (head = read_request(c, &body))) {
		bool is_head = !strncmp(c->in.data, "HEAD ", 5);

		note_request(c, head, body);
		going = answer(c, next_row(c->stub), is_head);
	}
}

static void *run_connection(void *arg)
{
	struct connection *c = arg;

	serve(c);
	SSL_free(c->ssl);
	close(c->fd);
	buf_done(&c->in);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct stub *stub = arg;
	struct connection listener = { .stub = stub, .fd = stub->fd };

	while (stub->n_connections < MOST_CONNECTIONS && ready(&listener, POLLIN)) {
		int fd = accept4(stub->fd, NULL, NULL, SOCK_CLOEXEC), one = 1;
		struct connection *c;

		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c = calloc(1, sizeof(*c));
		c->stub = stub;
		c->fd = fd;
		buf_init(&c->in, MOST_BYTES);
		pthread_mutex_lock(&stub->lock);
		c->number = (unsigned)stub->n_connections;
		stub->connections[stub->n_connections++] = c;
		pthread_create(&c->thread, NULL, run_connection, c);
		pthread_mutex_unlock(&stub->lock);
	}
	return NULL;
}

/* --- the server ------------------------------------------------------------------------------- */

static void set_up_tls(struct stub *stub)
{
	BIO *cert, *key, *ca;
	X509 *x;
	EVP_PKEY *k;

	stub_certs_make(stub->options.cert_host, &stub->certs);
	stub->tls = SSL_CTX_new(TLS_server_method());
	cert = BIO_new_mem_buf(stub->certs.server_cert, -1);
	key = BIO_new_mem_buf(stub->certs.server_key, -1);
	x = PEM_read_bio_X509(cert, NULL, NULL, NULL);
	k = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
	assert_int_equal(SSL_CTX_use_certificate(stub->tls, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(stub->tls, k), 1);
	X509_free(x);
	EVP_PKEY_free(k);
	BIO_free(cert);
	BIO_free(key);
	if (!stub->options.client_cert)
		return;
	ca = BIO_new_mem_buf(stub->certs.ca, -1);
	x = PEM_read_bio_X509(ca, NULL, NULL, NULL);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(stub->tls), x);
	SSL_CTX_set_verify(stub->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_session_id_context(stub->tls, (const unsigned char *)"stub", 4);
	X509_free(x);
	BIO_free(ca);
}

static int listen_somewhere(int *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1024), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

struct stub *stub_new(const struct stub_options *options)
{
	struct stub *stub = calloc(1, sizeof(*stub));

	assert_non_null(stub);
	if (options)
		stub->options = *options;
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write() */
	stub->requests = calloc(MOST_REQUESTS, sizeof(*stub->requests));
	pthread_mutex_init(&stub->lock, NULL);
	assert_int_equal(stop_new(NULL, &stub->stop, NULL), 0);
	if (stub->options.tls)
		set_up_tls(stub);
	stub->fd = listen_somewhere(&stub->port);
	fcntl(stub->fd, F_SETFL, O_NONBLOCK);
	stub->url = stub->options.tls ? str_format("https://localhost:%d", stub->port)
				      : str_format("http://127.0.0.1:%d", stub->port);
	assert_int_equal(pthread_create(&stub->acceptor, NULL, accept_all, stub), 0);
	return stub;
}

void stub_free(struct stub *stub)
{
	if (!stub)
		return;
	stop_request(stub->stop, 1);
	pthread_join(stub->acceptor, NULL);
	for (size_t i = 0; i < stub->n_connections; i++) {
		pthread_join(stub->connections[i]->thread, NULL);
		free(stub->connections[i]);
	}
	for (size_t i = 0; i < stub->n_requests; i++) {
		free(stub->requests[i]->head);
		free(stub->requests[i]->body);
		free(stub->requests[i]);
	}
	close(stub->fd);
	SSL_CTX_free(stub->tls);
	stub_certs_done(&stub->certs);
	stop_free(stub->stop);
	pthread_mutex_destroy(&stub->lock);
	free(stub->requests);
	free(stub->url);
	free(stub);
}

const char *stub_url(const struct stub *stub)
{
	return stub->url;
}

int stub_port(const struct stub *stub)
{
	return stub->port;
}

char *stub_path(const struct stub *stub, const char *path)
{
	return str_format("%s%s", stub->url, path);
}

size_t stub_requests(struct stub *stub)
{
	size_t n;

	pthread_mutex_lock(&stub->lock);
	n = stub->n_requests;
	pthread_mutex_unlock(&stub->lock);
	return n;
}

size_t stub_connections(struct stub *stub)
{
	size_t n;

	pthread_mutex_lock(&stub->lock);
	n = stub->n_connections;
	pthread_mutex_unlock(&stub->lock);
	return n;
}

const struct stub_request *stub_request(struct stub *stub, size_t n)
{
	const struct stub_request *request;

	pthread_mutex_lock(&stub->lock);
	request = n < stub->n_requests ? stub->requests[n] : NULL;
	pthread_mutex_unlock(&stub->lock);
	return request;
}

char *stub_header(const struct stub_request *request, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = request->head; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncasecmp(line, name, len) && line[len] == ':') {
			line += len + 1;
			line += strspn(line, " ");
			return strndup(line, strcspn(line, "\r\n"));
		}
	}
	return NULL;
}

const char *stub_ca_pem(const struct stub *stub)
{
	return stub->certs.ca;
}

const char *stub_client_cert_pem(const struct stub *stub)
{
	return stub->certs.client_cert;
}

const char *stub_client_key_pem(const struct stub *stub)
{
	return stub->certs.client_key;
}

int stub_refused_port(void)
{
	int port, fd = listen_somewhere(&port);

	close(fd);
	return port;
}

char *stub_file(const char *text)
{
	OWN_MEM char *folder = strdup("/tmp/crumble-test-XXXXXX");
	char *path;

	assert_non_null(mkdtemp(folder));
	path = str_format("%s/file", folder);
	assert_int_equal(buf_write_file(path, text, strlen(text), NULL), 0);
	return path;
}

void stub_file_remove(char *path)
{
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	free(path);
}
