"""The options of a node as values of JSON."""

from __future__ import annotations

import json

from dir_sync.config import Config
from dir_sync.core.frozen import fields_of
from dir_sync.core.mode import Mode
from dir_sync.core.preserve import Part
from dir_sync.folder.settings import settings_json


def test_they_go_through_json_and_sets_have_an_order() -> None:
    all_parts = frozenset(Part)
    config = Config("/f", peers=(("hub", 6000),), mode=Mode.MIRROR, preserve=all_parts, join="AAAA-BBBB")
    said = settings_json(config)
    assert json.loads(json.dumps(said)) == said
    assert said["peers"] == [["hub", 6000]]
    assert said["preserve"] == sorted(map(str, all_parts))
    assert said.keys() == set(fields_of(Config)[0]) - {"join"}, "who may ask need not know the code"
