"""What is promised: after a kill, at any point, the old copy is whole or the new one."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from countersign.registry.copy.errors import CopyError, CopyFullError
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.zone.names import APEX
from tests.registry.copy.writer import marker, version
from tests.registry.copy.zones import all_nodes, apex, fill

KILLS = 20
"""For each of the three ways to write."""
NAMES = 300


@contextlib.contextmanager
def started(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.registry.copy.{module}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def directory_for_all() -> Iterator[Path]:
    """Give a directory that other users can enter."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def in_child(work: Callable[[], int]) -> int:
    """Return what work returns in a forked process, 0 to 254."""
    child = os.fork()
    if child == 0:
        status = 255
        with contextlib.suppress(BaseException):
            status = work()
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return iter(process.stdout)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["apply", "replace", "change"])
def test_a_kill_at_any_point_leaves_the_old_or_the_new_copy(tmp_path: Path, how: str) -> None:
    chance = random.Random(how)
    directory = tmp_path / "copy"
    serial = 0
    for number in range(KILLS):
        with started("writer", str(directory), how, str(serial + 1), str(NAMES)) as process:
            begun = 0
            for line in lines(process):
                begun = int(line)
                if begun >= serial + 1 + number % 3:
                    break
            # Somewhere in a version, which takes about ten milliseconds.
            threading.Event().wait(chance.random() * 0.02)
            process.kill()
            rest = process.communicate()
            assert process.returncode == -signal.SIGKILL, rest[1]
            begun = max([begun, *map(int, rest[0].split())])
        with ZoneCopy.open(directory, writable=number % 2 == 0) as copy:
            meta = copy.meta()
            if meta is None:
                assert begun == 1
                continue
            assert meta.serial in (begun - 1, begun)
            assert copy.verify() == []
            assert all_nodes(copy) == version(meta.serial, NAMES)
            serial = meta.serial
    assert serial > KILLS / 2


@pytest.mark.slow
@pytest.mark.parametrize("how", ["apply", "replace"])
def test_readers_see_whole_versions_only(tmp_path: Path, how: str) -> None:
    directory = str(tmp_path / "copy")
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(started("writer", directory, how, "1", str(NAMES)))
        written = lines(writer)
        assert next(line for line in written if int(line) == 2)
        readers = [stack.enter_context(started("looker", directory, "15")) for _ in range(3)]
        # The pipe must not fill up and hold the writer.
        threading.Thread(target=lambda: list(written), daemon=True).start()
        for reader in readers:
            out, errors = reader.communicate(timeout=60)
            assert reader.returncode == 0, errors
            assert int(out) >= 5, "too few versions seen to tell"


def test_places_of_killed_readers_are_freed(tmp_path: Path) -> None:
    directory = tmp_path / "copy"
    with ZoneCopy.open(directory, writable=True) as copy:
        fill(copy, version(1, NAMES), 1)
        with started("looker", str(directory), "hold") as reader:
            assert next(lines(reader)) == "1\n"
            assert copy._environment.check_readers() == 0
            fill(copy, version(2, NAMES), 2)
        assert copy._environment.check_readers() == 1


def test_the_file_does_not_grow_with_the_versions(tmp_path: Path) -> None:
    data = tmp_path / "copy" / "data.mdb"
    with ZoneCopy.open(tmp_path / "copy", writable=True) as copy:
        for serial in range(1, 4):
            fill(copy, version(serial, 3000), serial)
        size = data.stat().st_size
        for serial in range(4, 20):
            fill(copy, version(serial, 3000), serial)
        assert data.stat().st_size <= 1.5 * size


