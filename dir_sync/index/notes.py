"""The table `meta`: small facts by key, such as the name of a node or the time of the first scan.

In:   keys and values from the engine, the daemon and the other tables.
Out:  the latest value of a key.
Rule: a value is text or a number. The keys `name NODE` and `seen NODE` belong to a peer, and are removed when that peer is
forgotten.
"""

from __future__ import annotations

from dir_sync.index.database import Database

__all__ = ["Notes"]


class Notes:
    """The notes; written at the next commit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.unwritten: dict[str, str | int] = {}

    def flush(self) -> None:
        if self.unwritten:
            self._database.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", list(self.unwritten.items()))
            self.unwritten.clear()

    def put(self, key: str, value: str | int) -> None:
        self.unwritten[key] = value

    def get(self, key: str) -> str | int | None:
        if key in self.unwritten:
            return self.unwritten[key]
        found = self._database.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return None if found is None else found[0]

    def words(self, key: str) -> list[str]:
        """The words of a text; none if there is none."""
        return str(self.get(key) or "").split()

    def below(self, prefix: str) -> dict[str, str | int]:
        """All notes whose key begins with `prefix`, by the rest of the key."""
        query = "SELECT key, value FROM meta WHERE substr(key,1,?)=?"
        found = dict(self._database.execute(query, (len(prefix), prefix)))
        found.update((key, value) for key, value in self.unwritten.items() if key.startswith(prefix))
        return {key[len(prefix) :]: value for key, value in found.items()}

    def forget(self, key: str) -> None:
        self._database.execute("DELETE FROM meta WHERE key=?", (key,))
        self.unwritten.pop(key, None)
