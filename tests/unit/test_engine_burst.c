/* SPDX-License-Identifier: BSD-2-Clause */
/* Bursts through the engine: whole streams over a device that cuts, one that jams, none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine_fixture.h"
#include "net/pktio_cut.h"

#define BYTES 3000000

/* A device that takes one burst at a time: then nothing before the next flush. */
static struct {
	struct pktio_ops ops;
	const struct pktio_ops *inner;
	unsigned bursts, jams;
	bool jams_too;
	bool jammed;
	uint8_t last[2048]; /* the last frame cut from the latest burst */
	size_t last_len;
} dev;

static void dev_burst(struct pktio *io, const struct pktio_burst *b)
{
	assert_false(dev.jammed);
	assert_true(b->len <= io->burst_max && b->len > b->cut);
	dev.bursts++;
	dev.inner->tx_burst(io, b);
	dev.last_len = pktio_cut(b, pktio_cut_count(b) - 1, dev.last);
	if (!dev.jams_too)
		return;
	dev.jammed = true;
	dev.jams++;
	io->burst_max = 0;
}

static unsigned dev_reserve(struct pktio *io, struct pktio_frame *f, unsigned n)
{
	return dev.jammed ? 0 : dev.inner->tx_reserve(io, f, n);
}

static void dev_submit(struct pktio *io, const struct pktio_frame *f, unsigned n)
{
	assert_false(dev.jammed && n);
	dev.inner->tx_submit(io, f, n);
}

static int dev_flush(struct pktio *io)
{
	if (dev.jammed)
		io->burst_max = 65000;
	dev.jammed = false;
	return dev.inner->flush(io);
}

static void stream(struct rig *r, uint32_t burst_max, bool jams)
{
	struct pktio *io = r->server[0];
	struct bulk b;

	memset(&dev, 0, sizeof(dev));
	dev.inner = io->ops;
	dev.ops = *io->ops;
	dev.ops.tx_burst = dev_burst;
	dev.ops.tx_reserve = dev_reserve;
	dev.ops.tx_submit = dev_submit;
	dev.ops.flush = dev_flush;
	dev.jams_too = jams;
	io->ops = &dev.ops;
	io->burst_max = burst_max;
	bulk_init(&b, r, 4000, 0);
	assert_true(bulk_run(r, &b, 1, 600000000));
	assert_int_equal(b.received, BYTES);
	assert_false(b.wrong);
	bulk_fini(&b);
	io->ops = dev.inner;
}

static struct rig *open_rig(void)
{
	static struct source_log log = {.bytes = BYTES};
	struct rig_config cfg;

	rig_config_default(&cfg);
	cfg.app = &source_test_app;
	cfg.arg = &log;
	return rig_open(&cfg);
}

static void cut_by_the_device(void **state)
{
	struct rig *r = open_rig();
	struct weir_pkt v;

	(void)state;
	stream(r, 65000, false);
	assert_true(dev.bursts > 10);
	assert_int_equal(weir_pkt_parse(dev.last, (unsigned)dev.last_len, &v), WEIR_PKT_OK);
	assert_int_equal(weir_csum_tcp(dev.last, &v), WEIR_CSUM_GOOD);
	assert_true(weir_csum_ip_ok(dev.last, &v));
	assert_true(rig_count(r, WEIR_C_worker_tx_frames) > BYTES / 1460);
	rig_close(r);
}

static void a_device_that_jams(void **state)
{
	struct rig *r = open_rig();

	(void)state;
	stream(r, 65000, true);
	assert_true(dev.jams > 10);
	assert_int_equal(rig_count(r, WEIR_C_rtx_segments), 0);
	rig_close(r);
}

static void a_device_without(void **state)
{
	struct rig *r = open_rig();

	(void)state;
	stream(r, 0, false);
	assert_int_equal(dev.bursts, 0);
	rig_close(r);
}

/* A trace shows what is on the wire: while there is one, frames leave one by one. */
static void traced(void **state)
{
	struct rig *r = open_rig();

	(void)state;
	engine_trace(r->e, true, NULL);
	stream(r, 65000, false);
	assert_int_equal(dev.bursts, 0);
	engine_trace(r->e, false, NULL);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_by_the_device),
		cmocka_unit_test(a_device_that_jams),
		cmocka_unit_test(a_device_without),
		cmocka_unit_test(traced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
