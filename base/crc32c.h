/* CRC-32C (Castagnoli), the checksum of the record's lines and blocks. */
#ifndef CRUMBLE_BASE_CRC32C_H
#define CRUMBLE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of `len` bytes; `crc` is 0, or the result so far to go on from it. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif
