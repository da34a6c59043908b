"""Make the reference results and the README's table again: `python benchmarks/reference.py`.

Runs the quick preset into an empty folder and keeps the small text files in results/reference/digits-quick.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "results" / "reference" / "digits-quick"
KEPT = ("run.json", "environment.json", "scores.csv")


def latentbench(*arguments: str) -> str:
    """Run a command and return what it prints on standard output."""
    command = [sys.executable, "-m", "latentbench", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Run, copy, and put the table into the README."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        latentbench("run", "-o", folder)
        seconds = time.monotonic() - started
        TARGET.mkdir(parents=True, exist_ok=True)
        for name in KEPT:
            shutil.copy(Path(folder) / name, TARGET / name)
        tables = {"table.txt": ("text",), "table.md": ("md", "--all")}
        for name, (style, *more) in tables.items():
            text = latentbench("table", folder, "--format", style, *more)
            (TARGET / name).write_text(text.rstrip() + "\n", encoding="utf-8")
    page = ROOT / "README.md"
    pattern = r"(<!-- begin results/reference/digits-quick/table.txt -->\n```text\n).*?(```\n<!-- end -->)"
    table = (TARGET / "table.txt").read_text(encoding="utf-8")
    text = re.sub(
        pattern, lambda found: found[1] + table + found[2], page.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    page.write_text(text, encoding="utf-8")
    print(f"latentbench run: {seconds:.0f} s; kept in {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
