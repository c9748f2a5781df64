// SPDX-License-Identifier: BSD-2-Clause
/* weir-load: opens real connections, times them, says what became of them. */
#include <stdio.h>

int main(void)
{
	fputs("weir-load: no pattern is built in\n", stderr);
	return 2;
}
