/*
 * An easy handle made ready for a request. Handles are pooled with their settings: a request of
 * the same kind as the handle's last one (method, trust, URL, headers) sets nothing again.
 */
#include "base/http_impl.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define HEAD_BYTES ((size_t)256 << 10)
#define PAYLOAD_BYTES ((size_t)64 << 20)
#define NAMES_LAST_S 5L /* Python's clients ask anew for each connection; failover by DNS shows */

struct http_transfer *http_transfer_new(struct http *http)
{
	struct http_transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->http = http;
	t->easy = curl_easy_init();
	t->parsed = curl_url();
	if (!t->easy || !t->parsed) {
		http_transfer_free(t);
		return NULL;
	}
	buf_init(&t->head, HEAD_BYTES);
	buf_init(&t->payload, PAYLOAD_BYTES);
	buf_init(&t->body, HTTP_REPLY_BYTES);
	return t;
}

void http_transfer_free(struct http_transfer *t)
{
	curl_easy_cleanup(t->easy);
	curl_url_cleanup(t->parsed);
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->resolved);
	free(t->url);
	buf_done(&t->head);
	buf_done(&t->payload);
	buf_done(&t->body);
	free(t);
}

/* --- trust ------------------------------------------------------------------------------------ */

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_tls(const struct http_tls *a, const struct http_tls *b)
{
	return a->insecure == b->insecure && same(a->ca_file, b->ca_file) &&
	       same(a->ca_data, b->ca_data) && same(a->cert_file, b->cert_file) &&
	       same(a->cert_data, b->cert_data) && same(a->key_file, b->key_file) &&
	       same(a->key_data, b->key_data);
}

static void identity_free(struct http_identity *id)
{
	const char *const texts[] = { id->tls.ca_file, id->tls.ca_data, id->tls.cert_file,
		id->tls.cert_data, id->tls.key_file, id->tls.key_data };

	if (id->tls.key_data)
		explicit_bzero((char *)id->tls.key_data, strlen(id->tls.key_data));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free((char *)texts[i]);
	free(id);
}

void http_identities_free(struct http *http)
{
	while (http->identities) {
		struct http_identity *id = http->identities;

		http->identities = id->next;
		identity_free(id);
	}
}

static int copy_text(const char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -1 : 0;
}

/* Ours for this content: known already, or copied. NULL: no memory. */
static const struct http_identity *identity_for(struct http *http, const struct http_tls *tls)
{
	struct http_identity *id;

	for (id = http->identities; id; id = id->next)
		if (same_tls(&id->tls, tls))
			return id;
	id = calloc(1, sizeof(*id));
	if (!id)
		return NULL;
	id->tls.insecure = tls->insecure;
	if (copy_text(&id->tls.ca_file, tls->ca_file) ||
		copy_text(&id->tls.ca_data, tls->ca_data) ||
		copy_text(&id->tls.cert_file, tls->cert_file) ||
		copy_text(&id->tls.cert_data, tls->cert_data) ||
		copy_text(&id->tls.key_file, tls->key_file) ||
		copy_text(&id->tls.key_data, tls->key_data)) {
		identity_free(id);
		return NULL;
	}
	id->next = http->identities;
	http->identities = id;
	return id;
}

static CURLcode set_pem(CURL *easy, CURLoption file_option, const char *file,
	CURLoption data_option, const char *data)
{
	struct curl_blob blob = { .data = (char *)data, .flags = CURL_BLOB_NOCOPY };

	if (data) {
		blob.len = strlen(data);
		return curl_easy_setopt(easy, data_option, &blob);
	}
	return file ? curl_easy_setopt(easy, file_option, file) : CURLE_OK;
}

