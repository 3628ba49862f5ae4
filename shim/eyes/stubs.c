/* SPDX-License-Identifier: MIT */
/* The stubs of the side door, in which nobody but us knows who has come there. */
#include "../patch.h"
#include "eyes.h"

uint64_t stubs_original(struct eyes_process *p, uint64_t ip)
{
	struct patch_region region[PATCH_REGIONS];
	uint64_t array;

	if (!p->read(p, p->reg.carrier + p->reg.where[REG_STUBS].at, &array, sizeof(array)) ||
	    !array || !p->read(p, array, region, sizeof(region)))
		return ip;
	for (int i = 0; i < PATCH_REGIONS; i++) {
		uint64_t slot = (ip - region[i].at) / PATCH_SLOT;
		struct patch_plan plan;

		if (!region[i].at || slot >= PATCH_REGION / PATCH_SLOT)
			continue;
		if (!p->read(p, (uint64_t)(region[i].plan + slot), &plan, sizeof(plan)) ||
		    !plan.from)
			return ip;
		return patch_original(&plan, region[i].at + slot * PATCH_SLOT, ip);
	}
	return ip;
}
