"""A copy that is written anew while others decide and publish."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from countersign.registrar.operations.office import Office
from countersign.registrar.publishing import anew, publisher
from countersign.registrar.publishing.copies import open_zone_copy, zone_directory
from countersign.registrar.publishing.publisher import catch_up, ensure_published, publish
from countersign.registry.copy.errors import CopyBusyError
from countersign.rules.life_cycle import State
from tests.registrar.jobs.doing import do_jobs
from tests.registrar.publishing.checking import check_journal, check_published, versions
from tests.registrar.publishing.making import add_server, change

HOST = "mail.example.org"


def after_reading(monkeypatch: pytest.MonkeyPatch, call: Callable[[], object], times: int) -> None:
    """Do something after the database was read, and before what it makes is published."""
    real, left = anew._fill, [times]

    def fill(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        if left[0]:
            left[0] -= 1
            call()

    monkeypatch.setattr(anew, "_fill", fill)


def order_whole(office: Office) -> None:
    with office.work() as work:
        work.order("publish", {"whole": True})


def test_who_decides_does_not_wait_until_the_copy_is_written(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = add_server(office, HOST)
    ensure_published(office)
    order_whole(office)
    # In this very thread: it would wait for itself if the lock were held.
    after_reading(monkeypatch, lambda: change(office, server, state=State.SUSPENDED), 1)
    publish(office)
    check_published(office)
    assert [one.follows for one in versions(office)] == [False, True]


def test_the_decision_of_a_lost_copys_time_is_not_lost(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = add_server(office, HOST)
    ensure_published(office)
    shutil.rmtree(zone_directory(office.config))
    change(office, server, public_reason="one")
    after_reading(monkeypatch, lambda: change(office, server, state=State.SUSPENDED), 1)
    publish(office)
    check_published(office)


@pytest.mark.parametrize("times", [1, 9])
def test_what_others_publish_meanwhile_stays(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, times: int
) -> None:
    server = add_server(office, HOST)
    ensure_published(office)
    primary = office.config.primary.model_copy(update={"copy_directory": tmp_path / "other"})
    other = replace(office, config=office.config.model_copy(update={"primary": primary}))
    with open_zone_copy(other) as copy:
        catch_up(other, copy)

    def decide_elsewhere() -> None:
        # While the lock is held nobody can.
        if len(tries) < anew._FREE_TRIES:
            change(other, server, state=State.SUSPENDED, public_reason=f"spam {len(tries)}")
            publish(other)
        tries.append(1)

    tries: list[int] = []
    after_reading(monkeypatch, decide_elsewhere, times)
    with open_zone_copy(office) as copy:
        anew.publish_anew(office, copy)
    check_published(office)
    with open_zone_copy(other) as copy:
        catch_up(other, copy)
    check_published(other)
    check_journal(office, {})
    assert len(tries) == min(times, anew._FREE_TRIES) + (times > anew._FREE_TRIES)


def test_a_publication_waits_for_who_writes_the_copy_anew(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_server(office, HOST)
    pauses: list[float] = []
    with open_zone_copy(office) as copy:
        holding = copy.replacing()
        holding.__enter__()

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            holding.__exit__(None, None, None)

        monkeypatch.setattr(publisher.time, "sleep", pause)
        ensure_published(office)
    assert len(pauses) == 1
    check_published(office)


def test_an_order_is_answered_later_while_the_copy_is_written(office: Office) -> None:
    add_server(office, HOST)
    order_whole(office)
    with open_zone_copy(office) as copy, copy.replacing():
        assert do_jobs(office, ["publish"]) == [("publish", "later")]
        with pytest.raises(CopyBusyError):
            publish(office)