static CURLcode set_identity(CURL *easy, const struct http_tls *tls)
{
	CURLcode code = CURLE_OK;

	if (tls->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (tls->ca_file || tls->ca_data) {
		/* the system's folder would be trusted beside it */
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
		code = set_pem(
			easy, CURLOPT_CAINFO, tls->ca_file, CURLOPT_CAINFO_BLOB, tls->ca_data);
	}
	if (!code)
		code = set_pem(easy, CURLOPT_SSLCERT, tls->cert_file, CURLOPT_SSLCERT_BLOB,
			tls->cert_data);
	if (!code)
		code = set_pem(
			easy, CURLOPT_SSLKEY, tls->key_file, CURLOPT_SSLKEY_BLOB, tls->key_data);
	return code;
}

/* --- curl's callbacks ------------------------------------------------------------------------- */

static size_t on_header(char *data, size_t one, size_t len, void *arg)
{
	struct http_transfer *t = arg;

	(void)one;
	/* curl calls an answer fine whose headers were cut off: look for their end ourselves */
	if (len >= 5 && !strncmp(data, "HTTP/", 5))
		t->head_ended = false;
	else if (len && (*data == '\r' || *data == '\n'))
		t->head_ended = true;
	if (!t->first_ns || t->idle_ms)
		t->last_ns = clock_now_ns();
	if (!t->first_ns)
		t->first_ns = t->last_ns;
	return len;
}

static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
	struct http_transfer *t = arg;

	(void)one;
	if (t->idle_ms)
		t->last_ns = clock_now_ns();
	if (t->on_data && !t->streaming) {
		long status = 0;

		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
		if (status / 100 == 2)
			t->streaming = true;
		else
			t->on_data = NULL;
	}
	if (t->streaming) {
		t->stopped = t->cancelled || t->on_data(t->on_data_arg, data, len);
		return t->stopped ? CURL_WRITEFUNC_ERROR : len;
	}
	if (buf_add(&t->body, data, len) == 0)
		return len;
	t->too_large = true;
	return CURL_WRITEFUNC_ERROR;
}

/* curl is about to look up a name (or an address: it does not say). Names are ours to look up. */
static int on_resolve(void *state, void *reserved, void *arg)
{
	struct http_transfer *t = arg;

	(void)state;
	(void)reserved;
	if (t->lookup_allowed || (!t->host[0] && !t->proxy[0])) {
		t->curl_looks_up = true;
		return 0;
	}
	t->intercepted = true;
	return 1;
}

/* curl is about to send the request: for the second time, when a kept connection broke. */
static int on_send(void *arg, char *to_ip, char *from_ip, int to_port, int from_port)
{
	struct http_transfer *t = arg;

	(void)to_ip;
	(void)from_ip;
	(void)to_port;
	(void)from_port;
	t->refused_again = t->once && t->sent;
	t->sent = true;
	return t->refused_again ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* --- settings --------------------------------------------------------------------------------- */

/* What every request has. */
static void set_always(struct http_transfer *t)
{
	CURL *e = t->easy;

	curl_easy_reset(e);
	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->curl_text);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 8192L);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(e, CURLOPT_USERAGENT, t->http->user_agent);
	/* deadlines are http.c's; this one only moves curl's own default out of the way */
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, 86400000L);
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, NAMES_LAST_S);
	curl_easy_setopt(e, CURLOPT_RESOLVER_START_FUNCTION, on_resolve);
	curl_easy_setopt(e, CURLOPT_RESOLVER_START_DATA, t);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_send);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, http_close_socket);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, t->http);
}

static void set_method(struct http_transfer *t)
{
	if (t->has_body)
		curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
	else if (!strcmp(t->method, "HEAD"))
		curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
	if (strcmp(t->method, t->has_body ? "POST" : "GET") && strcmp(t->method, "HEAD"))
		curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, t->method);
}

