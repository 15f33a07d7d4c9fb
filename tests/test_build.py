"""One build runs on every x86-64: AVX instructions stay in the code that is chosen for them."""

import platform
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[1] / "build"
MODULE = BUILD / ("_C" + sysconfig.get_config_var("EXT_SUFFIX"))

pytestmark = [
    pytest.mark.skipif(not MODULE.exists(), reason="needs the build folder of the checkout"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="is about x86-64"),
    pytest.mark.skipif(shutil.which("objdump") is None, reason="needs objdump"),
]


def functions_with(pattern: str) -> set[str]:
    """Mangled names of the functions in the module with an instruction that matches."""
    found = set()
    name = ""
    command = ["objdump", "-d", "--no-show-raw-insn", "-j", ".text", MODULE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as dump:
        assert dump.stdout is not None
        for line in dump.stdout:
            start = re.match(r"[0-9a-f]+ <([^>]+)>:", line)
            if start:
                name = start[1]
            elif re.search(pattern, line):
                found.add(name)
    return found


def test_avx_is_used_only_where_it_was_chosen():
    wide = functions_with(r"\tv[a-z]")  # of its mnemonics alone these begin with v
    assert wide, "no kernel uses AVX: the instruction sets are not built"
    assert not {name for name in wide if "isa_avx" not in name}


def test_avx512_is_used_only_where_it_was_chosen():
    wide = functions_with(r"%zmm|%k[1-7]\b")
    assert wide, "no kernel uses AVX-512: the instruction sets are not built"
    assert not {name for name in wide if "isa_avx512" not in name}
