/* Certificates made for this run, a token, a kubeconfig. */
#include "k8s/sandbox/access.h"

#include "base/buf.h"
#include "k8s/sandbox/edit.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#define VALID_S (366L * 24 * 3600)

static void own_x509(X509 **x)
{
	X509_free(*x);
}

static void own_pkey(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void own_bio(BIO **bio)
{
	BIO_free(*bio);
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool ok;

	X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	ok = extension && X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
	return ok;
}

/* Signed by issuer's key; issuer NULL: by its own. */
static X509 *make_cert(
	const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, const char *names)
{
	OWN(own_x509) X509 *cert = X509_new();
	X509_NAME *subject;
	bool ok = cert && X509_set_version(cert, 2);
	uint64_t serial = 0;

	ok = ok && RAND_bytes((unsigned char *)&serial, 7) == 1;
	ok = ok && ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial | 1);
	ok = ok && X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	ok = ok && X509_gmtime_adj(X509_getm_notAfter(cert), VALID_S);
	ok = ok && X509_set_pubkey(cert, key);
	if (!ok)
		return NULL;
	subject = X509_get_subject_name(cert);
	ok = X509_NAME_add_entry_by_txt(
		subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	ok = ok && X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : subject);
	if (names)
		ok = ok && add_extension(cert, issuer, NID_subject_alt_name, names) &&
		     add_extension(cert, issuer, NID_ext_key_usage, "serverAuth");
	else
		ok = ok && add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE") &&
		     add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	ok = ok && X509_sign(cert, issuer_key, EVP_sha256());
	return ok ? TAKE(cert) : NULL;
}

static char *bio_text(BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	return must_format("%.*s", (int)len, data);
}

static char *cert_pem(X509 *cert)
{
	OWN(own_bio) BIO *bio = BIO_new(BIO_s_mem());

	return bio && PEM_write_bio_X509(bio, cert) ? bio_text(bio) : NULL;
}

static char *key_pem(EVP_PKEY *key)
{
	OWN(own_bio) BIO *bio = BIO_new(BIO_s_mem());

	return bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) ? bio_text(bio)
										    : NULL;
}

static char *make_token(void)
{
	unsigned char b[24];
	char *text = must_alloc(sizeof(b) * 2 + 1);

	if (RAND_bytes(b, sizeof(b)) != 1) {
		free(text);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(b); i++)
		sprintf(text + i * 2, "%02x", b[i]);
	return text;
}

void access_done(struct access_keys *keys)
{
	free(keys->ca_pem);
	free(keys->cert_pem);
	free(keys->key_pem);
	free(keys->token);
	*keys = (struct access_keys){ 0 };
}

int access_make(const char *service_ip, struct access_keys *ret_keys, struct err *err)
{
	OWN(access_done) struct access_keys keys = { 0 };
	OWN(own_pkey) EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
	OWN_MEM char *names = must_format(
		"IP:127.0.0.1,IP:%s,DNS:localhost,DNS:kubernetes.default.svc", service_ip);
	OWN(own_x509) X509 *ca = NULL;
	OWN(own_x509) X509 *cert = NULL;

	if (ca_key && key)
		ca = make_cert("crumble-sandbox-ca", ca_key, NULL, ca_key, NULL);
	if (ca)
		cert = make_cert("crumble-sandbox", key, ca, ca_key, names);
	if (cert) {
		keys = (struct access_keys){ cert_pem(ca), cert_pem(cert), key_pem(key),
			make_token() };
		if (keys.ca_pem && keys.cert_pem && keys.key_pem && keys.token) {
			*ret_keys = keys;
			keys = (struct access_keys){ 0 };
			return 0;
		}
	}
	return err_set(err, ERR_TLS, "OpenSSL made no certificate for the sandbox's API");
}

int access_write_kubeconfig(
	const char *path, const struct access_keys *keys, uint16_t port, struct err *err)
{
	size_t len = strlen(keys->ca_pem);
	OWN_MEM char *ca = must_alloc(len * 4 / 3 + 8);
	OWN_MEM char *text = NULL;

	EVP_EncodeBlock((unsigned char *)ca, (const unsigned char *)keys->ca_pem, (int)len);
	text = must_format("apiVersion: v1\n"
			   "kind: Config\n"
			   "current-context: sandbox\n"
			   "clusters:\n"
			   "- name: sandbox\n"
			   "  cluster:\n"
			   "    server: https://127.0.0.1:%u\n"
			   "    certificate-authority-data: %s\n"
			   "users:\n"
			   "- name: sandbox\n"
			   "  user:\n"
			   "    token: %s\n"
			   "contexts:\n"
			   "- name: sandbox\n"
			   "  context: {cluster: sandbox, user: sandbox, namespace: default}\n",
		port, ca, keys->token);
	return buf_write_file(path, text, strlen(text), err);
}
