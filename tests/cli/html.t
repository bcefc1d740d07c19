#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of export --format=html in headless Chromium: its figures are those of JSON, and
over time those that SQLite has of a recording; it says no error, loads nothing, zooms and
answers to keys and pointer, and what a process is called stays text."""
import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.dont_write_bytecode = True
import heaplib
from tap import Tap

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait
except ImportError:
    webdriver = None

tap = Tap()
DRIVER = "/usr/bin/chromedriver"
FORGED = "</script><b>x"  # as a name of a process: 15 bytes at most


@contextlib.contextmanager
def browser():
    options = Options()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu",
                 "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(service=Service(DRIVER), options=options)
    driver.set_page_load_timeout(300)
    try:
        yield driver
    finally:
        driver.quit()


@contextlib.contextmanager
def target():
    """A heap with holes, and a name that would be HTML if somebody took it for that."""
    program = ("import ctypes, sys\n"
               "blocks = [bytearray(700) for _ in range(60000)]\n"
               "del blocks[::2]\n"
               f"ctypes.CDLL(None).prctl(15, {FORGED!r}.encode(), 0, 0, 0)\n"
               "print('ready', flush=True)\n"
               "sys.stdin.read()\n")
    with heaplib.Child(["/usr/bin/python3", "-c", program]) as child:
        child.process.stdout.readline()
        with child.stopped():
            yield child.pid


def export(what, path):
    return subprocess.run([heaplib.FALLOW, "export", str(what), "--format=html", "-o", path],
                          check=False).returncode


COLUMNS = ("time, rss, swap, live, stranded, heap_used, heap_returnable, heap_held, "
           "heap_metadata, heap_unread, anon_other, stack_live, stack_dead, file_clean, "
           "file_dirty, shmem")


def record(pid, path):
    """A recording, which is then made one of ten thousand looks."""
    subprocess.run([heaplib.FALLOW, "record", str(pid), "-o", path, "-i", "10ms", "--for=1s"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        names = [row[1] for row in db.execute("PRAGMA table_info(look)")]
        first = db.execute("SELECT min(id) FROM look").fetchone()[0]
        rest = ", ".join(name for name in names if name not in ("id", "time"))
        db.execute("DELETE FROM look WHERE id <> ?", (first,))
        db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
                   f"i < 9999) INSERT INTO look (id, time, {rest}) SELECT {first} + i, "
                   f"time + i * 1000, {rest} FROM look, n")
        # What SQL has of a look is what the page draws.
        db.execute("UPDATE look SET live = live + id % 1000, heap_used = heap_used + 4096 * "
                   "(id % 77), rss = rss + 4096 * (id % 77)")


def in_page(text, element):
    found = re.search(f'<script type="application/json" id="{element}">(.*?)</script>', text,
                      re.DOTALL)
    return json.loads(found.group(1))


def told(driver, selector):
    """Bytes of cells, in order."""
    return [int(e.get_attribute("data-bytes"))
            for e in driver.find_elements(By.CSS_SELECTOR, selector)]


def check_figures(driver, seen):
    shown = [line for line in seen["ledger"] if line["resident_bytes"] or
             line["swapped_bytes"]]
    tap.ok(told(driver, "#ledger tbody td:nth-child(2)") ==
           [line["resident_bytes"] for line in shown], "the ledger is that of JSON")
    tap.ok(told(driver, "#ledger tfoot th:nth-child(2)") == told(driver, "#rss") ==
           [seen["process"]["rss_bytes"]], "it adds up to RSS")
    rows = sorted((r["rss_bytes"] for r in seen["regions"]), reverse=True)
    tap.ok(told(driver, "#regions tbody td:nth-child(4)") == rows[:300],
           "mappings are those of JSON, biggest first")
    for i, allocator in enumerate(seen["allocators"]):
        arenas = sorted(a["resident_bytes"] for a in allocator["arenas"])
        tap.ok(sorted(told(driver, f"#arenas-{i} tbody td:nth-child(4)")) == arenas,
               f"arenas of {allocator['name']} are those of JSON")
    ids = [e.get_attribute("data-id")
           for e in driver.find_elements(By.CSS_SELECTOR, ".verdict")]
    tap.ok(ids == [v["id"] for v in seen["verdicts"]], "verdicts are those of JSON", ids)


def check_names(driver, seen):
    heading = driver.find_element(By.ID, "rss").text
    tap.ok(seen["process"]["comm"] == FORGED and FORGED in heading, "a name stays text",
           heading)
    tap.ok(not driver.find_elements(By.CSS_SELECTOR, "b"), "and makes no element")


def zoom_of(driver, element):
    return float(driver.find_element(By.ID, element).get_attribute("data-zoom"))


def check_zoom(driver, element):
    svg = driver.find_element(By.ID, element)
    svg.send_keys("+")
    tap.ok(zoom_of(driver, element) > 1, f"{element}: + zooms", zoom_of(driver, element))
    svg.send_keys(Keys.ARROW_RIGHT)
    svg.send_keys("0")
    tap.ok(zoom_of(driver, element) == 1, f"{element}: 0 shows all")
    driver.execute_script(
        "const b = arguments[0].getBoundingClientRect();"
        "arguments[0].dispatchEvent(new WheelEvent('wheel', { deltaY: -300, bubbles: true,"
        "cancelable: true, view: window, clientX: b.left + b.width / 2,"
        "clientY: b.top + 20 }));", svg)
    tap.ok(zoom_of(driver, element) > 1, f"{element}: the wheel zooms")
    svg.send_keys("0")


def check_pointer(driver):
    svg = driver.find_element(By.ID, "map")
    driver.execute_script("arguments[0].scrollIntoView({ block: 'center' })", svg)
    ActionChains(driver).move_to_element_with_offset(svg, 0, -20).perform()
    text = driver.find_element(By.ID, "map-told").text
    tap.ok(re.match(r"0x[0-9a-f]+-0x", text), "map: the pointer tells of a mapping", text)
    ActionChains(driver).click().perform()
    rows = driver.find_elements(By.CSS_SELECTOR, "#regions tbody tr")
    tap.ok(len(rows) == 1 and rows[0].text.split()[0] == text.split("-")[0],
           "map: a click finds the row", [r.text for r in rows][:3])


def check_table(driver, seen):
    field = driver.find_element(By.ID, "filter")
    field.clear()
    field.send_keys("python3")
    names = [e.text for e in
             driver.find_elements(By.CSS_SELECTOR, "#regions tbody td:last-child")]
    want = sum("python3" in (r["name"] or "") for r in seen["regions"])
    tap.ok(len(names) == want and all("python3" in n for n in names), "mappings: a filter",
           names)
    field.send_keys(Keys.BACKSPACE * 7)
    head = driver.find_element(By.CSS_SELECTOR, "#regions th:nth-child(3) button")
    head.send_keys(Keys.ENTER)
    sizes = told(driver, "#regions tbody td:nth-child(3)")
    tap.ok(sizes == sorted(sizes, reverse=True), "mappings: sorted by a key on a header")


def check_paper(driver):
    """Whatever the screen was like, paper is white, and nothing is cut off."""
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": [
        {"name": "prefers-color-scheme", "value": "dark"}]})
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": 720, "height": 1000, "deviceScaleFactor": 1,
                            "mobile": False})
    cut = driver.execute_script(
        "return [document.documentElement, ...document.querySelectorAll('main, .wide')]"
        ".filter(e => e.scrollWidth > 720).map(e => e.className)")
    colour = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    tap.ok(not cut and colour == "rgb(255, 255, 255)", "on paper", (cut, colour))
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    driver.execute_script("window.prints = []; for (const name of ['beforeprint', "
                          "'afterprint']) window.addEventListener(name, () => window.prints."
                          "push(document.getElementById('map').getAttribute('viewBox')))")
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": 1500, "height": 900, "deviceScaleFactor": 1,
                            "mobile": False})
    pdf = driver.execute_cdp_cmd("Page.printToPDF", {})["data"]
    boxes = driver.execute_script("return window.prints")
    tap.ok(len(pdf) > 10000 and len(boxes) == 2 and boxes[0].startswith("0 0 720 ") and
           not boxes[1].startswith("0 0 720 "), "it prints, drawn for paper meanwhile", boxes)


def check_layout(driver):
    for width in 420, 1500:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                               {"width": width, "height": 900, "deviceScaleFactor": 1,
                                "mobile": False})
        wide = driver.execute_script("return document.documentElement.scrollWidth")
        tap.ok(wide <= width, f"nothing sticks out of {width} pixels", wide)
    for scheme, is_dark in ("dark", True), ("light", False):
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": scheme}]})
        colour = driver.execute_script(
            "return getComputedStyle(document.body).backgroundColor")
        level = [int(n) for n in re.findall(r"\d+", colour)][:3]
        tap.ok((max(level) < 100) == is_dark, f"{scheme} mode", colour)
    check_paper(driver)


def check_recording(driver, pid, home):
    recording, path = os.path.join(home, "recording"), os.path.join(home, "over-time.html")
    record(pid, recording)
    with contextlib.closing(sqlite3.connect(recording)) as db:
        rows = [list(row) for row in db.execute(f"SELECT {COLUMNS} FROM look ORDER BY id")]
    tap.ok(export(recording + "@1", path) == 0 and one_look(path) == 1,
           "a recording up to its first look")
    tap.ok(export(recording, path) == 0, "a recording")
    with open(path, encoding="utf-8") as f:
        looks = in_page(f.read(), "looks")
    tap.ok([[*look[:5], *look[5]] for look in looks] == rows and len(rows) == 10000,
           "10,000 looks, as SQLite has them", (len(looks), looks[:1], rows[:1]))
    open_page(driver, path)
    told = driver.find_element(By.CSS_SELECTOR, "#timeline").find_element(
        By.XPATH, "..").text
    tap.ok("10,000 looks" in told, "all of them are on the page", told)
    check_zoom(driver, "timeline")
    svg = driver.find_element(By.ID, "timeline")
    driver.execute_script("arguments[0].scrollIntoView({ block: 'center' })", svg)
    ActionChains(driver).move_to_element(svg).perform()
    text = driver.find_element(By.ID, "timeline-told").text
    tap.ok(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z RSS [\d.]+ MiB, live", text),
           "timeline: the pointer tells of a look", text)


def one_look(path):
    with open(path, encoding="utf-8") as f:
        return len(in_page(f.read(), "looks"))


def open_page(driver, path):
    driver.get(f"file://{path}")
    WebDriverWait(driver, 300).until(
        lambda d: d.find_elements(By.CSS_SELECTOR, "#regions tbody tr"))


def main():
    with target() as pid, tempfile.TemporaryDirectory() as home:
        path = os.path.join(home, "page.html")
        tap.ok(export(pid, path) == 0, "a page is written")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        seen = in_page(text, "snapshot")
        now = heaplib.look(pid)
        tap.ok(seen["ledger"] == now["ledger"], "what is in it is what a report says")
        tap.ok(len(in_page(text, "looks")) == 1, "a live process is one look")
        if not webdriver or not os.access(DRIVER, os.X_OK):
            tap.skip("a browser shows it", "chromium and python3-selenium are not installed")
        else:
            with browser() as driver:
                open_page(driver, path)
                check_figures(driver, seen)
                check_names(driver, seen)
                check_zoom(driver, "map")
                check_pointer(driver)
                check_table(driver, seen)
                check_layout(driver)
                check_recording(driver, pid, home)
                log = driver.get_log("browser")
                tap.ok(not log, "no word on the console", log)
    tap.done()


main()
