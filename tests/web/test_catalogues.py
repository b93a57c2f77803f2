"""The texts of the pages: each language has the same keys, and the pages use those that there are."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest

from dir_sync.web.app import STATIC

LANGUAGES = sorted(path.stem for path in (STATIC / "lang").glob("*.json"))
SCRIPTS = sorted((STATIC / "js").rglob("*.js"))
FORMS = (".one", ".other")


@cache
def catalogue(language: str) -> dict[str, str]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), "a key stands twice"
        return dict(pairs)

    found = json.loads((STATIC / "lang" / f"{language}.json").read_text("utf-8"), object_pairs_hook=unique)
    assert isinstance(found, dict)
    return found


def test_there_are_english_and_german() -> None:
    assert {"de", "en"} <= set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_the_same_keys_and_the_same_places(language: str) -> None:
    mine, english = catalogue(language), catalogue("en")
    assert list(mine) == list(english)
    for key, text in mine.items():
        assert text.strip(), key
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", english[key])), key


def test_a_sentence_fits_the_words_for_this_machine() -> None:
    """ "dieser Rechner" stands as it is only after a colon: with a preposition it would be another form."""
    assert catalogue("de")["file.by"].endswith(": {who}")


def test_a_version_that_another_machine_keeps_need_not_be_restored_to_be_seen() -> None:
    for language, word in (("en", "restore"), ("de", "wiederherst")):
        assert word not in catalogue(language)["file.on"]


def test_what_counts_has_both_forms() -> None:
    """A text with a number has ".one". Another one may end in ".other", as the word for a kind of file does."""
    keys = set(catalogue("en"))
    for key in keys:
        if key.endswith(".one"):
            assert {key.removesuffix(".one") + form for form in FORMS} <= keys


def test_the_pages_use_texts_that_there_are_and_all_of_them() -> None:
    text = "\n".join(re.sub(r"^ *//.*", "", path.read_text("utf-8"), flags=re.M) for path in SCRIPTS)
    named = set(re.findall(r"""[\"'`]([a-z][\w-]*(?:\.[\w-]+)*)[\"'`]""", text))
    begun = tuple(re.findall(r"`([a-z][\w.-]*\.)\$\{", text))  # t(`headline.${word}`)
    titles = {f"{name}.title" for name in re.findall(r'name: "(\w+)"', (STATIC / "js" / "pages.js").read_text("utf-8"))}
    every = set(catalogue("en"))
    counted = {key.removesuffix(".one") for key in every if key.endswith(".one")}
    keys = counted | {key for key in every if key.removesuffix(".one").removesuffix(".other") not in counted}
    unused = {key for key in keys if key not in named | titles and not key.startswith(begun)}
    assert not unused
    used = set(re.findall(r"""\bt\(\s*[\"']([\w.-]+)[\"']""", text)) | titles
    assert used <= keys


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_never_make_html_of_text(path: Any) -> None:
    text = path.read_text("utf-8")
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "srcdoc",
        "setInterval",
    ):
        assert word not in text, word
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text


def test_nothing_comes_from_elsewhere() -> None:
    for path in (STATIC / "index.html", STATIC / "style.css", STATIC / "icon.svg"):
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"/\*.*?\*/", "", text, flags=re.S), path.name
        assert " style=" not in text
        assert not re.search(r"\son\w+=", text)