/* The part that seldom changes from one request of a handle to its next. */
static int set_kind(struct http_transfer *t, const struct http_request *request, struct err *err)
{
	const char *method = request->method ? request->method : "GET";
	bool has_body = request->body_len || !strcmp(method, "POST") || !strcmp(method, "PUT") ||
			!strcmp(method, "PATCH");
	const struct http_identity *id = NULL;

	if (request->tls) {
		id = identity_for(t->http, request->tls);
		if (!id)
			return err_set(err, ERR_NOMEM, "no memory for certificates");
	}
	if (t->configured && !strcmp(t->method, method) && t->has_body == has_body &&
		t->new_connection == request->new_connection && t->identity == id)
		return 0;
	if (strlen(method) >= sizeof(t->method) || !*method ||
		method[strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")])
		return err_set(err, ERR_CONFIG, "\"%.32s\" is not an HTTP method", method);
	t->configured = false;
	free(TAKE(t->url));
	buf_reset(&t->head);
	snprintf(t->method, sizeof(t->method), "%s", method);
	t->has_body = has_body;
	t->new_connection = request->new_connection;
	t->identity = id;
	set_always(t);
	set_method(t);
	if (t->new_connection) {
		curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
	}
	if (id && set_identity(t->easy, &id->tls))
		return err_set(err, ERR_TLS, "this libcurl cannot take the certificates");
	t->configured = true;
	return 0;
}

/* `out` gets a host when it is a name that has to be looked up, "" otherwise. */
static void keep_name(char out[HTTP_NAME_BYTES], const char *host)
{
	struct in_addr v4;
	size_t len = host ? strlen(host) : 0;

	out[0] = '\0';
	if (!len || len >= HTTP_NAME_BYTES || host[0] == '[' || inet_aton(host, &v4) ||
		!strcasecmp(host, "localhost") ||
		(len > 10 && !strcasecmp(host + len - 10, ".localhost")))
		return; /* curl knows the loopback itself */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)host[i] >= 0x80)
			return; /* an international name is curl's to spell */
	memcpy(out, host, len + 1);
}

static void get_name(CURLU *parser, char out[HTTP_NAME_BYTES], long *ret_port)
{
	char *host = NULL, *port = NULL;

	curl_url_get(parser, CURLUPART_HOST, &host, 0);
	curl_url_get(parser, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
	keep_name(out, host);
	*ret_port = port ? strtol(port, NULL, 10) : 0;
	curl_free(host);
	curl_free(port);
}

/* The proxy that curl will take from the environment, unless no_proxy spares the host: then curl
 * asks for the host, and says so. */
static void get_proxy(struct http_transfer *t, bool https)
{
	static const char *const for_http[] = { "http_proxy", "all_proxy", "ALL_PROXY", NULL };
	static const char *const for_https[] = { "https_proxy", "HTTPS_PROXY", "all_proxy",
		"ALL_PROXY", NULL };
	const char *const *names = https ? for_https : for_http, *value = NULL;
	CURLU *parser = t->http->parser;

	t->proxy[0] = '\0';
	for (; *names && !(value && *value); names++)
		value = getenv(*names);
	if (!value || !*value ||
		curl_url_set(parser, CURLUPART_URL, value,
			CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME))
		return;
	get_name(parser, t->proxy, &t->proxy_port);
	if (!strstr(value, "://") || strncmp(value, "https:", 6)) {
		char *port = NULL;

		if (curl_url_get(parser, CURLUPART_PORT, &port, 0))
			t->proxy_port = 1080; /* curl's default for a proxy */
		curl_free(port);
	}
}

static int set_url(struct http_transfer *t, const char *url, struct err *err)
{
	CURLU *parser = t->parsed;
	char *scheme = NULL;
	bool https;
	CURLUcode code;

	if (t->url && !strcmp(t->url, url))
		return 0;
	free(TAKE(t->url));
	code = curl_url_set(parser, CURLUPART_URL, url, CURLU_PATH_AS_IS);
	if (!code)
		code = curl_url_get(parser, CURLUPART_SCHEME, &scheme, 0);
	https = scheme && !strcmp(scheme, "https");
	if (!code && !https && strcmp(scheme, "http"))
		code = CURLUE_UNSUPPORTED_SCHEME;
	curl_free(scheme);
	if (code)
		return err_set(
			err, ERR_CONFIG, "not a usable http(s) URL: %s", curl_url_strerror(code));
	get_name(parser, t->host, &t->port);
	get_proxy(t, https);
	t->url = strdup(url);
	if (!t->url || curl_easy_setopt(t->easy, CURLOPT_URL, url) ||
		curl_easy_setopt(t->easy, CURLOPT_CURLU, parser))
		return err_set(err, ERR_NOMEM, "no memory for a URL");
	return 0;
}

static bool is_clean(const char *header)
{
	for (; *header; header++)
		if ((unsigned char)*header < 0x20 && *header != '\t')
			return false;
	return true;
}

/* The header lines wanted, into the loop's scratch buffer. */
static int list_headers(
	struct http_transfer *t, const struct http_request *request, struct err *err)
{
	struct buf *out = &t->http->scratch;
	bool typed = false;

	buf_reset(out);
	for (const char *const *h = request->headers; h && *h; h++) {
		if (!is_clean(*h) || !strchr(*h, ':'))
			return err_set(err, ERR_CONFIG,
				"header \"%.*s\": not \"Name: value\" on one line",
				(int)strcspn(*h, ":\r\n"), *h);
		typed = typed || !strncasecmp(*h, "Content-Type:", 13);
		buf_addf(out, "%s\n", *h);
	}
	if (request->bearer && !is_clean(request->bearer))
		return err_set(err, ERR_CONFIG, "the bearer token holds control characters");
	if (request->bearer)
		buf_addf(out, "Authorization: Bearer %s\n", request->bearer);
	if (t->has_body)
		buf_addf(out, "Expect:\n%s", typed ? "" : "Content-Type:\n");
	return buf_failed(out) ? err_set(err, ERR_NOMEM, "headers: over %zu bytes", HEAD_BYTES) : 0;
}

static int set_headers(struct http_transfer *t, const struct http_request *request, struct err *err)
{
	struct buf *want = &t->http->scratch;
	struct curl_slist *list = NULL;

	if (list_headers(t, request, err))
		return -1;
	if (want->len == t->head.len &&
		(!want->len || !memcmp(want->data, t->head.data, want->len)))
		return 0;
	buf_reset(&t->head);
	buf_add(&t->head, buf_str(want), want->len);
	for (char *line = want->data, *end; line && *line; line = end + 1) {
		struct curl_slist *longer;

		end = strchr(line, '\n');
		*end = '\0';
		longer = curl_slist_append(list, line);
		if (!longer) {
			curl_slist_free_all(list);
			buf_reset(&t->head);
			return err_set(err, ERR_NOMEM, "no memory for headers");
		}
		list = longer;
	}
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, list);
	curl_slist_free_all(t->headers);
	t->headers = list;
	return 0;
}

