// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/html_assets.h"

/* The assembler puts the file in, by the compiler's -I. */
#define ASSET(name, file)                                                                \
	extern const char name##_start[], name##_end[];                                  \
	__asm__(".section .rodata\n" #name "_start:\n.incbin \"" file "\"\n" #name       \
		"_end:\n.previous\n");                                                   \
	const struct html_asset name = { name##_start, name##_end }

ASSET(html_style, "user/render/page/page.css");
ASSET(html_script, "user/render/page/page.js");
ASSET(html_d3, FALLOW_D3);
ASSET(html_d3_licence, FALLOW_D3_LICENCE);
