"""torch._logging.set_logs: torch's arguments and refusals, our compiler's messages."""

from __future__ import annotations

import logging

import pytest

import rushlight as rl

LOG = logging.getLogger("rushlight.compile")


@pytest.fixture(autouse=True)
def quiet_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TORCH_LOGS", raising=False)
    yield
    rl._logging.set_logs()


def test_a_compiled_call_is_told_of(capfd: pytest.CaptureFixture[str]) -> None:
    rl._logging.set_logs(dynamo=logging.INFO)
    rl.compile(lambda x: (x * 2).sin())(rl.ones(3))
    assert "a program of" in capfd.readouterr().err
    rl._logging.set_logs()
    rl.compile(lambda x: (x * 3).cos())(rl.ones(3))
    assert capfd.readouterr().err == ""


def test_levels_and_kinds() -> None:
    before = len(LOG.handlers)
    rl._logging.set_logs(dynamo=logging.WARNING, graph_breaks=True, bytecode=True, fsdp=10)
    assert LOG.level == logging.DEBUG and len(LOG.handlers) == before + 1
    rl._logging.set_logs(recompiles=False)
    assert LOG.level == logging.NOTSET and len(LOG.handlers) == before
    rl._logging.set_logs(modules={"torch.compile": logging.ERROR})
    assert LOG.level == logging.ERROR


def test_the_environment_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_LOGS", "+dynamo")
    rl._logging.set_logs(dynamo=logging.DEBUG)
    assert LOG.level == logging.NOTSET


@pytest.mark.parametrize(
    "chosen, kind, text",
    [
        ({"dynamo": 17}, ValueError, "Unrecognized log level for log dynamo: 17, valid level"),
        ({"recompiles": 10}, ValueError, "Expected bool to enable artifact recompiles, received"),
        ({"nonsense": True}, TypeError, "unexpected keyword argument 'nonsense'"),
    ],
)
def test_refusals(chosen: dict, kind: type, text: str) -> None:
    with pytest.raises(kind, match=text):
        rl._logging.set_logs(**chosen)
