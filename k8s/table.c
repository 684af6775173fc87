/*
 * Tables: the server filters and renders, and sends the columns without the objects, 140 bytes a
 * pod instead of 5 kB. A server that knows no tables answers with the plain list, of which the
 * same cells are made here.
 */
#include "k8s/k8s_internal.h"

#include <string.h>

/* Rows are small, so pages are long: four requests for 20,000 pods. */
#define TABLE_LIMIT 5000
#define COLUMNS_MOST 16
#define CELLS_BYTES 65536

#define TABLE_ACCEPT "application/json;as=Table;g=meta.k8s.io;v=v1,application/json"

struct table {
	const struct k8s_kind *kind;
	const char *const *columns;
	size_t n;
	int index[COLUMNS_MOST]; /* of our column among the server's; -1: it has none */
	bool known;              /* index is filled */
	struct buf text;         /* the cells of one row, each with its NUL */
	int (*each)(void *arg, const char *const *cells);
	void *arg;
	struct err err;
};

static int find_columns(struct table *t, const cJSON *head)
{
	const cJSON *definitions = json_at(head, "columnDefinitions", NULL), *definition;
	int at = 0;

	if (!cJSON_IsArray(definitions))
		return err_set(&t->err, ERR_FORMAT,
			"a table of %s whose rows come before its "
			"columns",
			t->kind->plural);
	for (size_t i = 0; i < t->n; i++)
		t->index[i] = -1;
	cJSON_ArrayForEach(definition, definitions)
	{
		const char *name = json_str(definition, "name", NULL);

		for (size_t i = 0; name && i < t->n; i++)
			if (!strcmp(name, t->columns[i]))
				t->index[i] = at;
		at++;
	}
	t->known = true;
	return 0;
}

static void add_cell(struct buf *text, const cJSON *cell)
{
	OWN_MEM char *other = NULL;

	if (cJSON_IsString(cell)) {
		buf_add_str(text, cell->valuestring);
	} else if (cell && !cJSON_IsNull(cell)) {
		other = json_print(cell);
		buf_add_str(text, other ? other : "");
	}
}

/* Cell `i` from the row, or from the plain object. */
static void make_cell(struct table *t, size_t i, const char *array, const cJSON *item)
{
	const cJSON *cells = cJSON_GetObjectItemCaseSensitive(item, "cells");

	if (*array == 'i')
		column_text(&t->text, t->kind, item, t->columns[i]);
	else if (t->index[i] >= 0)
		add_cell(&t->text, cJSON_GetArrayItem(cells, t->index[i]));
	buf_add(&t->text, "", 1);
}

static int table_item(void *arg, const char *array, const cJSON *item, const cJSON *head)
{
	const char *cells[COLUMNS_MOST];
	size_t starts[COLUMNS_MOST];
	struct table *t = arg;

	if (*array == 'r' && !t->known && find_columns(t, head))
		return 1;
	buf_reset(&t->text);
	for (size_t i = 0; i < t->n; i++) {
		starts[i] = t->text.len;
		make_cell(t, i, array, item);
	}
	if (buf_failed(&t->text)) {
		err_set(&t->err, ERR_NOMEM, "a row of more than 64 KiB");
		return 1;
	}
	for (size_t i = 0; i < t->n; i++)
		cells[i] = t->text.data + starts[i];
	return t->each(t->arg, cells);
}

int k8s_list_table(struct k8s *client, const struct k8s_kind *kind, const char *ns,
	const struct k8s_select *select, const char *const *columns,
	int (*each)(void *arg, const char *const *cells), void *arg, struct err *err)
{
	struct table table = { .kind = kind, .columns = columns, .each = each, .arg = arg };
	struct list_job job = { .client = client,
		.kind = kind,
		.ns = ns,
		.select = select,
		.accept = TABLE_ACCEPT,
		.include_object = "None",
		.limit = select && select->limit ? select->limit : TABLE_LIMIT,
		.item = table_item,
		.arg = &table };
	int result;

	while (columns[table.n])
		table.n++;
	if (table.n > COLUMNS_MOST)
		return err_set(err, ERR_BUG, "a table of more than %d columns", COLUMNS_MOST);
	buf_init(&table.text, CELLS_BYTES);
	result = list_run(&job, err);
	buf_done(&table.text);
	free(job.version);
	if (!result && table.err.code)
		result = err_set(err, table.err.code, "GET %s: %s", kind->plural, table.err.text);
	return result;
}
