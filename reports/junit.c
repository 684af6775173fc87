/*
 * JUnit XML as every consumer reads it rightly: testsuites > testsuite > testcase, at most one of
 * failure, error and skipped in a case, each with a type of ours, a message, and a text that
 * repeats it. libxml2's writer checks no characters: every string goes through clean.h first.
 *
 * libxml2 is loaded when the first report is written: with what it needs (ICU, the C++ library) it
 * would cost every start 2 ms and 2 MB.
 */
#include "reports/clean.h"
#include "reports/reporter.h"

#include "base/clock.h"

#include <dlfcn.h>
#include <libxml/xmlwriter.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#define ATTRIBUTE_BYTES 2000
#define TEXT_BYTES 60000

/* ---- the library ---- */

/* What is used of it, by name, each with the type that its header gives it. */
#define FUNCTIONS(F)                    \
	F(xmlBufferCreate)              \
	F(xmlBufferContent)             \
	F(xmlBufferLength)              \
	F(xmlBufferFree)                \
	F(xmlNewTextWriterMemory)       \
	F(xmlFreeTextWriter)            \
	F(xmlTextWriterSetIndent)       \
	F(xmlTextWriterSetIndentString) \
	F(xmlTextWriterStartDocument)   \
	F(xmlTextWriterEndDocument)     \
	F(xmlTextWriterStartElement)    \
	F(xmlTextWriterEndElement)      \
	F(xmlTextWriterWriteAttribute)  \
	F(xmlTextWriterWriteString)

#define MEMBER(name) __typeof__(&name) name;
static struct {
	FUNCTIONS(MEMBER)
} lib;

#define ROW(name) { #name, offsetof(__typeof__(lib), name) },
static const struct {
	const char *name;
	size_t offset;
} functions[] = { FUNCTIONS(ROW) };

static char lib_error[256]; /* "": it is there */

static void load_once(void)
{
	void *handle = dlopen(XML2_SONAME, RTLD_LAZY | RTLD_LOCAL); /* never closed */

	for (size_t i = 0; handle && i < ARRAY_LEN(functions); i++) {
		void *found = dlsym(handle, functions[i].name);

		if (!found)
			handle = NULL;
		memcpy((char *)&lib + functions[i].offset, &found, sizeof(found));
	}
	if (!handle)
		snprintf(lib_error, sizeof(lib_error), "%s", dlerror());
}

static int load(struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_once);
	if (!*lib_error)
		return 0;
	return err_set(err, ERR_IO,
		"JUnit: cannot load %s: %s; install libxml2 (Debian package libxml2)", XML2_SONAME,
		lib_error);
}

struct writer {
	xmlTextWriterPtr xml;
	bool failed;
};

static void check(struct writer *w, int result)
{
	w->failed |= result < 0;
}

static void begin(struct writer *w, const char *name)
{
	check(w, lib.xmlTextWriterStartElement(w->xml, BAD_CAST name));
}

static void end(struct writer *w)
{
	check(w, lib.xmlTextWriterEndElement(w->xml));
}

static void attribute(struct writer *w, const char *name, const char *value)
{
	OWN_MEM char *clean = clean_copy(value, ATTRIBUTE_BYTES, false);

	check(w, clean ? lib.xmlTextWriterWriteAttribute(w->xml, BAD_CAST name, BAD_CAST clean)
		       : -1);
}

__attribute__((format(printf, 3, 4))) static void attributef(
	struct writer *w, const char *name, const char *format, ...)
{
	char value[512];
	va_list args;

	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	attribute(w, name, value);
}

/* From whole milliseconds: no locale, no exponent. */
static void attribute_time(struct writer *w, int64_t ms)
{
	if (ms < 0)
		ms = 0;
	attributef(w, "time", "%lld.%03lld", (long long)(ms / 1000), (long long)(ms % 1000));
}

/* ---- a case ---- */

static const char *element_of(const struct result_case *c)
{
	switch (c->verdict) {
	case VERDICT_PASS:
		return NULL;
	case VERDICT_FAIL:
		return "failure";
	case VERDICT_SKIP:
		return "skipped";
	case VERDICT_BROKEN:
		break;
	}
	return "error";
}

/* The message again as its first line: some show only the text, others only the attribute. */
static int body_of(
	const struct result *r, const struct result_case *c, const char *message, struct buf *body)
{
	buf_init(body, 2 * TEXT_BYTES);
	clean_add(body, message, strlen(message), ATTRIBUTE_BYTES, true);
	if (c->text && *c->text) {
		buf_add_str(body, "\n");
		clean_add(body, c->text, strlen(c->text), TEXT_BYTES, false);
	}
	if (c->line && r->file && c->verdict != VERDICT_SKIP) {
		buf_add_str(body, "\n ");
		clean_add(body, r->file, strlen(r->file), ATTRIBUTE_BYTES, true);
		buf_addf(body, ":%u\n", c->line);
	}
	return buf_failed(body) ? -1 : 0;
}

