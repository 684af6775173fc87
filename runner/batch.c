/* The call: its scenarios' results, and OUT/junit.xml of all of them. Any thread. */
#include "runner/run.h"

#include <string.h>

int batch_build(struct batch *batch, size_t index, bool ending, const struct result **ret_result,
	struct err *err)
{
	struct batch_entry *entry = &batch->entries[index];
	struct result *result = NULL;

	if (report_build(entry->dir, ending, &result, err))
		return err_wrap(err, "judge %s", entry->dir);
	pthread_mutex_lock(&batch->lock);
	result_free(entry->result);
	entry->result = result;
	pthread_mutex_unlock(&batch->lock);
	if (ret_result)
		*ret_result = result;
	return 0;
}

static int write_merged(struct batch *batch, struct err *err)
{
	const struct result **results = calloc(batch->n + 1, sizeof(*results));
	size_t n = 0;
	int failed;

	if (!results)
		return err_set(err, ERR_NOMEM, "no memory for %s/junit.xml", batch->out);
	for (size_t i = 0; i < batch->n; i++)
		if (batch->entries[i].result)
			results[n++] = batch->entries[i].result;
	failed = report_write_merged(batch->out, results, n, err);
	free(results);
	return failed;
}

int batch_write(struct batch *batch, size_t index, bool checkpoint, struct err *err)
{
	struct batch_entry *entry = &batch->entries[index];
	int failed;

	pthread_mutex_lock(&batch->lock);
	failed = report_write(entry->dir, entry->result, checkpoint, err);
	if (write_merged(batch, failed ? NULL : err))
		failed = -1;
	pthread_mutex_unlock(&batch->lock);
	return failed;
}
