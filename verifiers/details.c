/*
 * Error texts by number: each distinct one is told once, as it was the first time. What makes two
 * texts of one error differ (ids, numbers, times) is collapsed before they are compared, and after
 * DETAILS_MAX texts the rest is "other": a failing service must not be able to fill the record
 * with words.
 */
#include "verifiers/stream.h"

#include "base/own.h"

#include <ctype.h>
#include <string.h>

#define TOKEN_BYTES 80 /* pod names are shorter, tokens longer */

struct text {
	uint32_t hash;
	char *words;
};

struct details {
	struct sink *sink;
	char verifier[SAMPLES_NAME_BYTES];
	size_t n;
	bool other_told;
	struct text texts[DETAILS_MAX];
};

struct details *details_new(struct sink *sink, const char *verifier)
{
	struct details *details = calloc(1, sizeof(*details));

	if (!details)
		return NULL;
	details->sink = sink;
	snprintf(details->verifier, sizeof(details->verifier), "%s", verifier);
	return details;
}

void details_free(struct details *details)
{
	if (!details)
		return;
	for (size_t i = 0; i < details->n; i++)
		free(details->texts[i].words);
	free(details);
}

/* ---- collapsing ---- */

struct out {
	char *text;
	size_t len;
	bool after_mark; /* the last thing written is a mark, perhaps with joints behind it */
	size_t mark_end; /* where it ends */
	bool full;
	bool as_it_was; /* for people: only what cannot be shown is changed */
};

static void put(struct out *out, const char *text, size_t len)
{
	if (len > DETAIL_BYTES - 1 - out->len) {
		len = DETAIL_BYTES - 1 - out->len;
		out->full = true;
	}
	memcpy(out->text + out->len, text, len);
	out->len += len;
}

/* "ID" or "N". One that follows another and only '-' or '.' swallows the joint: UUIDs, addresses
 * and decimal fractions become one mark. */
static void put_mark(struct out *out, const char *mark)
{
	if (out->after_mark && out->len == out->mark_end + 1 &&
		strchr("-.", out->text[out->mark_end])) {
		out->len = out->mark_end;
		return;
	}
	put(out, mark, strlen(mark));
	out->after_mark = true;
	out->mark_end = out->len;
}

static bool is_uuid(const char *p)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	for (size_t i = 0; form[i]; i++)
		if (form[i] == '-' ? p[i] != '-' : !isxdigit((unsigned char)p[i]))
			return false;
	return true;
}

/* The length of "://HOST:PORT" at p, which is kept: where it happened is no id. Else 0. */
static size_t authority_len(const char *p)
{
	if (strncmp(p, "://", 3))
		return 0;
	return 3 + strspn(p + 3, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789.-_:[]");
}

/* A word that mixes letters and digits: does it look made by a machine? */
static bool is_random(const char *word, size_t len, size_t digits, bool hex)
{
	if (hex && len >= 8)
		return true;
	if (len > 2 && word[0] == '0' && word[1] == 'x')
		return true;
	return len >= 5 && digits >= 2 && !isdigit((unsigned char)word[len - 1]);
}

static void put_word(struct out *out, const char *word, size_t len)
{
	size_t digits = 0, stem = len;
	bool hex = true;

	for (size_t i = 0; i < len; i++) {
		digits += isdigit((unsigned char)word[i]) != 0;
		hex = hex && isxdigit((unsigned char)word[i]);
	}
	while (stem && isdigit((unsigned char)word[stem - 1]))
		stem--;
	if (out->as_it_was) {
		put(out, word, len);
	} else if (digits == len) {
		bool status = len == 3 && out->len >= 5 &&
			      !memcmp(out->text + out->len - 5, "HTTP ", 5);

		if (status)
			put(out, word, len);
		else
			put_mark(out, "N");
	} else if (digits && is_random(word, len, digits, hex)) {
		put_mark(out, "ID");
	} else if (len - stem >= 3) { /* "worker1234" */
		put(out, word, stem);
		put_mark(out, "N");
	} else {
		put(out, word, len);
	}
}

/* The length of the UTF-8 sequence at p, 0 when it is none. */
static size_t utf8_len(const unsigned char *p)
{
	size_t len = *p < 0x80                 ? 1
		     : *p >= 0xc2 && *p < 0xe0 ? 2
		     : *p >= 0xe0 && *p < 0xf0 ? 3
		     : *p >= 0xf0 && *p < 0xf5 ? 4
					       : 0;

	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
		(*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

static size_t put_other(struct out *out, const char *p)
{
	size_t len = utf8_len((const unsigned char *)p);

	if (!len)
		put(out, "?", 1);
	else if (len == 1 && iscntrl((unsigned char)*p))
		put(out, " ", 1);
	else if (out->len + len < DETAIL_BYTES)
		put(out, p, len);
	else
		out->full = true; /* never half a character */
	return len ? len : 1;
}

/* The length of a run too long for a name or an id, which may be a token; else 0. */
static size_t token_len(const char *p)
{
	size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "0123456789-_.=");

	return len >= TOKEN_BYTES ? len : 0;
}

static void rewrite(const char *text, bool as_it_was, char ret_text[DETAIL_BYTES])
{
	struct out out = { .text = ret_text, .as_it_was = as_it_was };

	for (const char *p = text; *p && !out.full;) {
		size_t len = authority_len(p);

		if (len) {
			put(&out, p, len);
			p += len;
			continue;
		}
		if (!as_it_was && is_uuid(p)) {
			put_mark(&out, "ID");
			p += 36;
			continue;
		}
		len = as_it_was ? token_len(p) : 0;
		if (len) {
			put(&out, "ID", 2);
			p += len;
			continue;
		}
		while (isalnum((unsigned char)p[len]) && (unsigned char)p[len] < 0x80)
			len++;
		if (len)
			put_word(&out, p, len);
		else
			len = put_other(&out, p);
		p += len;
	}
	while (out.len && ret_text[out.len - 1] == ' ')
		out.len--;
	ret_text[out.len] = '\0';
}

void details_collapse(const char *text, char ret_text[DETAIL_BYTES])
{
	rewrite(text, false, ret_text);
}

/* ---- numbers ---- */

static uint32_t hash_text(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return hash;
}

static void tell(struct details *details, size_t number, const char *text)
{
	cJSON *event = json_object(
		"e", "detail", "verifier", details->verifier, "text", text, NULL);

	if (!event)
		return;
	json_add_int(event, "number", (int64_t)number);
	details->sink->event(details->sink, event);
}

static uint16_t other(struct details *details)
{
	if (!details->other_told)
		tell(details, DETAILS_MAX + 1, "other");
	details->other_told = true;
	return DETAILS_MAX + 1;
}

uint16_t details_number(struct details *details, const char *text)
{
	char words[DETAIL_BYTES], shown[DETAIL_BYTES];
	uint32_t hash;

	if (!text || !*text)
		return 0;
	details_collapse(text, words);
	if (!*words)
		return 0;
	hash = hash_text(words);
	for (size_t i = 0; i < details->n; i++)
		if (details->texts[i].hash == hash && !strcmp(details->texts[i].words, words))
			return (uint16_t)(i + 1);
	if (details->n == DETAILS_MAX)
		return other(details);
	details->texts[details->n].words = strdup(words);
	if (!details->texts[details->n].words)
		return other(details);
	details->texts[details->n++].hash = hash;
	rewrite(text, true, shown);
	tell(details, details->n, shown);
	return (uint16_t)details->n;
}