static void outcome(struct writer *w, const struct result *r, const struct result_case *c)
{
	const char *element = element_of(c);
	OWN_MEM char *message = NULL;
	OWN_BUF struct buf body = { 0 };

	if (!element)
		return;
	message = clean_copy(c->message, ATTRIBUTE_BYTES, true);
	if (message && !*message) { /* none, or nothing of it was fit to print */
		free(message);
		message = strdup(verdict_name(c->verdict));
	}
	if (!message || body_of(r, c, message, &body)) {
		w->failed = true;
		return;
	}
	begin(w, element);
	if (c->verdict != VERDICT_SKIP)
		attribute(w, "type", c->type ? c->type : "crumble.Broken");
	attribute(w, "message", message);
	check(w, lib.xmlTextWriterWriteString(w->xml, BAD_CAST buf_str(&body)));
	end(w);
}

static void test_case(
	struct writer *w, const struct result *r, const char *class, const struct result_case *c)
{
	begin(w, "testcase");
	attribute(w, "classname", class);
	attribute(w, "name", c->name);
	attribute_time(w, c->time_ms);
	outcome(w, r, c);
	end(w);
}

/* ---- a suite ---- */

static size_t count(const struct result *r, enum verdict verdict)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_cases; i++)
		n += r->cases[i].verdict == verdict;
	return n;
}

static void property(struct writer *w, const char *name, const char *value)
{
	if (!value)
		return;
	begin(w, "property");
	attribute(w, "name", name);
	attribute(w, "value", value);
	end(w);
}

static void properties(struct writer *w, const struct result *r)
{
	begin(w, "properties");
	property(w, "run.id", r->run_id ? r->run_id : "unknown");
	property(w, "verdict", r->complete ? verdict_name(r->verdict) : "INCOMPLETE");
	property(w, "title", r->title);
	property(w, "seed", r->seed);
	property(w, "cluster", r->cluster);
	property(w, "crumble.version", r->tool);
	property(w, "crumble.commit", r->commit);
	property(w, "scenario.sha256", r->sha256);
	property(w, "report.dir", r->dir);
	end(w);
}

/* Jenkins splits package and class at the last dot: there is one. */
static char *class_of(const struct result *r)
{
	char *class = str_format(
		"crumble.%s", r->scenario && *r->scenario ? r->scenario : "unknown");

	for (char *at = class ? class + strlen("crumble.") : NULL; at && *at; at++)
		if (*at == '.')
			*at = '-';
	return class;
}

static void suite(struct writer *w, const struct result *r, size_t id)
{
	OWN_MEM char *class = class_of(r);
	char stamp[CLOCK_RFC3339_BYTES];

	if (!class) {
		w->failed = true;
		return;
	}
	begin(w, "testsuite");
	attribute(w, "name", class);
	attributef(w, "tests", "%zu", r->n_cases);
	attributef(w, "failures", "%zu", count(r, VERDICT_FAIL));
	attributef(w, "errors", "%zu", count(r, VERDICT_BROKEN));
	attributef(w, "skipped", "%zu", count(r, VERDICT_SKIP));
	attribute_time(w, r->length_ns / NS_PER_MS);
	clock_rfc3339(r->wall_ns, 0, stamp);
	attribute(w, "timestamp", stamp);
	if (r->host)
		attribute(w, "hostname", r->host);
	attributef(w, "id", "%zu", id);
	if (r->file)
		attribute(w, "file", r->file);
	properties(w, r);
	for (size_t i = 0; i < r->n_cases; i++)
		test_case(w, r, class, &r->cases[i]);
	end(w);
}

static void document(struct writer *w, const struct result *const *results, size_t n)
{
	int64_t total_ns = 0;

	for (size_t i = 0; i < n; i++)
		total_ns += results[i]->length_ns;
	check(w, lib.xmlTextWriterSetIndent(w->xml, 1));
	check(w, lib.xmlTextWriterSetIndentString(w->xml, BAD_CAST "  "));
	check(w, lib.xmlTextWriterStartDocument(w->xml, NULL, "UTF-8", NULL));
	begin(w, "testsuites"); /* no counts here: consumers sum wrongly with some of them */
	attribute(w, "name", "crumble");
	attribute_time(w, total_ns / NS_PER_MS);
	for (size_t i = 0; i < n; i++)
		suite(w, results[i], i);
	end(w);
	check(w, lib.xmlTextWriterEndDocument(w->xml));
}

int junit_write_all(const struct result *const *results, size_t n, struct buf *out, struct err *err)
{
	struct writer w = { 0 };
	xmlBufferPtr bytes;

	if (load(err))
		return -1;
	bytes = lib.xmlBufferCreate();
	w.xml = bytes ? lib.xmlNewTextWriterMemory(bytes, 0) : NULL;
	w.failed = !w.xml;
	if (w.xml)
		document(&w, results, n);
	lib.xmlFreeTextWriter(w.xml); /* flushes */
	if (!w.failed)
		w.failed = buf_add(out, lib.xmlBufferContent(bytes),
				   (size_t)lib.xmlBufferLength(bytes)) != 0;
	lib.xmlBufferFree(bytes);
	return w.failed ? err_set(err, ERR_NOMEM, "JUnit: no memory, or more than %zu bytes",
				  out->max_bytes)
			: 0;
}

static int write_junit(const struct result *result, struct buf *out, struct err *err)
{
	return junit_write_all(&result, 1, out, err);
}

const struct reporter_ops reporter_junit = {
	.name = "junit",
	.doc = "JUnit XML for Jenkins, GitLab, GitHub and their like",
	.file = "junit.xml",
	.checkpoint = true,
	.write = write_junit,
};
