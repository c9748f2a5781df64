/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers for people. Each writes a short text into `buf` and returns it. */
#ifndef WEIR_CLI_UNITS_H
#define WEIR_CLI_UNITS_H

#include <stddef.h>
#include <stdint.h>

#define UNITS_MAX 32

const char *units_bytes(uint64_t bytes, char buf[UNITS_MAX]); /* "1.5 MiB" */
const char *units_count(double n, char buf[UNITS_MAX]);	      /* "7", "0.5", "12.3k", "1.20M" */
const char *units_bits(double per_s, char buf[UNITS_MAX]);    /* "0 bit/s", "1.20 Mbit/s" */
const char *units_us(uint64_t us, char buf[UNITS_MAX]);	      /* "850us", "12.3ms", "4.2s" */
const char *units_uptime(uint64_t s, char buf[UNITS_MAX]);    /* "2d 03:04:05" */

#endif
