"""A window of headless Chromium on the pages of a lab, and a picture to share."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING

from tests.web.lab import Lab

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page

WAIT_MS = 30_000


def png(red: int) -> bytes:
    """A small picture in one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes((red, 90, 160)) * 60) * 40
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60, 40, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class View:
    """A window, and all that went wrong in it."""

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab, self.page = lab, page
        self.wrong: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("dialog", self._on_dialog)
        page.on("console", lambda line: self.wrong.append(line.text) if line.type == "error" else None)
        page.goto(lab.url)
        page.wait_for_selector(".card")
        self.root = page.url.partition("#")[0].partition("?")[0]

    def _on_dialog(self, dialog: Dialog) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def id_of(self, name: str) -> str:
        """The id of a folder in addresses."""
        selector = f".card:has(p.path:text-is('{self.lab.folders[name]}'))"
        self.open("overview")
        found = self.page.locator(f".cards {selector}").get_attribute("id")
        assert found is not None
        return found.removeprefix("folder-")

    def open(self, page: str, folder: str = "", **params: str) -> None:
        words = "&".join(f"{key}={value}" for key, value in ({"folder": folder} if folder else {}).items())
        more = "&".join(f"{key}={value}" for key, value in params.items())
        query = "&".join(part for part in (words, more) if part)
        self.page.goto("about:blank")
        self.page.goto(f"{self.root}#/{page}{'?' + query if query else ''}")
        self.page.wait_for_selector(f".page-{page} > *")

    def open_file(self, name: str, path: str) -> None:
        key = base64.urlsafe_b64encode(path.encode()).decode().rstrip("=")
        self.open("file", self.id_of(name), path=key)
        self.page.wait_for_selector(".timeline li")

    def sees(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()
