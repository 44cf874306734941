#!/usr/bin/env python3
"""The report as a browser shows it: on a desk, on a phone, in the dark, on paper. Skipped (77) without Chromium or
gnuplot.

    test_report.py TEST_REPORT [FOLDER]    TEST_REPORT: the program of test_report.c, which writes the pages
                                           FOLDER: where pages and pictures are kept; a temporary one without it

One browser is spoken to through a pipe (Chrome DevTools Protocol). A page must ask for nothing beside itself, complain
of nothing, scroll sideways nowhere, and show its plots' words whole, apart from each other and readable on either
ground. Prints `ok N - name` lines, and writes them to $CK_TAP_LOG_FILE_NAME.
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60
REASON = "steps (measured: "  # of its first sentence
# name, width, height, color scheme
VIEWS = (("desktop", 1280, 900, "light"), ("phone", 360, 740, "light"), ("dark", 1280, 900, "dark"))

LOOK = r"""
(() => {
  const wrong = [], page = document.documentElement, wide = page.clientWidth; // innerWidth grows on a phone
  const say = (what, node) => wrong.push(what + (node ? ": " + (node.textContent || node.nodeName).trim().slice(0, 60)
  : "")); const light = (color) => {
    const parts = color.match(/[\d.]+/g).slice(0, 3).map((v) => {
      v /= 255;
      return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const contrast = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const ground = getComputedStyle(document.body).backgroundColor;
  const paper = matchMedia("print").matches, dark = !paper && matchMedia("(prefers-color-scheme: dark)").matches;
  if ((light(ground) < 0.2) !== dark) say("the ground is " + ground);
  if (page.scrollWidth > wide) say(`the page is ${page.scrollWidth} wide, the window ${wide}`);
  for (const node of document.querySelectorAll("main *, footer")) {
    if (node.closest("svg") || (!paper && node.closest(".scroll *"))) continue;
    const box = node.getBoundingClientRect();
    if (box.width && (box.right > wide + 1 || box.left < -1)) say("beyond the window's edge", node);
  }
  for (const node of document.querySelectorAll("h1,h2,h3,p,dt,dd,td,th,summary,code,.verdict")) {
    const own = getComputedStyle(node);
    let under = node, back = ground;
    for (; under; under = under.parentElement) {
      const color = getComputedStyle(under).backgroundColor;
      if (!/, 0\)$/.test(color)) { back = color; break; }
    }
    if (contrast(own.color, back) < 4.5) say("hard to read, " + own.color + " on " + back, node);
  }
  const pictures = [...document.querySelectorAll("svg")];
  for (const svg of pictures) {
    const frame = svg.getBoundingClientRect(), texts = [...svg.querySelectorAll("text")].filter((t) =>
    t.textContent.trim()); const name = svg.getAttribute("aria-label"); if (svg.getAttribute("role") !== "img" || !name
    || !svg.querySelector("title") || !svg.querySelector("desc"))
      say("a picture without words", svg.closest("section"));
    if (frame.width < Math.min(300, wide - 60) || frame.height < 150) say(name + ": a small picture");
    if (texts.length < 5) say(name + ": few words");
    const boxes = texts.map((t) => t.getBoundingClientRect());
    texts.forEach((t, i) => {
      const a = boxes[i];
      if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1 || a.bottom > frame.bottom + 1)
        say(name + ": cut off", t);
      for (let k = 0; k < i; k++) {
        const b = boxes[k], x = Math.min(a.right, b.right) - Math.max(a.left, b.left),
              y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (x > 1 && y > 0.35 * Math.min(a.height, b.height)) say(name + ": over '" + texts[k].textContent.trim() +
        "'", t);
      }
      const fill = getComputedStyle(t).fill;
      if (contrast(fill, ground) < 4.5) say(name + ": hard to read, " + fill, t);
    });
    for (const line of svg.querySelectorAll("path,polygon,use")) {
      const own = getComputedStyle(line), stroke = own.stroke;
      if (stroke.startsWith("rgb(") && contrast(stroke, ground) < 2.4) say(name + ": a line is hard to see, " + stroke);
    }
  }
  return {wrong, wide, pictures: pictures.length, height: page.scrollHeight, text: document.body.innerText};
})()
"""


class Browser:
    """Speaks to Chromium in messages that end with a 0."""

    def __init__(self, program, home):
        theirs, self.send = os.pipe()
        self.receive, answers = os.pipe()
        theirs, answers = (fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (theirs, answers))
        words = [
            program,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-extensions",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
            f"--user-data-dir={home}/profile",
            "about:blank",
        ]
        self.log = open(f"{home}/chromium.log", "wb")
        self.child = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs} 4>&{answers}', "bash", *words],
            pass_fds=(theirs, answers),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            env={**os.environ, "HOME": home},
            start_new_session=True,
        )
        os.close(theirs)
        os.close(answers)
        os.set_blocking(self.receive, False)
        self.rest, self.count, self.session, self.events = b"", 0, None, []

    def take(self, end):
        """The next message."""
        while b"\0" not in self.rest:
            if time.monotonic() > end:
                raise TimeoutError("Chromium does not answer")
            try:
                part = os.read(self.receive, 1 << 16)
            except BlockingIOError:
                time.sleep(0.002)
                continue
            if not part:
                raise RuntimeError("Chromium ended: " + Path(self.log.name).read_text(errors="replace")[-500:])
            self.rest += part
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **values):
        self.count += 1
        message = {"id": self.count, "method": method, "params": values}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.send, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while True:
            answer = self.take(end)
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def wait(self, method):
        end = time.monotonic() + PATIENCE
        while not any(event["method"] == method for event in self.events):
            event = self.take(end)
            if "method" in event:
                self.events.append(event)

    def open_tab(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(domain + ".enable")

    def show(self, page, width, height, scheme, media="screen"):
        """What was complained of, and the page's own findings."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.call(
            "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        self.wait("Page.loadEventFired")
        answer = self.call("Runtime.evaluate", expression=LOOK, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:600])
        found = answer["result"]["value"]
        if found["wide"] != width:
            found["wrong"].append(f"the page is laid out {found['wide']} wide, the window is {width}")
        for event in self.events:
            what, told = event["method"], event["params"]
            if what == "Network.requestWillBeSent" and told["request"]["url"] != page.as_uri():
                found["wrong"].append("asked for " + told["request"]["url"])
            elif what in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
                found["wrong"].append("complained: " + json.dumps(told)[:300])
        return found

    def take_picture(self, file, width, height):
        answer = self.call(
            "Page.captureScreenshot",
            format="png",
            captureBeyondViewport=True,
            clip={"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
        )
        file.write_bytes(base64.b64decode(answer["data"]))

    def print_page(self, file):
        answer = self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        file.write_bytes(base64.b64decode(answer["data"]))

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
            self.child.wait(10)
        except (RuntimeError, OSError, subprocess.TimeoutExpired):
            self.child.kill()
            self.child.wait()
        self.log.close()


def check(browser, page, view, folder, kept):
    """What is wrong with a page in a view. A picture takes longer than all else: of one page, unless they are kept."""
    name, width, height, scheme = view
    found = browser.show(page, width, height, scheme)
    wrong = found["wrong"]
    if kept or page.stem == "plausible":
        picture = folder / f"{page.stem}-{name}.png"
        browser.take_picture(picture, width, min(found["height"], 12000))
        if picture.stat().st_size < 20000:
            wrong.append("the picture is empty")
    if page.stem in ("plausible", "names", "diverged", "untested", "one") and found["pictures"] != 19:
        wrong.append(f"{found['pictures']} plots, expected 19")
    if page.stem == "plausible" and ("The full reason" not in found["text"] or REASON in found["text"]):
        wrong.append("the reason is not folded")
    if page.stem == "names" and 'a<b>&"c\'" $(exit 3).net' not in found["text"]:
        wrong.append("the network's name is not shown as it is")
    if page.stem == "names" and "<script>alert(1)</script>" not in found["text"]:
        wrong.append("the data set's name is not shown as it is")
    return wrong


def check_paper(browser, page, folder):
    """A4 at 96 dots an inch, less the margins: on paper nothing can be scrolled to."""
    file = folder / f"{page.stem}.pdf"
    found = browser.show(page, 718, 1047, "dark", "print")
    wrong = [one for one in found["wrong"] if "wide" in one or "edge" in one or "the ground" in one]
    if found["text"].count(REASON) != 1 or "The full reason" in found["text"]:
        wrong.append("the reason is folded away, or stands there twice")
    browser.print_page(file)
    sheets = file.read_bytes().count(b"/Type /Page\n")
    return wrong if 3 <= sheets <= 12 else wrong + [f"{sheets} sheets of paper"]


class Tap:
    def __init__(self):
        self.lines, self.failed = [], 0

    def tell(self, name, wrong):
        self.failed += bool(wrong)
        self.lines.append(f"{'not ok' if wrong else 'ok'} {len(self.lines) + 1} - {name}")
        print(self.lines[-1])
        for one in wrong[:12]:
            print("    " + one)

    def end(self):
        log = os.environ.get("CK_TAP_LOG_FILE_NAME")
        if log:
            Path(log).write_text("".join(line + "\n" for line in [f"1..{len(self.lines)}", *self.lines]))
        return 1 if self.failed or not self.lines else 0


def run(program, writer, folder, kept, home):
    if subprocess.run([writer, "--write", folder], stdin=subprocess.DEVNULL).returncode:
        sys.exit("the pages could not be written")
    tap, browser = Tap(), Browser(program, home)
    try:
        browser.open_tab()
        pages = sorted(folder.glob("*.html"))
        if len(pages) < 8:
            sys.exit(f"{len(pages)} pages were written")
        for page in pages:
            for view in VIEWS:
                tap.tell(f"{page.stem}, {view[0]}", check(browser, page, view, folder, kept))
        tap.tell("plausible, on paper", check_paper(browser, folder / "plausible.html", folder))
    finally:
        browser.close()
    return tap.end()


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    program = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if not program or not shutil.which("gnuplot"):
        print("no Chromium in PATH" if not program else "no gnuplot in PATH, which draws the report's plots")
        return 77
    with tempfile.TemporaryDirectory(prefix="tassello-report-", ignore_cleanup_errors=True) as home:
        folder = Path(sys.argv[2] if len(sys.argv) > 2 else home).resolve()
        folder.mkdir(exist_ok=True)
        return run(program, sys.argv[1], folder, len(sys.argv) > 2, home)


if __name__ == "__main__":
    sys.exit(main())
