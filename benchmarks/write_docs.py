"""Run benchmarks and write what they print into docs/benchmarks/: python benchmarks/write_docs.py [NAME ...].

Options that are not its own, such as ``--real FOLDER``, go to the benchmarks.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TITLES = {
    "detection": "Detection and tracking",
    "diffusion": "Motion",
    "linkers": "Linkers",
    "throughput": "Throughput",
    "interactions": "Interactions",
    "superposed": "Superposed motion",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*TITLES, "all"], default="all")
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    arguments, options = parser.parse_known_args()
    for name in TITLES if "all" in arguments.names else arguments.names:
        script = f"benchmarks/{name}.py"
        print(f"running {script} ...", flush=True)
        run = subprocess.run([sys.executable, ROOT / script, *options], check=True, stdout=subprocess.PIPE, text=True)
        flags = "".join(" PATH" if Path(option).exists() else f" {option}" for option in options)
        heading = f"# {TITLES[name]}\n\nWritten by `python benchmarks/write_docs.py {name}{flags}` ({machine})."
        text = f"{heading}\n\n{run.stdout.strip()}\n"
        (ROOT / "docs" / "benchmarks" / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
