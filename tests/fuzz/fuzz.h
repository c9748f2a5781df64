/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzzers share: an input that is read as a program, and REQUIRE(). */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../require.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The input, front to back; past its end everything is 0. */
struct in {
	const uint8_t *p;
	size_t left;
};

static inline uint8_t in8(struct in *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

static inline uint16_t in16(struct in *in)
{
	uint16_t hi = in8(in);

	return (uint16_t)(hi << 8 | in8(in));
}

static inline uint32_t in32(struct in *in)
{
	uint32_t hi = in16(in);

	return hi << 16 | in16(in);
}

static inline uint64_t in64(struct in *in)
{
	uint64_t hi = in32(in);

	return hi << 32 | in32(in);
}

/* Up to n bytes as they lie. */
static inline const uint8_t *in_bytes(struct in *in, size_t *n)
{
	const uint8_t *p = in->p;

	if (*n > in->left)
		*n = in->left;
	in->p += *n;
	in->left -= *n;
	return p;
}

#endif
