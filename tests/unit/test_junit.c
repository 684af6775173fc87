/*
 * JUnit: the rules that keep every consumer reading it rightly, on runs of every kind, by our own
 * schema and a checker; and text of any origin, which must never break the file.
 */
#include "base/buf.h"
#include "reports/clean.h"
#include "reports/report.h"
#include "reports/reporter.h"
#include "tests/support/fake_record.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>
#include <libxml/parser.h>
#include <libxml/xmlschemas.h>

#define EXPECTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct fake f;

static int setup(void **state)
{
	(void)state;
	fake_begin(&f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_end(&f);
	return 0;
}

/* ---- the checker ---- */

static void quiet(void *arg, const char *format, ...)
{
	char *text = arg;
	size_t len = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + len, 2000 - len, format, args);
	va_end(args);
}

static bool valid(xmlDocPtr doc, char text[2000])
{
	xmlSchemaParserCtxtPtr parser = xmlSchemaNewParserCtxt(TESTS_DIR "/../reports/junit.xsd");
	xmlSchemaPtr schema;
	xmlSchemaValidCtxtPtr validator;
	bool ok;

	text[0] = '\0';
	assert_non_null(parser);
	schema = xmlSchemaParse(parser);
	assert_non_null(schema);
	validator = xmlSchemaNewValidCtxt(schema);
	xmlSchemaSetValidErrors(validator, quiet, quiet, text);
	ok = xmlSchemaValidateDoc(validator, doc) == 0;
	xmlSchemaFreeValidCtxt(validator);
	xmlSchemaFree(schema);
	xmlSchemaFreeParserCtxt(parser);
	return ok;
}

static char *attr(xmlNodePtr node, const char *name)
{
	return (char *)xmlGetProp(node, BAD_CAST name);
}

static bool named(xmlNodePtr node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && !strcmp((const char *)node->name, name);
}

static void check_outcome(xmlNodePtr outcome)
{
	OWN_MEM char *message = attr(outcome, "message");
	OWN_MEM char *text = (char *)xmlNodeGetContent(outcome);

	/* the text's first line repeats the message: some consumers show only one of them */
	if (strncmp(text, message, strlen(message)) || !strchr("\n", text[strlen(message)]))
		fail_msg("\"%.300s\" does not begin with \"%.300s\"", text, message);
}

static void check_counts(xmlNodePtr suite, const char *attribute, size_t want)
{
	OWN_MEM char *got = attr(suite, attribute);

	assert_int_equal(strtoul(got, NULL, 10), want);
}

static void check_suite(xmlNodePtr suite)
{
	size_t cases = 0, failures = 0, errors = 0, skipped = 0;
	OWN_MEM char *name = attr(suite, "name");

	for (xmlNodePtr c = suite->children; c; c = c->next) {
		OWN_MEM char *class = NULL;

		if (!named(c, "testcase"))
			continue;
		class = attr(c, "classname");
		assert_string_equal(class, name);
		cases++;
		for (xmlNodePtr o = c->children; o; o = o->next) {
			failures += named(o, "failure");
			errors += named(o, "error");
			skipped += named(o, "skipped");
			if (o->type == XML_ELEMENT_NODE)
				check_outcome(o);
		}
	}
	check_counts(suite, "tests", cases);
	check_counts(suite, "failures", failures);
	check_counts(suite, "errors", errors);
	check_counts(suite, "skipped", skipped);
}

static void check_document(const char *xml, size_t len)
{
	xmlDocPtr doc = xmlReadMemory(xml, (int)len, "junit.xml", NULL,
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	char text[2000];

	if (!doc)
		fail_msg("not well-formed:\n%s", xml);
	assert_null(strstr(xml, "<![CDATA["));
	assert_null(strstr(xml, "<!DOCTYPE"));
	if (!valid(doc, text))
		fail_msg("not valid: %s\n%s", text, xml);
	for (xmlNodePtr s = xmlDocGetRootElement(doc)->children; s; s = s->next)
		if (named(s, "testsuite"))
			check_suite(s);
	xmlFreeDoc(doc);
}

static struct result *build(bool ending)
{
	struct result *result = NULL;
	struct err err = { 0 };

	if (report_build(f.dir, ending, &result, &err))
		fail_msg("%s", err.text);
	return result;
}

static void check_result(const struct result *result)
{
	OWN_BUF struct buf b;
	struct err err = { 0 };

	buf_init(&b, REPORT_MAX_BYTES);
	if (reporter_find("junit")->write(result, &b, &err))
		fail_msg("%s", err.text);
	check_document(buf_str(&b), b.len);
}

static void check_now(bool ending)
{
	struct result *result = build(ending);

	check_result(result);
	result_free(result);
}

/* ---- runs of every kind ---- */

static void a_passing_run(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("availability >= 99.5%"), 50 * S, 50 * S);
	check_now(false);
}

static void a_failing_and_broken_run(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("availability >= 99.5%", "p999 <= 1s"), 12100 * MS, 14 * S);
	check_now(false);
}

