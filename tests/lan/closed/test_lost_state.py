"""DIR/.dir_sync of a closed folder is deleted, while its node runs and while it does not: it stays closed, and says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.lan.changes import write
from tests.lan.checker import wait_equal, wait_for
from tests.lan.lan import Lan

from .mesh import SOON_S, has, key_of, let_in, start
from .tools import inflatable, sniffed

pytestmark = pytest.mark.lan


def test_without_its_state_a_folder_is_closed_all_the_same(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    home, other, stranger = lan
    write(home.dir / "secret-name", b"secret content")
    let_in(home, other)
    start(home, other, stranger)
    wait_equal([home.dir, other.dir], SOON_S)
    key = key_of(home)
    with sniffed(home) as sniffer:
        shutil.rmtree(home.dir / ".dir_sync")
        wait_for(lambda: key_of(home) == key, SOON_S, "its node has marked it again")
        write(home.dir / "secret-later", b"secret, too")
        wait_equal([home.dir, other.dir], SOON_S)
        assert "the mesh is open" not in home.log()
        assert f"closed mesh {key}" in home.run_to_end("status", home.dir).out
        home.stop()
        shutil.rmtree(home.dir / ".dir_sync")
        start(home)
        assert f"closed mesh {key}" in home.log(this_run=True)
        write(other.dir / "secret-last", b"secret as well")
        wait_equal([home.dir, other.dir], SOON_S)
        # A node that is the only one to know: the key is gone while it runs, and so is the mark.
        keys = home.home / ".local/state/dir_sync/keys"
        home.may_end = True
        shutil.rmtree(keys)
        shutil.rmtree(home.dir / ".dir_sync")
        assert home.ends(SOON_S) == 1
    (line,) = [line for line in home.log(this_run=True).splitlines() if line.startswith("dir_sync: ")]
    assert "belonged to a closed mesh until a moment ago, and its key is gone" in line
    heard = sniffer.everything()
    assert b"secret" not in heard
    assert not inflatable(heard)
    assert not has(stranger, "secret-name")
