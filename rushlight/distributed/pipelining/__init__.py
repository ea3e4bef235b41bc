"""A network in stages, dealt out to the processes, through which parts of a batch flow.

Source: https://docs.pytorch.org/docs/stable/distributed.pipelining.html
"""

from __future__ import annotations

from ...core.names import explain_missing as _explain_missing
from .schedules import (
    PipelineScheduleMulti,
    PipelineScheduleSingle,
    Schedule1F1B,
    ScheduleGPipe,
    ScheduleInterleaved1F1B,
    ScheduleLoopedBFS,
)
from .splitting import Pipe, SplitPoint, pipe_split, pipeline
from .stage import PipelineStage

__all__ = [
    "Pipe", "PipelineScheduleMulti", "PipelineScheduleSingle", "PipelineStage", "Schedule1F1B",
    "ScheduleGPipe", "ScheduleInterleaved1F1B", "ScheduleLoopedBFS", "SplitPoint", "pipe_split",
    "pipeline",
]  # fmt: skip
_explain_missing(
    __name__,
    {name: (f"{__name__}.{name}", None) for name in ("microbatch", "schedules", "stage")},
)
