"""Pictures of the web pages for README and docs: python -m tests.web.screenshots FOLDER [--all]

Two nodes on the loopback interface, with files, old versions and a conflict; Chromium looks at their pages.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.web.lab import Lab, chromium, why_no_browser
from tests.web.test_chromium import PAGES
from tests.web.viewing import View, png

SHOWN = {"web-overview": ("overview", 1280, "light"), "web-file": ("file", 1280, "dark")}
SIZES = ((1280, "light"), (1280, "dark"), (360, "light"), (360, "dark"))


def fill(lab: Lab) -> None:
    anna, bob = lab.folders["anna"], lab.folders["bob"]
    (anna / "photos").mkdir()
    for number in range(24):
        (anna / f"photos/holiday-{number:02}.png").write_bytes(png(number * 10))
    for number, text in enumerate(("tent\n", "tent\nstove\n", "tent\nstove\nmap\ntorch\n")):
        (anna / "packing list.txt").write_text(text)
        if not number:
            lab.start()
        lab.in_sync()
    (bob / "packing list.txt").write_text("tent\ngas stove\nmap\ntorch\nwater\n")
    lab.in_sync()
    (anna / "plan.txt").write_text("Saturday: hike\n")
    lab.in_sync()
    lab.conflict("plan.txt", "Saturday: hike to the lake\n", "Saturday: swim\n")
    lab.start_web()


def main(words: list[str]) -> int:
    if not words or words[0].startswith("-"):
        print(__doc__)
        return 2
    if reason := why_no_browser():
        print(reason, file=sys.stderr)
        return 1
    from playwright.sync_api import sync_playwright

    to = Path(words[0])
    to.mkdir(parents=True, exist_ok=True)
    wanted = dict(SHOWN)
    if "--all" in words:
        wanted |= {
            f"{page}-{width}-{scheme}": (page, width, scheme) for page in [*PAGES, "file"] for width, scheme in SIZES
        }
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        lab = Lab(Path(place))
        try:
            fill(lab)
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            for name, (page, width, scheme) in wanted.items():
                context = browser.new_context(
                    locale="en-GB",
                    viewport={"width": width, "height": 720},
                    color_scheme="dark" if scheme == "dark" else "light",
                )
                view = View(lab, context.new_page())
                if page == "file":
                    view.open_file("anna", "packing list.txt")
                    view.page.locator("[id^=diff-]").first.click()
                    view.page.locator(".diff").wait_for()
                else:
                    where = next(
                        (one for one in lab.folders if page != "conflicts" or lab.status(one)["conflicts"]), "anna"
                    )
                    view.open(page, view.id_of(where))
                view.page.wait_for_timeout(600)
                view.page.screenshot(path=to / f"{name}.png", full_page=name not in SHOWN)
                context.close()
            browser.close()
        finally:
            lab.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
