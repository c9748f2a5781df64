/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bench of gate_bed.h under a policy: what `weir run` puts into force, and then frame by
 * frame, in both families, by both of the gate's ways.
 */
#ifndef WEIR_TEST_POLICY_BED_H
#define WEIR_TEST_POLICY_BED_H

#include <linux/bpf.h>

#include "control/flowmap_bpf.h"
#include "control/gate_policy.h"
#include "gate_bed.h"

#define PORT_80	 0 /* ids of the bed's services */
#define PORT_443 1

/* The four ways that a frame may go: IPv4 and IPv6, as usual and with two tags. */
#define WAYS 4

extern struct policy_bed {
	struct gate gate; /* over the bed's */
	struct flowmap_bpf flows;
	struct policy p; /* of the test, to be put into force */
} pb;

/* For cmocka: of the program, and before each test. bed_teardown() ends it. */
int pb_setup(void **state);
int pb_fresh(void **state);

/* No policy in force, one that does nothing in p, no flows, a fresh clock. */
void pb_start_over(void);
void pb_list(enum policy_verdict v, const char *text); /* added to p */
void pb_in_force(void);				       /* p */
struct weir_service *pb_service(unsigned id);

struct frame pb_syn_from(unsigned way, const char *v4, const char *v6);
struct frame pb_ack_to(const struct frame *syn); /* with the right cookie */

/* What becomes of a frame now, and that nothing else is counted. */
#define expect_dropped(f, c) expect_dropped_(f, WEIR_C_##c, #c, __FILE__, __LINE__)
#define expect_cookie(f)     expect_cookie_(f, __FILE__, __LINE__)
#define expect_to_worker(f)  expect_to_worker_(f, __FILE__, __LINE__)
#define expect_flow(syn)     expect_flow_(syn, __FILE__, __LINE__) /* of its final ACK */
void expect_dropped_(const struct frame *f, enum weir_counter c, const char *name, const char *file,
		     int line);
void expect_cookie_(const struct frame *f, const char *file, int line);
void expect_to_worker_(const struct frame *f, const char *file, int line);
void expect_flow_(const struct frame *syn, const char *file, int line);

/* What a flow's owner does. */
void pb_remove_flow(const struct frame *syn);
void pb_set_alive(const struct frame *syn, bool alive);

unsigned pb_counted(void); /* flows, of all sources */

#endif
