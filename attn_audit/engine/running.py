"""The local engine: shards one after the other in this process, so that memory does not grow."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from attn_audit.data.example import Example
from attn_audit.engine.base import cut
from attn_audit.engine.batch import Finding
from attn_audit.engine.batching import spread_batches
from attn_audit.engine.cost import Shape
from attn_audit.engine.failing import audit_or_record, encode_or_record
from attn_audit.engine.first_look import first_look
from attn_audit.engine.memory import is_out_of_memory, release_memory
from attn_audit.engine.outlook import Afterwards, Outlook
from attn_audit.engine.plan import Plan
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.engine.telling import Telling
from attn_audit.engine.watching import Watcher
from attn_audit.errors import OutOfMemoryError
from attn_audit.models.base import AuditedModel, Encoded


class LocalEngine:
    """Audits in this process, in batches that are halved where memory is not enough."""

    def __init__(
        self,
        model: AuditedModel,
        plan: Plan,
        stopwatch: Stopwatch,
        watcher: Watcher,
        sizes: Sequence[int] | None = None,
        try_afterwards: "Callable[[Sequence[Finding]], Afterwards] | None" = None,
    ) -> None:
        """Nothing is done yet.

        Args:
            model: The model.
            plan: What to compute.
            stopwatch: Gets the time of each stage.
            watcher: Is told of every finished part of a batch, now and then of a search that is
                under way, and once if memory is not enough for the plan's batches.
            sizes: Characters of each example, where they were counted, to tell how much is left.
            try_afterwards: Says from what is found for a few examples what comes after all batches.
        """
        self._model, self._plan = model, plan
        self._stopwatch, self._watcher = stopwatch, watcher
        self._outlook = Outlook(plan, sizes)
        self._telling = Telling(self._outlook, watcher)
        self._try_afterwards = try_afterwards
        self._is_tried = watcher.on_progress is None or sizes is None
        self._said_out_of_memory = False

    def audit(self, shards: Iterable[Sequence[Example]]) -> Iterator[list[Finding]]:
        """What is found in each shard, in the order of its examples.

        Args:
            shards: Read as they are needed.

        Raises:
            AttnAuditError: Of the data, the model's output, or a check; or of memory, where it is
                not enough for one example.
        """
        for shard in self._stopwatch.timed(shards, "reading data"):
            with self._stopwatch.measure("encoding"):
                encoded, failed = encode_or_record(self._model, shard, self._plan)
            self._outlook.begin(encoded, n_failed=len(failed))
            self._look(encoded)
            found = iter(self._audit(encoded))
            yield [failed.get(i) or next(found) for i in range(len(shard))]
            self._outlook.recorded(len(shard))
            self._telling.tell()

    def skip(self, shard: Sequence[Example]) -> None:
        """Take note of a shard that was audited before."""
        self._outlook.skip(len(shard))

    def _look(self, encoded: Sequence[Encoded]) -> None:
        """Before the first batch."""
        if self._is_tried:
            return
        self._is_tried = True
        found = first_look(self._model, self._plan, encoded, self._outlook)
        if found and self._try_afterwards is not None:
            self._outlook.expect_afterwards(self._try_afterwards(found))
        self._telling.tell()

    def _audit(self, encoded: Sequence[Encoded]) -> list[Finding]:
        """A shard in the plan's batches; what memory is not enough for again, in smaller ones."""
        limits, findings = self._plan.limits, dict[int, Finding]()
        waiting = deque(spread_batches(encoded, range(len(encoded)), limits))
        behind = _shape_of(waiting, encoded)
        while waiting:
            batch = waiting.popleft()
            behind -= _shape_of([batch], encoded)
            examples = [encoded[i] for i in batch]
            found = self._try(examples, behind)
            if found is None:
                limits = limits.below(self._say_out_of_memory(examples))
                left = [*batch, *chain.from_iterable(waiting)]
                waiting = deque(spread_batches(encoded, sorted(left), limits))
                behind = _shape_of(waiting, encoded)
            else:
                findings.update(zip(batch, found, strict=True))
        return [findings[i] for i in range(len(encoded))]

    def _try(self, batch: Sequence[Encoded], behind: Shape) -> list[Finding] | None:
        """What is found, or None where memory is not enough."""
        self._outlook.start(batch, behind)
        try:
            with self._stopwatch.told(self._telling):
                found = audit_or_record(self._model, batch, self._plan, self._stopwatch)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            found = None
        if found is None:
            release_memory()  # only here, where the error and the frames with its tensors are gone
        else:
            self._outlook.finish()
            self._telling.tell()
        return found

    def _say_out_of_memory(self, batch: Sequence[Encoded]) -> int:
        """Tokens that were too many."""
        longest = max(item.n_tokens for item in batch)
        if len(batch) == 1:
            raise OutOfMemoryError(batch[0].example.id, longest)
        if not self._said_out_of_memory:
            self._said_out_of_memory = True
            self._watcher.on_note(
                f"out of memory with {len(batch)} examples of up to {longest} tokens at once: "
                "going on with smaller batches"
            )
        return len(batch) * longest


def _shape_of(batches: Iterable[Sequence[int]], encoded: Sequence[Encoded]) -> Shape:
    shapes = (Shape.of(encoded[i].n_tokens for i in batch) for batch in batches)
    return sum(shapes, start=Shape())


def run(
    model: AuditedModel,
    examples: Iterable[Example],
    plan: Plan,
    stopwatch: Stopwatch,
    watcher: Watcher,
    sizes: Sequence[int] | None = None,
) -> Iterator[list[Finding]]:
    """Audit examples shard by shard in this process.

    Args:
        model: The model.
        examples: Read as they are needed.
        plan: What to compute.
        stopwatch: Gets the time of each stage.
        watcher: Is told how it goes.
        sizes: Characters of each example, where they were counted.

    Yields:
        What was found in one shard, in the order of the examples.

    Raises:
        AttnAuditError: As `LocalEngine.audit`.
    """
    yield from LocalEngine(model, plan, stopwatch, watcher, sizes).audit(cut(examples, plan))
