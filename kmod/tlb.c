// SPDX-License-Identifier: GPL-2.0-only
/* What flushes the TLBs of a process is not exported: here is what a module can do. */
#include <linux/mm.h>
#include <linux/smp.h>

#ifdef CONFIG_X86_64
#include <asm/cpufeature.h>
#include <asm/invpcid.h>
#include <asm/tlbflush.h>
#else
#include <asm/tlbflush.h>
#endif

#include "compat.h"
#include "tlb.h"

#ifdef CONFIG_X86_64

/* User memory has no global entries, so that all but those are enough. */
static void flush_this_cpu(void *unused)
{
#if FALLOW_FLUSH_TLB_ALL
	__flush_tlb_all();
#else
	if (boot_cpu_has(X86_FEATURE_INVPCID))
		invpcid_flush_all_nonglobals();
	else
		write_cr3(__read_cr3());
#endif
}

bool fallow_tlb_can_flush(void)
{
	/* With PCIDs but without INVPCID, CR3 reaches only one of them. */
	return FALLOW_FLUSH_TLB_ALL || boot_cpu_has(X86_FEATURE_INVPCID) ||
	       !boot_cpu_has(X86_FEATURE_PCID);
}

void fallow_tlb_flush(struct mm_struct *mm)
{
	const struct cpumask *cpus = mm_cpumask(mm);

#ifdef X86_FEATURE_INVLPGB
	/* Where the CPUs broadcast flushes, who has used @mm is not kept. */
	if (boot_cpu_has(X86_FEATURE_INVLPGB))
		cpus = cpu_online_mask;
#endif
	/* For those who switch to @mm later: they compare generations. */
	atomic64_inc(&mm->context.tlb_gen);
	/* Pairs with the barrier of switch_mm_irqs_off(), which sets the mask first. */
	smp_mb__after_atomic();
	on_each_cpu_mask(cpus, flush_this_cpu, NULL, true);
}

#elif defined(CONFIG_ARM64)

bool fallow_tlb_can_flush(void)
{
	return true;
}

/*
 * flush_tlb_mm() but for secondary MMUs, which newer kernels tell by what is not
 * exported. An erratum that its wait may work around does not matter here: a stale
 * entry hides an access, and no page is freed.
 */
void fallow_tlb_flush(struct mm_struct *mm)
{
	u64 asid = (u64)ASID(mm) << 48;

	dsb(ishst);
	__tlbi(aside1is, asid);
	/* Where the kernel is hidden from it, user space has an ASID of its own. */
	if (arm64_kernel_unmapped_at_el0())
		__tlbi(aside1is, asid | USER_ASID_FLAG);
	dsb(ish);
}

#else

bool fallow_tlb_can_flush(void)
{
	return false;
}

void fallow_tlb_flush(struct mm_struct *mm)
{
}

#endif