def test_no_room_on_the_disk_leaves_the_old_copy(tmp_path: Path) -> None:
    directory = tmp_path / "copy"
    with ZoneCopy.open(directory, writable=True) as copy:
        fill(copy, version(1, NAMES), 1)
        size = (directory / "data.mdb").stat().st_size
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 64 * 1024, before[1]))
        try:
            for _ in range(3):
                with pytest.raises(CopyFullError, match="disk took no more"):
                    fill(copy, version(2, 20_000), 2)
                with (
                    pytest.raises(CopyFullError, match="as it was before"),
                    copy.changing() as change,
                ):
                    for key, node in version(2, 20_000).items():
                        change.put(key, node)
                    change.commit(serial=2, checked_at=0.0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert copy.verify() == []
        assert all_nodes(copy) == version(1, NAMES)
        fill(copy, version(2, 20_000), 2)
        assert copy.verify() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_users_of_the_group_read_and_others_are_told_why_not(directory_for_all: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    directory = directory_for_all / "copy"
    with ZoneCopy.open(directory, writable=True) as copy:
        fill(copy, version(1, NAMES), 1)
    for path in (directory, *directory.iterdir()):
        os.chown(path, -1, nobody.pw_gid)

    def serial_read_by(group: int) -> int:
        def read() -> int:
            os.setgroups([])
            os.setgid(group)
            os.setuid(nobody.pw_uid)
            try:
                with ZoneCopy.open(directory, writable=False) as copy:
                    assert copy.verify() == []
                    return marker(copy.reader().get(b".org\0h000001"))
            except CopyError as error:
                return 100 if "in the group of the directory" in str(error) else 101

        return in_child(read)

    assert serial_read_by(nobody.pw_gid) == 1
    with ZoneCopy.open(directory, writable=True) as copy:
        fill(copy, version(2, NAMES), 2)
    assert serial_read_by(nobody.pw_gid) == 2
    assert serial_read_by(nobody.pw_gid + 1 if nobody.pw_gid < 60_000 else 12_345) == 100


def test_a_child_is_told_not_to_use_what_its_parent_opened(tmp_path: Path) -> None:
    with ZoneCopy.open(tmp_path / "copy", writable=True) as copy:
        fill(copy, version(1, NAMES), 1)
        reader = copy.reader()
        with reader.snapshot() as snapshot:

            def read() -> int:
                try:
                    reader.get(APEX)
                except CopyError as error:
                    copy.close()
                    return 1 if "forked" in str(error) else 2
                return 0

            assert in_child(read) == 1
            fill(copy, version(2, NAMES), 2)
            fill(copy, version(3, NAMES), 3)
            assert dict(snapshot.nodes()) == version(1, NAMES)
        assert reader.get(APEX) == apex(3)


def test_a_process_that_reads_can_write_later(tmp_path: Path) -> None:
    directory = tmp_path / "copy"
    with ZoneCopy.open(directory, writable=True) as copy:
        fill(copy, version(1, NAMES), 1)
    with ZoneCopy.open(directory, writable=False) as reading:
        reader = reading.reader()
        assert reader.get(APEX) == apex(1)
        with ZoneCopy.open(directory, writable=True) as copy:
            assert reader.get(APEX) == apex(1)
            fill(copy, version(2, NAMES), 2)
            assert reader.get(APEX) == apex(2)
        assert reader.get(APEX) == apex(2)
        assert marker(reader.get(b".org\0h000001")) == 2


def test_a_copy_deleted_under_its_writer_is_not_written_to(tmp_path: Path) -> None:
    directory = tmp_path / "copy"
    with ZoneCopy.open(directory, writable=True) as copy:
        fill(copy, version(1, NAMES), 1)
        shutil.rmtree(directory)
        with pytest.raises(CopyError, match=r"deleted|no copy"):
            fill(copy, version(2, NAMES), 2)
        with pytest.raises(CopyError, match="deleted"), copy.changing():
            pass
        with ZoneCopy.open(directory, writable=True) as anew:
            assert anew.meta() is None
            fill(anew, version(3, NAMES), 3)
            with pytest.raises(CopyError, match="deleted"), copy.changing():
                pass
            assert all_nodes(anew) == version(3, NAMES)
