/*
 * An API server that plays a script: each request must be the next one of the script and gets its
 * raw reply; over TLS with a certificate of its own when asked. One thread; loopback only.
 */
#ifndef CRUMBLE_TESTS_SUPPORT_API_STUB_H
#define CRUMBLE_TESTS_SUPPORT_API_STUB_H

#include <stdbool.h>
#include <stddef.h>

enum api_then {
	API_KEEP,  /* keep the connection for the next request */
	API_CLOSE, /* close it */
	API_HANG,  /* leave it open and say nothing more */
};

struct api_step {
	const char *request; /* "GET /api/v1/pods": how the request line begins; NULL: any */
	const char *reply;   /* raw bytes; "" says nothing */
	enum api_then then;
};

struct api_stub;

/* `steps` ends with a step whose reply is NULL; borrowed. */
struct api_stub *api_stub_new(bool tls, const struct api_step *steps);
/* Ends it and asserts that the whole script was played, and nothing else asked for. */
void api_stub_end(struct api_stub *stub);
/* "http://127.0.0.1:PORT" or https. */
const char *api_stub_url(const struct api_stub *stub);
/* All requests so far as raw text (head and body), and " cert=CN" behind those that came with a
 * client certificate. To be read after api_stub_wait or between calls of a quiet client. */
const char *api_stub_log(struct api_stub *stub);

/* A self-signed certificate for 127.0.0.1 and its key, PEM, to be freed. */
void api_stub_certificate(const char *common_name, char **ret_cert, char **ret_key);
/* The server's own certificate, which is also the CA to trust. PEM, borrowed. */
const char *api_stub_ca(const struct api_stub *stub);

/* "HTTP/1.1 200 OK" with length and type, to be freed. */
char *api_reply(int status, const char *extra_headers, const char *body);

#endif