static void an_aborted_run(void **state)
{
	(void)state;
	fake_plan(&f, EXPECTS("errors <= 5"));
	fake_event(&f, "preflight", "{\"ok\":true}");
	fake_phase(&f, S, "baseline", "begin");
	fake_at(&f, 3 * S, "signal", "{\"signal\":2,\"name\":\"SIGINT\"}");
	check_now(true);
}

static void a_run_that_is_planned_running_or_killed(void **state)
{
	(void)state;
	fake_plan(&f, EXPECTS("errors <= 5", "availability >= 99% during baseline"));
	check_now(false);
	fake_event(&f, "preflight", "{\"ok\":true}");
	fake_phase(&f, S, "baseline", "begin");
	fake_phase(&f, 3 * S, "faults", "begin");
	check_now(false);
	fake_close(&f);
	check_now(false);
}

static void a_merged_document(void **state)
{
	struct result *results[2];
	OWN_BUF struct buf b;
	struct err err = { 0 };

	(void)state;
	fake_whole(&f, EXPECTS("availability >= 99.5%"), 50 * S, 50 * S);
	results[0] = build(false);
	results[1] = build(false);
	free(results[1]->scenario);
	results[1]->scenario = strdup("other");
	buf_init(&b, REPORT_MAX_BYTES);
	assert_int_equal(junit_write_all((const struct result *const *)results, 2, &b, &err), 0);
	check_document(buf_str(&b), b.len);
	assert_non_null(strstr(buf_str(&b), "crumble.other"));
	result_free(results[0]);
	result_free(results[1]);
}

