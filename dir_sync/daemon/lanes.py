"""What waits of one link: a lane for each folder, served in turn.

In:   events of a link, each with the number of its folder; events of the link itself. Out: the next one.
Rule: the events of one folder keep their order. An event of the link itself (its end) comes after all that was put in
before it, and before all that is put in later.
Used by: inbox.
"""

from __future__ import annotations

from collections import OrderedDict, deque

__all__ = ["Lanes"]

_Lane = deque[object]


class Lanes:
    """`take` is called once for each `put`."""

    __slots__ = ("_sections",)

    def __init__(self) -> None:
        # Between two events of the link itself lies a section. Of each section, the lane that was not served for the
        # longest time comes first.
        self._sections: deque[OrderedDict[int | None, _Lane]] = deque()

    def put(self, folder: int | None, news: object) -> None:
        """`folder`: its number; None: the event concerns the link itself."""
        if folder is None or not self._sections or None in self._sections[-1]:
            self._sections.append(OrderedDict())
        section = self._sections[-1]
        lane = section.get(folder)
        if lane is None:
            lane = section[folder] = deque()
        lane.append(news)

    def take(self) -> object:
        section = self._sections[0]
        folder = next(iter(section))
        lane = section[folder]
        news = lane.popleft()
        if lane:
            section.move_to_end(folder)
        else:
            del section[folder]
            if not section:
                self._sections.popleft()
        return news
