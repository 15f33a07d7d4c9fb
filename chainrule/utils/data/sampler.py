"""Orders in which a loader reads a dataset.

The random samplers consume the generators exactly as torch's do.
"""

from __future__ import annotations

from itertools import islice

import chainrule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]


class Sampler:
    """An order of indices: defines ``__iter__``, and ``__len__`` where the length is known."""

    def __init__(self, data_source: Any = None) -> None:
        if data_source is not None:
            raise TypeError("Sampler() takes no data_source; keep it in the subclass")

    def __class_getitem__(cls, item: Any) -> Any:
        return cls  # `Sampler[int]` in annotations and as a base class

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__()")


class SequentialSampler(Sampler):
    """``0 .. len - 1`` in order."""

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


def draw_seed(generator: Any = None) -> int:
    """A seed drawn as torch draws it: one random int64."""
    empty = chainrule.empty((), dtype=chainrule.int64)
    return int(empty.random_(generator=generator).item())


class RandomSampler(Sampler):
    """Indices in random order.

    Args:
        data_source: what is read; its length counts.
        replacement: whether an index may come several times.
        num_samples: how many indices; ``len(data_source)`` without it.
        generator: source of random numbers; without it each iteration seeds one of its own with a
            number from the default generator.
    """

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(
                "num_samples should be a positive integer value, but got "
                f"num_samples={self.num_samples}"
            )

    @property
    def num_samples(self) -> int:
        """How many indices an iteration gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def tensors(self) -> Iterator[Any]:
        """The indices of an iteration as consecutive int64 tensors."""
        size = len(self.data_source)
        generator = self.generator
        if generator is None:
            generator = chainrule.Generator()
            generator.manual_seed(draw_seed())
        if self.replacement:
            blocks, rest = divmod(self.num_samples, 32)  # torch draws 32 at a time
            for count in (*[32] * blocks, rest):
                yield chainrule.randint(
                    high=size, size=(count,), dtype=chainrule.int64, generator=generator
                )
            return
        rounds, rest = divmod(self.num_samples, size)
        for _ in range(rounds):
            yield chainrule.randperm(size, generator=generator)
        # Drawn even where nothing of it is used: the generator must end where torch's does.
        yield chainrule.randperm(size, generator=generator)[:rest]

    def __iter__(self) -> Iterator[int]:
        for indices in self.tensors():
            yield from indices.tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given indices in random order, each once."""

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for position in chainrule.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[position]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """Indices ``0 .. len(weights) - 1`` with probabilities proportional to ``weights``."""

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Any = None,
    ) -> None:
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(
                f"num_samples should be a positive integer value, but got num_samples={num_samples}"
            )
        if not isinstance(replacement, bool):
            raise ValueError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        self.weights = chainrule.as_tensor(weights, dtype=chainrule.float64)
        if self.weights.dim() != 1:
            raise ValueError(
                "weights should be a 1d sequence but given weights have shape "
                f"{tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = chainrule.multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of ``batch_size`` indices of another sampler; ``drop_last`` leaves out a short one."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        size = len(self.sampler)  # type: ignore[arg-type]
        whole, rest = divmod(size, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)
