"""Owners and groups are each machine's own: what arrives is as usable as what is made there."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .changes import blob, write
from .checker import survey, wait_equal, wait_for
from .lan import Lan

pytestmark = pytest.mark.lan

SOON_S = 30.0
TEAM, MATE, OTHER = 2500, 2600, 4321
NOBODY = 2**32 - 1
FOR_MATE = ((1, 7, NOBODY), (2, 7, MATE), (4, 7, NOBODY), (16, 7, NOBODY), (32, 5, NOBODY))  # an ACL: user MATE may all
OWNER_ONLY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner,-chown", "--inh-caps=-all")


def test_a_teams_folder(new_lan: Callable[..., Lan]) -> None:
    """setgid and a default ACL on one machine: both hold for what another machine makes, and neither travels."""
    lan = new_lan(2)
    a, b = lan
    (a.dir / "team").mkdir()
    (a.dir / "team").chmod(0o775)
    lan.start()
    lan.meet("start")
    wait_equal(lan.roots, SOON_S)
    os.chown(b.dir / "team", -1, TEAM)
    (b.dir / "team").chmod(0o2775)
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in FOR_MATE)
    try:
        os.setxattr(b.dir / "team", "system.posix_acl_default", acl)
    except OSError as error:
        pytest.skip(f"no ACLs here: {error}")
    for number in range(12):
        write(a.dir / f"team/plan {number}", b"%d" % number).chmod(0o664)
    write(a.dir / "team/sub/deep/file", b"deep")
    write(a.dir / "team/large", blob(3 << 20, "large"))
    wait_for(lambda: contents(a.dir) == contents(b.dir), SOON_S, "all is there")
    for above, folders, names in os.walk(b.dir / "team"):
        for name in [*folders, *names]:
            path = Path(above, name)
            assert path.stat().st_gid == TEAM, path
            assert struct.pack("<HHI", 2, 7, MATE) in os.getxattr(path, "system.posix_acl_access"), path
            assert bool(path.stat().st_mode & 0o2000) == path.is_dir(), path
    assert {path.stat().st_gid for path in (a.dir / "team").rglob("*")} == {os.getegid()}
    write(a.dir / "team/plan 1", b"changed")
    wait_for(lambda: (b.dir / "team/plan 1").read_bytes() == b"changed", SOON_S, "the change")
    assert (b.dir / "team/plan 1").stat().st_gid == TEAM


def contents(root: Path) -> dict[str, bytes]:
    """Of all files; a folder's special bits may differ."""
    return {str(path.relative_to(root)): path.read_bytes() for path in (root / "team").rglob("*") if path.is_file()}


def test_files_of_another_user_in_a_folder_of_ours(new_lan: Callable[..., Lan]) -> None:
    """Nodes that may do no more than any user: chmod and touch by somebody elsewhere arrive, once, and nothing is lost."""
    lan = new_lan(2)
    a, b = lan
    names = ("touched", "made runnable", "edited", "renamed", "deleted")
    for name in names:
        write(a.dir / "www" / name, name.encode() * 100).chmod(0o644)
    write(a.dir / "www/link", b"").unlink()
    (a.dir / "www/link").symlink_to("to")
    try:
        for node in lan:
            node.launch([*OWNER_ONLY, sys.executable, node.main, node.dir, "-s", node.signatures])
        lan.meet("start")
    except FileNotFoundError:
        pytest.skip("no setpriv here")
    wait_equal(lan.roots, SOON_S, like=survey(a.dir))
    for name in (*names, "link"):
        subprocess.run(["chown", "-h", f"{OTHER}:{OTHER}", b.dir / "www" / name], check=True)
    (a.dir / "www/made runnable").chmod(0o755)
    os.utime(a.dir / "www/touched", ns=(1, 10**18))
    os.utime(a.dir / "www/link", ns=(1, 10**18), follow_symlinks=False)
    write(a.dir / "www/edited", b"edited")
    (a.dir / "www/renamed").rename(a.dir / "www/renamed too")
    (a.dir / "www/deleted").unlink()
    wait_equal(lan.roots, SOON_S, like=survey(a.dir))
    owners = {path.name: path.lstat().st_uid for path in (b.dir / "www").iterdir()}
    ours = {name: os.geteuid() for name in ("touched", "made runnable", "edited", "link")}
    assert owners == {**ours, "renamed too": OTHER}
    kept = [path.read_bytes() for path in b.versions.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sorted(kept) == sorted(name.encode() * 100 for name in ("touched", "made runnable", "edited", "deleted"))
    assert "no permission" not in b.log()
    for node in lan:
        node.stop()
