/* An API server that plays a script. */
#include "tests/support/api_stub.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define CONNECTIONS 16

struct connection {
	int fd;
	SSL *ssl;
};

struct api_stub {
	const struct api_step *steps;
	size_t at;
	int listener, wake;
	struct connection connections[CONNECTIONS];
	size_t n;
	SSL_CTX *tls;
	char *url, *cert, *key;
	pthread_t thread;
	pthread_mutex_t lock;
	struct buf log, wrong;
};

/* ---- certificates ---- */

static char *pem_of(int (*write_pem)(BIO *bio, void *what), void *what)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *copy;
	long len;

	assert_true(write_pem(bio, what));
	len = BIO_get_mem_data(bio, &data);
	copy = strndup(data, (size_t)len);
	BIO_free(bio);
	return copy;
}

static int write_cert(BIO *bio, void *cert)
{
	return PEM_write_bio_X509(bio, cert);
}

static int write_key(BIO *bio, void *key)
{
	return PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
}

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(extension);
	X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
}

void api_stub_certificate(const char *common_name, char **ret_cert, char **ret_key)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	add_extension(cert, NID_subject_alt_name, "IP:127.0.0.1");
	add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	*ret_cert = pem_of(write_cert, cert);
	*ret_key = pem_of(write_key, key);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static int any_client(int ok, X509_STORE_CTX *context)
{
	(void)ok;
	(void)context;
	return 1;
}

static void setup_tls(struct api_stub *stub)
{
	BIO *cert = BIO_new_mem_buf(stub->cert, -1), *key = BIO_new_mem_buf(stub->key, -1);
	X509 *x509 = PEM_read_bio_X509(cert, NULL, NULL, NULL);
	EVP_PKEY *pkey = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);

	stub->tls = SSL_CTX_new(TLS_server_method());
	assert_int_equal(SSL_CTX_use_certificate(stub->tls, x509), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(stub->tls, pkey), 1);
	SSL_CTX_set_verify(stub->tls, SSL_VERIFY_PEER, any_client);
	SSL_CTX_set_session_cache_mode(stub->tls, SSL_SESS_CACHE_OFF);
	X509_free(x509);
	EVP_PKEY_free(pkey);
	BIO_free(cert);
	BIO_free(key);
}

/* ---- connections ---- */

static void hang_up(struct api_stub *stub, size_t i)
{
	struct connection *c = &stub->connections[i];

	if (c->ssl)
		SSL_free(c->ssl);
	close(c->fd);
	*c = stub->connections[--stub->n];
}

