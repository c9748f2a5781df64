/* SPDX-License-Identifier: BSD-2-Clause */
/* "10.0.0.2" or "fd00::2", and "80": as a socket address. 0, or -1 for what is neither. */
#ifndef EXAMPLES_ADDRESS_H
#define EXAMPLES_ADDRESS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static inline int parse_address(struct sockaddr_storage *ss, socklen_t *len, const char *host,
				const char *port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	int number = atoi(port);

	memset(ss, 0, sizeof(*ss));
	if (number < 1 || number > 65535)
		return -1;
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)number);
		*len = sizeof(*in);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)number);
		*len = sizeof(*in6);
		return 0;
	}
	return -1;
}

#endif
