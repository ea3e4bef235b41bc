"""torchvision.datasets.utils: fetching, checking, unpacking and listing files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...utils.archive import SINGLE, extract, extract_single
from ...utils.download import Expected, download, file_digest
from .archives import choose, fetch_from_drive

__all__ = [
    "calculate_md5",
    "check_integrity",
    "check_md5",
    "download_and_extract_archive",
    "download_file_from_google_drive",
    "download_url",
    "extract_archive",
    "iterable_to_str",
    "list_dir",
    "list_files",
    "verify_str_arg",
]

Location = str | os.PathLike[str]


def calculate_md5(fpath: Location, chunk_size: int = 1024 * 1024) -> str:
    """The MD5 digest of a file in hexadecimal digits; `chunk_size` is taken and not needed."""
    return file_digest(fpath, "md5")


def check_md5(fpath: Location, md5: str, **kwargs: Any) -> bool:
    """Whether a file has this MD5 digest."""
    return md5 == calculate_md5(fpath, **kwargs)


def check_integrity(fpath: Location, md5: str | None = None) -> bool:
    """Whether there is a file, with this MD5 digest if one is given.

    >>> check_integrity("no-such-file")
    False
    """
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


def download_url(
    url: str,
    root: Location,
    filename: Location | None = None,
    md5: str | None = None,
    max_redirect_hops: int = 3,
) -> None:
    """Fetch `url` into the folder `root`, whole and checked; a right file there is kept.

    Raises: DownloadError (a RuntimeError) with what each attempt met.
    Source: torchvision.datasets.utils
    """
    home = Path(root).expanduser()
    download(url, home / (filename or os.path.basename(url)), Expected(md5=md5))


def download_file_from_google_drive(
    file_id: str, root: Location, filename: Location | None = None, md5: str | None = None
) -> None:
    """Fetch a file of Google Drive's by its key, through gdown.

    Raises: RuntimeError where gdown is not installed or the file is another one.
    """
    fetch_from_drive(file_id, Path(root).expanduser() / (filename or file_id), md5)


def extract_archive(
    from_path: Location, to_path: Location | None = None, remove_finished: bool = False
) -> Location:
    """Unpack an archive, or one packed file, into `to_path` (default: beside it).

    Archives that would write elsewhere, and ones that swell without end, are refused.
    Returns: the folder; of one packed file its unpacked path.
    Raises: ArchiveError (a RuntimeError); RuntimeError for an unknown kind.
    """
    source = Path(from_path)
    folder = source.parent if to_path is None else Path(to_path)
    suffixes = source.suffixes
    packed = suffixes[-1] if suffixes else ""
    if ".tar" in suffixes[-2:] or packed in (".tgz", ".tbz", ".tbz2", ".zip"):
        extract(source, folder)
        result = folder
    elif packed in SINGLE:
        result = folder / source.name.replace(packed, "")
        extract_single(source, result)
    else:
        raise RuntimeError(_unknown(source, packed))
    if remove_finished:
        source.unlink()
    return os.fspath(result) if isinstance(from_path, str) else result


def _unknown(source: Path, suffix: str) -> str:
    if not suffix:
        return (
            f"File '{source}' has no suffixes that could be used to detect the archive type and "
            "compression."
        )
    known = sorted([*SINGLE, ".tar", ".tbz", ".tbz2", ".tgz", ".zip"])
    return f"Unknown compression or archive type: '{suffix}'.\nKnown suffixes are: '{known}'."


def download_and_extract_archive(
    url: str,
    download_root: Location,
    extract_root: Location | None = None,
    filename: Location | None = None,
    md5: str | None = None,
    remove_finished: bool = False,
) -> None:
    """Fetch an archive into `download_root` and unpack it into `extract_root` (default: there).

    Raises: DownloadError, ArchiveError (both RuntimeErrors).
    """
    home = Path(download_root).expanduser()
    name = filename or os.path.basename(url)
    download_url(url, home, name, md5)
    extract_archive(home / name, home if extract_root is None else extract_root, remove_finished)


def list_dir(root: Location, prefix: bool = False) -> list[str]:
    """The names of the folders in `root`; with `prefix` their paths."""
    home = os.path.expanduser(root)
    names = [entry.name for entry in os.scandir(home) if entry.is_dir()]
    return [os.path.join(home, name) for name in names] if prefix else names


def list_files(root: Location, suffix: str, prefix: bool = False) -> list[str]:
    """The names of the files in `root` that end in `suffix`; with `prefix` their paths."""
    home = os.path.expanduser(root)
    names = [one.name for one in os.scandir(home) if one.is_file() and one.name.endswith(suffix)]
    return [os.path.join(home, name) for name in names] if prefix else names


def iterable_to_str(iterable: Iterable[Any]) -> str:
    """The items in quotes with commas between.

    >>> iterable_to_str(["a", "b"])
    "'a', 'b'"
    """
    return "'" + "', '".join(str(item) for item in iterable) + "'"


def verify_str_arg(
    value: Any,
    arg: str | None = None,
    valid_values: Iterable[str] | None = None,
    custom_msg: str | None = None,
) -> Any:
    """Return `value` if it is a text, and one of `valid_values` if there are any.

    Raises: ValueError.
    """
    if not isinstance(value, str):
        about = "" if arg is None else f" for argument {arg}"
        raise ValueError(f"Expected type str{about}, but got type {type(value)}.")
    if valid_values is None:
        return value
    if custom_msg is not None and value not in valid_values:
        raise ValueError(custom_msg)
    return choose(value, str(arg), list(valid_values))
