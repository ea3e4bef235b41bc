"""The steps that processes take together: each does its share, one joins them, all are told.

What fails on any process is raised on all, with the tracebacks of those where it failed.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from typing import Any

import rushlight as rl

dist: Any = rl.distributed


class CheckpointException(BaseException):
    """A step failed on some processes: `failures` has the error and its trace by rank."""

    def __init__(self, msg: str, failures: dict[int, Any]) -> None:
        super().__init__(msg, failures)
        self._failures = failures

    @property
    def failures(self) -> dict[int, Any]:
        """By rank, the error and its trace."""
        return self._failures

    def __str__(self) -> str:
        text = f"CheckpointException ranks:{self._failures.keys()}\n"
        for rank, (error, trace) in self._failures.items():
            text += f"Traceback (most recent call last): (RANK {rank})\n{trace}"
            text += "".join(traceback.format_exception_only(type(error), error))
        return text


class _Failed:
    """An error on its way to the other processes."""

    def __init__(self, error: BaseException) -> None:
        self.trace = "".join(traceback.format_tb(error.__traceback__))
        try:
            pickle.loads(pickle.dumps(error.with_traceback(None)))
            self.error: BaseException = error
        except Exception:
            self.error = RuntimeError(f"{type(error).__name__}: {error}")


def _tried(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:
        return _Failed(error)


class Party:
    """The processes of a group, or (`alone`) this one."""

    def __init__(self, group: Any = None, alone: bool = False) -> None:
        self.alone, self.group = alone, group
        self.rank = 0 if alone else dist.get_rank(group)
        self.size = 1 if alone else dist.get_world_size(group)
        self.leads = self.rank == 0

    def _gathered(self, mine: Any) -> list[Any] | None:
        if self.alone:
            return [mine]
        every = [None] * self.size if self.leads else None
        dist.gather_object(mine, every, group=self.group, group_dst=0)
        return every

    def _scattered(self, every: list[Any] | None) -> Any:
        if self.alone:
            assert every is not None
            return every[0]
        box = [None]
        dist.scatter_object_list(box, every, group=self.group, group_src=0)
        return box[0]

    def joined(
        self, name: str, share: Callable[[], Any], join: Callable[[list[Any]], list[Any]]
    ) -> Any:
        """Each does its `share`; the first `join`s them into one answer for each."""
        every = self._gathered(_tried(share))
        answers = None
        if every is not None:
            failures = self._failures(every)
            answers = failures or _tried(lambda: join(every))
            if isinstance(answers, _Failed):
                answers = {0: (answers.error, answers.trace)}
            if isinstance(answers, dict):
                answers = [CheckpointException(name, answers)] * self.size
        answer = self._scattered(answers)
        if isinstance(answer, CheckpointException):
            raise answer
        return answer

    @staticmethod
    def _failures(every: list[Any]) -> dict[int, Any]:
        return {
            rank: (one.error, one.trace)
            for rank, one in enumerate(every) if isinstance(one, _Failed)
        }  # fmt: skip

    def together(self, name: str, share: Callable[[], Any]) -> Any:
        """Each does its share; an error of one is an error of all."""
        kept: list[Any] = []
        self.joined(name, lambda: kept.append(share()), lambda every: [None] * self.size)
        return kept[0]
