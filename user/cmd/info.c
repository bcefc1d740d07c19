// SPDX-License-Identifier: GPL-2.0-or-later
/* fallow info: which sources can be used here, what each can tell, and why not. */
#include "cmd/cmd.h"

#include <jansson.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "linux/fallow.h"
#include "pages/runs.h"
#include "version.h"

static const char usage[] =
	"usage: fallow info [--json]\n"
	"\n"
	"The module, the sources of page facts, what each can tell here, and the\n"
	"allocators that are known.\n";

static const struct {
	uint64_t bit;
	const char *name, *missing;
} caps[] = {
	{ FALLOW_CAP_PINNED, "pinned pages", "this kernel does not tell pins" },
	{ FALLOW_CAP_SOFT_DIRTY, "soft-dirty", "kernel without CONFIG_MEM_SOFT_DIRTY" },
	{ FALLOW_CAP_ANON_NAME, "names of anonymous mappings",
	  "kernel without CONFIG_ANON_VMA_NAME" },
	{ FALLOW_CAP_IDLE_FLAG, "idle flags in pages",
	  "kernel without CONFIG_PAGE_IDLE_FLAG" },
};

#define CAPS (sizeof(caps) / sizeof(caps[0]))

struct facts {
	struct utsname u;
	struct kmod_info kmod;
	bool loaded;
	struct error why; /* not loaded */
	bool frames; /* page frame numbers are shown to us */
};

static void collect(struct facts *f)
{
	struct zero_page zero;

	*f = (struct facts){ 0 };
	uname(&f->u);
	f->loaded = !kmod_get_info(&f->kmod, &f->why);
	zero_page_learn(&zero);
	f->frames = zero.pfn != 0;
}

static void show_kmod(const struct facts *f)
{
	if (!f->loaded) {
		printf("module      not in use: %s\n", f->why.text);
		return;
	}
	printf("module      fallow %s, lock budget %u us\n", f->kmod.version,
	       f->kmod.lock_budget_us);
	printf("            %" PRIu64 " pages in %" PRIu64
	       " lock holds so far, %.3f s; longest hold %.1f us\n",
	       f->kmod.pages, f->kmod.slices, (double)f->kmod.walk_ns / 1e9,
	       (double)f->kmod.lock_max_ns / 1e3);
	for (size_t i = 0; i < CAPS; i++)
		printf("            %s: %s\n", caps[i].name,
		       f->kmod.caps & caps[i].bit ? "yes" : caps[i].missing);
}

static void show(const struct facts *f)
{
	printf("fallow      %s\n", FALLOW_VERSION);
	printf("kernel      %s\n", f->u.release);
	printf("source      %s\n", f->loaded ? "kmod" : "procfs");
	show_kmod(f);
	printf("procfs      smaps, pagemap; page frame numbers %s\n",
	       f->frames ? "shown"
			 : "hidden (needs CAP_SYS_ADMIN): zero pages are told by count");
	printf("            pinned pages, reclaimable split: unknown (only the module "
	       "can tell)\n");
	printf("idle ages   unknown\n");
	printf("allocators  glibc 2.31 and newer\n");
}

static json_t *kmod_json(const struct facts *f)
{
	json_t *o, *c = json_object();

	if (!f->loaded)
		return json_pack("{s:b, s:s}", "loaded", 0, "reason", f->why.text);
	for (size_t i = 0; i < CAPS; i++)
		json_object_set_new(c, caps[i].name,
				    json_boolean(f->kmod.caps & caps[i].bit));
	o = json_pack("{s:b, s:s, s:i, s:I, s:I, s:I, s:I, s:o}", "loaded", 1, "version",
		      f->kmod.version, "lock_budget_us", (int)f->kmod.lock_budget_us,
		      "lock_max_ns", (json_int_t)f->kmod.lock_max_ns, "slices",
		      (json_int_t)f->kmod.slices, "pages", (json_int_t)f->kmod.pages,
		      "walk_ns", (json_int_t)f->kmod.walk_ns, "can_tell", c);
	return o;
}

static int show_json(const struct facts *f)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:b}, s:[s]}", "schema",
			      "fallow.info/1", "version", FALLOW_VERSION, "kernel",
			      f->u.release, "source", f->loaded ? "kmod" : "procfs",
			      "module", kmod_json(f), "procfs", "page_frame_numbers",
			      f->frames, "allocators", "glibc");
	int err = !o || json_dumpf(o, stdout, JSON_INDENT(2)) || putchar('\n') == EOF;

	json_decref(o);
	return err ? EXIT_FAILED : EXIT_DONE;
}

int cmd_info(int argc, char **argv)
{
	struct options o;
	struct facts f;
	struct error e;
	int status = options_parse(&o, argc, argv, OPT_JSON, usage, &e);

	if (status)
		return status > 0 ? EXIT_DONE : report_error(&e);
	collect(&f);
	if (o.json)
		return show_json(&f);
	show(&f);
	return EXIT_DONE;
}
