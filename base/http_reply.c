/* What became of a request: curl's result as one of our outcomes, and a line for people. */
#include "base/http_impl.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A peer that goes away in mid-handshake is no TLS trouble; curl says it in words only. */
static bool handshake_broke(const struct http_transfer *t)
{
	static const char *const words[] = { "SSL_ERROR_SYSCALL", "Connection reset", "Broken pipe",
		"unexpected eof" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcasestr(t->curl_text, words[i]))
			return true;
	return false;
}

static int os_error(const struct http_transfer *t)
{
	long error = 0;

	curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &error);
	return (int)error;
}

/* Out of descriptors, ports or memory: our own trouble, not the service's. */
static bool is_ours(const struct http_transfer *t)
{
	int error = os_error(t);

	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS ||
	       error == EADDRNOTAVAIL;
}

enum outcome http_classify(const struct http_transfer *t, CURLcode code)
{
	if (t->refused_again && code == CURLE_ABORTED_BY_CALLBACK)
		return OUTCOME_RESET;
	switch (code) {
	case CURLE_OK:
		return t->head_ended ? OUTCOME_OK : OUTCOME_RESET;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return OUTCOME_DNS;
	case CURLE_COULDNT_CONNECT:
	case CURLE_PROXY:
		return is_ours(t) ? OUTCOME_FAILED : OUTCOME_REFUSED;
	case CURLE_SSL_CONNECT_ERROR:
		return handshake_broke(t) ? OUTCOME_RESET : OUTCOME_TLS;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_CLIENTCERT:
	case CURLE_USE_SSL_FAILED:
		return OUTCOME_TLS;
	case CURLE_OPERATION_TIMEDOUT:
		return OUTCOME_TIMEOUT;
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_SEND_FAIL_REWIND:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return OUTCOME_RESET;
	case CURLE_WRITE_ERROR:
		if (t->stopped)
			return OUTCOME_CANCELLED;
		return t->too_large ? OUTCOME_BODY : OUTCOME_FAILED;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL: /* an answer that is not HTTP/1 */
	case CURLE_BAD_CONTENT_ENCODING:
#if LIBCURL_VERSION_NUM >= 0x080600
	case CURLE_TOO_LARGE:
#endif
		return OUTCOME_BODY;
	default:
		return OUTCOME_FAILED;
	}
}

/* The URL as it may be shown: no user, no password, no query. */
static void show_url(struct buf *out, const char *url)
{
	const char *host = strstr(url, "://");
	size_t len, user;

	host = host ? host + 3 : url;
	buf_add(out, url, (size_t)(host - url));
	len = strcspn(host, "/?#");
	for (user = len; user && host[user - 1] != '@'; user--)
		;
	host += user;
	len = strcspn(host, "?#");
	buf_add(out, host, len);
	if (host[len] == '?')
		buf_add_str(out, "?...");
}

void http_explain(struct http_transfer *t, const char *format, ...)
{
	OWN_BUF struct buf out;
	va_list args;
	size_t used;

	buf_init(&out, sizeof(t->error) / 2);
	show_url(&out, t->url);
	used = (size_t)snprintf(t->error, sizeof(t->error), "%s %s: ", t->method, buf_str(&out));
	va_start(args, format);
	vsnprintf(t->error + used, sizeof(t->error) - used, format, args);
	va_end(args);
}

void http_show_ms(int64_t ms, char ret_text[32])
{
	if (ms % 1000)
		snprintf(ret_text, 32, "%lldms", (long long)ms);
	else
		snprintf(ret_text, 32, "%llds", (long long)(ms / 1000));
}

/* The host and the port that the URL names. */
static const char *authority(const struct http_transfer *t, int *ret_len)
{
	const char *host = strstr(t->url, "://"), *at;

	host = host ? host + 3 : t->url;
	*ret_len = (int)strcspn(host, "/?#");
	at = memrchr(host, '@', (size_t)*ret_len);
	if (at)
		*ret_len -= (int)(at + 1 - host);
	return at ? at + 1 : host;
}

