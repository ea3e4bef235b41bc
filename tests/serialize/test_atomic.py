"""Saving under fire (killed, no space, no rights): the old file or the new, never neither."""

import errno
import os
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from rushlight.serialize import atomic, load, save
from tests.serialize.tools import tensor

resource = pytest.importorskip("resource")  # by which POSIX systems limit files
ROOT = os.getuid() == 0


def weights(step, size=1000):
    return {"step": step, "w": tensor(np.full(size, step, np.float32))}


def leftovers(folder):
    return [name for name in os.listdir(folder) if name.endswith(atomic.SUFFIX)]


def test_replacing_keeps_mode_and_link(tmp_path):
    path, link = tmp_path / "a.pt", tmp_path / "latest.pt"
    save(weights(1), path)
    os.chmod(path, 0o640)
    link.symlink_to(path)
    save(weights(2), link)
    assert link.is_symlink() and load(path)["step"] == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640 and not leftovers(tmp_path)


def test_a_new_file_has_the_users_mode(tmp_path):
    before = os.umask(0o027)
    try:
        save(1, tmp_path / "a.pt")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.pt").stat().st_mode) == 0o640


def test_an_error_in_the_middle_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    for error in (KeyError("x"), KeyboardInterrupt()):
        with pytest.raises(type(error)), atomic.replacing(path) as stream:
            stream.write(b"new, but only half")
            raise error
        assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.bin"]


def test_folders_that_are_missing_or_given(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"Parent directory .*none does not exist"
    ) as caught:
        save(1, tmp_path / "none" / "a.pt")
    assert isinstance(caught.value, RuntimeError)
    assert "makedirs" in caught.value.__notes__[0]
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        save(1, tmp_path)
    with pytest.raises(OSError, match="too long"):
        save(1, tmp_path / ("a" * 300))
    longest = tmp_path / ("ü" * 126 + ".pt")
    save(1, longest)
    assert load(longest) == 1


def test_pipes_and_devices_are_written_through(tmp_path):
    save(weights(1), "/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def run(script, *arguments, **options):
    """A child process that runs the script with this checkout."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


SAVER = """
    import sys
    from tests.serialize.test_atomic import weights
    from rushlight.serialize import save
    for step in range(1, 1_000_000):
        save(weights(step, 200_000), sys.argv[1])
        print(step, flush=True)
"""


def test_killed_while_saving_leaves_old_or_new(tmp_path):
    path = tmp_path / "model.pt"
    rng = np.random.default_rng(1)
    for _ in range(5):
        child = run(SAVER, path)
        assert child.stdout is not None
        done = child.stdout.readline()
        assert done.strip() == "1", child.communicate()
        time.sleep(rng.uniform(0, 0.03))
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split()  # communicate() would lose what is buffered here
        child.communicate()
        last = int(rest[-1]) if rest else 1
        found = load(path)
        assert found["step"] in (last, last + 1)
        assert np.all(found["w"]._array == found["step"])
    save(weights(0), path)
    assert os.listdir(tmp_path) == ["model.pt"]


def test_only_orphans_are_swept(tmp_path):
    path = tmp_path / "model.pt"
    orphan = tmp_path / f".model.pt.{'a' * 12}{atomic.SUFFIX}"
    others = [f".model.pt.x{atomic.SUFFIX}", f".other.pt.{'a' * 12}{atomic.SUFFIX}", "model.pt.tmp"]
    for name in [orphan.name, *others]:
        (tmp_path / name).write_bytes(b"half")
    with atomic.replacing(path) as living:
        living.write(b"first")
        assert not orphan.exists()
        save(2, path)  # another writer of the same file, which must not sweep the living one
        assert len(leftovers(tmp_path)) == 3
    assert path.read_bytes() == b"first"
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "model.pt"])


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB, where the tests may make one; else a limit on the size of files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mounted = ROOT and subprocess.run(mount, capture_output=True).returncode == 0
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if not mounted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    yield folder
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("preflight", [True, False])
def test_a_full_disk_leaves_the_old_file(small_disk, preflight, monkeypatch):
    path = small_disk / "model.pt"
    save(weights(1), path)
    if not preflight:
        monkeypatch.setattr(atomic, "_check_space", lambda *arguments: None)
    with pytest.raises(OSError, match=r"model\.pt") as caught:
        save(weights(2, 500_000), path)
    assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert "MB needed" in str(caught.value) and caught.value.filename == str(path)
    assert load(path)["step"] == 1 and os.listdir(small_disk) == ["model.pt"]


def test_the_preflight_tells_need_and_room(tmp_path):
    room = os.statvfs(tmp_path)
    asked = room.f_bavail * room.f_frsize * 2
    with (
        pytest.raises(OSError, match=r"MB needed, .* MB free"),
        atomic.replacing(tmp_path / "a", asked),
    ):
        raise AssertionError("must not get here")
    assert os.listdir(tmp_path) == []


def test_a_read_only_folder_is_named(tmp_path):
    folder = tmp_path / "shut"
    folder.mkdir()
    save(1, folder / "model.pt")
    folder.chmod(0o555)
    script = """
        import os, sys
        from rushlight.serialize import save, load
        load(sys.argv[1])
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            save(2, sys.argv[1])
        except PermissionError as error:
            print(error.filename == sys.argv[1], load(sys.argv[1]), error)
    """
    for above in (tmp_path, *tmp_path.parents):  # another user must be able to walk in
        if above.stat().st_uid != os.getuid() or above == Path(tempfile.gettempdir()):
            break
        above.chmod(0o755)
    done = run(script, folder / "model.pt")
    shown, trouble = done.communicate()
    folder.chmod(0o755)
    assert shown.startswith("True 1 [Errno 13]"), (shown, trouble)


def test_torn_writes_are_never_seen_by_a_reader(tmp_path):
    path = tmp_path / "model.pt"
    save(weights(0, 200_000), path)
    child = run(SAVER, path)
    assert child.stdout is not None and child.stdout.readline()
    try:
        end, seen = time.monotonic() + 60, set()
        while len(seen) < 10 and time.monotonic() < end:
            found = load(path)
            assert np.all(found["w"]._array == found["step"])
            seen.add(found["step"])
    finally:
        child.kill()
        child.communicate()
    assert len(seen) == 10
