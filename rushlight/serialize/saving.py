"""`save`: an object as data into a file, in one step."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
from typing import Any

from ..core.errors import fail
from ..core.state import STATE
from . import archive, options, safetensors
from .atomic import replacing
from .pickle_writer import Writer


def save(
    obj: object,
    f: Any,
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Save tensors, numbers, text, containers of them, or a model, to a file.

    A path is replaced in one step: a crash, a kill or a full disk leaves the old file as it was.
    Tensors and storages that share memory still do when loaded. A name ending in `.safetensors` is
    written in that format (a flat dict of tensors); any other in torch's. A model is stored as data
    (see `definition.py`): class names, attributes, weights. Objects of other classes are stored as
    the class's name and what they are made of; `load` asks for `add_safe_globals([the class])`.

    `f` is a path or an object with `write`; the other arguments of torch have no effect. Raises
    TypeError naming the place of what is not data, OSError naming the path that cannot be written.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.save.html

    >>> import io
    >>> import rushlight as torch
    >>> stream = io.BytesIO()
    >>> torch.save({"w": torch.ones(2), "epoch": 3}, stream)
    >>> _ = stream.seek(0)
    >>> torch.load(stream)
    {'w': tensor([1., 1.]), 'epoch': 3}
    """
    if STATE.tracer is not None:
        STATE.tracer.stop("torch.save() must happen at every call")
    is_path = isinstance(f, (str, os.PathLike))
    if is_path and os.fspath(f).endswith(".safetensors"):
        safetensors.save_file(obj, f)  # pyright: ignore[reportArgumentType]  # a path
        return
    if not is_path and not hasattr(f, "write"):
        raise fail(
            AttributeError,
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute",
            *(["the path stands second: torch.save(object, path)"] if isinstance(obj, str) else []),
        )
    parts = _parts(obj)
    target = replacing(f, archive.written_size(parts)) if is_path else contextlib.nullcontext(f)
    with target as stream:
        for piece in archive.write(parts):
            stream.write(piece)
        if hasattr(stream, "flush"):  # a file that is open under its name is read at once
            stream.flush()


def _parts(obj: object) -> list[archive.Part]:
    """The records of torch's layout."""
    writer = Writer()
    data = writer.dump(obj)
    skipped = options.SKIPPING.on
    alignment = str(archive.ALIGNMENT).encode()
    return [
        archive.Part("archive/data.pkl", data, aligned=True),
        archive.Part("archive/.format_version", b"1"),
        archive.Part("archive/.storage_alignment", alignment),
        archive.Part("archive/byteorder", sys.byteorder.encode()),
        *(
            archive.Part(f"archive/data/{i}", bytes(len(stored)) if skipped else stored, True)
            for i, stored in enumerate(writer.storages)
        ),
        archive.Part("archive/version", b"3\n"),
    ]
