/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How often a kind of message may be logged: a token bucket for each, of LOG_BURST
 * messages, one more every LOG_REFILL_US. What is held back is counted, and told. A kind
 * is what `key` points at: a call site's format, the name of an event.
 */
#ifndef WEIR_CLI_LOG_LIMIT_H
#define WEIR_CLI_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define LOG_BURST      10
#define LOG_REFILL_US  5000000
#define LOG_KINDS      128
#define LOG_LIMIT_LIKE 96

struct log_limit {
	struct log_kind {
		const void *key;	   /* NULL: free */
		uint64_t full_at;	   /* when the bucket is full again */
		uint32_t held;		   /* messages held back since it was last told */
		int level;		   /* of the last of these */
		char like[LOG_LIMIT_LIKE]; /* and its text */
	} kinds[LOG_KINDS];
};

/*
 * Whether a message may be logged. True: *held is how many before it were not, told by
 * that. With more kinds than LOG_KINDS at once those beyond are not limited.
 */
bool log_limit_pass(struct log_limit *l, const void *key, int level, const char *text,
		    uint64_t now_us, uint32_t *held);

/*
 * A kind that has fallen silent and of which messages were held back: it is told by that.
 * NULL: there is none. Valid until the next call.
 */
const struct log_kind *log_limit_held(struct log_limit *l, uint64_t now_us, uint32_t *held);

#endif
