"""Who asks: one person out of what the snapshot knows, what a state store keeps and what the caller tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recsys.catalogue import Catalogue
from recsys.histories import Histories
from recsys.ids import IdMap
from recsys.platforms import UNKNOWN, platform_number
from recsys.profiles import Profiles
from recsys.query import EMPTY_HISTORY, History, Profile
from recsys.recent import SECOND_US, EventRules, Recent, RecentEvent, merged, with_recent
from recsys.stores.records import Person

# How a rebuild names the rows of visitors who are linked to nobody.
VISITOR = "v:"


@dataclass(frozen=True, slots=True)
class Asker:
    """user: their number in the snapshot, None for who is new to it or erased · selves, profile: as in ``Query`` ·
    recent: the history up to now, and what could not count · platform: number of where they are, ``UNKNOWN`` where
    nothing says.
    """

    user: int | None
    selves: tuple[int, ...]
    profile: Profile | None
    recent: Recent
    platform: int = UNKNOWN


@dataclass(frozen=True, slots=True)
class People:
    """The part of a snapshot that people are known by."""

    users: IdMap
    catalogue: Catalogue
    histories: Histories
    profiles: Profiles
    rules: EventRules
    platforms: tuple[str, ...] = ()

    def numbers(self, person: Person) -> tuple[int, ...]:
        """All rows that are ``person``: the user's first, then those of visitors."""
        return tuple(self._rows(person))

    def history(self, person: Person) -> History:
        """All that the snapshot may still use of what ``person`` did."""
        return self._history(self._rows(person))

    def _history(self, rows: Mapping[int, int | None]) -> History:
        parts = [
            self.histories.of(number) if erased_us is None else self.histories.of(number).after(erased_us // SECOND_US)
            for number, erased_us in rows.items()
        ]
        return merged(parts) if parts else EMPTY_HISTORY

    def _rows(self, person: Person) -> dict[int, int | None]:
        """Each row that is ``person``, and up to when it was erased."""
        rows: dict[int, int | None] = {}
        if person.user_id and (number := self.users.number(person.user_id)) is not None:
            rows[number] = person.erased_us
        for id in person.visitor_ids:
            number = self.users.number(VISITOR + id)
            number = self.users.number(id) if number is None else number
            if number is not None and number not in rows:
                times = (person.erased_us, person.erased_visitors.get(id))
                rows[number] = max((time for time in times if time is not None), default=None)
        return rows

    def _platform(self, rows: Mapping[int, int | None], person: Person, told: str, *, at: int) -> int:
        """The number of the platform that the caller has ``told``, else of the one where ``person``, who is ``rows``,
        was last before ``at`` (epoch seconds) and not erased since; ``UNKNOWN`` where nothing says, or nobody else was
        ever there.
        """
        if told or not self.platforms:
            return platform_number(told, self.platforms)
        last, when = UNKNOWN, -1
        for number, erased_us in rows.items():
            since = None if erased_us is None else erased_us // SECOND_US
            found, time = self.histories.platform(number, since=since, at=at)
            if found != UNKNOWN and time > when:
                last, when = found, time
        for event in person.events:
            if event.platform and when <= (time := event.time_us // SECOND_US) < at:
                last, when = platform_number(event.platform, self.platforms), time
        return last

    def asker(self, person: Person, told: Sequence[RecentEvent], *, at: int, is_now: bool, platform: str = "") -> Asker:
        """``person`` as of ``at`` (epoch seconds), who by the caller's word also did what is ``told``, and is on
        ``platform``, "" = where they were last.

        is_now: all that is kept has happened, even what bears a later time.
        """
        rows = self._rows(person)
        selves = tuple(rows)
        user = selves[0] if selves and rows[selves[0]] is None else None
        history = self._history(rows).before(at)
        kept = [RecentEvent.of(event, latest=at - 1 if is_now else None) for event in person.events]
        if kept or told:
            recent = with_recent(history, told, self.catalogue.items, self.rules, at, kept=kept)
        else:
            recent = Recent(history)
        profile = self.profiles.changed(user, person.attributes) if person.attributes else None
        return Asker(user, selves, profile, recent, self._platform(rows, person, platform, at=at))
