/*
 * Ownership by scope: a variable marked OWN_x frees what it holds when it leaves its scope;
 * TAKE(x) hands it out and leaves NULL behind (-1 for descriptors: TAKE_FD).
 */
#ifndef CRUMBLE_BASE_OWN_H
#define CRUMBLE_BASE_OWN_H

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void own_free(void *p)
{
	free(*(void **)p);
}

static inline void own_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void own_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void own_json(cJSON **json)
{
	cJSON_Delete(*json);
}

#define OWN(function) __attribute__((cleanup(function)))
#define OWN_MEM OWN(own_free)
#define OWN_FILE OWN(own_fclose)
#define OWN_FD OWN(own_close)
#define OWN_JSON OWN(own_json)

#define TAKE(pointer)                                                                              \
	({                                                                                         \
		__typeof__(pointer) take_ = (pointer);                                             \
		(pointer) = NULL;                                                                  \
		take_;                                                                             \
	})

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int take_ = (fd);                                                                  \
		(fd) = -1;                                                                         \
		take_;                                                                             \
	})

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#endif
