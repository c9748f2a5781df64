/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/portrange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define RANGE	 "/proc/sys/net/ipv4/ip_local_port_range"
#define RESERVED "/proc/sys/net/ipv4/ip_local_reserved_ports"

static unsigned take_out(uint16_t *ports, unsigned n, unsigned long first, unsigned long last)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		if (ports[i] < first || ports[i] > last)
			ports[kept++] = ports[i];
	}
	return kept;
}

unsigned portrange_without(uint16_t *ports, unsigned n, const char *list)
{
	while (*list) {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (end == list)
			break;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		n = take_out(ports, n, first, last);
		list = end + (*end == ',');
	}
	return n;
}

static void read_range(unsigned *first, unsigned *last)
{
	FILE *f = fopen(RANGE, "re");
	unsigned a, b;

	*first = 32768;
	*last = 60999;
	if (!f)
		return;
	if (fscanf(f, "%u %u", &a, &b) == 2 && a && a <= b && b <= 65535) {
		*first = a;
		*last = b;
	}
	fclose(f);
}

unsigned portrange_read(uint16_t *ports)
{
	unsigned first, last, n = 0;
	char *list = NULL;
	size_t size = 0;
	FILE *f;

	read_range(&first, &last);
	for (unsigned p = first; p <= last; p++)
		ports[n++] = (uint16_t)p;
	f = fopen(RESERVED, "re");
	if (f && getline(&list, &size, f) > 0)
		n = portrange_without(ports, n, list);
	if (f)
		fclose(f);
	free(list);
	return n;
}

void portrange_shuffle(uint16_t *ports, unsigned n)
{
	uint32_t r[64];
	unsigned have = 0;

	for (unsigned i = n; i > 1; i--) {
		unsigned j;
		uint16_t p;

		if (!have) {
			if (getrandom(r, sizeof(r), 0) != sizeof(r))
				return;
			have = 64;
		}
		j = r[--have] % i; /* the bias is 2^-16 at most */
		p = ports[i - 1];
		ports[i - 1] = ports[j];
		ports[j] = p;
	}
}
