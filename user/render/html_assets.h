/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are part of the program, for pages to be made of. */
#ifndef FALLOW_HTML_ASSETS_H
#define FALLOW_HTML_ASSETS_H

struct html_asset {
	const char *start, *end;
};

extern const struct html_asset html_style, html_script;

/* D3 (d3js.org), minified, and its licence, of which no line ends a comment. */
extern const struct html_asset html_d3, html_d3_licence;

#endif
