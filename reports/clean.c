/* Text of any origin made fit for documents. */
#include "reports/clean.h"

#include <stdint.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

/* Length of the escape sequence at `at` (which is ESC): CSI up to its final byte, OSC and other
 * strings up to BEL or ST, otherwise ESC and one byte. */
static size_t escape_len(const unsigned char *at, size_t len)
{
	size_t i = 2;

	if (len < 2)
		return len;
	if (at[1] == '[') {
		while (i < len && at[i] >= 0x20 && at[i] <= 0x3f)
			i++;
		return i < len && at[i] >= 0x40 && at[i] <= 0x7e ? i + 1 : i;
	}
	if (at[1] && strchr("]PX^_", at[1])) {
		for (; i < len && at[i] != '\n'; i++) {
			if (at[i] == 7)
				return i + 1;
			if (at[i] == 0x1b)
				return i + 1 < len && at[i + 1] == '\\' ? i + 2 : i;
		}
		return i;
	}
	return at[1] >= 0x20 && at[1] < 0x7f ? 2 : 1;
}

/* One character: its length, and its code point; length 0: no UTF-8. */
static size_t decode(const unsigned char *at, size_t len, uint32_t *ret_code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = at[0] < 0x80         ? 1
		   : at[0] >> 5 == 0x06 ? 2
		   : at[0] >> 4 == 0x0e ? 3
		   : at[0] >> 3 == 0x1e ? 4
					: 0;
	uint32_t code = n == 1 ? at[0] : n ? at[0] & (0x7fu >> n) : 0;

	if (!n || n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (at[i] >> 6 != 2)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return n;
}

/* What stands for a character: itself (NULL), or another text. */
static const char *instead_of(uint32_t code, bool one_line)
{
	if (code == '\n' || code == '\t')
		return one_line ? " " : NULL;
	if (code == '\r')
		return one_line ? " " : "\n";
	if (code < 0x20 || code == 0xfffe || code == 0xffff)
		return REPLACEMENT;
	if (code >= 0x7f && code <= 0x9f)
		return "";
	return NULL;
}

/* Adds one character of the input, or what stands for it. Returns how much of it was eaten. */
static size_t one_char(struct buf *b, const unsigned char *at, size_t len, bool one_line)
{
	const char *instead;
	uint32_t code = 0;
	size_t n;

	if (at[0] == 0x1b)
		return escape_len(at, len);
	if (at[0] == '\r' && len > 1 && at[1] == '\n')
		return 1;
	n = decode(at, len, &code);
	if (!n) {
		buf_add_str(b, REPLACEMENT);
		return 1;
	}
	instead = instead_of(code, one_line);
	if (instead)
		buf_add_str(b, instead);
	else
		buf_add(b, at, n);
	return n;
}

int clean_add(struct buf *out, const char *text, size_t len, size_t max_bytes, bool one_line)
{
	size_t begin = out->len, fits = begin; /* fits: the end that leaves room for "..." */

	for (size_t i = 0; i < len && !buf_failed(out);) {
		size_t before = out->len;

		if (before - begin + 3 <= max_bytes)
			fits = before;
		i += one_char(out, (const unsigned char *)text + i, len - i, one_line);
		if (out->len - begin <= max_bytes)
			continue;
		out->len = fits;
		return buf_add(out, "...", max_bytes < 3 ? max_bytes : 3);
	}
	return buf_failed(out) ? -1 : 0;
}

char *clean_copy(const char *text, size_t max_bytes, bool one_line)
{
	OWN_BUF struct buf b;
	size_t len = text ? strlen(text) : 0;

	buf_init(&b, max_bytes + 16);
	if (clean_add(&b, text ? text : "", len, max_bytes, one_line))
		return NULL;
	return buf_take(&b);
}
