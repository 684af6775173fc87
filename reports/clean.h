/*
 * Text of any origin made fit for documents: strict UTF-8 of characters that XML 1.0 allows, no
 * terminal sequences. What a report prints has been through here, names and attributes too.
 */
#ifndef CRUMBLE_REPORTS_CLEAN_H
#define CRUMBLE_REPORTS_CLEAN_H

#include "base/buf.h"

/* Adds at most max_bytes of clean text to `out`. ANSI sequences are dropped whole, bytes that are
 * no UTF-8 and characters that XML forbids become U+FFFD, DEL and C1 are dropped, CR LF becomes
 * LF. one_line: line breaks and tabs become spaces. A cut is at a character's end and shows as
 * "...". */
int clean_add(struct buf *out, const char *text, size_t len, size_t max_bytes, bool one_line);
/* The same for a string, to be freed; NULL without memory. NULL gives "". */
char *clean_copy(const char *text, size_t max_bytes, bool one_line);

#endif
