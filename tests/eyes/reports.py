# SPDX-License-Identifier: MIT
"""copatch report: its figures, its file, hostile traces, and the page in a browser."""

import collections
import json
import os
import random
import re
import stat
import time

from harness import Skip, case, check, copatch
from traces import events, folder, traced

CAUSES = ["fd", "time", "queue", "helper", "signal"]
OWNED = "</script><script>document.title='owned'</script>\"'&\\"


def report(trace, page, expected=0):
    status, out, err = copatch("report", trace, "-o", page)
    check(status == expected and not out, status, out, err)
    return err


def figures(page):
    """Return what the page holds, and look whether it is one page still."""
    with open(page, encoding="utf-8") as file:
        text = file.read()
    check(text.count("<script") == 2 and text.count("</script>") == 2,
          "a script got in")
    check(not re.search(r"(src|href)\s*=|https?:", text), "not self-contained")
    found = re.search(r'id="data">(.*?)</script>', text, re.S)
    return json.loads(found.group(1))


def ns(microseconds):
    return round(microseconds * 1000)


def what(wait):
    """What a wait is for, in the page's words."""
    args = wait.get("args", {})
    if "fd" in args:
        more = f" and {args['more']} more" if "more" in args else ""
        return f"{wait['name']} fd {args['fd']}{more}"
    return wait["name"] + (f" at {args['word']}" if "word" in args else "")


def check_figures(data, trace):
    """What the page says is what the trace says, summed up another way."""
    runs = [e for e in trace if e["ph"] == "X"]
    check(data["runs"] == len(runs), data["runs"], len(runs))
    check(data["ran"] == sum(ns(e["dur"]) for e in runs), data["ran"])
    check(sum(n for n, _ in data["steps"]) == len(runs), data["steps"])
    steps = collections.defaultdict(list)
    for e in runs:
        steps[ns(e["dur"]).bit_length()].append(ns(e["dur"]))
    for i, (n, total) in enumerate(data["steps"]):
        check((n, total) == (len(steps[i]), sum(steps[i])), "step", i, n, total)
    begun, waits = {}, collections.Counter()
    count = 0
    for e in trace:
        if e["ph"] == "B":
            begun[e["tid"]] = e
        elif e["ph"] == "E":
            begin = begun.pop(e["tid"])
            waits[e["tid"], begin["cat"]] += ns(e["ts"]) - ns(begin["ts"])
            count += 1
    end = max(ns(e["ts"]) + ns(e.get("dur", 0)) for e in trace if "ts" in e)
    for e in begun.values():    # it waits still
        waits[e["tid"], e["cat"]] += end - ns(e["ts"])
    check(data["waits"] == count + len(begun), data["waits"], count)
    still = {(e["tid"], what(e)) for e in begun.values()}
    tids, names = [t[0] for t in data["threads"]], [w[1] for w in data["whats"]]
    check({(tids[p[0]], names[p[1]]) for p in data["pairs"] if p[5]} == still,
          "who still waits", still)
    begun, pairs = {}, collections.defaultdict(list)
    for e in [*trace, *({"ph": "E", "tid": e["tid"], "ts": end / 1000}
                        for e in trace if e["ph"] == "M" and "tid" in e)]:
        if e["ph"] == "B":
            begun[e["tid"]] = e
        elif e["ph"] == "E" and e["tid"] in begun:
            b = begun.pop(e["tid"])
            pairs[b["tid"], what(b)].append(ns(e["ts"]) - ns(b["ts"]))
    found = {(tids[p[0]], names[p[1]]): p[2:5] for p in data["pairs"]}
    check(set(found) == set(pairs), "pairs", set(found) ^ set(pairs))
    for key, took in pairs.items():
        told = found[key]
        check(told[0] == len(took) and abs(told[1] - sum(took)) <= 2 * len(took) and
              abs(told[2] - max(took)) <= 2, "pair", key, told, took)
    for w in data["whats"]:
        of = [p for p in data["pairs"] if names[p[1]] == w[1]]
        check(w[2:] == [sum(p[2] for p in of), sum(p[3] for p in of),
                        max(p[4] for p in of), len(of)], "what", w, of)
    threads = {t[0]: t for t in data["threads"]}
    for (tid, cause), total in waits.items():
        check(abs(threads[tid][8 + CAUSES.index(cause)] - total) <= 2,
              tid, cause, total, threads[tid])
    own = collections.Counter(e["tid"] for e in runs)
    for tid, thread in threads.items():
        check(thread[4] == own[tid], "runs of", tid, thread, own[tid])
    check(sum(p[2] for p in data["pairs"]) == data["waits"], "pairs")
    check(sum(w[2] for w in data["whats"]) == data["waits"], "whats")
    check(not data["bad"] and not data["untold"], "lines left out")


