/* "Did you mean": edit distance over short names. */
#include "base/near.h"

#include "base/own.h"

#include <string.h>
#include <strings.h>

#define NAME_MAX_LETTERS 63

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, changes and swaps of neighbours. */
static unsigned distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
	unsigned rows[3][NAME_MAX_LETTERS + 1];

	for (size_t j = 0; j <= n_b; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n_a; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3],
			 *two_above = rows[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= n_b; j++) {
			unsigned change = above[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = least(change, least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], two_above[j - 2] + 1);
		}
	}
	return rows[n_a % 3][n_b];
}

const char *name_near(const char *name, const char *(*candidate)(void *arg, size_t i), void *arg)
{
	size_t len = strlen(name);
	const char *nearest = NULL, *known;
	unsigned limit = len < 3 ? 1 : (unsigned)(len + 2) / 3, best = limit + 1;

	if (!len || len > NAME_MAX_LETTERS)
		return NULL;
	for (size_t i = 0; (known = candidate(arg, i)); i++) {
		size_t known_len = strlen(known);
		unsigned far;

		if (known_len > NAME_MAX_LETTERS)
			continue;
		far = strcasecmp(name, known) ? distance(name, len, known, known_len) : 0;
		if (far < best && far < known_len) {
			best = far;
			nearest = known;
		}
	}
	return nearest;
}
