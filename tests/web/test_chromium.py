"""Every page and every action in headless Chromium, with two nodes on the loopback interface.

Not run where there is no Chromium or no package playwright. What a page shows is waited for, never slept for.
"""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dir_sync.cli import main
from tests.web.lab import Lab, free_port, until, why_no_browser
from tests.web.viewing import WAIT_MS, View, png

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

pytestmark = pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "-")

PAGES = [
    "overview",
    "activity",
    "transfers",
    "files",
    "history",
    "conflicts",
    "held",
    "ignore",
    "members",
    "settings",
    "doctor",
]
EVIL = "<img src=x onerror=alert(1)>.txt"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    it = Lab(tmp_path_factory.mktemp("web"))
    anna = it.folders["anna"]
    (anna / "photos").mkdir()
    for number in range(40):
        (anna / f"photos/{number:02}.png").write_bytes(png(number * 6))
    (anna / "notes.txt").write_text("one\ntwo\nthree\n")
    (anna / "conflict.txt").write_text("first\n")
    (anna / EVIL).write_text("<script>alert(2)</script>\n")
    (anna / "drawing.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(3)"/>')
    (anna / ".syncignore").write_text("/many/\n")
    try:
        it.start()
        it.in_sync()
        (anna / "notes.txt").write_text("one\n2\nthree\nfour\n")
        it.in_sync()
        until(lambda: "2\n" in (it.folders["bob"] / "notes.txt").read_text(), "bob has the change")
        it.start_web()
        yield it
    finally:
        it.stop()


@pytest.fixture
def view(lab: Lab, browser: Browser) -> Iterator[View]:
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800}, accept_downloads=True)
    it = View(lab, context.new_page())
    yield it
    context.close()
    assert it.wrong == []