@case
def report_says_what_the_trace_says():
    with folder() as where:
        path = traced(where)[0]
        report(path, f"{where}/r.html")
        check(stat.S_IMODE(os.stat(f"{where}/r.html").st_mode) == 0o600, "mode")
        data, trace = figures(f"{where}/r.html"), events(path)
        check_figures(data, trace)
        check(len(data["spans"]) == data["runs"] and not data["merged"], "spans")
        whats = {w[1] for w in data["whats"]}
        check(any(re.fullmatch(r"read fd \d+", w) for w in whats), whats)
        check("fsync" in whats and any(w.startswith("futex at ") for w in whats),
              whats)
        # The same file again takes its own place.
        report(path, f"{where}/r.html")


@case
def report_of_a_large_trace_is_bounded():
    with folder() as where:
        made(f"{where}/t.json", 105, 1000)
        report(f"{where}/t.json", f"{where}/r.html")
        data, trace = figures(f"{where}/r.html"), events(f"{where}/t.json")
        check_figures(data, trace)
        check(0 < len(data["spans"]) <= 100000 and data["merged"], "spans")
        busy = sum(s[4] if len(s) > 4 else s[2] for s in data["spans"])
        check(busy == data["ran"], "merged spans lost time", busy, data["ran"])


def made(path, threads, rounds):
    """Write a trace as the library would, of so many threads."""
    rng = random.Random(1)
    now = {i: 1e6 + rng.random() * 1000 for i in range(threads)}
    lines = []
    for i in range(threads):
        name = OWNED if i == 3 else f"worker-{i}"
        lines.append({"ph": "M", "pid": 9, "tid": 100 + i, "name": "thread_name",
                      "args": {"name": name}})
    for k in range(rounds):
        for i in range(threads):
            track = {"pid": 9, "tid": 100 + i}
            begin = round(now[i], 3)
            if k:
                lines.append({"ph": "E", **track, "ts": begin})
            dur = round(rng.random() * 5, 3)
            lines.append({"ph": "X", **track, "ts": begin, "dur": dur,
                          "name": "run"})
            end = round(begin + dur, 3)
            lines.append({"ph": "B", **track, "ts": end, "cat": "fd",
                          "name": "read", "args": {"fd": 10 + i % 7}})
            now[i] = end + rng.random() * 400
    with open(path, "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(
            json.dumps(line, separators=(",", ":")) for line in lines) + "\n]\n")


@case
def report_refuses_what_it_should():
    with folder() as where:
        path = traced(where)[0]
        os.symlink(f"{where}/victim", f"{where}/link.html")
        err = report(path, f"{where}/link.html", 125)
        check("not a regular file" in err and err.count("\n") == 1, err)
        check(not os.path.lexists(f"{where}/victim"), "through a link")
        with open(f"{where}/none.json", "w", encoding="utf-8") as file:
            file.write('{"hello": [1, 2]}\n')
        for args in ((f"{where}/none.json", "-o", f"{where}/r.html"),
                     (f"{where}/nothing", "-o", f"{where}/r.html"),
                     (where, "-o", f"{where}/r.html"), (path,),
                     ("-o", f"{where}/r.html"), (path, "-o"),
                     (path, path, "-o", f"{where}/r.html"), (path, "-x"),
                     (path, "-o", f"{where}/none/r.html")):
            status, out, err = copatch("report", *args)
            check(status == 125 and not out and err.count("\n") == 1,
                  args, status, out, err)
            check(err.startswith("copatch: "), err)
        check(not os.path.exists(f"{where}/r.html"), "a page of nothing")


