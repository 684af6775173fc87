/* Any bytes as YAML: an error with a reason, or JSON that prints and parses again. */
#include "base/json.h"
#include "base/yaml.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWN_JSON cJSON *docs = NULL, *again = NULL;
	OWN_MEM char *text = NULL;
	struct err err = { 0 };

	if (yaml_to_json("fuzz", (const char *)data, size, &docs, &err)) {
		if (!err.code || !err.text[0] || docs)
			abort();
		return 0;
	}
	text = json_print(docs);
	if (!text || json_parse("fuzz", text, strlen(text), &again, &err))
		abort();
	return 0;
}
