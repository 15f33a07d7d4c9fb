"""What this build is: its version, and that it has no accelerator."""

from chainrule import __version__

cuda: str | None = None
hip: str | None = None
xpu: str | None = None
debug = False

__all__ = ["__version__", "cuda", "debug", "hip", "xpu"]