@case
def report_of_a_hostile_trace_is_harmless():
    rng = random.Random(2)
    with folder() as where:
        path = traced(where)[0]
        with open(path, "rb") as file:
            good = file.read()
        for i in range(60):
            bad = bytearray(good)
            for _ in range(rng.randrange(1, 40)):
                at = rng.randrange(len(bad))
                if i % 3 == 0:
                    bad[at] = rng.randrange(256)
                elif i % 3 == 1:
                    del bad[at:at + rng.randrange(300)]
                else:
                    bad[at:at] = rng.choice(
                        [b'"', b"}", b"{", b"9" * 30, b"\\u0000", b"\0",
                         b"</script>", b"[" * 2000, b'"tid":1e9'])
            with open(f"{where}/bad.json", "wb") as file:
                file.write(bad)
            status, _, err = copatch("report", f"{where}/bad.json", "-o",
                                     f"{where}/r.html")
            check(status in (0, 125), "status", status, err)
            if status == 0:
                figures(f"{where}/r.html")


def browser(where):
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError as error:
        raise Skip(f"no selenium: {error}") from error
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu",
                     "--disable-dev-shm-usage", "--window-size=1300,1400",
                     f"--user-data-dir={where}/profile"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = "/usr/bin/chromium"
    for attempt in range(3):        # a busy machine is late, not unable
        try:
            return webdriver.Chrome(service=Service("/usr/bin/chromedriver"),
                                    options=options)
        except Exception as error:  # whatever keeps it from starting
            why = str(error).splitlines()[0]
            time.sleep(attempt)
    raise Skip(f"chromium does not start: {why}")


