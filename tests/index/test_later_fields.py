"""A field that is added to a record travels and is kept: it takes the field itself and its entry in LATER_FIELDS."""

from __future__ import annotations

import subprocess
import sys

ADDED = """
import json, sys
from importlib.machinery import SourceFileLoader
from random import Random

EDITS = {
    "dir_sync.core.model": (
        "    attributes: Attributes | None = None",
        "    attributes: Attributes | None = None\\n    label: str = ''\\n    #",
    ),
    "dir_sync.core.messages.records": (
        "attributes.value_of_text\\n    ),\\n)",
        "attributes.value_of_text\\n    ),\\n LaterField('label', str, lambda text, _: str(text), len, str, str),\\n)",
    ),
}
as_it_is = SourceFileLoader.get_code

def edited(self, name):
    if name not in EDITS:
        return as_it_is(self, name)
    source, (old, new) = self.get_data(self.path).decode(), EDITS.pop(name)
    assert source.count(old) == 1, name
    return compile(source.replace(old, new), self.path, "exec")

SourceFileLoader.get_code = edited

from dir_sync.core.messages import Change, LATER_FIELDS, ModificationUpdate, State, from_wire, page_size
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.overload.fairness import parts
from dir_sync.core.reconcile import Offer
from dir_sync.index import Index

assert not EDITS and [field.name for field in LATER_FIELDS] == ["lineage", "attributes", "label"]
over = lambda message: from_wire(json.loads(json.dumps(message.to_wire())))
plain = Record(b"d/a", Kind.FILE, 1, b"d" * 32, 5, 0o644, Stamp(9, "ab"), (("ab", 2), ("cd", 3)))
older = (("ab", 2),)
some = [plain, plain._replace(lineage=older), plain._replace(label="x"), plain._replace(label="x", lineage=older)]
some = [one._replace(path=b"d/%d" % number) for number, one in enumerate(some)]
state = State("f", 7, True, tuple(some))
assert [len(row) for row in state.to_wire()["records"]] == [10, 11, 13, 13]
assert state.to_wire()["records"][2][10:] == [None, None, "x"]
assert over(state) == state
assert page_size(some[2]) == page_size(some[0]) + 1
assert [type(one) for one in parts(state, True)] == [State]
pushed = tuple(Change("create", some[2]._replace(path=b"n%d" % number), None, True) for number in range(20))
assert over(ModificationUpdate("f", 7, pushed, (), True)).changes == pushed

index = Index(":memory:", Random(1))
for one in some:
    index.rows.put(one, b"")
    index.offers.put(Offer("aa", one, True))
index.intents.put("bb", [one._replace(path=b"new " + one.path) for one in some])
index.commit(True)
again = Index(":memory:", Random(1), index.image())
for one in some:
    assert again.rows.get(one.path).record == one
    assert [offer.record for offer in again.offers.of(one.path)] == [one]
    new = one._replace(path=b"new " + one.path)
    assert [offer.record for offer in again.offers.of(new.path)] == [new]
again.close()
print("as it was")
"""


def test_a_new_field_is_one_entry() -> None:
    ran = subprocess.run([sys.executable, "-B", "-c", ADDED], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout, ran.stderr) == ("as it was\n", "")
