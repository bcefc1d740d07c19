// SPDX-License-Identifier: GPL-2.0-or-later
/* Draws what html.c put beside it. What comes from the process is set as text, never as HTML. */
"use strict";
(() => {
const snapshot = JSON.parse(document.getElementById("snapshot").textContent);
let looks = [];
const by_time = d3.bisector(l => l.time);
const page = d3.select("#page");

/*
 * Each class has a colour of its own (those of Okabe and Ito, which people with any colour
 * vision tell apart) and a hatch of its own, for the classes that share a colour, and for
 * paper.
 */
const LOOK = {
	"heap.used": ["#0072b2", 0], "heap.returnable": ["#d55e00", 1],
	"heap.held": ["#e69f00", 2], "heap.metadata": ["#56b4e9", 3],
	"heap.unread": ["#8a8a8a", 4], "anon.other": ["#cc79a7", 5],
	"stack.live": ["#009e73", 0], "stack.dead": ["#009e73", 1],
	"file.clean": ["#f0e442", 0], "file.dirty": ["#f0e442", 2], "shmem": ["#555555", 3],
};
const HATCHES = ["", "M0,8L8,0M-2,2L2,-2M6,10L10,6", "M0,0L8,8M6,-2L10,2M-2,6L2,10",
		 "M0,4H8", "M4,0V8", "M4,4h.1"];
const CLASSES = snapshot.ledger.map(line => line.class);

function bytes(n) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
	let i = 0, v = n;

	if (n === null || n === undefined)
		return "unknown";
	while (Math.abs(v) >= 1023.95 && i < units.length - 1) {
		v /= 1024;
		i++;
	}
	return `${i ? v.toFixed(1) : v} ${units[i]}`;
}

function sum(list) {
	return list.reduce((a, b) => a + b, 0);
}

function look_of(name) {
	return LOOK[name] || ["#777777", 0];
}

function define_hatches(svg) {
	const defs = svg.append("defs");

	for (const name of CLASSES) {
		const [colour, hatch] = look_of(name);
		const p = defs.append("pattern").attr("id", id_of(svg, name))
			.attr("width", 8).attr("height", 8)
			.attr("patternUnits", "userSpaceOnUse");

		p.append("rect").attr("width", 8).attr("height", 8).attr("fill", colour);
		p.append("path").attr("d", HATCHES[hatch]).attr("fill", "none")
			.attr("stroke", "#000").attr("stroke-width", hatch === 5 ? 3 : 1.2)
			.attr("stroke-linecap", "round");
	}
}

function id_of(svg, name) {
	return `${svg.attr("id")}-${name.replace(".", "-")}`;
}

function fill_of(svg, name) {
	return `url(#${id_of(svg, name)})`;
}

function section(title, about) {
	const s = page.append("section");

	s.append("h2").text(title);
	if (about)
		s.append("p").attr("class", "soft").text(about);
	return s;
}

/* A number for people, with the bytes for those who want them, and for scripts. */
function show_bytes(cell, n) {
	cell.attr("class", "number").text(bytes(n));
	if (n !== null && n !== undefined)
		cell.attr("title", `${n.toLocaleString("en")} bytes`).attr("data-bytes", n);
}

function heading() {
	const p = snapshot.process;

	document.title = `fallow: ${p.comm} ${p.pid}`;
	page.append("h1").text(`${p.comm}  pid ${p.pid}  RSS ${bytes(p.rss_bytes)}`)
		.attr("id", "rss").attr("data-bytes", p.rss_bytes);
	page.append("p").attr("class", "soft").text(
		[`${snapshot.host}, Linux ${snapshot.kernel}`, snapshot.time,
		 `swapped ${bytes(p.swap_bytes)}`, `${p.threads} thread${p.threads === 1 ? "" : "s"}`,
		 `page facts by ${snapshot.source}`, p.cgroup && `cgroup ${p.cgroup}`].filter(t => t).join(" · "));
	for (const w of snapshot.warnings)
		page.append("p").text(`Note: ${w}`);
}

function verdicts() {
	const s = section("What it means");

	for (const v of snapshot.verdicts) {
		const box = s.append("div").attr("class", "verdict").attr("data-id", v.id);

		box.append("h3").text(`${v.id} (${v.confidence}): ${bytes(v.bytes)}`);
		const list = box.append("ul");
		for (const e of v.evidence)
			list.append("li").text(e);
		for (const a of v.advice) {
			const most = a.at_most ? "at most " : "";
			const gives = a.gives_back_bytes === null ? "" :
				` — gives back ${most}${bytes(a.gives_back_bytes)}`;

			list.append("li").attr("class", "advice").text(a.text + gives);
		}
	}
}

function ledger() {
	const s = section("The ledger", "Each resident page is in one line; they add up to RSS.");
	const idle = snapshot.idle_ns !== null;
	const table = s.append("div").attr("class", "wide").append("table").attr("id", "ledger");
	const names = ["class", "resident", "swapped", ...(idle ? ["idle"] : []), "share of RSS", ""];

	table.append("thead").append("tr").selectAll("th").data(names).join("th")
		.attr("scope", "col").attr("class", (d, i) => i ? "number" : null).text(d => d);
	const rows = table.append("tbody").selectAll("tr")
		.data(snapshot.ledger.filter(l => l.resident_bytes || l.swapped_bytes)).join("tr");
	rows.append("td").text(l => l.class);
	rows.each(function (l) {
		const row = d3.select(this);

		show_bytes(row.append("td"), l.resident_bytes);
		show_bytes(row.append("td"), l.swapped_bytes);
		if (idle)
			show_bytes(row.append("td"), l.idle_bytes);
		const share = snapshot.process.rss_bytes ?
			l.resident_bytes / snapshot.process.rss_bytes : 0;
		row.append("td").attr("class", "number").text(`${(share * 100).toFixed(1)} %`);
		const svg = row.append("td").attr("class", "bar").append("svg")
			.attr("id", `bar-${l.class.replace(".", "-")}`).attr("height", 16)
			.attr("aria-hidden", true);
		define_hatches(svg);
		svg.append("rect").attr("height", 16).attr("width", `${share * 100}%`)
			.attr("fill", fill_of(svg, l.class));
	});
	const total = table.append("tfoot").append("tr");
	total.append("th").attr("scope", "row").text("RSS");
	show_bytes(total.append("th"), sum(snapshot.ledger.map(l => l.resident_bytes)));
	show_bytes(total.append("th"), snapshot.process.swap_bytes);
	total.append("th").attr("colspan", idle ? 3 : 2);
}

/*
 * Something that is drawn along x, in a frame that zooms by wheel, by dragging, and by
 * keys. @draw(x, svg) draws for a scale; @base makes that scale for a width.
 */
function zoomable(s, id, label, height, base, draw) {
	const svg = s.append("svg").attr("id", id).attr("height", height).attr("tabindex", 0)
		.attr("role", "img").attr("aria-label",
			`${label} Arrow keys move, plus and minus zoom, 0 shows all.`);
	const PAPER = 720;
	let transform = d3.zoomIdentity, drawn = 0;
	const width = () => svg.node().getBoundingClientRect().width || 900;
	/* What is in view stays so where it is drawn wider, or less wide. */
	const scaled = w => d3.zoomIdentity.translate(transform.x * w / drawn, 0)
		.scale(transform.k);

	function redraw() {
		drawn = width();
		svg.attr("viewBox", `0 0 ${drawn} ${height}`);
		draw(transform.rescaleX(base(drawn)), svg, drawn);
		svg.attr("data-zoom", transform.k.toFixed(3));
	}
	/* How wide the paper is, is not known yet: it is made to fit. */
	function redraw_for_paper() {
		svg.attr("viewBox", `0 0 ${PAPER} ${height}`);
		draw(scaled(PAPER).rescaleX(base(PAPER)), svg, PAPER);
	}
	const zoom = d3.zoom().scaleExtent([1, 1e6]).on("zoom", event => {
		transform = (event && event.transform ? event : d3.event).transform;
		redraw();
	});
	function limits() {
		zoom.extent([[0, 0], [width(), height]])
			.translateExtent([[0, 0], [width(), height]]);
	}
	limits();
	svg.call(zoom);
	svg.on("keydown.zoom", null);
	svg.node().addEventListener("keydown", event => {
		const step = width() / 5 / transform.k;

		switch (event.key) {
		case "+": case "=": zoom.scaleBy(svg, 1.5); break;
		case "-": zoom.scaleBy(svg, 1 / 1.5); break;
		case "ArrowLeft": zoom.translateBy(svg, step, 0); break;
		case "ArrowRight": zoom.translateBy(svg, -step, 0); break;
		case "0": zoom.transform(svg, d3.zoomIdentity); break;
		default: return;
		}
		event.preventDefault();
	});
	window.addEventListener("resize", () => {
		limits();
		zoom.transform(svg, scaled(width()));
	});
	window.addEventListener("beforeprint", redraw_for_paper);
	window.addEventListener("afterprint", redraw);
	redraw();
	return { svg, x: () => transform.rescaleX(base(width())) };
}

/* Of looks that share a pixel, the one with the most RSS: peaks stay. */
function thin(list, x, width) {
	const [from, to] = x.domain().map(Number);
	const shown = list.slice(Math.max(0, by_time.left(list, from) - 1),
				 by_time.right(list, to) + 1);
	const best = new Map();

	if (shown.length <= width)
		return shown;
	for (const l of shown) {
		const pixel = Math.round(x(l.time));
		const old = best.get(pixel);

		if (!old || l.rss > old.rss)
			best.set(pixel, l);
	}
	return [...best.values()];
}

/* Some round sizes up to that one. */
function marks(most) {
	const step = 2 ** Math.ceil(Math.log2(most / 5));

	return d3.range(step, most, step);
}

function told_at(l) {
	return `${new Date(l.time).toISOString()}  RSS ${bytes(l.rss)}, live ${bytes(l.live)}: ` +
		CLASSES.map((name, c) => [l.resident[c], name]).filter(([n]) => n)
			.sort((a, b) => b[0] - a[0]).map(([n, name]) => `${name} ${bytes(n)}`)
			.join(", ");
}

function timeline() {
	const HEIGHT = 300, FOOT = 24, TOP = 8;

	if (looks.length < 2)
		return;
	const s = section("Over time", `${looks.length.toLocaleString("en")} looks, by UTC. ` +
		"Classes are stacked up to RSS; dashed: live bytes of the heaps.");
	const time = d3.extent(looks, l => l.time);
	const y = d3.scaleLinear().domain([0, d3.max(looks, l => l.rss) || 1])
		.range([HEIGHT - FOOT, TOP]);
	const stack = d3.stack().keys(d3.range(CLASSES.length))
		.value((l, c) => l.resident[c]);
	const frame = zoomable(s, "timeline", "Memory by class over time.", HEIGHT,
		width => d3.scaleUtc().domain(time).range([0, width]),
		(x, svg, width) => {
			const shown = thin(looks, x, width);

			svg.selectAll("*").remove();
			define_hatches(svg);
			svg.append("g").selectAll("path").data(stack(shown)).join("path")
				.attr("fill", d => fill_of(svg, CLASSES[d.key]))
				.attr("d", d3.area().x(d => x(d.data.time)).y0(d => y(d[0]))
					.y1(d => y(d[1])));
			svg.append("path").attr("fill", "none").attr("stroke", "var(--ink)")
				.attr("stroke-width", 2).attr("stroke-dasharray", "6 4")
				.attr("d", d3.line().defined(l => l.live !== null)
					.x(l => x(l.time)).y(l => y(l.live))(shown));
			svg.append("g").attr("class", "axis")
				.attr("transform", `translate(0,${HEIGHT - FOOT})`)
				.call(d3.axisBottom(x).ticks(Math.max(2, width / 140)));
			svg.append("g").attr("class", "axis")
				.call(d3.axisRight(y).tickValues(marks(y.domain()[1]))
					.tickFormat(bytes));
			svg.append("line").attr("class", "cross").attr("y1", TOP)
				.attr("y2", HEIGHT - FOOT).attr("stroke", "var(--ink)")
				.attr("visibility", "hidden");
		});
	const told = s.append("p").attr("class", "told").attr("id", "timeline-told")
		.attr("aria-live", "polite").text(told_at(looks[looks.length - 1]));
	frame.svg.node().addEventListener("mousemove", event => {
		const left = frame.svg.node().getBoundingClientRect().left;
		const at = frame.x().invert(event.clientX - left).getTime();
		const i = by_time.left(looks, at);
		const l = [looks[i - 1], looks[i]].filter(n => n)
			.sort((a, b) => Math.abs(a.time - at) - Math.abs(b.time - at))[0];

		told.text(told_at(l));
		frame.svg.select(".cross").attr("visibility", null)
			.attr("x1", frame.x()(l.time)).attr("x2", frame.x()(l.time));
	});
	legend(s, (name, c) => looks.some(l => l.resident[c]));
}

function legend(s, is_used) {
	const p = s.append("p").attr("class", "legend");

	for (const name of CLASSES.filter(is_used)) {
		const entry = p.append("span");
		const svg = entry.append("svg").attr("class", "swatch").attr("width", 18)
			.attr("height", 18).style("width", "18px")
			.attr("id", `legend-${legend.count = (legend.count || 0) + 1}`);

		define_hatches(svg);
		svg.append("rect").attr("width", 18).attr("height", 18)
			.attr("fill", fill_of(svg, name));
		entry.append("span").text(` ${name}`);
	}
}

/* Regions that have pages, and where each is if those without are left out. */
function placed() {
	let at = 0;

	return snapshot.regions.map((r, index) => {
		const here = sum(Object.values(r.classes)), from = at;

		at += here;
		return { r, index, from, to: at, here };
	}).filter(p => p.here);
}

/* Neighbours that share a pixel are drawn as one. */
function merged(list, x) {
	const out = [];

	for (const p of list) {
		const last = out[out.length - 1];

		if (last && x(p.to) - x(last.from) < 1) {
			for (const [name, n] of Object.entries(p.r.classes))
				last.classes[name] = (last.classes[name] || 0) + n;
			last.to = p.to;
			last.referenced += p.r.referenced_bytes || 0;
			last.more++;
			continue;
		}
		out.push({ ...p, classes: { ...p.r.classes }, more: 0,
			   referenced: p.r.referenced_bytes || 0 });
	}
	return out;
}

function told_of(p) {
	const what = p.more ? `${p.more + 1} mappings from ${p.r.start}` :
		`${p.r.start}-${p.r.end} ${p.r.perms} ${p.r.name || "anonymous"}`;

	return `${what}${p.r.owner ? ` (${p.r.owner})` : ""}: ` +
		Object.entries(p.classes).sort((a, b) => b[1] - a[1])
			.map(([name, n]) => `${name} ${bytes(n)}`).join(", ") +
		`; referenced lately ${bytes(p.referenced)}`;
}

function draw_map(x, svg, width, list) {
	const HIGH = 120, AGE = 16;
	const [from, to] = x.domain();
	const shown = merged(list.filter(p => p.to > from && p.from < to), x);

	svg.selectAll("*").remove();
	define_hatches(svg);
	for (const p of shown) {
		const g = svg.append("g").attr("class", "region").datum(p);
		const w = Math.max(1, x(p.to) - x(p.from) - (x(p.to) - x(p.from) > 4 ? 1 : 0));
		const here = sum(Object.values(p.classes));
		let y = 0;

		for (const name of CLASSES.filter(n => p.classes[n])) {
			const high = HIGH * p.classes[name] / here;

			g.append("rect").attr("x", x(p.from)).attr("y", y).attr("width", w)
				.attr("height", high).attr("fill", fill_of(svg, name));
			y += high;
		}
		g.append("rect").attr("class", "age").attr("x", x(p.from)).attr("y", HIGH + 4)
			.attr("width", w).attr("height", AGE).attr("fill", "var(--ink)")
			.attr("fill-opacity", .08 + .92 * Math.min(1, p.referenced / here));
	}
}

function address_map() {
	const list = placed();

	if (!list.length)
		return;
	const s = section("The address space", "From low addresses on the left to high ones; a " +
		"mapping is as wide as what it has in memory. Heights are shares of classes. The " +
		"lower strip is dark where it was referenced lately, as far as the kernel noticed.");
	const total = list[list.length - 1].to;
	const frame = zoomable(s, "map", "Mappings by class.", 144,
		width => d3.scaleLinear().domain([0, total]).range([0, width]),
		(x, svg, width) => draw_map(x, svg, width, list));
	const told = s.append("p").attr("class", "told screen").attr("id", "map-told")
		.attr("aria-live", "polite").text("Point at a mapping, or click it to find its row.");
	const under = event => {
		const left = frame.svg.node().getBoundingClientRect().left;
		const at = frame.x().invert(event.clientX - left);

		return list[d3.bisector(p => p.to).right(list, at)];
	};
	frame.svg.node().addEventListener("mousemove", event => {
		const p = under(event);

		if (p)
			told.text(told_of({ ...p, classes: p.r.classes, more: 0,
					    referenced: p.r.referenced_bytes }));
	});
	frame.svg.node().addEventListener("click", event => {
		const p = under(event);

		if (p && !event.defaultPrevented)
			regions.find(p.index);
	});
	legend(s, name => list.some(p => p.r.classes[name]));
}

/* A table that sorts by its headers. Columns are [name, value of a row, is bytes]. */
function sortable(where, id, columns, rows, limit) {
	const table = where.append("div").attr("class", "wide").append("table").attr("id", id);
	const heads = table.append("thead").append("tr").selectAll("th").data(columns)
		.join("th").attr("scope", "col").attr("class", c => c[2] ? "number" : null);
	const body = table.append("tbody");
	let order = null, falling = true, filter = () => true;

	function fill() {
		const list = rows.filter(filter);

		if (order)
			list.sort((a, b) => d3.ascending(order[1](a), order[1](b)) *
				(falling ? -1 : 1));
		body.selectAll("tr").remove();
		for (const r of list.slice(0, limit)) {
			const tr = body.append("tr").datum(r);

			for (const [, value, is_bytes] of columns)
				if (is_bytes)
					show_bytes(tr.append("td"), value(r));
				else
					tr.append("td").attr("class", "name")
						.text(value(r));
		}
		heads.attr("aria-sort", c => c !== order ? "none" :
			falling ? "descending" : "ascending");
		return list.length;
	}
	heads.append("button").text(c => c[0]).on("click", function () {
		const c = d3.select(this).datum();

		falling = c === order ? !falling : Boolean(c[2]);
		order = c;
		fill();
	});
	return { body, fill, sort: c => { order = c; falling = true; return fill(); },
		 filter: f => { filter = f; return fill(); } };
}

const COUNTS = [["mapped", "mapped_bytes"], ["resident", "resident_bytes"],
		["live", "live_bytes"], ["free", "free_bytes"], ["stranded", "stranded_bytes"],
		["returnable", "returnable_bytes"], ["held", "held_bytes"]];

function allocators() {
	const SHOWN = 300;

	snapshot.allocators.forEach((a, i) => {
		const s = section(`${a.name} ${a.version || ""}`.trim(),
			`${a.status}${a.reason ? `: ${a.reason}` : ""}. Live ` +
			`${bytes(a.live_bytes)}, free ${bytes(a.free_bytes)}, stranded ` +
			`${bytes(a.stranded_bytes)}, returnable ${bytes(a.returnable_bytes)}` +
			`${a.purge ? ` by ${a.purge}` : ""}.`);
		const columns = [["arena", r => r.kind], ["address", r => r.address || ""],
			...COUNTS.map(([name, key]) => [name, r => r[key], true])];

		if (sortable(s, `arenas-${i}`, columns, a.arenas, SHOWN).sort(columns[3]) > SHOWN)
			s.append("p").attr("class", "soft").text(
				`${SHOWN} of ${a.arenas.length} arenas are shown.`);
	});
}

function regions() {
	const SHOWN = 300;
	const columns = [["address", r => r.start], ["perms", r => r.perms],
		["size", r => r.size_bytes, true], ["resident", r => r.rss_bytes, true],
		["swapped", r => r.swap_bytes, true], ["dirty", r => r.dirty_bytes, true],
		["pinned", r => r.pinned_bytes, true], ["fallow", r => r.fallow_bytes, true],
		["owner", r => r.owner || ""], ["name", r => r.name || ""]];
	const s = section("Mappings");
	const bar = s.append("p").attr("class", "screen");
	const input = bar.append("label").text("Only those whose name, owner or address has ")
		.append("input").attr("id", "filter").attr("type", "search");
	const n = bar.append("span").attr("class", "soft").attr("id", "found");
	const table = sortable(s, "regions", columns, snapshot.regions, SHOWN);
	const tell = found => n.text(` ${found} found${found > SHOWN ?
		`, the first ${SHOWN} shown` : ""}`);

	input.node().addEventListener("input", () => {
		const text = input.node().value.toLowerCase();

		tell(table.filter(r => [r.name, r.owner, r.start, r.perms].some(
			t => t && t.toLowerCase().includes(text))));
	});
	tell(table.sort(columns[3]));
	regions.find = index => {
		input.node().value = snapshot.regions[index].start;
		input.node().dispatchEvent(new Event("input"));
		table.body.selectAll("tr").classed("marked", true);
		table.body.node().scrollIntoView({ block: "center" });
	};
}

/* Lets the browser draw, and answer, before what comes next. */
function breathe() {
	return new Promise(go_on => setTimeout(go_on));
}

/*
 * There may be hundreds of thousands, each on a line of its own. In order of time, which a
 * clock that was set back makes another than that in which they were taken.
 */
async function read_looks() {
	const AT_ONCE = 20000;
	const lines = document.getElementById("looks").textContent.slice(1, -1).split(",\n");
	const read = [];

	for (let i = 0; i < lines.length; i += AT_ONCE) {
		const some = JSON.parse(`[${lines.slice(i, i + AT_ONCE).join(",")}]`);

		for (const [time, rss, swap, live, stranded, resident] of some)
			read.push({ time, rss, swap, live, stranded, resident });
		await breathe();
	}
	looks = read.sort((a, b) => a.time - b.time);
}

async function draw_all() {
	for (const draw of [heading, verdicts, ledger, read_looks, timeline, address_map,
			    allocators, regions]) {
		await draw();
		await breathe();
	}
}
draw_all();
})();
