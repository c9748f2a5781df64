/* SPDX-License-Identifier: BSD-2-Clause */
/* When an engine stops, every frame is back with its queue, whatever it was about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine_fixture.h"

#define FRAMES 64
#define PEERS  300 /* more than there are frames to reset them with */

static struct peer peers[PEERS];

/* All that went out is taken by the other end, which so gives its frames back. */
static void take_all(struct pktio *io)
{
	struct pktio_frame f;

	while (io->ops->rx(io, &f, 1))
		io->ops->release(io, &f, 1);
}

static void expect_all_of(struct pktio *io)
{
	struct pktio_frame f[FRAMES + 1];

	assert_int_equal(io->ops->tx_reserve(io, f, FRAMES + 1), FRAMES);
	io->ops->tx_cancel(io, f, FRAMES);
}

/* The engine is gone: what one end was lent, the other has to send with. */
static void expect_all_frames_back(struct rig *r)
{
	engine_destroy(r->e);
	r->e = NULL;
	for (unsigned q = 0; q < r->cfg.queues; q++) {
		take_all(r->client[q]);
		take_all(r->server[q]);
		expect_all_of(r->client[q]);
		expect_all_of(r->server[q]);
	}
}

static struct rig *open_rig(unsigned queues, struct echo_log *log)
{
	struct rig_config cfg;

	rig_config_default(&cfg);
	cfg.queues = cfg.engine.workers = queues;
	cfg.frames = FRAMES;
	cfg.arg = log;
	return rig_open(&cfg);
}

/* Nobody takes what it sends: it has no frame for most of the RSTs. */
static void stopped_with_a_full_device(unsigned queues)
{
	struct echo_log log = {0};
	struct rig *r = open_rig(queues, &log);

	for (unsigned i = 0; i < PEERS; i++) {
		peer_init(&peers[i], r, i & 2 ? 6 : 4, (uint16_t)(2000 + i));
		peers[i].queue = i % queues;
		peer_open(&peers[i]);
	}
	assert_int_equal(rig_state(r, WEIR_ESTABLISHED), PEERS);
	for (unsigned i = 0; i < PEERS; i++) {
		/* Half of the frames come in on the wrong queue. */
		peers[i].queue = (i + i / 2) % queues;
		peer_send(&peers[i], TCP_ACK | TCP_PSH, "hello", 5);
		if (i % (FRAMES / 2) == 0)
			rig_poll(r);
	}
	engine_stop(r->e);
	expect_all_frames_back(r);
	rig_close(r);
}

static void one_worker_returns_its_frames(void **state)
{
	(void)state;
	stopped_with_a_full_device(1);
}

static void several_workers_return_their_frames(void **state)
{
	(void)state;
	stopped_with_a_full_device(3);
}

static void threads_return_their_frames(void **state)
{
	struct echo_log log = {0};
	struct rig *r = open_rig(2, &log);

	(void)state;
	r->now_us = real_us();
	assert_int_equal(engine_start(r->e), 0);
	for (unsigned i = 0; i < 8; i++) {
		peer_init(&peers[i], r, 4, (uint16_t)(2000 + i));
		peers[i].queue = i % 2;
		peer_cookie(&peers[i], true);
		peer_send(&peers[i], TCP_ACK, NULL, 0);
	}
	for (unsigned i = 0; i < 3000 && rig_state(r, WEIR_ESTABLISHED) < 8; i++)
		nap();
	for (unsigned i = 0; i < 32; i++)
		peer_send(&peers[i % 8], TCP_ACK | TCP_PSH, "hello", 5);
	engine_stop(r->e);
	expect_all_frames_back(r);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_worker_returns_its_frames),
		cmocka_unit_test(several_workers_return_their_frames),
		cmocka_unit_test(threads_return_their_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
