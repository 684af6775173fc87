/* A log-linear histogram of microseconds. */
#include "reports/analysis/histogram.h"

#include <math.h>

#define SUB_BITS 7
#define SUB (1u << SUB_BITS)

/* Below 256 every value has its own bucket; above, each octave has 128. */
static uint32_t bucket_of(uint32_t us)
{
	uint32_t shift;

	if (us < 2 * SUB)
		return us;
	shift = 31 - (uint32_t)__builtin_clz(us) - SUB_BITS;
	return (shift + 1) * SUB + ((us >> shift) - SUB);
}

/* The middle of a bucket. */
static uint32_t value_of(uint32_t bucket)
{
	uint32_t shift;

	if (bucket < 2 * SUB)
		return bucket;
	shift = bucket / SUB - 1;
	return ((bucket % SUB + SUB) << shift) + (UINT32_C(1) << shift) / 2;
}

void histogram_add(struct histogram *h, uint32_t us)
{
	h->total++;
	h->counts[bucket_of(us)]++;
	if (us > h->max_us)
		h->max_us = us;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	into->total += from->total;
	if (from->max_us > into->max_us)
		into->max_us = from->max_us;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->counts[i] += from->counts[i];
}

int64_t histogram_quantile_ns(const struct histogram *h, double q)
{
	uint64_t rank, seen = 0;

	if (!h->total)
		return -1;
	if (q >= 1)
		return (int64_t)h->max_us * 1000;
	rank = (uint64_t)ceil(q * (double)h->total - 1e-9);
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->counts[i];
		if (seen >= rank && seen) {
			uint32_t us = value_of(i);

			return (int64_t)(us < h->max_us ? us : h->max_us) * 1000;
		}
	}
	return (int64_t)h->max_us * 1000;
}
