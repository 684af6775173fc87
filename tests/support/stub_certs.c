/* Certificates for tests, made by OpenSSL when a test begins: none can expire in the tree. */
#include "tests/support/stub_certs.h"

#include "base/own.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static char *bio_text(BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, (size_t)len);

	BIO_free(bio);
	assert_non_null(text);
	return text;
}

static char *cert_pem(X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_true(PEM_write_bio_X509(bio, cert));
	return bio_text(bio);
}

static char *key_pem(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_true(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
	return bio_text(bio);
}

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
}

/* `issuer` NULL: signs itself and is a CA. */
static X509 *make_cert(
	const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, const char *names)
{
	static long serial = 1;
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_NAME_add_entry_by_txt(
		subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : subject);
	X509_set_pubkey(cert, key);
	if (!issuer)
		extend(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
	if (names)
		extend(cert, issuer ? issuer : cert, NID_subject_alt_name, names);
	assert_true(X509_sign(cert, issuer ? issuer_key : key, EVP_sha256()) > 0);
	return cert;
}

void stub_certs_make(const char *host, struct stub_certs *ret)
{
	OWN_MEM char *names = NULL;
	EVP_PKEY *keys[3];
	X509 *ca, *server, *client;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		keys[i] = EVP_EC_gen("P-256");
		assert_non_null(keys[i]);
	}
	assert_true(asprintf(&names, "%s%s", host ? "DNS:" : "DNS:localhost,IP:127.0.0.1",
			    host ? host : "") > 0);
	ca = make_cert("stub CA", keys[0], NULL, NULL, NULL);
	server = make_cert("stub server", keys[1], ca, keys[0], names);
	client = make_cert("stub client", keys[2], ca, keys[0], NULL);
	*ret = (struct stub_certs){ .ca = cert_pem(ca),
		.server_cert = cert_pem(server),
		.server_key = key_pem(keys[1]),
		.client_cert = cert_pem(client),
		.client_key = key_pem(keys[2]) };
	X509_free(ca);
	X509_free(server);
	X509_free(client);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		EVP_PKEY_free(keys[i]);
}

void stub_certs_done(struct stub_certs *certs)
{
	free(certs->ca);
	free(certs->server_cert);
	free(certs->server_key);
	free(certs->client_cert);
	free(certs->client_key);
}
