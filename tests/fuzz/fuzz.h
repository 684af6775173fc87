/* What libFuzzer and replay.c both call. */
#ifndef CRUMBLE_TESTS_FUZZ_FUZZ_H
#define CRUMBLE_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
