// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/knobs.h"

#include <string.h>

static const struct knobs all[] = {
	{ .allocator = "glibc",
	  .purge = "call malloc_trim(0) in the process, once or when load ends (Python: "
		   "ctypes.CDLL(None).malloc_trim(0)): it holds the lock of one arena "
		   "after the other, and what is taken again is faulted in anew",
	  .caches =
		  "restart with GLIBC_TUNABLES=glibc.malloc.tcache_count=0: threads keep "
		  "no free blocks of their own, and take the arena's lock each time",
	  .replace = true },
	{ .allocator = "jemalloc",
	  .purge = "call mallctl(\"arena.4096.purge\", NULL, NULL, NULL, 0) in the "
		   "process, "
		   "once or when load ends: what is taken again is faulted in anew",
	  .setting =
		  "restart with MALLOC_CONF=background_thread:true (free pages go back "
		  "after the decay times though no thread allocates) or "
		  "dirty_decay_ms:0,muzzy_decay_ms:0 (at once, for a system call and "
		  "page faults each time); builds with a prefix "
		  "read JE_MALLOC_CONF or _RJEM_MALLOC_CONF",
	  .caches = "call mallctl(\"thread.tcache.flush\", NULL, NULL, NULL, 0) in idle "
		    "threads, or restart with MALLOC_CONF=tcache:false, or a smaller "
		    "lg_tcache_max: threads then take the arena's lock more often" },
	{ .allocator = "mimalloc",
	  .purge =
		  "call mi_collect(true) in the process, once or when load ends; what is "
		  "free in the heap of a thread only that thread gives back: it must "
		  "call it, too, or end; what is taken again is faulted in anew",
	  .setting =
		  "restart with MIMALLOC_PURGE_DELAY=0 (2.0: "
		  "MIMALLOC_DECOMMIT_DELAY=0): free pages go back at once, for a "
		  "system call and page faults each time; or, where "
		  "allow_thp=2 is in force, with MIMALLOC_ALLOW_THP=0: purges are then "
		  "not of whole huge pages only" },
	{ .allocator = "gperftools",
	  .purge =
		  "call MallocExtension_ReleaseFreeMemory() in the process, once or when "
		  "load ends: what is taken again is faulted in anew",
	  .setting = "restart with TCMALLOC_AGGRESSIVE_DECOMMIT=1 (free spans go back at "
		     "once) or a TCMALLOC_RELEASE_RATE above 1 (sooner); "
		     "TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES bounds what is kept for "
		     "threads; each costs system calls, page faults or locks",
	  .caches = "call MallocExtension_MarkThreadIdle() in idle threads, or restart "
		    "with "
		    "a smaller TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES: threads then ask "
		    "the central lists, under a lock, more often" },
	{ .allocator = "pymalloc",
	  .setting =
		  "restart with PYTHONMALLOC=malloc LD_PRELOAD=libjemalloc.so.2 "
		  "MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0: small objects then "
		  "come from what gives free pages back, but slower; or with the first "
		  "alone, and have it call malloc_trim(0) when load ends" },
	/* runtime/debug; the environment in the documentation of package runtime */
	{ .allocator = "go",
	  .purge = "call debug.FreeOSMemory() (package runtime/debug) in the process: a "
		   "collection, which takes processor time, and then what is free goes "
		   "back",
	  .setting = "restart with GOMEMLIMIT=SIZE (Go 1.19 on: more is collected and "
		     "given back as it is neared) or a lower GOGC: both collect more "
		     "often" },
	/* jcmd(1), java(1), JEP 346 */
	{ .allocator = "java",
	  .purge = "jcmd PID GC.run: a full collection, after which G1, the usual "
		   "collector, gives back what is free; it stops the process meanwhile",
	  .setting = "restart with -XX:MinHeapFreeRatio=10 -XX:MaxHeapFreeRatio=30, a "
		     "lower -Xmx, or (G1) -XX:G1PeriodicGCInterval=60000, which collects "
		     "while idle; a smaller heap is collected more often" },
	/* node --v8-options */
	{ .allocator = "v8",
	  .setting = "restart with --max-old-space-size=MIB (node: also in "
		     "NODE_OPTIONS): V8 collects more as it is neared, and ends the "
		     "program where that does not suffice" },
	/* tcmalloc/malloc_extension.h */
	{ .allocator = "google-tcmalloc",
	  .purge = "call tcmalloc::MallocExtension::ReleaseMemoryToSystem(N) in the "
		   "process, or run ProcessBackgroundActions() on a thread of its own" },
};

const struct knobs *knobs_of(const struct heap *h)
{
	static const struct knobs none;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(all[i].allocator, h->ops->name))
			return &all[i];
	return &none;
}
