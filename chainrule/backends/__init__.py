"""Which accelerators and libraries there are."""


class _Absent:
    """A backend that this build does not have."""

    enabled = False
    benchmark = False
    deterministic = False
    allow_tf32 = False

    def is_available(self) -> bool:
        """Whether it can be used."""
        return False

    def is_built(self) -> bool:
        """Whether it was compiled in."""
        return False


cuda = _Absent()
cudnn = _Absent()
mps = _Absent()
mkl = _Absent()
mkldnn = _Absent()
