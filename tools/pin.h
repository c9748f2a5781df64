/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOLS_PIN_H
#define TOOLS_PIN_H

/* Has the calling thread run on this CPU alone; below 0: wherever. 0 or -errno. */
int pin_to_cpu(int cpu);

#endif
