"""Ops that agreed with torch's own op database still do (`op_db_agreed.txt`, op by op)."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest")  # the database's module imports it

from tests.live import op_db
from tests.live.op_db_checks import check

RECORDED = (Path(__file__).parent / "op_db_agreed.txt").read_text().splitlines()
AGREED = {name: set(aspects) for name, *aspects in map(str.split, RECORDED)}
OPS = op_db.in_scope()
EVERY = 3  # of an op's recorded samples, to stay within two minutes


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", AGREED)
def test_what_agreed_agrees(name: str) -> None:
    tally = check(OPS[name], EVERY)
    lost = {aspect: tally.wrong[aspect] for aspect in AGREED[name] if aspect in tally.wrong}
    assert not lost
    assert set(tally.tried) & AGREED[name]


def test_the_list_is_long() -> None:
    assert len(AGREED) >= 640
    assert sum("gradient" in aspects for aspects in AGREED.values()) >= 500
    assert AGREED.keys() <= OPS.keys()
