/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/counter_names.h"
#include "control/trace_wire.h"
#include "tcp/tcp.h"

static const char *const where_name[] = {"gate", "worker"};
static const char *const dir_name[] = {"in", "out"};

const char *trace_outcome_name(unsigned outcome)
{
	return outcome > 0 && outcome < WEIR_C_MAX ? counter_name(outcome) : "";
}

static const char *state_name(unsigned state)
{
	return state < WEIR_TCP_NSTATES ? tcp_state_name(state) : "";
}

size_t trace_wire_format(char *buf, size_t cap, const struct weir_trace_rec *rec)
{
	static const char hex[] = "0123456789abcdef";
	size_t caplen = rec->caplen < WEIR_TRACE_SNAP ? rec->caplen : WEIR_TRACE_SNAP;
	size_t n;

	if (cap < TRACE_WIRE_MAX)
		return 0;
	n = (size_t)snprintf(buf, cap,
			     "{\"mono_ns\":%llu,\"where\":\"%s\",\"source\":%u,\"dir\":\"%s\","
			     "\"len\":%u,\"outcome\":\"%.64s\",\"before\":\"%s\",\"after\":\"%s\","
			     "\"data\":\"",
			     (unsigned long long)rec->mono_ns, where_name[rec->where & 1],
			     rec->source, dir_name[rec->dir & 1], rec->len,
			     trace_outcome_name(rec->outcome), state_name(rec->state_before),
			     state_name(rec->state_after));
	for (size_t i = 0; i < caplen; i++) {
		buf[n++] = hex[rec->data[i] >> 4];
		buf[n++] = hex[rec->data[i] & 0xf];
	}
	memcpy(buf + n, "\"}\n", 4);
	return n + 3;
}

size_t trace_wire_lost(char *buf, size_t cap, uint64_t lost)
{
	int n = snprintf(buf, cap, "{\"lost\":%llu}\n", (unsigned long long)lost);

	return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

/* ---- reading back ----------------------------------------------------------- */

static int choice(const json_t *obj, const char *key, const char *const *names, unsigned n,
		  uint8_t *out)
{
	const char *s = json_string_value(json_object_get(obj, key));

	for (unsigned i = 0; s && i < n; i++) {
		if (!strcmp(s, names[i])) {
			*out = (uint8_t)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int state_value(const json_t *obj, const char *key, uint8_t *out)
{
	const char *s = json_string_value(json_object_get(obj, key));

	for (unsigned i = 0; s && i < WEIR_TCP_NSTATES; i++) {
		if (!strcmp(s, tcp_state_name(i))) {
			*out = (uint8_t)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex_bytes(struct weir_trace_rec *rec, const json_t *data)
{
	const char *s = json_string_value(data);
	size_t n = s ? json_string_length(data) : 1;

	if (n % 2 || n / 2 > WEIR_TRACE_SNAP)
		return -EINVAL;
	for (size_t i = 0; i < n / 2; i++) {
		int hi = digit(s[2 * i]), lo = digit(s[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		rec->data[i] = (uint8_t)(hi << 4 | lo);
	}
	rec->caplen = (uint16_t)(n / 2);
	return 0;
}

int trace_wire_parse(struct weir_trace_rec *rec, const json_t *obj)
{
	const json_t *mono = json_object_get(obj, "mono_ns");
	const json_t *source = json_object_get(obj, "source");
	const json_t *len = json_object_get(obj, "len");
	const char *outcome = json_string_value(json_object_get(obj, "outcome"));

	memset(rec, 0, sizeof(*rec));
	if (!json_is_integer(mono) || !json_is_integer(source) || !json_is_integer(len) || !outcome)
		return -EINVAL;
	if (choice(obj, "where", where_name, 2, &rec->where) ||
	    choice(obj, "dir", dir_name, 2, &rec->dir) ||
	    state_value(obj, "before", &rec->state_before) ||
	    state_value(obj, "after", &rec->state_after) ||
	    hex_bytes(rec, json_object_get(obj, "data")))
		return -EINVAL;
	rec->mono_ns = (uint64_t)json_integer_value(mono);
	rec->source = (uint32_t)json_integer_value(source);
	rec->len = (uint16_t)json_integer_value(len);
	rec->outcome = (uint16_t)counter_by_name(outcome);
	return 0;
}