static void pick_up(struct api_stub *stub)
{
	struct timeval limit = { .tv_sec = 5 };
	struct connection c = { .fd = accept4(stub->listener, NULL, NULL, SOCK_CLOEXEC) };

	if (c.fd < 0 || stub->n == CONNECTIONS)
		return;
	setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(c.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (stub->tls) {
		c.ssl = SSL_new(stub->tls);
		SSL_set_fd(c.ssl, c.fd);
		if (SSL_accept(c.ssl) != 1) {
			SSL_free(c.ssl);
			close(c.fd);
			return;
		}
	}
	stub->connections[stub->n++] = c;
}

static ssize_t get(struct connection *c, char *data, size_t len)
{
	return c->ssl ? SSL_read(c->ssl, data, (int)len) : recv(c->fd, data, len, 0);
}

static void put(struct connection *c, const char *data, size_t len)
{
	while (len) {
		ssize_t n = c->ssl ? SSL_write(c->ssl, data, (int)len)
				   : send(c->fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

/* One whole request into `text`; false: the peer is gone. */
static bool read_request(struct connection *c, struct buf *text)
{
	size_t want = 0;
	char byte;

	while (!want || text->len < want) {
		const char *length;

		if (get(c, &byte, 1) != 1)
			return false;
		buf_add(text, &byte, 1);
		if (want || text->len < 4 || strcmp(text->data + text->len - 4, "\r\n\r\n") != 0)
			continue;
		length = strcasestr(text->data, "\r\ncontent-length:");
		want = text->len + (length ? strtoul(length + 17, NULL, 10) : 0);
	}
	return true;
}

static void log_request(struct api_stub *stub, struct connection *c, const struct buf *text)
{
	X509 *cert = c->ssl ? SSL_get1_peer_certificate(c->ssl) : NULL;
	char name[100];

	buf_add_str(&stub->log, text->data);
	if (cert) {
		X509_NAME_get_text_by_NID(
			X509_get_subject_name(cert), NID_commonName, name, sizeof(name));
		buf_addf(&stub->log, " cert=%s", name);
		X509_free(cert);
	}
	buf_add_str(&stub->log, "\n");
}

static enum api_then play(struct api_stub *stub, struct connection *c, const struct buf *text)
{
	const struct api_step *step;

	pthread_mutex_lock(&stub->lock);
	log_request(stub, c, text);
	step = &stub->steps[stub->at];
	if (!step->reply ||
		(step->request && strncmp(text->data, step->request, strlen(step->request)) != 0)) {
		buf_addf(&stub->wrong, "%.*s (step %zu); ", (int)strcspn(text->data, "\r"),
			text->data, stub->at);
		step = NULL;
	} else {
		stub->at++;
	}
	pthread_mutex_unlock(&stub->lock);
	if (!step)
		return API_CLOSE;
	put(c, step->reply, strlen(step->reply));
	return step->then;
}

static void serve(struct api_stub *stub, size_t i)
{
	struct connection *c = &stub->connections[i];
	OWN_BUF struct buf text;
	bool more;

	buf_init(&text, 16 << 20);
	do {
		buf_reset(&text);
		if (!read_request(c, &text) || play(stub, c, &text) == API_CLOSE) {
			hang_up(stub, i);
			return;
		}
		more = c->ssl && SSL_pending(c->ssl) > 0;
	} while (more);
}

static void *run(void *arg)
{
	struct api_stub *stub = arg;

	for (;;) {
		struct pollfd fds[CONNECTIONS + 2] = { { stub->wake, POLLIN, 0 },
			{ stub->listener, POLLIN, 0 } };

		for (size_t i = 0; i < stub->n; i++)
			fds[i + 2] = (struct pollfd){ stub->connections[i].fd, POLLIN, 0 };
		if (poll(fds, stub->n + 2, -1) < 0)
			continue;
		if (fds[0].revents)
			return NULL;
		for (size_t i = stub->n; i-- > 0;)
			if (fds[i + 2].revents)
				serve(stub, i);
		if (fds[1].revents)
			pick_up(stub);
	}
}

/* ---- from outside ---- */

struct api_stub *api_stub_new(bool tls, const struct api_step *steps)
{
	struct api_stub *stub = calloc(1, sizeof(*stub));
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);

	assert_non_null(stub);
	stub->steps = steps;
	buf_init(&stub->log, 64 << 20);
	buf_init(&stub->wrong, 1 << 20);
	pthread_mutex_init(&stub->lock, NULL);
	stub->wake = eventfd(0, EFD_CLOEXEC);
	stub->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(stub->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(stub->listener, 16), 0);
	getsockname(stub->listener, (struct sockaddr *)&address, &len);
	stub->url = str_format(
		"%s://127.0.0.1:%d", tls ? "https" : "http", ntohs(address.sin_port));
	if (tls) {
		api_stub_certificate("stub", &stub->cert, &stub->key);
		setup_tls(stub);
	}
	assert_int_equal(pthread_create(&stub->thread, NULL, run, stub), 0);
	return stub;
}

void api_stub_end(struct api_stub *stub)
{
	uint64_t one = 1;
	OWN_MEM char *wrong = NULL;
	size_t left = 0;

	assert_int_equal(write(stub->wake, &one, sizeof(one)), sizeof(one));
	pthread_join(stub->thread, NULL);
	while (stub->n)
		hang_up(stub, 0);
	while (stub->steps[stub->at + left].reply)
		left++;
	wrong = buf_take(&stub->wrong);
	close(stub->listener);
	close(stub->wake);
	SSL_CTX_free(stub->tls);
	buf_done(&stub->log);
	pthread_mutex_destroy(&stub->lock);
	free(stub->url);
	free(stub->cert);
	free(stub->key);
	free(stub);
	if (*wrong || left)
		fail_msg("not in the script: %s; steps not asked for: %zu", wrong, left);
}

const char *api_stub_url(const struct api_stub *stub)
{
	return stub->url;
}

const char *api_stub_ca(const struct api_stub *stub)
{
	return stub->cert;
}

const char *api_stub_log(struct api_stub *stub)
{
	const char *text;

	pthread_mutex_lock(&stub->lock);
	text = buf_str(&stub->log);
	pthread_mutex_unlock(&stub->lock);
	return text;
}

char *api_reply(int status, const char *extra_headers, const char *body)
{
	return str_format("HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%s"
			  "Content-Length: %zu\r\n\r\n%s",
		status, extra_headers, strlen(body), body);
}
