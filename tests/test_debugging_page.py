"""The transcripts of docs/debugging.md are what the commands print."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "debugging.md"
TRANSCRIPTS = re.findall(r"```console\n\$ chainrule run (.*)\n((?:.*\n)*?)```", PAGE.read_text())


def test_the_page_shows_each_program():
    shown = " ".join(command for command, _ in TRANSCRIPTS)
    for program in (ROOT / "examples" / "debugging").glob("*.py"):
        assert program.name in shown


@pytest.mark.parametrize(("command", "expected"), TRANSCRIPTS, ids=[c for c, _ in TRANSCRIPTS])
def test_a_command_prints_what_the_page_says(command, expected, tmp_path):
    for program in (ROOT / "examples" / "debugging").glob("*.py"):
        shutil.copy(program, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "chainrule", "run", *command.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    # Programs say where they are in full, the page does not; the command's own words come last.
    printed = (done.stdout + done.stderr).replace(f"{tmp_path}{os.sep}", "")
    printed = re.sub(r"^chainrule: .*\n", "", printed, flags=re.MULTILINE)
    if "--graph" in command:
        assert (tmp_path / "graph.html").stat().st_size > 10_000
    else:
        assert flat(printed) == flat(expected)


def flat(text: str) -> list[str]:
    """Words, without the numbers that processors round differently: lines of programs stay."""
    return re.sub(r"(?<!\.py:)(?<!line )(?<!\d)\d[\d.]*", "#", text).split()
