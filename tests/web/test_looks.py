"""What can be read on the pages: also in a narrow window, in German, of machines that are away, and of files of all kinds.

Not run where there is no Chromium or no package playwright.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.lab import Lab, until, why_no_browser
from tests.web.viewing import View, png

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "-")
DEEP = "photos/2024 summer/at the lake, with everybody"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    it = Lab(tmp_path_factory.mktemp("looks"))
    anna = it.folders["anna"]
    try:
        (anna / DEEP).mkdir(parents=True)
        for number in range(4):
            (anna / DEEP / f"DSC_002{number}.png").write_bytes(png(number))
        (anna / "notes.txt").write_text("one\n")
        it.start()
        it.in_sync()
        it.start_web()
        yield it
    finally:
        it.stop()


def viewed(lab: Lab, browser: Browser, locale: str, width: int, height: int) -> Iterator[View]:
    context = browser.new_context(locale=locale, viewport={"width": width, "height": height})
    it = View(lab, context.new_page())
    yield it
    context.close()
    assert it.wrong == []


@pytest.fixture
def telephone(lab: Lab, browser: Browser) -> Iterator[View]:
    yield from viewed(lab, browser, "de-DE", 360, 740)


@pytest.fixture
def view(lab: Lab, browser: Browser) -> Iterator[View]:
    yield from viewed(lab, browser, "en-GB", 1280, 800)


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


def in_sight(view: View, selector: str) -> list[str]:
    """The text of each such element, as far as it can be seen in its own box and in those around it."""
    found: list[str] = view.page.evaluate(
        """(selector) => [...document.querySelectorAll(selector)].map((one) => {
        let box = one.getBoundingClientRect();
        const walker = document.createTreeWalker(one, NodeFilter.SHOW_TEXT);
        let seen = "";
        while (walker.nextNode()) {
            const node = walker.currentNode;
            for (let at = 0; at < node.length; at += 1) {
                const range = document.createRange();
                range.setStart(node, at);
                range.setEnd(node, at + 1);
                const letter = range.getBoundingClientRect();
                let holds = letter.width > 0;
                for (let above = node.parentElement; above && above !== document.body; above = above.parentElement) {
                    const frame = above.getBoundingClientRect();
                    const isInline = getComputedStyle(above).display === "inline";
                    if (!isInline && (letter.right > frame.right + 1 || letter.bottom > frame.bottom + 4)) holds = false;
                }
                if (holds) seen += node.data[at];
            }
        }
        return seen;
        })""",
        selector,
    )
    return found


def test_a_narrow_row_of_the_history_shows_name_date_and_machine(telephone: View, lab: Lab) -> None:
    for number in range(4):
        (lab.folders["anna"] / DEEP / f"DSC_002{number}.png").write_bytes(png(100 + number))
    lab.in_sync()
    telephone.open("history", telephone.id_of("bob"))
    until(lambda: telephone.page.locator(".virtual-row a").count() == 4, "all are listed")
    rows = in_sight(telephone, ".virtual-row")
    for number in range(4):
        (row,) = [row for row in rows if f"DSC_002{number}.png" in row]
        assert "photos/2024" in row
        assert "anna" in row
        assert re.search(r"\d\d\.\d\d\.\d{4}, \d\d:\d\d", row), row


def test_a_narrow_row_of_the_activity_says_what_was_done(telephone: View, lab: Lab) -> None:
    (lab.folders["anna"] / DEEP / "DSC_0020.png").unlink()
    lab.in_sync()
    telephone.open("activity")
    until(
        lambda: any("DSC_0020" in one for one in telephone.page.locator(".virtual-row").all_inner_texts()), "it is told"
    )
    rows = in_sight(telephone, ".virtual-row")
    assert any(re.search(r"gelöschtvonanna:photos/.*/DSC_0020.png", row.replace(" ", "")) for row in rows), rows
    line = telephone.page.locator(".virtual-row button", has_text="gelöscht von anna").first
    line.click()
    told = telephone.page.locator("#told p")
    assert told.inner_text() == f"gelöscht von anna: {DEEP}/DSC_0020.png"
    telephone.page.keyboard.press("Escape")
    told.wait_for(state="detached")


def test_times_are_written_as_the_browser_writes_them(view: View) -> None:
    view.open_file("anna", "notes.txt")
    assert re.search(r"\b\d{1,2} [A-Z][a-z]+ \d{4}, \d\d:\d\d:\d\d", view.page.locator(".timeline").inner_text())


def test_what_is_safe_is_not_red(view: View) -> None:
    """The question before held changes are undone: nothing is lost by that."""
    some = {"at": "", "by": "carol", "here": False, "kind": "deleted", "files": 3, "folders": [], "more_folders": 0}
    view.page.route("**/api/folders/*/held", lambda route: route.fulfill(json={"held": [some]}))
    kinds = view.page.evaluate(
        """async () => {
        const { live } = await import('/static/js/live.js');
        const { held } = await import('/static/js/pages/held.js');
        const folder = live.state.folders[0];
        folder.status.held = [{ files: 3, by: 'carol', at: '', missing: 0 }];
        const place = document.getElementById('main');
        const found = {};
        const it = held({ place, folder });
        for (const word of ['reject', 'approve']) {
            it.show();
            document.getElementById(word).click();
            await new Promise((resolve) => setTimeout(resolve));
            found[word] = document.getElementById('yes').className;
            document.querySelector('dialog button').click();
        }
        return found;
        }"""
    )
    assert kinds == {"reject": "primary", "approve": "danger"}


def test_only_texts_are_compared_and_what_is_ignored_says_so(view: View, lab: Lab) -> None:
    for path, is_text in ((f"{DEEP}/DSC_0023.png", False), ("notes.txt", True)):
        (lab.folders["anna"] / path).write_bytes(b"1\nr\xf6t\n" if is_text else png(200))
        lab.in_sync()
        until(lambda path=path: same(lab, path), "it is there")
        view.open_file("bob", path)
        view.page.locator("[id^=restore-]").first.wait_for()
        assert (view.page.locator("[id^=diff-]").count() > 0) == is_text
    assert view.page.locator("#ignored").count() == 0
    view.page.locator("#preview-now").click()
    view.sees("Shown as Latin-1")
    view.sees("röt")
    (lab.folders["bob"] / "a.part").write_text("x")
    view.open_file("bob", "a.part")
    assert "*.part" in view.page.locator("#ignored").inner_text()


def same(lab: Lab, path: str) -> bool:
    one, other = ((folder / path).read_bytes() for folder in lab.folders.values())
    return one == other


def test_the_picture_of_the_mesh_has_room_for_all_words(view: View) -> None:
    """Each machine once, also if it runs two nodes; nothing is cut off, and no rate stands on a line."""
    peer = {"synchronized": True, "traffic": {"receives_per_s": 1000, "sends_per_s": 500}}
    peers = [{"name": f"peer {n}", "node": f"{n}" * 32, "address": f"10.0.0.{n}", **peer} for n in range(1, 5)]
    peers.append({**peers[0], "node": "f" * 32, "address": "10.0.0.1:6001"})
    away = [{"name": "old"}, {"name": "older"}]
    state = [{"status": {"node": "a" * 32, "name": "anna", "peers": peers, "away": away}}]
    found = view.page.evaluate(
        """async (state) => {
        const { mesh } = await import('/static/js/graph.js');
        const picture = mesh(state, [0, 5000, 2500]);
        document.getElementById('main').replaceChildren(picture);
        const { width, height } = picture.viewBox.baseVal;
        const texts = [...picture.querySelectorAll('text')].map((one) => ({ text: one.textContent, box: one.getBBox() }));
        const lines = [...picture.querySelectorAll('line')].map((one) =>
            ['x1', 'y1', 'x2', 'y2'].map((name) => one[name].baseVal.value));
        const crosses = ({ box }) => lines.some(([x1, y1, x2, y2]) => Array.from({ length: 101 }, (_, at) =>
            [x1 + (x2 - x1) * at / 100, y1 + (y2 - y1) * at / 100]).some(([x, y]) =>
            x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height));
        return {
            texts: texts.map((one) => one.text),
            cut: texts.filter(({ box }) => box.x < 0 || box.x + box.width > width || box.y + box.height > height)
                .map((one) => one.text),
            crossed: texts.filter((one) => one.text.startsWith('↓') && one.text !== '↓ 5.0 kB/s' && crosses(one))
                .map((one) => one.text),
        };
        }""",
        state,
    )
    assert found["cut"] == []
    assert found["crossed"] == []
    assert found["texts"].count("peer 1") == 1
    assert found["texts"].count("↓ 2.0 kB/s") == 1, "both nodes of it"
    assert found["texts"].count("away") == 2


def test_that_no_node_runs_is_said_once_and_in_the_language_of_the_page(telephone: View, lab: Lab) -> None:
    folder = telephone.id_of("bob")
    telephone.open("members", folder)
    lab.stop("bob")
    telephone.page.locator("#no-node").wait_for()
    telephone.open("members", folder)
    telephone.page.locator("#again").wait_for()
    assert "no node" not in telephone.page.locator("main").inner_text()
    assert telephone.page.locator("main .bad").count() == 0
    telephone.wrong[:] = [line for line in telephone.wrong if " 409 " not in line]
    lab.start("bob")
    lab.in_sync()
    telephone.page.locator("#no-node").wait_for(state="detached")
