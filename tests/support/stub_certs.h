/* Certificates for tests: a CA of its own, and what it signs. PEM texts to be freed with free. */
#ifndef CRUMBLE_TESTS_SUPPORT_STUB_CERTS_H
#define CRUMBLE_TESTS_SUPPORT_STUB_CERTS_H

struct stub_certs {
	char *ca;
	char *server_cert, *server_key;
	char *client_cert, *client_key;
};

/* `host` NULL: localhost and 127.0.0.1. Fails the test when it cannot. */
void stub_certs_make(const char *host, struct stub_certs *ret);
void stub_certs_done(struct stub_certs *certs);

#endif
