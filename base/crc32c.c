/* CRC-32C by eight tables, eight bytes a step: some gigabytes a second on any machine. */
#include "base/crc32c.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL UINT32_C(0x82f63b78)

static uint32_t table[8][256];

static void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
		table[0][i] = crc;
	}
	for (int k = 1; k < 8; k++)
		for (uint32_t i = 0; i < 256; i++)
			table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 255];
}

static uint32_t eight_bytes(uint32_t crc, const unsigned char *p)
{
	uint32_t low, high;

	memcpy(&low, p, 4);
	memcpy(&high, p + 4, 4);
	low ^= crc;
	return table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^
	       table[4][low >> 24] ^ table[3][high & 255] ^ table[2][high >> 8 & 255] ^
	       table[1][high >> 16 & 255] ^ table[0][high >> 24];
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const unsigned char *p = data;

	pthread_once(&once, make_table);
	crc = ~crc;
	for (; len >= 8; len -= 8, p += 8)
		crc = eight_bytes(crc, p);
	for (; len; len--, p++)
		crc = (crc >> 8) ^ table[0][(crc ^ *p) & 255];
	return ~crc;
}
