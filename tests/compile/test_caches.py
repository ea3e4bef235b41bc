"""What Linux says of the caches, and what products are cut for."""

from __future__ import annotations

from rushlight.compile.code.emit import vector
from rushlight.compile.products import caches
from rushlight.compile.products.caches import FITTED, Caches, caches_for, read_caches


def described(home, *caches):
    """A folder that says of each cache what it is for, its level, sets, ways and line."""
    names = "type level number_of_sets ways_of_associativity coherency_line_size".split()
    for number, values in enumerate(caches):
        place = home / f"index{number}"
        place.mkdir()
        for name, value in zip(names, values):
            (place / name).write_text(f"{value}\n")
    return home


def test_sets_and_ways_are_read_from_what_linux_says(tmp_path):
    home = described(
        tmp_path, ("Data", 1, 64, 12, 64), ("Instruction", 1, 64, 9, 64),
        ("Unified", 2, 2048, 16, 64), ("Unified", 3, 32768, 16, 64),
    )  # fmt: skip
    assert read_caches(home) == Caches(64, 12, 2048, 16)
    assert read_caches(home).l2_bytes == 2 << 20


def test_what_is_not_said_counts_as_the_least(tmp_path):
    assert read_caches(tmp_path / "nothing") == Caches()
    home = described(tmp_path, ("Data", 1, 64, 0, 64), ("Unified", 2, 4096, 8, 128))
    (home / "index7").mkdir()
    (home / "index7" / "type").write_text("Data")
    assert read_caches(home) == Caches()
    assert Caches().l2_bytes == 512 << 10


def test_what_was_fitted_for_long_vectors_does_not_depend_on_the_machine():
    assert caches_for(vector("float32", 16)) is caches_for(vector("float64", 8)) is FITTED
    assert caches_for(vector("float32", 8)) == read_caches(caches._HOME)
