/* SPDX-License-Identifier: MIT */
/* Says whether copatch is mapped, so that the runner has a difference to notice. */
#include "../helpers.h"

int main(void)
{
	bool found = false;
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "r");

	while (maps && fgets(line, sizeof(line), maps))
		found |= strstr(line, "libcopatch") != NULL;
	t_say("copatch is here: %d", found);
	return 0;
}