@pytest.mark.parametrize(
    ("width", "scheme", "locale"), [(1280, "light", "en-GB"), (360, "dark", "de-DE"), (360, "light", "en-US")]
)
def test_every_page_opens(lab: Lab, browser: Browser, width: int, scheme: Any, locale: str) -> None:
    context = browser.new_context(locale=locale, viewport={"width": width, "height": 740}, color_scheme=scheme)
    view = View(lab, context.new_page())
    folder = view.id_of("bob")
    titles = set()
    for name in PAGES:
        view.open(name, folder)
        page = view.page
        titles.add(page.locator("h1").inner_text())
        for landmark in ("header", "nav", "main"):
            assert page.locator(f"body > {landmark}").count() == 1
        assert page.locator("nav [aria-current=page]").count() == 1
        assert page.locator("main table:not([role=table])").count() == 0, "a table of blocks says that it is one"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than the window"
        assert page.evaluate("document.documentElement.lang") == locale[:2]
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('button, a, input, select, textarea')].filter((one) =>
            !(one.textContent.trim() || one.getAttribute('aria-label') || one.labels?.length && one.labels[0].textContent
            || one.querySelector('img[alt]')?.alt)).map((one) => one.outerHTML)"""
        )
        assert nameless == [], name
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
        assert len(ids) == len(set(ids)), f"{name}: an id stands twice"
    assert len(titles) == len(PAGES)
    dark = view.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 27)"
    assert dark == (scheme == "dark")
    context.close()
    assert view.wrong == []


def fits_a_telephone(view: View, folder: str) -> None:
    """Each page, with all marks of what waits, is as wide as the window, and shows where in the navigation it is."""
    page = view.page
    usual = page.viewport_size
    assert usual is not None
    page.set_viewport_size({"width": 360, "height": 740})
    for name in PAGES:
        view.open(name, folder)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, f"{name} is wider than the window"
        here = page.locator("nav [aria-current]").bounding_box()
        assert here is not None
        assert here["x"] >= 0, name
        assert here["x"] + here["width"] <= 360, name
        cut = page.evaluate(
            """() => [...document.querySelectorAll('main td, main th, main button, main a')].filter((one) =>
            one.getBoundingClientRect().right > 361).map((one) => one.outerHTML)"""
        )
        assert cut == [], name
    page.set_viewport_size(usual)


def test_without_the_token_nothing_is_shown(lab: Lab, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(lab.url.partition("?")[0])
    assert "token" in page.inner_text("main")
    assert page.locator("nav").count() == 0
    context.close()


def test_the_token_leaves_the_address(view: View) -> None:
    assert "token" not in view.page.url
    assert view.page.evaluate("document.cookie") == ""


def test_the_keyboard_is_enough(view: View) -> None:
    view.open("overview")
    page = view.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("nav a").nth(3).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".page-files > *")
    assert page.evaluate("document.activeElement.id") == "title"
    page.locator("#find").focus()
    page.keyboard.type("notes")
    until(lambda: page.locator(".virtual-row a").all_inner_texts() == ["notes.txt"], "one is found")
    page.locator(".virtual-row a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".timeline li")


def test_languages(view: View) -> None:
    view.page.select_option("#language", "de")
    view.sees("Übersicht")
    view.page.reload()
    view.sees("Übersicht")
    view.page.select_option("#language", "en")
    view.sees("Overview")


def test_the_overview_shows_folders_peers_and_the_mesh(view: View) -> None:
    view.open("overview")
    card = view.page.locator(f"#folder-{view.id_of('bob')}")
    assert "anna" in card.locator("tbody th").inner_text()
    picture = view.page.locator("svg.graph")
    assert "1 more node on this machine" in (picture.get_attribute("aria-label") or "")
    assert picture.locator(".node").count() == 2
    assert "on this machine" in (picture.locator(".node:not(.me)").text_content() or "")


def test_pause_and_resume(view: View, lab: Lab) -> None:
    folder = view.id_of("bob")
    view.page.locator(f"#pause-{folder} summary").click()
    view.page.locator(f"[id='pause.hour-{folder}']").click()
    view.sees("Paused until")
    until(lambda: lab.status("bob")["pause"], "bob is paused")
    view.page.locator(f"[id='resume-{folder}']").click()
    view.sees("Resumed.")
    until(lambda: lab.status("bob")["pause"] is None, "bob goes on")
    lab.in_sync()


def test_a_change_is_seen_without_a_reload(view: View, lab: Lab) -> None:
    view.open("activity")
    (lab.folders["anna"] / "just-now.txt").write_text("x")
    view.page.locator(".virtual-row", has_text="just-now.txt").first.wait_for()
    view.page.locator("#find").fill("no such event")
    until(lambda: view.page.evaluate("document.querySelectorAll('.virtual-row').length === 0"), "the page shows it")


def test_a_text_is_looked_at_compared_and_brought_back(view: View, lab: Lab) -> None:
    view.open_file("bob", "notes.txt")
    page = view.page
    page.locator("#preview-now").click()
    assert page.locator("#seen pre").inner_text() == "one\n2\nthree\nfour\n"
    page.locator("#close").click()
    page.locator("[id^=diff-]").first.click()
    assert "-two" in page.locator(".diff").inner_text()
    assert "+four" in page.locator(".diff").inner_text()
    with page.expect_download() as downloading:
        page.locator("[id^=download-]").nth(1).click()
    assert downloading.value.suggested_filename == "notes.txt"
    assert Path(downloading.value.path()).read_text() == "one\ntwo\nthree\n"
    page.locator("[id^=restore-]").first.click()
    page.locator("#yes").click()
    view.sees("Restored.")
    assert (lab.folders["bob"] / "notes.txt").read_text() == "one\ntwo\nthree\n"
    until(lambda: (lab.folders["anna"] / "notes.txt").read_text() == "one\ntwo\nthree\n", "anna has it, too")


def test_a_file_with_very_many_versions_is_shown_piece_by_piece(view: View) -> None:
    def many(route: Route) -> None:
        told = route.fetch().json()
        (first, *_) = told["versions"]
        told["versions"] = [first | {"id": f"{number:08x}"} for number in range(500)]
        route.fulfill(json=told)

    view.page.route("**/timeline?*", many)
    view.open_file("bob", "notes.txt")
    page, shown = view.page, view.page.locator("[id^=restore-]")
    assert shown.count() == 50
    assert page.locator("#more").inner_text() == "450 older versions: show more"
    page.locator("#more").press("Enter")
    assert shown.count() == 100
    assert page.evaluate("document.activeElement.id") == f"restore-{50:08x}"


def test_pictures_are_shown_and_scripts_do_not_run(view: View) -> None:
    view.open_file("bob", "photos/01.png")
    view.page.locator("#preview-now").click()
    until(lambda: view.page.evaluate("document.querySelector('img.preview')?.naturalWidth === 60"), "the page shows it")
    view.open_file("bob", "drawing.svg")
    view.page.locator("#preview-now").click()
    assert "onload" in view.page.locator("#seen pre").inner_text(), "as text"
    assert view.page.locator("#seen img").count() == 0
    view.open_file("bob", EVIL)
    view.page.locator("#preview-now").click()
    assert "<script>alert(2)</script>" in view.page.locator("#seen pre").inner_text()
    image = view.page.evaluate(
        "async () => { const a = document.querySelector('[id=download-now]').href.replace('/download', '/image');"
        " const answer = await fetch(a); return answer.status; }"
    )
    assert image == 409
    view.wrong.remove(next(line for line in view.wrong if "409" in line))


def test_a_hundred_thousand_files_stay_fluid(view: View, lab: Lab) -> None:
    many = lab.folders["bob"] / "many"
    many.mkdir()
    for number in range(100_000):
        os.mknod(f"{many}/{number:06}")
    view.open("files", view.id_of("bob"), dir=base64.urlsafe_b64encode(b"many").decode().rstrip("="))
    page = view.page
    page.get_by_text("100,000 entries").wait_for()
    assert page.locator(".virtual-row").count() < 100
    for place, name in ((1.0, "099999"), (0.5, "050000"), (0.0, "000000")):
        page.evaluate(
            f"(() => {{ const it = document.querySelector('.virtual'); it.scrollTop = it.scrollHeight * {place}; }})()"
        )
        page.locator(".virtual-row a", has_text=name).wait_for()
        assert page.locator(".virtual-row").count() < 100


def test_a_list_that_is_read_again_shows_nothing_old(view: View) -> None:
    page = view.page
    page.evaluate(
        """async () => {
        const { virtualList } = await import('/static/js/virtual.js');
        let readings = 0;
        const load = async (offset, limit) => ({
            count: 1000, rows: Array.from({ length: limit }, (_, at) => `reading ${readings}, row ${offset + at}`) });
        const list = virtualList({ label: 'rows', load, row: (one) => one });
        document.getElementById('main').replaceChildren(list.element);
        await list.restart();
        window.again = () => { readings += 1; return list.again(); };
        }"""
    )

    def scroll(end: str) -> None:
        page.evaluate(f"(() => {{ const it = document.querySelector('.virtual'); it.scrollTop = {end}; }})()")

    scroll("it.scrollHeight")
    view.sees("reading 0, row 999")
    scroll("0")
    view.sees("reading 0, row 1")
    page.evaluate("window.again()")
    view.sees("reading 1, row 1")
    scroll("it.scrollHeight")
    view.sees("reading 1, row 999")


def test_old_versions_are_found(view: View) -> None:
    view.open("history", view.id_of("bob"))
    view.page.locator("#find").fill("NOTES")
    view.page.locator(".virtual-row a", has_text="notes.txt").first.click()
    view.page.wait_for_selector(".timeline li")


def test_rules_are_tried_and_saved(view: View, lab: Lab) -> None:
    view.open("ignore", view.id_of("bob"))
    page = view.page
    page.locator("#which-local").check()
    page.locator("#rules").fill("photos/0*.png\n")
    page.get_by_text("10 paths newly ignored, 0 newly shared").wait_for()
    assert not (lab.folders["bob"] / ".dir_sync/ignore").exists()
    page.locator("#rules").fill("*.never\n")
    page.get_by_text("Nothing would change.").wait_for()
    page.locator("#save").click()
    view.sees("Saved.")
    assert (lab.folders["bob"] / ".dir_sync/ignore").read_text() == "*.never\n"


def test_settings_are_checked_and_saved(view: View, lab: Lab) -> None:
    view.open("settings")
    page = view.page
    page.locator("#example").click()
    assert "[folders.default]" in page.locator("#config").input_value()
    page.locator("#verdict .good").wait_for()
    page.locator("#config").fill("nonsense = 1\n")
    page.locator("#verdict .bad").wait_for()
    page.locator("#config").fill(f'[folders.notes]\ndir = "{lab.place}"\n')
    page.locator("#verdict .good").wait_for()
    view.wrong[:] = [line for line in view.wrong if " 400 " not in line]  # the browser says what was refused
    page.locator("#save").click()
    view.sees("Saved.")
    assert "[folders.notes]" in (lab.place / "config/dir_sync/config.toml").read_text()


def test_the_doctor_examines(view: View) -> None:
    view.open("doctor", view.id_of("bob"))
    view.page.locator("#examine").click()
    view.page.locator("#group-network .badge").first.wait_for()
    assert view.page.locator("#group-folder .badge").count()
    assert view.page.locator("#sum").inner_text()


@pytest.mark.parametrize("choice", ["keep", "take"])
def test_conflicts_are_settled(view: View, lab: Lab, choice: str) -> None:
    lab.conflict("conflict.txt", f"from anna {choice}\n", f"from bob {choice}\n")
    where = next(name for name in lab.folders if lab.status(name)["conflicts"])
    now = (lab.folders[where] / "conflict.txt").read_text()
    view.open("conflicts", view.id_of(where))
    page = view.page
    card = page.locator("[id^=conflict-]").first
    card.get_by_text("In the folder now").wait_for()
    for side in card.locator(".side").all():
        side.get_by_text("By", exact=True).wait_for()
    card.locator("[id^=compare-]").click()
    assert f"-{now.strip()}" in card.locator(".diff").inner_text()
    view.open("overview")
    view.sees("1 conflict: choose which version stays")
    view.open("conflicts", view.id_of(where))
    card.locator(f"[id^={choice}-]").click()
    view.sees("Resolved")
    until(lambda: not any(lab.status(name)["conflicts"] for name in lab.folders), "nothing is in conflict")
    after = (lab.folders[where] / "conflict.txt").read_text()
    assert (after == now) == (choice == "keep")
    lab.in_sync()


def test_a_node_that_is_killed_is_missed_and_comes_back(view: View, lab: Lab) -> None:
    """Nothing false is said meanwhile, and nobody has to load the page again."""
    lab.conflict("killed.txt")
    loser = next(name for name in lab.folders if lab.status(name)["conflicts"])
    name = next(name for name in lab.folders if name != loser)  # its list is what the other one says
    folder = view.id_of(name)
    page = view.page
    opened = [view, *(View(lab, page.context.new_page()) for _ in range(2))]
    for other, where in zip(opened, ("conflicts", "history", "held"), strict=True):
        other.open(where, folder)
    page.locator("[id^=conflict-]").wait_for()
    process = lab.running.pop(name)
    process.kill()
    process.wait()
    for other in opened:
        other.page.locator("#no-node", has_text="No node runs for this folder").wait_for()
        assert str(lab.folders[name]) in other.page.locator("#no-node code").inner_text(), "what starts one is said"
    assert page.locator("[id^=conflict-]").count() == 1
    later = View(lab, page.context.new_page())
    assert str(lab.folders[name]) in later.page.locator(f"#folder-{folder} code").inner_text()
    later.open("conflicts", folder)
    later.page.locator("#no-node").wait_for()
    later.page.get_by_text("Two machines changed").wait_for()
    for other in (view, later):
        assert other.page.get_by_text("There are no conflicts.").count() == 0, "nobody knows that now"
    lab.start(name)
    for other in (*opened, later):
        other.page.locator("#no-node").wait_for(state="detached")
    later.page.locator("[id^=conflict-]").wait_for()
    opened[1].page.locator(".virtual-row", has_text="killed.txt").first.wait_for()
    opened[2].page.get_by_text("Nothing is held.").wait_for()
    page.locator("[id^=keep-]").click()
    later.page.get_by_text("There are no conflicts.").wait_for()
    lab.in_sync()
    assert [line for other in opened[1:] for line in other.wrong] == []
    for other in (*opened[1:], later):
        other.page.close()


def test_a_page_with_an_old_address_says_so_and_comes_back(lab: Lab, browser: Browser) -> None:
    """The process was started anew. Its new address, opened in another window, counts for all windows of this browser."""
    port = free_port(socket.SOCK_STREAM)
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(lab.start_another_web("second web", port))
    page.wait_for_selector(".card")
    lab.stop("second web")
    page.locator("#offline", has_text="no connection").wait_for()
    url = lab.start_another_web("second web", port)
    page.locator("#offline", has_text="this address is old").wait_for()
    other = context.new_page()
    other.goto(url)
    other.wait_for_selector(".card")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.locator("#offline").wait_for(state="detached")
    context.close()
    lab.stop("second web")


def test_many_windows_that_nobody_sees_do_not_stop_another(lab: Lab, browser: Browser) -> None:
    """A browser opens six connections to one address."""
    context = browser.new_context(locale="en-GB")
    context.add_init_script("Object.defineProperty(document, 'hidden', { get: () => window.name !== 'seen' })")
    hidden = [View(lab, context.new_page()) for _ in range(7)]
    hidden[0].open("activity")
    (lab.folders["anna"] / "while-hidden.txt").write_text("x")
    page = hidden[0].page
    page.evaluate("window.name = 'seen'; document.dispatchEvent(new Event('visibilitychange'))")
    page.locator(".virtual-row", has_text="while-hidden.txt").first.wait_for()
    lab.in_sync()
    context.close()


def test_what_changes_elsewhere_is_seen_in_the_timeline_and_the_history(view: View, lab: Lab) -> None:
    view.open_file("bob", "notes.txt")
    other = View(lab, view.page.context.new_page())
    other.open("history", other.id_of("bob"), find="notes.txt")
    restores, rows = view.page.locator("[id^=restore-]"), other.page.locator(".virtual-row", has_text="notes.txt")
    rows.first.wait_for()
    before = restores.count(), rows.count()
    (lab.folders["anna"] / "notes.txt").write_text("one\nseen in both windows\n")
    until(lambda: restores.count() > before[0], "the timeline shows it")
    until(lambda: rows.count() > before[1], "the history shows it")
    lab.in_sync()
    assert other.wrong == []
    other.page.close()


def test_a_button_can_be_read_while_the_mouse_is_on_it(view: View) -> None:
    view.open("doctor", view.id_of("bob"))
    button = view.page.locator("#examine")
    colour = "one => getComputedStyle(one).backgroundColor"
    before = button.evaluate(colour)
    button.hover()
    assert button.evaluate("one => one.matches(':hover')")
    assert button.evaluate(colour) == before


def test_the_keyboard_does_not_lose_its_place(view: View, lab: Lab) -> None:
    page = view.page
    focus = "document.activeElement.id"
    view.open_file("bob", "notes.txt")
    page.locator("#preview-now").press("Enter")
    page.locator("#seen").wait_for()
    page.keyboard.press("Escape")
    page.locator("#seen").wait_for(state="detached")
    assert page.evaluate(focus) == "preview-now"
    restore = page.locator("[id^=restore-]").first
    restore.press("Enter")
    page.locator("dialog[open]").wait_for()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    until(lambda: page.evaluate(focus) == restore.get_attribute("id"), "the focus is back")
    folder = view.id_of("bob")
    page.locator(f"#pause-{folder} summary").press("Enter")
    page.locator(f"[id='pause.hour-{folder}']").press("Enter")
    page.locator(f"[id='resume-{folder}']").press("Enter")
    page.locator(f"#pause-{folder}").wait_for()
    until(lambda: page.evaluate(focus), "something has the focus")
    until(lambda: lab.status("bob")["pause"] is None, "bob goes on")
    lab.in_sync()


def test_rows_that_could_not_be_had_are_asked_for_again(view: View) -> None:
    page = view.page
    page.evaluate(
        """async () => {
        const { virtualList } = await import('/static/js/virtual.js');
        let isDown = true;
        const load = async (offset, limit) => {
            if (offset && isDown) throw new Error('no connection');
            return { count: 1000, rows: Array.from({ length: limit }, (_, at) => `row ${offset + at}`) };
        };
        const list = virtualList({ label: 'rows', load, row: (one) => one });
        document.getElementById('main').replaceChildren(list.element);
        await list.restart();
        window.up = () => { isDown = false; };
        }"""
    )
    scroll = "end => { const it = document.querySelector('.virtual'); it.scrollTop = end * it.scrollHeight; }"
    page.evaluate(scroll, 1)
    # Measured in one step: each look at the list puts a new note in place of the old one, and a change of its size is one.
    page.wait_for_function(
        """() => {
        const frame = document.querySelector('.virtual').getBoundingClientRect();
        const note = [...document.querySelectorAll('.virtual p')].find((one) => one.textContent === 'no connection');
        const box = note?.getBoundingClientRect();
        return box?.height > 0 && frame.top <= box.top && box.bottom <= frame.bottom; // where the person looks
        }"""
    )
    page.evaluate("window.up()")
    page.evaluate(scroll, 0)
    view.sees("row 1")
    page.evaluate(scroll, 1)
    view.sees("row 999")


def test_held_changes_have_the_words_of_the_command(
    view: View, lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some = [{"folder": "photos", "files": 3, "examples": ["photos/1"]}]
    kinds = [("deleted", ""), ("deleted", "carol"), ("rewritten", ""), ("vanished", ""), ("vanished", "carol"),
             ("vanished", "dora"), ("unknown", "carol")]  # fmt: skip
    groups = [
        {"at": at, "by": "carol", "here": here, "kind": kind, "files": 3, "folders": some, "more_folders": 0}
        for kind, at in kinds
        for here in (True, False)
    ]
    groups.append({**groups[0], "files": 1, "folders": []})
    monkeypatch.setattr("dir_sync.cli.deciding.ask_running", lambda folder, question: {"held": groups})
    assert main(["held", "x"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if " file" in line and line[0].isdigit()]
    assert len(said) == len(groups)
    lab.hold()
    view.page.route("**/api/folders/*/held", lambda route: route.fulfill(json={"held": groups}))
    view.open("held", view.id_of("bob"))
    view.page.locator(f"#held-{len(groups) - 1}").wait_for()
    shown = [view.page.locator(f"#held-{number} th").inner_text() for number in range(len(groups))]
    view.page.unroute("**/api/folders/*/held")
    view.page.locator("#reject").click()
    view.page.locator("#yes").click()
    view.sees("Nothing is held.")
    lab.in_sync()
    assert shown == said


@pytest.mark.parametrize("word", ["reject", "approve"])
def test_held_changes_are_decided(view: View, lab: Lab, word: str) -> None:
    lab.hold()
    view.open("held", view.id_of("bob"))
    page = view.page
    page.locator("#held-0").wait_for()
    assert "30" in page.locator("#held-title").inner_text()
    page.locator("nav .mark", has_text="30").first.wait_for()
    assert page.locator("#held-0 th").inner_text() == "30 files vanished here while no node was watching"
    assert "photos: 30 files" in page.locator("#held-0").inner_text()
    if word == "reject":
        fits_a_telephone(view, view.id_of("bob"))
        view.open("held", view.id_of("bob"))
    other = View(lab, page.context.new_page())
    other.open("held", other.id_of("bob"))
    other.page.locator("#approve").click()  # and the person hesitates
    page.locator(f"#{word}").click()
    page.locator("#yes").click()
    view.sees("Nothing is held.")
    other.sees("Nothing is held.")
    other.page.locator("#yes").click()
    other.sees("What is held is different now")
    other.page.close()
    left = 40 if word == "reject" else 10

    def is_done() -> bool:
        if word == "approve" and lab.status("anna")["held"]:  # she is asked, too
            view.open("held", view.id_of("anna"))
            page.locator("#approve").click()
            page.locator("#yes").click()
            view.sees("Approved")
        return all(len(list((folder / "photos").iterdir())) == left for folder in lab.folders.values())

    until(is_done, f"{left} photos are left")
    lab.in_sync()


def test_a_machine_is_invited_joins_and_is_removed(view: View, lab: Lab) -> None:
    """The last test: the mesh stays closed."""
    view.open("members", view.id_of("anna"))
    page = view.page
    view.sees("Open mesh")
    page.locator("#invite").click()
    page.get_by_text("These share it openly now").wait_for()
    page.locator("#yes").click()
    page.locator("#code").wait_for()
    code = page.locator("#code").inner_text()
    assert page.locator("svg.qr").get_attribute("aria-label") == f"QR code of {code}"
    joined = lab.run("join", lab.folders["bob"], code, "--peer", f"127.0.0.1:{lab.ports['anna']}", "--yes")
    assert joined.returncode == 0, joined.stderr
    view.sees("bob has joined.")
    page.locator("tr", has_text="bob").first.wait_for()
    page.locator("tr button", has_text="Remove").first.click()
    page.get_by_text("All others get a new key.").wait_for()
    page.locator("#yes").click()
    view.sees("bob was removed.")
    until(lambda: view.page.evaluate("document.querySelectorAll('tbody tr').length === 1"), "the page shows it")
    view.wrong[:] = [line for line in view.wrong if " 409 " not in line]  # while the node begins anew
