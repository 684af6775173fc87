/* Any bytes as names, messages and texts of a result: libxml2 must read back what was written. */
#include "reports/clean.h"
#include "reports/reporter.h"
#include "tests/fuzz/fuzz.h"

#include <libxml/parser.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static char *part(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWN_MEM char *a = part(data, size / 2), *b = part(data + size / 2, size - size / 2);
	struct result_case c = { .name = a,
		.verdict = VERDICT_FAIL,
		.message = a,
		.text = b,
		.metric = b,
		.value = NAN,
		.low = NAN,
		.high = NAN,
		.line = 7 };
	struct result r = { .scenario = (char *)"fuzz",
		.title = b,
		.file = a,
		.host = b,
		.dir = a,
		.cases = &c,
		.n_cases = 1 };
	OWN_BUF struct buf out;
	xmlDocPtr doc;

	if (size > 200000)
		return 0;
	buf_init(&out, REPORT_MAX_BYTES);
	if (reporter_find("junit")->write(&r, &out, NULL))
		abort();
	doc = xmlReadMemory(buf_str(&out), (int)out.len, "f", NULL,
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_HUGE);
	if (!doc)
		abort();
	xmlFreeDoc(doc);
	buf_reset(&out);
	if (reporter_find("json")->write(&r, &out, NULL) ||
		reporter_find("text")->write(&r, &out, NULL))
		abort();
	return 0;
}