/* Why there is no connection. Of a proxy only curl knows. */
static void explain_connect(struct http_transfer *t)
{
	int error = os_error(t), len;
	const char *host = authority(t, &len);

	if (t->proxy[0] || (!error && t->curl_text[0]))
		http_explain(t, "%s", t->curl_text);
	else if (error == ECONNREFUSED)
		http_explain(t, "connection refused by %.*s", len, host);
	else if (is_ours(t))
		http_explain(t, "no socket for a connection: %s", strerror(error));
	else
		http_explain(t, "no connection to %.*s: %s", len, host,
			error ? strerror(error) : "nobody answers");
}

void http_explain_code(struct http_transfer *t, CURLcode code, enum outcome outcome)
{
	if (t->too_large)
		http_explain(t, "the answer is larger than %zu bytes", t->body.max_bytes);
	else if (t->refused_again)
		http_explain(t, "the kept connection was closed before the answer");
	else if (code == CURLE_COULDNT_CONNECT)
		explain_connect(t);
	else if (code == CURLE_UNSUPPORTED_PROTOCOL)
		http_explain(t, "the answer is not HTTP/1");
	else if (outcome == OUTCOME_RESET && code == CURLE_SSL_CONNECT_ERROR)
		http_explain(t, "the connection ended within the TLS handshake");
	else if (outcome == OUTCOME_RESET && t->first_ns)
		http_explain(t, "the connection ended before the answer was whole");
	else if (outcome == OUTCOME_RESET)
		http_explain(t, "the connection was %s before the answer",
			code == CURLE_GOT_NOTHING ? "closed" : "reset");
	else
		http_explain(t, "%s", t->curl_text[0] ? t->curl_text : curl_easy_strerror(code));
}

/* struct http_reply's lookup by name; the last one wins, as curl stores them. */
static const char *find_header(const struct http_reply *reply, const char *name)
{
	const struct http_transfer *t = reply->state;
	struct curl_header *header;

	if (curl_easy_header(t->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return NULL;
	return header->value;
}

void http_reply_fill(const struct http_transfer *t, enum outcome outcome, struct http_reply *ret)
{
	long status = 0, connects = 0;
	curl_off_t after = 0;

	*ret = (struct http_reply){ .outcome = outcome,
		.body = buf_str(&t->body),
		.body_len = t->body.len,
		.sent_ns = t->sent_ns,
		.first_ns = t->first_ns,
		.done_ns = clock_now_ns(),
		.retry_after_s = -1,
		.error = t->error,
		.header = find_header,
		.state = t };
	if (t->lookup)
		return; /* curl never began */
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
	ret->status = t->first_ns ? (int)status : 0;
	ret->new_connection = connects > 0;
	if (find_header(ret, "Retry-After")) {
		curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &after);
		ret->retry_after_s = after;
	}
}

enum err_code http_err_code(const struct http_reply *reply)
{
	static const enum err_code by_outcome[OUTCOME_COUNT] = { [OUTCOME_REFUSED] = ERR_NET,
		[OUTCOME_RESET] = ERR_NET,
		[OUTCOME_DNS] = ERR_DNS,
		[OUTCOME_TLS] = ERR_TLS,
		[OUTCOME_TIMEOUT] = ERR_TIMEOUT,
		[OUTCOME_BODY] = ERR_FORMAT,
		[OUTCOME_AUTH] = ERR_AUTH,
		[OUTCOME_FAILED] = ERR_IO,
		[OUTCOME_CANCELLED] = ERR_STOPPED };

	if (reply->outcome != OUTCOME_OK && (unsigned)reply->outcome < OUTCOME_COUNT &&
		by_outcome[reply->outcome])
		return by_outcome[reply->outcome];
	switch (reply->status) {
	case 401:
		return ERR_AUTH;
	case 403:
		return ERR_FORBIDDEN;
	case 404:
		return ERR_NOT_FOUND;
	case 409:
		return ERR_CONFLICT;
	case 410:
		return ERR_GONE;
	default:
		return reply->status / 100 == 2 ? ERR_NONE : ERR_API;
	}
}
