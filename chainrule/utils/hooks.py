"""Handles that remove a registered hook."""

from __future__ import annotations

import weakref
from collections import OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

__all__ = ["RemovableHandle"]


class RemovableHandle:
    """Removes one hook from the ordered dictionary it was registered in.

    Works as a context manager too: the hook is removed when the block ends. The handle does not
    keep the dictionary, and so the object that was hooked, alive.

    Args:
        hooks_dict: dictionary of hooks, from ids to callables.
        extra_dict: one more dictionary, or a list of them, that holds flags under the same id.
    """

    next_id = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        if extra_dict is None:
            extra_dict = []
        elif not isinstance(extra_dict, (list, tuple)):
            extra_dict = [extra_dict]
        self._refs = [weakref.ref(hooks) for hooks in (hooks_dict, *extra_dict)]

    def remove(self) -> None:
        """Remove the hook; a second call does nothing."""
        for reference in self._refs:
            hooks = reference()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self) -> dict[str, Any]:
        return {"id": self.id, "dicts": [reference() for reference in self._refs]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.id = state["id"]
        # A copied handle whose dictionary is gone removes from an empty one.
        dicts = [OrderedDict() if hooks is None else hooks for hooks in state["dicts"]]
        self._refs = [weakref.ref(hooks) for hooks in dicts]
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()
