/* YAML as Kubernetes reads it, its limits, and the places in its messages. */
#include "base/buf.h"
#include "base/json.h"
#include "base/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void expect_json(const char *yaml, const char *json)
{
	OWN_JSON cJSON *docs = NULL;
	OWN_MEM char *text = NULL;
	struct err err = { 0 };

	if (yaml_to_json("t.yaml", yaml, strlen(yaml), &docs, &err))
		fail_msg("%s: %s", yaml, err.text);
	text = json_print(docs);
	assert_string_equal(text, json);
}

static void expect_error(const char *yaml, size_t len, const char *message)
{
	OWN_JSON cJSON *docs = NULL;
	struct err err = { 0 };

	if (!yaml_to_json("t.yaml", yaml, len, &docs, &err))
		fail_msg("\"%s\" was taken", yaml);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_string_equal(err.text, message);
	assert_null(docs);
}

static void scalars_are_yaml_1_1(void **state)
{
	static const struct {
		const char *yaml, *json;
	} rows[] = {
		{ "yes", "true" },
		{ "No", "false" },
		{ "on", "true" },
		{ "OFF", "false" },
		{ "y", "true" },
		{ "n", "false" },
		{ "True", "true" },
		{ "yEs", "\"yEs\"" },
		{ "'yes'", "\"yes\"" },
		{ "\"12\"", "\"12\"" },
		{ "12", "12" },
		{ "-3", "-3" },
		{ "+3", "3" },
		{ "010", "8" },
		{ "0o10", "8" },
		{ "0x1F", "31" },
		{ "0b101", "5" },
		{ "1_000", "1000" },
		{ "09", "9" },
		{ "0", "0" },
		{ "-0", "-0" },
		{ "1.5", "1.5" },
		{ ".5", "0.5" },
		{ "1e3", "1000" },
		{ "1.", "1" },
		{ "1.2.3", "\"1.2.3\"" },
		{ "1e", "\"1e\"" },
		{ "0x", "\"0x\"" },
		{ "30s", "\"30s\"" },
		{ "2001-01-01", "\"2001-01-01\"" },
		{ "9007199254740993", "9007199254740993" },
		{ "18446744073709551615", "18446744073709551615" },
		{ "inf", "\"inf\"" },
		{ "[~, null, '']", "[null,null,\"\"]" },
		{ "!!str 12", "\"12\"" },
		{ "! 12", "\"12\"" },
		{ "!!int '12'", "12" },
		{ "!!bool yes", "true" },
		{ "\"a\\tb\"", "\"a\\tb\"" },
		{ "{a: }", "{\"a\":null}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		OWN_MEM char *json = str_format("[%s]", rows[i].json);

		expect_json(rows[i].yaml, json);
	}
	expect_json("a: |\n  yes\n", "[{\"a\":\"yes\\n\"}]");
	expect_json("a: >-\n  12\n", "[{\"a\":\"12\"}]");
}

static void keys_become_strings(void **state)
{
	(void)state;
	expect_json("{1: a, yes: b, 0x10: c, 'd': e}",
		"[{\"1\":\"a\",\"true\":\"b\",\"16\":\"c\",\"d\":\"e\"}]");
	expect_error("{~: a}", 6, "t.yaml:1:2: a key that is null");
	expect_error("? [a]\n: b\n", 10, "t.yaml:1:3: a key that is a list or a map");
}

static void documents_are_listed_and_empty_ones_left_out(void **state)
{
	(void)state;
	expect_json("", "[]");
	expect_json("# only a comment\n", "[]");
	expect_json("---\n---\na: 1\n---\n...\n---\nb: 2\n", "[{\"a\":1},{\"b\":2}]");
	expect_json("\xef\xbb\xbf"
		    "a: 1",
		"[{\"a\":1}]");
}

static void anchors_and_merges(void **state)
{
	(void)state;
	expect_json("{a: &x {p: 1, q: 2}, b: *x}",
		"[{\"a\":{\"p\":1,\"q\":2},\"b\":{\"p\":1,\"q\":2}}]");
	expect_json("a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n",
		"[{\"a\":{\"p\":1,\"q\":2},\"b\":{\"q\":3,\"p\":1}}]");
	expect_json("a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc: {<<: [*x, *y]}\n",
		"[{\"a\":{\"p\":1},\"b\":{\"p\":2,\"q\":2},\"c\":{\"p\":1,\"q\":2}}]");
	expect_json("{'<<': 1}", "[{\"<<\":1}]");
	expect_error("{<<: 1}", 7, "t.yaml:1:6: a merge key (<<) takes a map or a list of maps");
	expect_error("a: *b", 5, "t.yaml:1:4: an alias of an anchor that is not there");
	expect_error("&a [*a]", 7, "t.yaml:1:5: an alias of an anchor that is not there");
	expect_error(
		"a: &x 1\n---\nb: *x\n", 18, "t.yaml:3:4: an alias of an anchor that is not there");
}

static void mistakes_have_a_place(void **state)
{
	(void)state;
	expect_error("a: 1\nb: 2\na: 3\n", 15, "t.yaml:3:1: duplicate key \"a\" (first in line 1)");
	expect_error("1: a\n'1': b\n", 12, "t.yaml:2:1: duplicate key \"1\" (first in line 1)");
	expect_error("a: b\n\tc: d\n", 11,
		"t.yaml:2:1: found a tab character that violates indentation while scanning a plain scalar");
	expect_error("a: [1, 2\nb: 3\n", 14,
		"t.yaml:2:2: did not find expected ',' or ']' while parsing a flow sequence");
	expect_error("a: .inf", 7, "t.yaml:1:4: .inf has no JSON form");
	expect_error("a: 1e999", 8, "t.yaml:1:4: 1e999 is too large for a number");
	expect_error("a: !!int x", 10, "t.yaml:1:4: \"x\" is not of its tag tag:yaml.org,2002:int");
	expect_error("a: !go x", 8, "t.yaml:1:4: the tag !go is not supported");
}

static void bytes_that_are_no_text_are_refused(void **state)
{
	(void)state;
	expect_error("a: b\nc\0d", 8, "t.yaml:2:1: a NUL byte in this line: not a text file?");
	expect_error("a: \"\\0\"", 7, "t.yaml:1:4: a NUL character in a string");
	expect_error("\xff\xfe"
		     "a",
		3, "t.yaml:1:1: UTF-16: save the file as UTF-8");
	expect_error("a: b\nc: \xc3(\n", 11,
		"t.yaml:2:5: invalid trailing UTF-8 octet: save the file as UTF-8 text");
}

static char *repeat(const char *part, size_t n)
{
	struct buf b;

	buf_init(&b, 4 << 20);
	for (size_t i = 0; i < n; i++)
		buf_add_str(&b, part);
	return buf_take(&b);
}

static void limits_hold(void **state)
{
	OWN_MEM char *deep = repeat("[", 200000), *big = repeat("a", YAML_MAX_BYTES + 1);
	OWN_MEM char *aliases = repeat(", *x", 100), *ok = NULL, *many = NULL;
	OWN_JSON cJSON *docs = NULL;
	struct err err;

	(void)state;
	expect_error(deep, 200000, "t.yaml:1:33: nested deeper than 32 levels");
	expect_error(big, YAML_MAX_BYTES + 1, "t.yaml: 1048577 bytes of YAML, more than 1 MiB");
	ok = str_format("[&x 1%s]", aliases);
	assert_int_equal(yaml_to_json("t.yaml", ok, strlen(ok), &docs, &err), 0);
	assert_int_equal(cJSON_GetArraySize(json_at(docs, "0", NULL)), 101);
	many = str_format("[&x 1%s, *x]", aliases);
	expect_error(many, strlen(many), "t.yaml:1:408: more than 100 aliases");
}

/* Ten levels of nine aliases each: written out, thousands of millions of nodes. */
static void alias_bombs_end_at_a_limit(void **state)
{
	static const char *const leaves[] = { "&l0 lol", "&l0 {}" };
	static const char *const forms[] = { "l%u: &l%u [%s]\n", "l%u: &l%u {<<: [%s]}\n" };

	(void)state;
	for (size_t form = 0; form < ARRAY_LEN(forms); form++) {
		OWN_BUF struct buf b;
		OWN_JSON cJSON *docs = NULL;
		struct err err = { 0 };

		buf_init(&b, 65536);
		buf_addf(&b, "l0: %s\n", leaves[form]);
		for (unsigned i = 1; i <= 10; i++) {
			OWN_MEM char *name = str_format("*l%u,", i - 1), *names = repeat(name, 9);

			names[strlen(names) - 1] = '\0';
			buf_addf(&b, forms[form], i, i, names);
		}
		assert_int_equal(yaml_to_json("t.yaml", b.data, b.len, &docs, &err), -1);
		assert_non_null(strstr(err.text, "its aliases make too much of it (16 MiB)"));
	}
}

static void a_long_text_without_aliases_is_no_bomb(void **state)
{
	OWN_MEM char *items = repeat("a,", YAML_MAX_BYTES / 2 - 2), *text = NULL;
	OWN_JSON cJSON *docs = NULL;
	struct err err;

	(void)state;
	text = str_format("[%s]", items);
	assert_int_equal(yaml_to_json("t.yaml", text, strlen(text), &docs, &err), 0);
	assert_int_equal(cJSON_GetArraySize(json_at(docs, "0", NULL)), YAML_MAX_BYTES / 2 - 2);
}

static void the_tree_knows_places_and_quotes(void **state)
{
	static const char text[] = "name: 'a b'\nlist:\n- x: 010\n  y: &q \"z\"\n- *q\n";
	OWN_YAML struct yaml_tree *tree = NULL;
	const struct yaml_node *root, *list, *x;
	struct err err;

	(void)state;
	assert_int_equal(yaml_parse("t.yaml", text, strlen(text), &tree, &err), 0);
	assert_int_equal(tree->n_docs, 1);
	root = tree->docs[0];
	assert_int_equal(root->n, 2);
	assert_string_equal(yaml_get(root, "name")->text, "a b");
	assert_true(yaml_get(root, "name")->quoted);
	assert_int_equal(yaml_get(root, "name")->column, 7);
	list = yaml_get(root, "list");
	assert_int_equal(list->form, YAML_LIST);
	x = yaml_get(list->values[0], "x");
	assert_string_equal(x->text, "010");
	assert_false(x->quoted);
	assert_int_equal(x->line, 3);
	assert_int_equal(list->values[0]->keys[1]->line, 4);
	assert_int_equal(list->values[0]->keys[1]->column, 3);
	assert_string_equal(list->values[1]->text, "z");
	assert_int_equal(tree->aliases, 1);
	assert_int_equal(tree->alias_line, 5);
	assert_null(yaml_get(root, "nothing"));
}

static void files(void **state)
{
	char dir[] = "/tmp/crumble-yaml-XXXXXX";
	OWN_MEM char *path = NULL;
	OWN_JSON cJSON *docs = NULL;
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = str_format("%s/a.yaml", dir);
	assert_int_equal(yaml_file_to_json(path, &docs, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(buf_write_file(path, "a: 1", 4, &err), 0);
	assert_int_equal(yaml_file_to_json(path, &docs, &err), 0);
	assert_int_equal((int)json_num(docs, 0, "0", "a", NULL), 1);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars_are_yaml_1_1),
		cmocka_unit_test(keys_become_strings),
		cmocka_unit_test(documents_are_listed_and_empty_ones_left_out),
		cmocka_unit_test(anchors_and_merges),
		cmocka_unit_test(mistakes_have_a_place),
		cmocka_unit_test(bytes_that_are_no_text_are_refused),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(alias_bombs_end_at_a_limit),
		cmocka_unit_test(a_long_text_without_aliases_is_no_bomb),
		cmocka_unit_test(the_tree_knows_places_and_quotes),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
