"""Reading a large CSV file in blocks: `python benchmarks/tables.py [MB]`.

Writes a file of numbers and words, streams it, prints the speed and the most memory that it
held at once, and deletes the file.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from rushlight.tabular import stream_csv

LINES = "".join(
    f"{k},{k / 7:.6f},{k % 97},name {k % 1000},{(k * 37) % 1009 / 3:.4f}\n" for k in range(20_000)
)


def write(path: Path, megabytes: int) -> int:
    """The file, about so large; how many rows it has."""
    times = max(1, megabytes * 1_000_000 // len(LINES))
    with path.open("w") as file:
        file.write("id,value,group,name,price\n")
        for _ in range(times):
            file.write(LINES)
    return times * 20_000


def main() -> None:
    """Write, stream, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("megabytes", type=int, nargs="?", default=100)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        wanted = write(path, parser.parse_args().megabytes)
        size = path.stat().st_size
        began, rows = time.process_time(), 0
        for table in stream_csv(path, 100_000):
            rows += len(table)
        spent = time.process_time() - began
    if rows != wanted:
        raise SystemExit(f"{rows} rows were read, {wanted} were written")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{size / 1e6:.0f} MB, {rows:,} rows: {size / 1e6 / spent:.1f} MB/s, peak {peak:.0f} MiB")


if __name__ == "__main__":
    main()
