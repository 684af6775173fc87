/*
 * A server on loopback that does as it is told: for tests of clients. One thread accepts, one
 * thread a connection answers. Plain or TLS, with certificates made when it starts.
 *
 * Each request takes the next row of the script; behind the last row the last one is repeated.
 * Rows are kept by reference. Any thread may ask for what was received.
 */
#ifndef CRUMBLE_TESTS_SUPPORT_STUB_SERVER_H
#define CRUMBLE_TESTS_SUPPORT_STUB_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stub_act {
	STUB_REPLY = 0,  /* status, headers, body; the connection stays open */
	STUB_CLOSE,      /* the same with "Connection: close" */
	STUB_RAW,        /* `body` as it is, byte for byte, then close */
	STUB_CHUNKS,     /* status, then the strings of `chunks`, each a chunk, `pause_ms` between */
	STUB_HANG,       /* read the request, then nothing until the server is freed */
	STUB_RESET,      /* read the request, then a TCP reset */
	STUB_CUT,        /* announce all of `body`, send half of it, close */
	STUB_DROP,       /* close without a word */
};

struct stub_row {
	enum stub_act act;
	int status;              /* 0: 200 */
	const char *headers;     /* "Name: value\r\n...", NULL: none */
	const char *body;        /* NULL: "" */
	const char *const *chunks; /* NULL-terminated */
	int pause_ms;            /* before the reply, and between chunks */
	bool endless;            /* STUB_CHUNKS: hang behind the last chunk instead of ending */
};

struct stub_options {
	const struct stub_row *rows; /* NULL: 200 and "ok" for ever */
	size_t n_rows;
	bool tls;
	bool client_cert;        /* TLS: demand one, signed by the same CA */
	const char *cert_host;   /* TLS: the name in the certificate; NULL: localhost and 127.0.0.1 */
	bool hang_handshake;     /* accept the connection, say nothing: not even TLS */
	bool reset_handshake;    /* accept, then reset at once */
};

struct stub_request {
	char method[16];
	char target[1024];
	char *head;              /* all header lines as they came */
	char *body;
	size_t body_len;
	int64_t at_ns;
	unsigned connection;     /* which one, counted from 0 */
};

struct stub;

/* Fails the test when it cannot. `options` may be NULL. */
struct stub *stub_new(const struct stub_options *options);
/* Ends all connections and joins all threads. */
void stub_free(struct stub *stub);

/* "http://127.0.0.1:PORT" or "https://localhost:PORT"; borrowed. */
const char *stub_url(const struct stub *stub);
int stub_port(const struct stub *stub);
/* url + path, to be freed. */
char *stub_path(const struct stub *stub, const char *path);

size_t stub_requests(struct stub *stub);
size_t stub_connections(struct stub *stub);
/* Request n, counted from 0; NULL when there were fewer. Borrowed until stub_free. */
const struct stub_request *stub_request(struct stub *stub, size_t n);
/* The value of one of its headers, to be freed; NULL when it has none. */
char *stub_header(const struct stub_request *request, const char *name);

/* TLS: PEM texts; borrowed. The client's are signed by the same CA. */
const char *stub_ca_pem(const struct stub *stub);
const char *stub_client_cert_pem(const struct stub *stub);
const char *stub_client_key_pem(const struct stub *stub);

/* A port on 127.0.0.1 that refuses: bound to nobody just now. */
int stub_refused_port(void);

/* Writes PEM text (or any other) to a new file in a folder of its own; the path is to be given to
 * stub_file_remove, which frees it. */
char *stub_file(const char *text);
void stub_file_remove(char *path);

#endif
