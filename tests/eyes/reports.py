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
                                     f"{where}/r.html", seconds=10)
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
        for _ in range(200):
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

    def picture(self, name):
        """Keep what it looks like, for people: TEST_PICTURES=FOLDER."""
        keep = os.environ.get("TEST_PICTURES")
        if keep:
            self.driver.save_screenshot(os.path.join(keep, name))


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
