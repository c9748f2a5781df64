/* SPDX-License-Identifier: BSD-2-Clause */
/* Traces by the control socket: filters, slow readers, what is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/trace_wire.h"
#include "ctl_fixture.h"

static void wait_trace_period(void)
{
	const struct timespec t = {.tv_nsec = 3000000};

	nanosleep(&t, NULL);
}

static void traced(void **state)
{
	struct ctl_bed *b = *state;
	struct weir_trace_rec rec;
	int fd = bed_dial(b);
	json_t *o;

	o = bed_ask(b, fd, "{\"cmd\":\"trace\",\"port\":1001,\"addr\":\"10.0.0.1\"}");
	assert_true(json_is_true(json_object_get(o, "trace")));
	assert_true(json_integer_value(json_object_get(o, "wall_ns")) > 0);
	json_decref(o);
	assert_true(b->fake.tracing);
	assert_int_equal(b->fake.filter.port, htons(1001));
	assert_int_equal(b->fake.filter.family, 4);
	assert_memory_equal(b->fake.filter.addr, "\x0a\0\0\x01", 4);
	b->fake.records = 4;
	for (int i = 0; i < 2; i++) {
		o = bed_hear_json(b, fd);
		assert_int_equal(trace_wire_parse(&rec, o), 0);
		/* the other port's records are not for this client */
		assert_int_equal(rec.data[34] << 8 | rec.data[35], 1001);
		json_decref(o);
	}
	b->fake.lost = 9;
	o = bed_hear_json(b, fd);
	assert_int_equal(json_integer_value(json_object_get(o, "lost")), 9);
	json_decref(o);
	close(fd);
	for (int i = 0; i < 3; i++)
		bed_step(b);
	assert_false(b->fake.tracing);
	assert_int_equal(b->fake.stops, 1);
}

/* Two filters widen what gate and engine send; it narrows again with one. */
static void two_traces(void **state)
{
	struct ctl_bed *b = *state;
	int one = bed_dial(b), two = bed_dial(b);

	json_decref(bed_ask(b, one, "{\"cmd\":\"trace\",\"port\":1001}"));
	json_decref(bed_ask(b, two, "{\"cmd\":\"trace\",\"port\":1002}"));
	assert_int_equal(b->fake.filter.port, 0);
	close(one);
	for (int i = 0; i < 3; i++)
		bed_step(b);
	assert_true(b->fake.tracing);
	assert_int_equal(b->fake.filter.port, htons(1002));
	close(two);
	for (int i = 0; i < 3; i++)
		bed_step(b);
	assert_false(b->fake.tracing);
}

static void trace_refused(void **state)
{
	struct ctl_bed *b = *state;
	int fd = bed_dial(b);

	b->fake.trace_rc = -EIO;
	bed_expect_error(b, fd, "{\"cmd\":\"trace\"}", "trace");
	b->fake.trace_rc = 0;
	json_decref(bed_ask(b, fd, "{\"cmd\":\"trace\"}"));
	close(fd);
}

/*
 * A reader that sleeps: records wait in the ring, what overflows there is lost,
 * and the reader is told how many. Nothing is lost beside that.
 */
static void trace_slow(void **state)
{
	struct ctl_bed *b = *state;
	uint64_t lost = 0, got = 0, in_ring;
	int fd = bed_dial(b);

	json_decref(bed_ask(b, fd, "{\"cmd\":\"trace\"}"));
	for (int i = 0; i < 10; i++) {
		b->fake.records += 1000;
		if (b->fake.records > FAKE_RING) {
			b->fake.lost += b->fake.records - FAKE_RING;
			b->fake.records = FAKE_RING;
		}
		wait_trace_period();
		bed_step(b);
	}
	in_ring = b->fake.records;
	assert_in_range(in_ring, FAKE_RING - 100, FAKE_RING);
	assert_in_range(b->fake.lost, 1, 9000);
	while (got + lost < 10000) {
		json_t *o = bed_hear_json(b, fd);
		json_t *l = json_object_get(o, "lost");

		lost += (uint64_t)json_integer_value(l);
		got += !l;
		json_decref(o);
	}
	assert_int_equal(got + lost, 10000);
	assert_true(got > in_ring + 500);
	close(fd);
}

/* One that sleeps does not keep another from its records. */
static void trace_slow_and_fast(void **state)
{
	struct ctl_bed *b = *state;
	int slow = bed_dial(b), fast = bed_dial(b);
	uint64_t lost = 0;

	json_decref(bed_ask(b, slow, "{\"cmd\":\"trace\"}"));
	json_decref(bed_ask(b, fast, "{\"cmd\":\"trace\"}"));
	for (unsigned got = 0, given = 0; got < 5000; got++) {
		if (got == given)
			b->fake.records = 100, given += 100;
		json_decref(bed_hear_json(b, fast));
	}
	for (unsigned got = 0; got + lost < 5000;) {
		json_t *o = bed_hear_json(b, slow);
		json_t *l = json_object_get(o, "lost");

		lost += (uint64_t)json_integer_value(l);
		got += !l;
		json_decref(o);
	}
	assert_in_range(lost, 1, 4500);
	close(slow);
	close(fast);
}

#define bed_test(f) cmocka_unit_test_setup_teardown(f, bed_open, bed_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(traced),     bed_test(two_traces),	     bed_test(trace_refused),
		bed_test(trace_slow), bed_test(trace_slow_and_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
