"""torch.hub: models from a folder or repository with a `hubconf.py`, and downloaded weights."""

from __future__ import annotations

import builtins
import hashlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlparse
from urllib.request import Request, urlopen

import rushlight as rl

from .core.errors import fail
from .core.names import explain_missing as _explain_missing

__all__ = [
    "download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url",
    "set_dir",
]  # fmt: skip

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")  # the digest in names like resnet18-bfd8deac.pth
READ_DATA_CHUNK = 128 * 1024
MODULE_HUBCONF = "hubconf.py"
_state: dict[str, str | None] = {"folder": None}


def _get_torch_home() -> str:
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    return os.path.expanduser(os.getenv("TORCH_HOME", os.path.join(cache, "torch")))


def get_dir() -> str:
    """The folder of downloads: that of `set_dir`, `$TORCH_HOME/hub`, or `~/.cache/torch/hub`.

    >>> import rushlight as torch
    >>> import os
    >>> os.path.basename(torch.hub.get_dir())
    'hub'
    """
    return _state["folder"] or os.path.join(_get_torch_home(), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Keep downloads in this folder from now on.

    >>> import rushlight as torch
    >>> before = torch.hub.get_dir()
    >>> torch.hub.set_dir("/tmp/models")
    >>> torch.hub.get_dir()
    '/tmp/models'
    >>> torch.hub.set_dir(before)
    """
    _state["folder"] = os.path.expanduser(d)


def download_url_to_file(
    url: str, dst: str, hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Fetch an address (http, https or file) into `dst`, which is whole afterwards or as before.

    hash_prefix: how the SHA-256 of the file begins; progress: show how far it is.
    Raises: RuntimeError for another hash.

    >>> import rushlight as torch
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     source = pathlib.Path(folder, "source")
    ...     count = source.write_bytes(b"weights")
    ...     torch.hub.download_url_to_file(source.as_uri(), f"{folder}/copy", progress=False)
    ...     pathlib.Path(folder, "copy").read_bytes()
    b'weights'
    """
    target = Path(dst).expanduser()
    digest = hashlib.sha256()
    part = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        request = Request(url, headers={"User-Agent": "torch.hub"})
        with urlopen(request) as source, open(part, "wb") as file:
            while chunk := source.read(READ_DATA_CHUNK):
                file.write(chunk)
                digest.update(chunk)
        found = digest.hexdigest()
        if hash_prefix is not None and not found.startswith(hash_prefix):
            raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{found}")')
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> dict[str, Any]:
    """What is stored at an address, fetched once into `model_dir` (`get_dir()/checkpoints`).

    check_hash: the file's name holds the first digits of its SHA-256 (`name-0123abcd.pth`).

    >>> import rushlight as torch
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save({"weight": torch.ones(2)}, f"{folder}/net.pt")
    ...     address = pathlib.Path(folder, "net.pt").as_uri()
    ...     torch.hub.load_state_dict_from_url(address, f"{folder}/kept", progress=False)
    {'weight': tensor([1., 1.])}
    """
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        sys.stderr.write(f'Downloading: "{url}" to {path}\n')
        match = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, path, match.group(1) if match else None, progress)
    if zipfile.is_zipfile(path):
        path = _unpacked_weights(path, folder)
    return rl.load(path, map_location, weights_only=weights_only)


def _unpacked_weights(path: str, folder: str) -> str:
    """An archive of one file is that file; torch's own format, a zip of many, is left alone."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) != 1 or members[0].is_dir():
            return path
        warnings.warn(
            "Falling back to the old format < 1.6. This support will be deprecated in favor of"
            " default zipfile format introduced in 1.6. Please redo torch.save() to save it in the"
            " new zipfile format.",
            DeprecationWarning,
            stacklevel=3,
        )
        return archive.extract(members[0], folder)


def _repository(github: str) -> tuple[str, str, str]:
    """owner, name and branch or tag of `owner/name[:branch]`."""
    where, _, ref = github.partition(":")
    owner, _, name = where.partition("/")
    if not owner or not name or "/" in name:
        raise ValueError(f"expected 'owner/name[:branch]', got {github!r}")
    return owner, name, ref or "HEAD"


def _ask_for_trust(owner: str, name: str, trust: Any, folder: Path) -> None:
    """Code of a repository runs as it is: somebody has to say that it may."""
    if trust not in (True, False, None, "check"):
        raise ValueError(f"trust_repo must be a bool, None or 'check', got {trust!r}")
    listed, entry = folder / "trusted_list", f"{owner}_{name}"
    known = listed.read_text("utf-8").split() if listed.exists() else []
    if entry in known or owner in ("facebookresearch", "facebookincubator", "pytorch"):
        return
    if trust is None:
        warnings.warn(
            f"You are about to download and run code from an untrusted repository"
            f" ({owner}/{name}); trust_repo=True says that you trust it.",
            stacklevel=4,
        )
        return
    if trust is not True:
        question = f"The repository {owner}_{name} does not belong to the list of trusted repos"
        answer = input(f"{question} and as such cannot be downloaded. Do you trust it (y/N)? ")
        if answer.strip().lower() not in ("y", "yes"):
            raise Exception("Untrusted repository.")
    listed.write_text("".join(f"{one}\n" for one in [*known, entry]), "utf-8")


def _fetched(github: str, force_reload: bool, trust: Any, verbose: bool) -> str:
    """The folder of a GitHub repository's files, downloaded if need be."""
    owner, name, ref = _repository(github)
    folder = Path(get_dir())
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "_".join([owner, name, ref.replace("/", "_")])
    _ask_for_trust(owner, name, trust, folder)
    if home.exists() and not force_reload:
        if verbose:
            sys.stderr.write(f"Using cache found in {home}\n")
        return str(home)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        file = os.path.join(work, "repository.zip")
        address = f"https://github.com/{owner}/{name}/zipball/{ref}"
        sys.stderr.write(f'Downloading: "{address}" to {file}\n')
        download_url_to_file(address, file, progress=False)
        with zipfile.ZipFile(file) as archive:
            archive.extractall(work)
            top = archive.namelist()[0].partition("/")[0]
        shutil.rmtree(home, ignore_errors=True)
        shutil.move(os.path.join(work, top), home)
    return str(home)


