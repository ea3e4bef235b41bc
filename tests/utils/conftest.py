"""These tests speak to servers of their own on this machine, whatever the user's settings are."""

import pytest


@pytest.fixture(autouse=True)
def _network_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUSHLIGHT_OFFLINE", raising=False)
