/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table that tests/sim/golden.txt holds: what each congestion control gets out
 * of a bottleneck, by rate, RTT, loss and buffer; two flows beside each other; a
 * bottleneck that marks. A change in it is a change in behaviour: regenerate it
 * with `make golden`, and say in the commit what moved and why.
 */
#ifndef TESTS_SIM_GOLDEN_H
#define TESTS_SIM_GOLDEN_H

#include <stdio.h>

/* Writes the table; -1 when a cell failed. */
int sim_golden(FILE *out);

#endif