class Page:
    def __init__(self, driver, path):
        self.driver = driver
        driver.get("file://" + path)
        self.js("return document.body.dataset.ready === 'yes' || "
                "Promise.reject('not ready')")

    def js(self, script):
        return self.driver.execute_script(script)

    def text(self, name):
        return self.js(f"return document.getElementById('{name}').textContent")

    def lines(self, table):
        return self.js(f"return [...document.querySelectorAll('#{table} tbody "
                       "tr')].map(r => [...r.cells].map(c => c.textContent))")

    def click(self, selector, x=None, y=None):
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.by import By
        element = self.driver.find_element(By.CSS_SELECTOR, selector)
        actions = ActionChains(self.driver)
        if x is None:
            actions.move_to_element(element)
        else:
            actions.move_to_element_with_offset(
                element, x - element.size["width"] // 2,
                y - element.size["height"] // 2)
        actions.click().perform()

    def wheel(self, x, y, by, shift=False):
        before = self.text("range")
        self.js("const c = document.getElementById('timeline'), "
                "b = c.getBoundingClientRect(); c.dispatchEvent(new WheelEvent("
                f"'wheel', {{deltaY: {by}, shiftKey: {str(shift).lower()}, "
                f"clientX: b.left + {x}, clientY: b.top + {y}, bubbles: true, "
                "cancelable: true}))")
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if self.text("range") != before:
                return
        check(False, "the wheel changes nothing:", before)

    def colors(self):
        """How many colors the timeline shows right of the names."""
        return self.js(
            "const c = document.getElementById('timeline'), "
            "d = c.getContext('2d').getImageData(180, 30, c.width - 190, "
            "c.height - 40).data, s = new Set(); for (let i = 0; i < d.length; "
            "i += 4) s.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); "
            "return s.size")

    def at(self, moment, length, aside):
        """What the first line of the timeline tells there, and its color."""
        tip, color = self.js(
            "const c = document.getElementById('timeline'), b = c.getBoundingClientRect(), "
            f"x = 170 + {moment / length} * (b.width - 170) + {aside}, "
            "y = 22 + 8, d = window.devicePixelRatio || 1; "
            "c.dispatchEvent(new PointerEvent('pointermove', {clientX: b.left + x, "
            "clientY: b.top + y, bubbles: true})); "
            "return [document.getElementById('tip').textContent, [...c.getContext('2d')"
            ".getImageData(Math.floor(x * d), Math.floor(y * d), 1, 1).data].slice(0, 3)]")
        return tip.split("\n"), color

    def picture(self, name):
        """Keep what it looks like, for people: TEST_PICTURES=FOLDER."""
        keep = os.environ.get("TEST_PICTURES")
        if keep:
            self.driver.save_screenshot(os.path.join(keep, name))


def is_amount(text, nanoseconds):
    """Whether "1.23 ms" stands for so many, to its last digit."""
    if not text:
        return nanoseconds == 0
    number, unit = text.split(" ")
    scale = {"ns": 1, "\u00b5s": 1e3, "ms": 1e6, "s": 1e9}[unit]
    digits = len(number.partition(".")[2])
    return abs(float(number) * scale - nanoseconds) <= 0.51 * scale / 10**digits


def check_shown(page, data):
    """The tables, the histogram and the timeline, against the figures in the page."""
    number = {f"{t[1]} {t[0]}": i for i, t in enumerate(data["threads"])}
    rows = page.lines("threads")
    check(len(rows) == len(data["threads"]), rows)
    for row in rows:
        t = data["threads"][number[row[0]]]
        check(row[1] == (str(t[6]) if t[6] else "") and is_amount(row[2], t[2]) and
              is_amount(row[3], t[3] - t[2]) and row[4] == f"{t[4]:,}" and
              is_amount(row[5], t[5]) and
              all(is_amount(text, n) for text, n in zip(row[6:], t[8:])), row, t)
    pairs = {(p[0], data["whats"][p[1]][1]): p for p in data["pairs"]}
    for row in page.lines("waits"):
        p = pairs.pop((number[row[0]], row[1]))
        check(row[2] == "descriptor" and row[3] == f"{p[2]:,}" and
              is_amount(row[4], p[3]) and is_amount(row[5], p[3] / p[2]) and
              is_amount(row[6], p[4]) and row[7] == ("still waits" if p[5] else ""),
              row, p)
    check(not pairs, "not shown:", pairs)

    cells = page.js("return [...document.getElementById('steps').children].map("
                    "c => c.textContent || c.style.width)")
    steps = [(i, n, total) for i, (n, total) in enumerate(data["steps"])]
    used = [i for i, n, _ in steps if n]
    steps = steps[used[0]:used[-1] + 1]
    check(len(cells) == 4 * len(steps), cells)
    for (i, n, total), (span, bar, times, total_shown) in zip(
            steps, zip(*[iter(cells)] * 4)):
        low, high = span.split(" to ")
        check(is_amount(low, 2**(i - 1) if i else 0) and is_amount(high, 2**i), span, i)
        check(abs(float(bar[:-1]) - 100 * n / max(n for _, n, _ in steps)) < 0.1, bar)
        check(times == f"{n:,} runs" and is_amount(total_shown[:-7], total), times)

    # The first line is the thread that began first: its longest run, and its longest wait.
    first = min(range(len(data["threads"])), key=lambda i: data["threads"][i][2])
    spans = [s for s in data["spans"] if s[0] == first]
    waits = [(a[1] + a[2], b[1] - a[1] - a[2], a[3]) for a, b in zip(spans, spans[1:])]
    _, begin, length, _ = max(spans, key=lambda s: s[2])
    for aside in (0, -1, 1):    # a pixel is half a run; pointers have whole ones
        tip, color = page.at(begin + length / 2, data["length"], aside)
        if tip[1].startswith("runs "):
            break
    check(tip[0] == [name for name, i in number.items() if i == first][0], tip)
    check(tip[1].startswith("runs ") and is_amount(tip[1][5:], length), tip, length)
    check(color[2] > color[0] + 30, "a run looks like", color)
    begin, length, what_for = max(waits, key=lambda w: w[1])
    tip, color = page.at(begin + length / 2, data["length"], 0)
    text = data["whats"][what_for][1]
    check(tip[1].startswith(f"waits: {text} (descriptor) ") and
          is_amount(tip[1].partition(") ")[2], length), tip, length)
    check(color == [0x9e, 0xd3, 0xa9], "a wait looks like", color)


def look(driver, where, threads):
    made(f"{where}/t.json", threads, 5)
    report(f"{where}/t.json", f"{where}/r.html")
    page = Page(driver, f"{where}/r.html")
    check(driver.title == "copatch report", "title", driver.title)
    check(page.text("summary").startswith(f"{threads:,} threads, "
                                          f"{threads * 5:,} runs"),
          page.text("summary"))
    check(page.colors() > 3, "nothing is drawn")
    check(f"{threads:,} of {threads:,} threads" in page.text("range"),
          page.text("range"))
    if threads <= 100:
        check_shown(page, figures(f"{where}/r.html"))
    page.picture(f"report-{threads}.png")

    # The hostile name is shown, and nothing else.
    driver.find_element("id", "filter").send_keys(OWNED[:9])
    check(len(page.lines("threads")) == 1 and OWNED in
          page.lines("threads")[0][0], page.lines("threads"))
    driver.find_element("id", "filter").clear()
    driver.find_element("id", "filter").send_keys("worker-7")
    found = len(page.lines("threads"))
    check(found == min(300, sum(str(i).startswith("7")
                                for i in range(threads))), found)
    # The only row that is left lies on top.
    page.click("#timeline", 400, 22 + 4)
    check("worker-7" in page.text("picked"), page.text("picked"))
    check(len(page.lines("waits")) == 1, page.lines("waits"))
    page.click("#timeline", 400, 22 + 4)
    check(page.text("picked") == "", page.text("picked"))
    page.js("const f = document.getElementById('filter'); f.value = ''; "
            "f.dispatchEvent(new Event('input'))")

    # Sorting: by "times", then the other way round.
    page.click("#waits th:nth-child(4)")
    times = [int(line[3].replace(",", "")) for line in page.lines("waits")]
    check(times == sorted(times, reverse=True), times[:5])
    page.click("#waits th:nth-child(1)")
    names = [line[0] for line in page.lines("waits")]
    check(len(names) == min(300, threads) and names == sorted(names), names[:5])
    page.js("const g = document.getElementById('group'); g.value = 'whats'; "
            "g.dispatchEvent(new Event('change'))")
    check(len(page.lines("waits")) == 7, page.lines("waits"))
    check(sum(int(line[3].replace(",", "")) for line in page.lines("waits"))
          == threads * 5, page.lines("waits"))

    page.wheel(600, 200, -600)
    check(page.colors() > 2, "nothing is drawn when zoomed in")
    if threads > 100:
        for _ in range(12):
            page.wheel(600, 200, -300, shift=True)
        check(page.colors() > 2, "nothing is drawn in the middle")
        page.picture(f"report-{threads}-closer.png")
    page.click("#all")
    errors = [e for e in driver.get_log("browser") if e["level"] == "SEVERE"]
    check(not errors, errors)
    check(driver.title == "copatch report", "a name ran as a script")


@case
def report_in_a_browser():
    with folder() as where:
        driver = browser(where)
        try:
            driver.set_script_timeout(20)
            for threads in (10, 10000):
                look(driver, where, threads)
        finally:
            driver.quit()