def _configuration(folder: str) -> ModuleType:
    """The `hubconf` module of a folder, whose own imports find what lies beside it."""
    path = os.path.join(folder, MODULE_HUBCONF)
    spec = importlib.util.spec_from_file_location(MODULE_HUBCONF, path)
    if spec is None or spec.loader is None or not os.path.exists(path):
        raise FileNotFoundError(f"[Errno 2] No such file or directory: {path!r}")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    needed = getattr(module, "dependencies", None) or []
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    return module


def _entry(module: ModuleType, name: Any) -> Callable[..., Any]:
    if not isinstance(name, str):
        raise ValueError("Invalid input: model should be a string of function name")
    found = getattr(module, name, None)
    if not callable(found):
        known = [one for one in vars(module) if not one.startswith("_")]
        raise fail(
            RuntimeError, f"Cannot find callable {name} in hubconf", f"it has {', '.join(known)}"
        )
    return found


def _folder(where: str, source: str, force_reload: bool, trust: Any, verbose: bool) -> str:
    if source.lower() not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source.lower() == "local":
        return str(where)
    return _fetched(where, force_reload, trust, verbose)


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: bool | str | None = "check",
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """What the function `model` of a repository's `hubconf.py` makes of the arguments.

    repo_or_dir: "owner/name[:branch]" on GitHub, or with `source="local"` a folder. The code runs
    as it is, so `trust_repo` has to say yes for one not seen before ("check" asks).
    Raises: RuntimeError for unknown models and missing dependencies, ValueError for others.
    Source: https://docs.pytorch.org/docs/stable/hub.html

    >>> import rushlight as torch
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "hubconf.py").write_text("double = lambda x: 2 * x")
    ...     torch.hub.load(folder, "double", 21, source="local")
    42
    """
    folder = _folder(repo_or_dir, source, force_reload, trust_repo, verbose)
    module = _configuration(os.path.expanduser(folder))
    return _entry(module, model)(*args, **kwargs)


def list(
    github: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: bool | str | None = "check",
    verbose: bool = True,
) -> builtins.list[str]:
    """The names that a repository's `hubconf.py` offers.

    Arguments are those of `hub.help`; `verbose`: say what is downloaded.

    >>> import pathlib, tempfile
    >>> import rushlight as torch
    >>> before = torch.hub.get_dir()
    >>> with tempfile.TemporaryDirectory() as folder:  # with a repository that was fetched before
    ...     torch.hub.set_dir(folder)
    ...     pathlib.Path(folder, "me_nets_main").mkdir()
    ...     conf = pathlib.Path(folder, "me_nets_main", "hubconf.py")
    ...     count = conf.write_text("def small(): 'A small net.'")
    ...     torch.hub.list("me/nets:main", trust_repo=True)
    ['small']
    >>> torch.hub.set_dir(before)
    """
    module = _configuration(_fetched(github, force_reload, trust_repo, verbose))
    names = (name for name in dir(module) if not name.startswith("_"))
    return [name for name in names if callable(getattr(module, name))]


def help(
    github: str,
    model: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: bool | str | None = "check",
) -> str | None:
    """The docstring of one of a repository's models.

    Arguments: `github`, "owner/name[:branch]"; `force_reload`: download again; `trust_repo`:
    whether to ask before code of a repository is run for the first time.

    >>> import pathlib, tempfile
    >>> import rushlight as torch
    >>> before = torch.hub.get_dir()
    >>> with tempfile.TemporaryDirectory() as folder:  # with a repository that was fetched before
    ...     torch.hub.set_dir(folder)
    ...     pathlib.Path(folder, "me_nets_main").mkdir()
    ...     conf = pathlib.Path(folder, "me_nets_main", "hubconf.py")
    ...     count = conf.write_text("def small(): 'A small net.'")
    ...     torch.hub.help("me/nets:main", "small", trust_repo=True)
    'A small net.'
    >>> torch.hub.set_dir(before)
    """
    module = _configuration(_fetched(github, force_reload, trust_repo, verbose=True))
    return _entry(module, model).__doc__


_explain_missing(__name__, {"tqdm": ("tqdm", "tqdm")})  # libraries take it from here