/* The schema itself must be able to say no. */
static void the_schema_refuses_what_consumers_misread(void **state)
{
	static const struct {
		const char *from, *to;
	} breaks[] = {
		{ "<testsuites name=\"crumble\"", "<testsuites tests=\"9\" name=\"crumble\"" },
		{ " time=\"0.000\"", "" },
		{ "time=\"30.000\"", "time=\"3e1\"" },
		{ "time=\"30.000\"", "time=\"30,000\"" },
		{ "type=\"crumble.AssertionFailed\"", "type=\"file\"" },
		{ "<failure type=\"crumble.AssertionFailed\"", "<failure" },
		{ "name=\"token availability\"", "name=\"eat bites\"" },
		{ "classname=\"crumble.fake\"", "classname=\"crumble.fake.v1\"" },
		{ "</failure>", "</failure><error type=\"crumble.X\" message=\"m\">m</error>" },
		{ "53:10Z\"", "53:10\"" },
	};
	struct result *result;
	OWN_BUF struct buf b;

	(void)state;
	fake_whole(&f, EXPECTS("availability >= 99.5%"), 12100 * MS, 14 * S);
	result = build(false);
	buf_init(&b, REPORT_MAX_BYTES);
	assert_int_equal(reporter_find("junit")->write(result, &b, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(breaks); i++) {
		const char *at = strstr(buf_str(&b), breaks[i].from);
		OWN_MEM char *broken = NULL;
		xmlDocPtr doc;
		char text[2000];

		assert_non_null(at);
		broken = str_format("%.*s%s%s", (int)(at - b.data), b.data, breaks[i].to,
			at + strlen(breaks[i].from));
		doc = xmlReadMemory(broken, (int)strlen(broken), "x", NULL, 0);
		assert_non_null(doc);
		if (valid(doc, text))
			fail_msg("accepted: %s", breaks[i].to);
		xmlFreeDoc(doc);
	}
	result_free(result);
}

/* ---- names and texts of any origin ---- */

static const char *const nasty[] = { "\x1b[31mred\x1b[0m", "bell\x07 and nul-like \x01\x02",
	"\xed\xa0\x80 surrogate", "\xc0\xaf overlong", "cut \xe2\x82", "\xef\xbf\xbf nonchar",
	"]]> & < > \" '", "line\nbreak\r\nand\ttab", "\x1b]0;title\x07shown", "\x9b\x33 C1 raw",
	"\xc2\x9bZ1m C1 coded", "<script>alert(1)</script>", "", "\x1b", "\x1b[", "\xff\xfe" };

static void nasty_texts_leave_it_well_formed(void **state)
{
	struct result *result;

	(void)state;
	fake_whole(&f, EXPECTS("availability >= 99.5%"), 12100 * MS, 14 * S);
	result = build(false);
	for (size_t i = 0; i < ARRAY_LEN(nasty); i++) {
		struct result_case *c = &result->cases[4];

		free(c->message);
		c->message = strdup(nasty[i]);
		free(c->text);
		c->text = strdup(nasty[i]);
		free(result->title);
		result->title = strdup(nasty[i]);
		free(result->file);
		result->file = strdup(nasty[i]);
		free(result->host);
		result->host = strdup(nasty[i]);
		check_result(result);
	}
	result_free(result);
}

/* From the journal on: a verifier whose criterion has such a name. */
static void nasty_names_stay_apart(void **state)
{
	(void)state;
	fake_whole(&f, EXPECTS("availability >= 99.5%"), 50 * S, 50 * S);
	for (size_t i = 0; i < ARRAY_LEN(nasty); i++) {
		OWN_JSON cJSON *e = json_object("e", "case", "verifier", "token", "name", nasty[i],
			"verdict", "fail", "message", nasty[i], NULL);

		json_add_int(e, "t", S);
		assert_int_equal(journal_append(f.journal, e, NULL), 0);
	}
	fake_event(&f, "case", "{\"verifier\":\"token\",\"name\":\"a.b\",\"verdict\":\"fail\"}");
	fake_event(&f, "case", "{\"verifier\":\"token\",\"name\":\"a_b\",\"verdict\":\"pass\"}");
	for (int i = 0; i < 2; i++)
		fake_event(&f, "case",
			"{\"verifier\":\"token\",\"verdict\":\"pass\",\"name\":\"%0300d%d\"}", 0,
			i);
	check_now(false);
}

static void clean_is(const char *in, size_t max, bool one_line, const char *want)
{
	OWN_MEM char *got = clean_copy(in, max, one_line);

	assert_string_equal(got, want);
}

static void text_is_cleaned(void **state)
{
	(void)state;
	clean_is("plain", 100, true, "plain");
	clean_is("\x1b[1;31mred\x1b[0m.", 100, true, "red.");
	clean_is("\x1b]8;;http://x\x1b\\link\x1b]8;;\x07!", 100, true, "link!");
	clean_is("a\x01"
		 "b\x7f"
		 "c",
		100, true,
		"a\xef\xbf\xbd"
		"bc");
	clean_is("\xed\xa0\x80", 100, true, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	clean_is("\xf4\x90\x80\x80", 100, true, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	clean_is("\xf0\x9f\x8d\xaa ok \xe2\x82", 100, true,
		"\xf0\x9f\x8d\xaa ok \xef\xbf\xbd\xef\xbf\xbd");
	clean_is("a\r\nb\rc\td", 100, false, "a\nb\nc\td");
	clean_is("a\r\nb\tc", 100, true, "a b c");
	clean_is("0123456789", 10, true, "0123456789");
	clean_is("0123456789x", 10, true, "0123456...");
	clean_is(
		"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 9, true, "\xc3\xa4\xc3\xa4\xc3\xa4...");
	clean_is(NULL, 10, true, "");
}

/* ---- files ---- */

static char *read_file(const char *name)
{
	OWN_MEM char *path = str_format("%s/%s", f.dir, name);
	char *data = NULL;

	return buf_read_file(path, 1 << 24, &data, NULL, NULL) ? NULL : data;
}

static void a_checkpoint_writes_junit_alone(void **state)
{
	struct result *result;
	struct err err = { 0 };

	(void)state;
	fake_plan(&f, EXPECTS("errors <= 5"));
	result = build(false);
	assert_int_equal(report_write(f.dir, result, true, &err), 0);
	result_free(result);
	OWN_MEM char *junit = read_file("junit.xml"), *json = read_file("report.json");

	assert_non_null(junit);
	assert_null(json);
	check_document(junit, strlen(junit));
}

static void the_end_writes_all(void **state)
{
	struct result *result;
	struct err err = { 0 };

	(void)state;
	fake_whole(&f, EXPECTS("errors <= 5"), 50 * S, 50 * S);
	result = build(false);
	assert_int_equal(report_write(f.dir, result, false, &err), 0);
	result_free(result);
	OWN_MEM char *junit = read_file("junit.xml"), *json = read_file("report.json");
	OWN_MEM char *text = read_file("summary.txt");
	OWN_JSON cJSON *parsed = NULL;

	assert_non_null(junit);
	assert_int_equal(json_parse("report.json", json, strlen(json), &parsed, &err), 0);
	assert_string_equal(json_str(parsed, "verdict", NULL), "PASS");
	assert_int_equal(json_int(parsed, -1, "verifiers", "0", "samples", NULL), 500);
	assert_non_null(strstr(text, "Verdict PASS   exit 0"));
}

static void space_is_set_aside_and_given_back(void **state)
{
	OWN_MEM char *path = str_format("%s/.reserve", f.dir);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(report_reserve(f.dir, &err), 0);
	assert_int_equal(access(path, F_OK), 0);
	report_release(f.dir);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(report_reserve("/nonexistent", &err), -1);
	assert_int_equal(err.code, ERR_IO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_passing_run),
		TEST(a_failing_and_broken_run),
		TEST(an_aborted_run),
		TEST(a_run_that_is_planned_running_or_killed),
		TEST(a_merged_document),
		TEST(the_schema_refuses_what_consumers_misread),
		TEST(nasty_texts_leave_it_well_formed),
		TEST(nasty_names_stay_apart),
		cmocka_unit_test(text_is_cleaned),
		TEST(a_checkpoint_writes_junit_alone),
		TEST(the_end_writes_all),
		TEST(space_is_set_aside_and_given_back),
	};
	int failed;

	xmlInitParser();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	xmlCleanupParser();
	return failed;
}
