// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of keepers, and the search for them. The first ones are the likeliest to have
 * memory, and some are there because others are. Beside each is where its settings are from.
 */
#include "heap/keepers.h"

#include <errno.h>

#include "heap/elf.h"
#include "heap/recall.h"

#define OBJECTS_MAX 4096

const struct keeper keepers[] = {
	/* 1.13: uct/base/uct_md.c, ucp/core/ucp_context.c, ucs/config/ucm_opts.c */
	{ "UCX", "ucs_rcache_create",
	  "registrations, and memory whose munmap() it took note of by its hooks",
	  "UCX: restart with UCX_RCACHE_MAX_UNRELEASED=1024 (default inf), or "
	  "UCX_MEM_MMAP_HOOK_MODE=none UCX_RCACHE_ENABLE=n (no hooks, no cache: each "
	  "transfer registers anew); UCX_RCACHE_MAX_SIZE bounds the cache" },
	/* libfabric 1.17: prov/util/src/util_mr_cache.c, util_mem_monitor.c, fi_mr(3) */
	{ "libfabric", "fi_getinfo", "registrations, in its cache",
	  "libfabric: restart with FI_MR_CACHE_MAX_SIZE=BYTES or a smaller "
	  "FI_MR_CACHE_MAX_COUNT; FI_MR_CACHE_MAX_COUNT=0 keeps none: each transfer "
	  "registers anew" },
	/* opal/mca/memory/patcher, opal/mca/rcache/base */
	{ "Open MPI", "opal_mem_hooks_register_release", "registrations (leave_pinned)",
	  "Open MPI: restart with OMPI_MCA_mpi_leave_pinned=0: buffers are not kept "
	  "registered after a message" },
	/* cuda.h; what PyTorch 2 keeps for it is of the host allocator */
	{ "CUDA", "cuMemHostAlloc", "pinned host memory (cuMemHostAlloc, cudaHostAlloc)",
	  "CUDA: cudaFreeHost() what is no longer used; of a framework's cache of pinned "
	  "memory, ask that (PyTorch: torch._C._host_emptyCache())" },
	/* nccl 2.x: src/include/comm.h, src/register/register.cc */
	{ "NCCL", "ncclCommInitRank", "buffers of each channel, pinned",
	  "NCCL: restart with a smaller NCCL_BUFFSIZE (default 4194304) or "
	  "NCCL_MAX_NCHANNELS; ncclCommDestroy() communicators that are not used" },
	/* lib/eal/linux/eal_memory.c, eal_common_dynmem.c */
	{ "DPDK", "rte_eal_init", "memory for packets, in hugepages or pinned",
	  "DPDK: start with --socket-limit=MIB, or without --socket-mem and "
	  "--legacy-mem, which keep what was reserved" },
	/* mkl_service.h */
	{ "Intel MKL", "mkl_serv_free_buffers", "buffers of its threads",
	  "Intel MKL: call mkl_free_buffers(), or restart with MKL_DISABLE_FAST_MM=1 or "
	  "MKL_FAST_MEMORY_LIMIT=MIB" },
	/* luajit.h, lj_alloc.c */
	{ "LuaJIT", "luaJIT_setmode", "its own heap and machine code",
	  "LuaJIT: collectgarbage() gives free segments back; collectgarbage(\"count\") "
	  "tells what is held" },
	/* libibverbs/verbs.h */
	{ "libibverbs", "ibv_reg_mr", "what is registered and not deregistered, pinned",
	  "libibverbs: ibv_dereg_mr() what is no longer used" },
};
const size_t nkeepers = sizeof(keepers) / sizeof(keepers[0]);

int keepers_find(const struct heap_source *src, uint32_t *found, struct error *e)
{
	size_t objects = 0;
	struct peek peek;
	struct elf x;
	int err;

	if (recall_keepers(src->recall, found))
		return 0;
	err = peek_init(&peek, &src->target->reader);
	*found = 0;
	for (size_t i = 0; !err && i < src->vmas->n && objects < OBJECTS_MAX; i++) {
		if (!elf_open(&x, src, &peek, i))
			continue;
		for (size_t k = 0; k < nkeepers; k++)
			if (elf_exports(&x, keepers[k].symbol, NULL))
				*found |= 1u << k;
		elf_close(&x);
		objects++;
	}
	peek_free(&peek);
	if (!err)
		recall_note_keepers(src->recall, *found);
	return err ? error_sys(e, -err, "process %d, looking for libraries",
			       (int)src->target->pid)
		   : 0;
}