static int set_payload(struct http_transfer *t, const struct http_request *request, struct err *err)
{
	if (!t->has_body)
		return 0;
	buf_reset(&t->payload);
	if (buf_add(&t->payload, request->body, request->body_len))
		return err_set(
			err, ERR_NOMEM, "a body of %zu bytes is too large", request->body_len);
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, buf_str(&t->payload));
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
	return 0;
}

int http_transfer_prepare(
	struct http_transfer *t, const struct http_request *request, struct err *err)
{
	if (set_kind(t, request, err) || set_url(t, request->url, err) ||
		set_headers(t, request, err) || set_payload(t, request, err))
		return -1;
	t->on_data = request->on_data;
	t->on_data_arg = request->on_data_arg;
	t->connect_ms = request->connect_ms > 0 ? request->connect_ms : HTTP_CONNECT_MS;
	t->total_ms = request->total_ms;
	t->idle_ms = request->idle_ms;
	t->sent_ns = clock_now_ns();
	t->first_ns = 0;
	t->last_ns = t->sent_ns;
	t->connect_at = t->sent_ns + t->connect_ms * NS_PER_MS;
	t->total_at = t->total_ms > 0 ? t->sent_ns + t->total_ms * NS_PER_MS : INT64_MAX;
	t->head_ended = t->streaming = t->stopped = t->too_large = t->cancelled = t->hold = false;
	t->intercepted = t->lookup_allowed = t->curl_looks_up = false;
	t->sent = t->refused_again = false;
	t->once = request->once;
	t->lookup = NULL;
	t->error[0] = t->curl_text[0] = '\0';
	buf_reset(&t->body);
	t->body.max_bytes = request->max_reply_bytes ? request->max_reply_bytes : HTTP_REPLY_BYTES;
	return 0;
}

int http_transfer_resolved(
	struct http_transfer *t, const char *host, long port, const char *addresses)
{
	/* "+": for as long as curl keeps names, not for ever */
	OWN_MEM char *line = str_format("+%s:%ld:%s", host, port, addresses);

	curl_slist_free_all(TAKE(t->resolved));
	t->resolved = line ? curl_slist_append(NULL, line) : NULL;
	if (!t->resolved)
		return -1;
	curl_easy_setopt(t->easy, CURLOPT_RESOLVE, t->resolved);
	return 0;
}
