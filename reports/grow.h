/* Growing arrays of structs: one zeroed element more, or NULL without memory. */
#ifndef CRUMBLE_REPORTS_GROW_H
#define CRUMBLE_REPORTS_GROW_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The array has room for the next power of two above n: so n alone tells when it is full. */
static inline void *grow_by_one(void **array, size_t *n, size_t size)
{
	size_t room = *n ? *n * 2 : 1;
	void *bigger;

	if (!(*n & (*n - 1)) || !*n) {
		bigger = reallocarray(*array, room, size);
		if (!bigger)
			return NULL;
		*array = bigger;
	}
	return memset((char *)*array + (*n)++ * size, 0, size);
}

#define GROW(array, n) ((__typeof__(array))grow_by_one((void **)&(array), &(n), sizeof(*(array))))

#endif
