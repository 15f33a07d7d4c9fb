"""Paths of the nn.Module calls during which nodes were recorded: ``"model.layers.3.attention"``."""

from __future__ import annotations

from typing import Any

__all__ = ["scope_paths"]

Scope = tuple[int, Any, str, int]  # enclosing call or -1, module or None, class name, call


def scope_paths(scopes: list[Scope], names: dict[int, str]) -> list[str]:
    """The path of each call; an outermost module goes by its variable's name, else by its class.

    Args:
        scopes: calls, an enclosing one before those inside it.
        names: names of modules by ``id``, as the program's variables have them.
    """
    inside: dict[int, dict[int, str]] = {}
    paths: list[str] = []
    for parent, module, type_name, _ in scopes:
        named = names.get(id(module)) if module is not None else None
        if parent < 0:
            paths.append(named if named is not None else type_name)
            continue
        owner = scopes[parent][1]
        relative = None
        if owner is not None and module is not None:
            if id(owner) not in inside:
                inside[id(owner)] = {id(m): path for path, m in owner.named_modules()}
            relative = inside[id(owner)].get(id(module))
        if relative is not None:
            paths.append(f"{paths[parent]}.{relative}" if relative else paths[parent])
        else:  # called, but not a member: a module that the forward made or got from outside
            paths.append(f"{paths[parent]}.{type_name}")
    return paths
