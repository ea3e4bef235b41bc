"""Where the time goes, in tables and in traces: `torch.profiler`."""

from .averages import ProfilerActivity
from .profiler import Profile, kineto_available, profile, record_function
from .schedules import ProfilerAction, schedule, tensorboard_trace_handler

__all__ = [
    "Profile", "ProfilerAction", "ProfilerActivity", "kineto_available", "profile",
    "record_function", "schedule", "tensorboard_trace_handler",
]  # fmt: skip
