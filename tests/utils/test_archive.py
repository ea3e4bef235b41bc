"""Archives: harmless ones unpack, harmful ones write nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushlight.utils.archive import Limits, extract, extract_single
from rushlight.utils.errors import ArchiveError

FILES = {"a.txt": b"one", "folder/b.bin": bytes(range(256)), "folder/deep/empty": b""}


def make_tar(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as file:
        for name, content in members:
            item = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            item.name = name
            data = b"" if content is item else content
            item.size = len(data)
            file.addfile(item, io.BytesIO(data))
    return path


def make_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def special(kind, target=""):
    item = tarfile.TarInfo()
    item.type, item.linkname = kind, target
    return item


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("kind", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
def test_plain_archives_unpack_as_they_are(tmp_path, kind):
    members = list(FILES.items())
    packed = tmp_path / "archive"
    make_zip(packed, members) if kind == "zip" else make_tar(packed, members, kind)
    written = extract(packed, tmp_path / "out")
    assert tree(tmp_path / "out") == FILES
    names = (path.relative_to(tmp_path / "out").as_posix() for path in written)
    assert sorted(names) == sorted(FILES)
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == ["a.txt", "folder"]


def test_unpacking_again_replaces(tmp_path):
    packed = make_zip(tmp_path / "z", FILES.items())
    extract(packed, tmp_path / "out")
    (tmp_path / "out" / "a.txt").write_bytes(b"changed")
    extract(packed, tmp_path / "out")
    assert tree(tmp_path / "out") == FILES


BAD_NAMES = ["../evil", "/abs/evil", "a/../../evil", "..\\evil", "C:\\evil", "\\\\host\\evil"]


@pytest.mark.parametrize("maker", [make_tar, make_zip])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_paths_that_leave_are_refused_by_name(tmp_path, maker, name):
    packed = maker(tmp_path / "archive", [("good", b"1"), (name, b"2")])
    with pytest.raises(ArchiveError) as caught:
        extract(packed, tmp_path / "in" / "out")
    assert "evil" in str(caught.value)
    assert tree(tmp_path / "in") == {} and list((tmp_path / "in" / "out").iterdir()) == []


@pytest.mark.parametrize(
    "member",
    [
        special(tarfile.SYMTYPE, "/etc"),
        special(tarfile.LNKTYPE, "good"),
        special(tarfile.CHRTYPE),
        special(tarfile.BLKTYPE),
        special(tarfile.FIFOTYPE),
    ],
    ids=["symlink", "hard link", "character device", "block device", "pipe"],
)
def test_links_and_devices_are_refused(tmp_path, member):
    packed = make_tar(tmp_path / "t", [("good", b"1"), ("odd", member)])
    with pytest.raises(ArchiveError, match="'odd'"):
        extract(packed, tmp_path / "out")
    assert tree(tmp_path / "out") == {}


def test_symlink_and_encrypted_member_in_a_zip_are_refused(tmp_path):
    link = zipfile.ZipInfo("odd")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ArchiveError, match="'odd' is a link"):
        extract(make_zip(tmp_path / "z", [(link, "/etc/passwd")]), tmp_path / "out")
    packed = bytearray(make_zip(tmp_path / "e", [("odd", b"x" * 9)]).read_bytes())
    packed[6] |= 1
    packed[packed.rindex(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "e").write_bytes(packed)
    with pytest.raises(ArchiveError, match="'odd' is encrypted"):
        extract(tmp_path / "e", tmp_path / "out")


def test_names_differing_only_in_case_are_refused(tmp_path):
    packed = make_zip(tmp_path / "z", [("Read.me", b"1"), ("read.ME", b"2")])
    with pytest.raises(ArchiveError, match="only in case"):
        extract(packed, tmp_path / "out")


@pytest.mark.parametrize("maker", [make_tar, make_zip])
def test_bombs_are_refused(tmp_path, maker):
    packed = maker(tmp_path / "archive", [("zeros", b"\0" * 4_000_000)])
    strict = Limits(ratio_from=1000)
    with pytest.raises(ArchiveError, match="200 times"):
        extract(packed, tmp_path / "out", strict)
    with pytest.raises(ArchiveError, match="more than 1000 bytes"):
        extract(packed, tmp_path / "out", Limits(size=1000))
    many = maker(tmp_path / "many", [(f"n{index}", b"") for index in range(20)])
    with pytest.raises(ArchiveError, match="more than 10 members"):
        extract(many, tmp_path / "out", Limits(members=10))
    assert tree(tmp_path / "out") == {}


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("end", PACKERS)
def test_a_file_that_swells_is_refused_though_it_claims_nothing(tmp_path, end):
    packed = tmp_path / f"zeros{end}"
    packed.write_bytes(PACKERS[end](b"\0" * 4_000_000))
    with pytest.raises(ArchiveError, match="200 times"):
        extract_single(packed, limits=Limits(ratio_from=1000))
    with pytest.raises(ArchiveError, match="more than 1000 bytes"):
        extract_single(packed, limits=Limits(size=1000))
    assert sorted(item.name for item in tmp_path.iterdir()) == [f"zeros{end}"]
    assert extract_single(packed).stat().st_size == 4_000_000


@pytest.mark.parametrize("end", PACKERS)
def test_a_file_cut_anywhere_leaves_the_old_one(tmp_path, end):
    whole = PACKERS[end](bytes(range(256)) * 4)
    (tmp_path / "x").write_bytes(b"old")
    for length in range(0 if end == ".xz" else 1, len(whole), 7):
        (tmp_path / f"x{end}").write_bytes(whole[:length])
        with pytest.raises(ArchiveError, match=f"x{end} cannot be unpacked"):
            extract_single(tmp_path / f"x{end}")
        assert (tmp_path / "x").read_bytes() == b"old"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["x", f"x{end}"]


def test_a_file_packed_in_no_known_way_is_refused(tmp_path):
    (tmp_path / "x.lz4").write_bytes(b"")
    with pytest.raises(ArchiveError, match=r"none of \.gz, \.bz2, \.xz"):
        extract_single(tmp_path / "x.lz4")


def test_a_link_already_in_the_destination_is_not_followed(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "folder").symlink_to(tmp_path / "outside")
    packed = make_zip(tmp_path / "z", [("folder/evil", b"1")])
    with pytest.raises(ArchiveError, match="through a link"):
        extract(packed, tmp_path / "out")
    assert tree(tmp_path / "outside") == {}


@pytest.mark.parametrize("share", [0, 1, 10, 50, 90, 99])
@pytest.mark.parametrize("maker", [make_tar, make_zip])
def test_cut_archives_write_nothing(tmp_path, maker, share):
    whole = maker(tmp_path / "whole", [("x", bytes(range(256)) * 64)]).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) * share // 100])
    with pytest.raises(ArchiveError, match="cut"):
        extract(tmp_path / "cut", tmp_path / "out")
    assert tree(tmp_path / "out") == {}


def test_a_web_page_is_named(tmp_path):
    (tmp_path / "page.tgz").write_bytes(b"<html>404")
    with pytest.raises(ArchiveError, match="HTML page"):
        extract(tmp_path / "page.tgz", tmp_path / "out")
    with pytest.raises(ArchiveError, match="HTML page"):
        extract_single((tmp_path / "page.tgz").rename(tmp_path / "page.gz"), tmp_path / "x")


@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damaged_archives_never_write_outside(tmp_path, data):
    maker = data.draw(st.sampled_from([make_tar, make_zip]))
    whole = bytearray(maker(tmp_path / "whole", FILES.items()).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "bad").write_bytes(whole)
    try:
        extract(tmp_path / "bad", tmp_path / "deep" / "out")
    except ArchiveError:
        pass
    assert {item.name for item in tmp_path.iterdir()} <= {"whole", "bad", "deep"}
    assert {item.name for item in (tmp_path / "deep").iterdir()} == {"out"}
