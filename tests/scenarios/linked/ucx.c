// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages' buffers that UCX maps and registers, by ucp_mem_map(), and that are never given
 * back to it. For keepers.t, which links it with UCX.
 */
#include "../scenario.h"

#include <ucp/api/ucp.h>

#define BUFFER MIB

static ucp_context_h context;

__attribute__((noinline)) static void *map_buffer(void)
{
	ucp_mem_map_params_t params = {
		.field_mask = UCP_MEM_MAP_PARAM_FIELD_LENGTH |
			      UCP_MEM_MAP_PARAM_FIELD_FLAGS,
		.length = BUFFER,
		.flags = UCP_MEM_MAP_ALLOCATE,
	};
	ucp_mem_attr_t attr = { .field_mask = UCP_MEM_ATTR_FIELD_ADDRESS };
	ucp_mem_h handle;

	if (ucp_mem_map(context, &params, &handle) || ucp_mem_query(handle, &attr))
		exit(1);
	return attr.address;
}

int main(void)
{
	ucp_params_t params = { .field_mask = UCP_PARAM_FIELD_FEATURES,
				.features = UCP_FEATURE_RMA };

	if (ucp_init(&params, NULL, &context))
		return 1;
	ready();
	while (!told(50))
		memset(map_buffer(), 1, BUFFER);
	wait_for_end();
	return 0;
}
