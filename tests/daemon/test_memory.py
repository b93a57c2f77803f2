"""How much of its index each folder of a node keeps in memory."""

from __future__ import annotations

from dir_sync.daemon.memory import Memory


class Caches:
    share = 1.0

    def cache(self, share: float) -> None:
        self.share = share


def shares(folders: list[Caches]) -> list[float]:
    return [folder.share for folder in folders]


def test_a_folder_alone_keeps_all() -> None:
    memory, alone = Memory(), Caches()
    for second in (0.0, 1.0, 1000.0):
        memory.used(alone, second)
        assert alone.share == 1.0


def test_many_busy_folders_keep_together_no_more_than_one_would_keep() -> None:
    memory, folders = Memory(), [Caches() for _ in range(20)]
    for folder in folders:
        memory.used(folder, 1.0)
    assert len(set(shares(folders))) == 1
    assert 0.5 < sum(shares(folders)) <= 1.0


def test_who_is_busy_while_others_rest_gets_nearly_all() -> None:
    memory, folders = Memory(), [Caches() for _ in range(20)]
    for folder in folders:
        memory.used(folder, 1.0)
    memory.used(folders[3], 100.0)
    assert folders[3].share > 0.7
    assert sum(shares(folders)) <= 1.0
    memory.used(folders[4], 105.0)
    assert folders[3].share == folders[4].share > 0.35
    assert sum(shares(folders)) <= 1.0


def test_shares_stay_as_they_are_while_the_same_folders_are_busy() -> None:
    memory, folders = Memory(), [Caches(), Caches()]
    for second in range(100):
        for folder in folders:
            memory.used(folder, second / 2)
        if second == 0:
            for folder in folders:
                folder.share = -1.0
    assert shares(folders) == [-1.0, -1.0], "nothing was set anew"


def test_the_last_that_is_left_keeps_all() -> None:
    memory, folders = Memory(), [Caches(), Caches()]
    for folder in folders:
        memory.used(folder, 1.0)
    memory.gone(folders[0])
    assert folders[1].share == 1.0
