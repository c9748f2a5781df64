/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packetdrill adapter without packetdrill, each frame through the gate's program:
 * handshakes are answered and validated in XDP.
 */
#include "netns.h"
#include "pd_driver.h"

#define BOTH(name)                                                                                 \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		pd_##name("xdp", 4);                                                               \
		pd_##name("xdp", 6);                                                               \
	}
BOTH(serves)
BOTH(blocks)
BOTH(resets)
BOTH(connects)

/* Nothing is kept for a SYN: a second one is answered alike. */
static void test_stateless(void **state)
{
	struct pd_drive d;
	uint32_t iss;

	(void)state;
	pd_open(&d, "xdp", 4);
	pd_listen(&d);
	pd_in(&d, SYN, NULL);
	pd_out(&d, SYN | ACK, 0);
	iss = d.seq;
	d.client.seq--;
	pd_in(&d, SYN, NULL);
	pd_out(&d, SYN | ACK, 0);
	assert_int_equal(d.seq, iss);
	/* Not sent again by itself, however long the client is silent. */
	assert_int_equal(PD(&d, usleep, 10000000), 0);
	assert_false(pd_take(&d));
	pd_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serves),	  cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_resets),	  cmocka_unit_test(test_connects),
		cmocka_unit_test(test_stateless),
	};

	netns_private(); /* skips where privileges are missing */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
