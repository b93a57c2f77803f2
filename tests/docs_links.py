"""Looks at a site that scripts/docs has made: each link within it leads to a page and a heading that are there, and no page
loads anything from elsewhere (a link that a reader follows may lead elsewhere).

    python -m tests.docs_links SITE      exit code 1, and a line for each fault

It may import the standard library alone.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ELSEWHERE = ("http", "https")
LOADED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
NOT_LOADED = ("canonical", "prev", "next", "alternate", "edit")  # a <link> with one of these
NO_LINK = ("mailto", "data", "javascript")


class Page(HTMLParser):
    """What a page links to and loads, and what in it can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in LOADED and LOADED[tag] in given and given.get("rel") not in NOT_LOADED:
            self.loads.append(given[LOADED[tag]])


def faults(site: Path) -> list[str]:
    """A line for each link that leads nowhere, and each thing that comes from elsewhere."""
    pages = {path.resolve(): Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    found = [] if pages else [f"{site}: no page"]
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for address in page.links + page.loads:
            parts = urlsplit(address)
            if parts.scheme in ELSEWHERE or parts.netloc:
                if address in page.loads:
                    found.append(f"{name} loads {address}")
                continue
            if parts.scheme in NO_LINK or name.name == "404.html":  # that one has addresses of a server
                continue
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            to = to / "index.html" if to.is_dir() else to
            if not to.exists():
                found.append(f"{name}: no {address}")
            elif parts.fragment and to in pages and unquote(parts.fragment) not in pages[to].ids:
                found.append(f"{name}: no heading {address}")
    return found


def main(arguments: list[str]) -> int:
    (site,) = arguments
    found = faults(Path(site))
    print("\n".join(found), file=sys.stderr, end="\n" * bool(found))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
