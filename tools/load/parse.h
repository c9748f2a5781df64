/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of the command line to values; 0 or -EINVAL. */
#ifndef LOAD_PARSE_H
#define LOAD_PARSE_H

#include "backend.h"

/* Above `min` (or equal), up to max; with k or M (thousands) after it. */
int parse_count(const char *s, double min, double max, double *out);
/* Bytes, with k, M or G (powers of 1024). */
int parse_bytes(const char *s, uint64_t max, uint64_t *out);
/* "3s", "200ms", "50us" or plain seconds; up to max seconds. */
int parse_time(const char *s, double min, double max, double *seconds);
/* ADDR:PORT or [ADDR]:PORT. */
int parse_target(const char *s, union be_addr *to);
/* ADDR, ADDR-ADDR or ADDR/LEN: the first and how many, at most max. */
int parse_range(const char *s, unsigned int max, union be_addr *first, unsigned int *n);

#endif
