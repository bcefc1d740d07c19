// SPDX-License-Identifier: GPL-2.0-or-later
/* The rule of memory that RSS does not count. */
#include "model/rules.h"

#include "model/size.h"

#define OUTSIDE_FLOOR (64 * MIB)

/* A part of it that is worth a line, of so much in all. */
static bool is_part(uint64_t bytes, uint64_t sum)
{
	return bytes != UNKNOWN && bytes >= sum / FLOOR_SHARE && bytes;
}

static void show_page_tables(uint64_t bytes, struct verdict *v)
{
	char size[SIZE_TEXT];

	evidence(
		v,
		"page tables take %s: 4 KiB for each 2 MiB of addresses that was touched",
		size_format(size, bytes));
	advise(v, bytes, true,
	       "unmap what is used no more (munmap() frees page tables, "
	       "madvise(MADV_DONTNEED) only from Linux 6.14 on), and use addresses "
	       "densely; huge pages need none of the last level");
}

static void show_sockets(const struct facts *f, const struct socket_sums *s,
			 struct verdict *v)
{
	char size[SIZE_TEXT];

	evidence(v, "buffers of %zu sockets take %s%s", s->n, size_format(size, s->bytes),
		 s->queued_only ? ", as far as it is queued; more is not shown here"
				: "");
	advise(v, s->bytes, true,
	       "see which are full: ss -amp | grep -A1 pid=%d,; have their readers read, "
	       "or bound them by SO_SNDBUF and SO_RCVBUF (net.core.wmem_max, "
	       "net.ipv4.tcp_wmem and their like)",
	       (int)f->now->process.pid);
}

static void show_files(const struct facts *f, const struct held *h, struct verdict *v)
{
	char size[SIZE_TEXT];

	evidence(v,
		 "%zu file%s of tmpfs or memfd, held open, ha%s %s that %s not mapped "
		 "here",
		 h->nfiles, h->nfiles == 1 ? "" : "s", h->nfiles == 1 ? "s" : "ve",
		 size_format(size, h->files), h->nfiles == 1 ? "is" : "are");
	advise(v, UNKNOWN, false,
	       "see which: ls -l /proc/%d/fd; truncate or close them: a file lives as "
	       "long "
	       "as its name, or any process that has it open or mapped",
	       (int)f->now->process.pid);
}

static void show_buffers(uint64_t bytes, struct verdict *v)
{
	char size[SIZE_TEXT];

	evidence(
		v,
		"%s of io_uring's registered buffers are mapped no more, and stay pinned",
		size_format(size, bytes));
	advise(v, bytes, true,
	       "io_uring_unregister_buffers(), before munmap(), or close the ring");
}

static void show_others(const struct beside *b, uint64_t sum, struct verdict *v)
{
	char size[SIZE_TEXT];

	if (is_part(b->hugetlb, sum)) {
		evidence(v, "%s of hugetlb pages are mapped",
			 size_format(size, b->hugetlb));
		advise(v, b->hugetlb, true,
		       "munmap() them: they go back to the pool (vm.nr_hugepages), which "
		       "is reserved whether used or not");
	}
	if (is_part(b->held.maps, sum))
		evidence(v, "%zu BPF maps take %s", b->held.nmaps,
			 size_format(size, b->held.maps));
	if (is_part(b->held.dmabufs, sum))
		evidence(v, "%zu buffers of devices (dma-buf) have %s", b->held.ndmabufs,
			 size_format(size, b->held.dmabufs));
}

/* What has changed between two looks that both looked for it. */
static void show_beside_change(const struct facts *f, uint64_t sum, struct verdict *v)
{
	char size[SIZE_TEXT];

	const struct beside *was = f->before ? &f->before->beside : NULL;

	if (was && was->known && was->held.known == f->now->beside.held.known)
		evidence(v, "in %.1f s it changed by %s", (double)f->interval_ns / 1e9,
			 size_format_change(size, (int64_t)(sum - beside_sum(was))));
}

void rules_beside(const struct facts *f, struct verdicts *out)
{
	const struct beside *b = &f->now->beside;
	uint64_t sum = beside_sum(b);
	char rss[SIZE_TEXT], size[SIZE_TEXT];
	struct verdict *v;

	if (sum < OUTSIDE_FLOOR || sum < f->now->rss / FLOOR_SHARE)
		return;
	v = speak(out, VERDICT_OUTSIDE_RSS, CONFIDENCE_CERTAIN, sum);
	evidence(v, "beside %s RSS, %s that RSS does not count are this process'",
		 size_format(rss, f->now->rss), size_format(size, sum));
	if (is_part(b->page_tables, sum))
		show_page_tables(b->page_tables, v);
	if (is_part(b->held.sockets.bytes, sum))
		show_sockets(f, &b->held.sockets, v);
	if (is_part(b->held.files, sum))
		show_files(f, &b->held, v);
	if (is_part(b->held.buffers_unmapped, sum))
		show_buffers(b->held.buffers_unmapped, v);
	show_others(b, sum, v);
	show_beside_change(f, sum, v);
}
