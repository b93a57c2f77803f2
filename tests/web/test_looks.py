"""What can be read on the pages: also in a narrow window, in German, of machines that are away, and of files of all kinds.

Not run where there is no Chromium or no package playwright.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.lab import Lab, until, why_no_browser
from tests.web.viewing import View

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "-")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    it = Lab(tmp_path_factory.mktemp("looks"))
    try:
        for name in ("notes.txt", "log.txt"):
            (it.folders["anna"] / name).write_text("one\n")
        it.start()
        it.in_sync()
        it.start_web()
        yield it
    finally:
        it.stop()


@pytest.fixture
def view(lab: Lab, browser: Browser) -> Iterator[View]:
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})
    it = View(lab, context.new_page())
    yield it
    context.close()
    assert it.wrong == []


def test_pages_say_which_machines_may_keep_more(view: View, lab: Lab) -> None:
    view.open_file("anna", "notes.txt")
    assert view.page.locator("#elsewhere").count() == 0
    lab.stop("bob")
    until(lambda: [one["name"] for one in lab.status("anna").get("away", [])] == ["bob"], "bob is away")
    view.sees("Not connected: bob.")
    view.open("history", view.id_of("anna"))
    view.sees("Not connected: bob.")
    lab.start("bob")
    lab.in_sync()
    view.page.locator("#elsewhere").wait_for(state="detached")
