"""Whether a whole node may be broken: who is on it, what would be left without them, and that no two go at a time."""

from __future__ import annotations

from tests.sim.kubernetes_kafka import MIN_ISR
from tests.sim.kubernetes_marks import taint_on
from tests.sim.kubernetes_model import BROKERS, SET
from tests.sim.kubernetes_signs import node_of

from kafka_sentinel.core.commands import Announce
from kafka_sentinel.core.kubernetes.views import Kind

SPARE = {"strict": 1, "loose": 2, "none": BROKERS}  # brokers that may go at once by the budget
EARLY = 1.5  # seconds by which a notice may seem to be over before it is: ticks, and clocks that are set


class NodeJudge:
    """`longest`: seconds for which Sentinel may rightly not know what stands in the API."""

    def __init__(self, world, longest):
        self.world, self.longest = world, longest
        self.announced = {}  # run → (its Announce, the life that sent it, when)
        self.struck = set()  # runs
        self.debits = []  # (life, brokers hit by us)
        self._marked = {}  # (node, run) → since when it bears that mark

    def look(self):
        """Note since when nodes bear marks."""
        nodes = self.world.kubernetes.api.objects[Kind.NODE]
        now = {(name, taint_on(raw)) for name, raw in nodes.items() if taint_on(raw) is not None}
        self._marked = {one: self._marked.get(one, self.world.now) for one in now}

    def objections(self, life, brokers, command=None):
        """Say what stands against breaking the node of these brokers. `command`: None in a dry run."""
        run = None if command is None else command.experiment_run
        where = self._where(brokers) if command is None else {command.node.name}
        wrong = [] if len(where) <= 1 else [f"they are on {sorted(where)}"]
        for name in where if len(where) == 1 else ():
            wrong += self._of_another_node(name, brokers, command)
        wrong += self.beyond(len(brokers))
        wrong += [
            f"{name} bears the mark of {other} for {self.world.now - since:.0f} s"
            for (name, other), since in self._marked.items()
            if other != run and self.world.now - since > self.longest
        ]
        wrong += self._overdrawn(life)
        wrong += [] if command is None else self._out_of_turn(life, command)
        return wrong

    def beyond(self, count):
        """Say what forbids that so many brokers go at once, however well all is."""
        options = self.world.options
        if count > 1 and not options.allow_unavailability:
            yield f"{count} brokers would go at once"
        if BROKERS - count < (1 if options.allow_unavailability else MIN_ISR):
            yield f"{BROKERS - count} replicas would be left"
        if not options.controllers_apart and BROKERS - count <= BROKERS // 2:
            yield f"{BROKERS - count} controllers would be left"
        if count > SPARE[options.budget] and not options.allow_unavailability:
            yield "the budget does not allow that"

    def may_be_hit(self):
        """Whether there is a node that may be broken, if all is well, and budget to do it."""
        hosts = {node_of(raw) for raw in self.world.kubernetes.brokers().values()}
        # Debited also if it came to nothing.
        ours = sum(len(notice.targets) for notice, _, _ in self.announced.values())
        truth = self.world.truth
        spent = len(truth.lives) + len(truth.cuts) + ours >= self.world.options.daily_budget
        return not spent and any(not [*self.beyond(len(self.world.kubernetes.pods_on(one)))] for one in hosts)

    # --- inside

    def _where(self, brokers):
        """Return the nodes of the pods of these brokers that are old enough to be known."""
        pods = (self.world.kubernetes.brokers().get(f"{SET}-{broker}") for broker in brokers)
        return {node_of(raw) for raw in pods if raw is not None and self._is_old(raw)}

    def _is_old(self, raw):
        return self.world.now - self.world.kubernetes.made_at(raw) > self.longest

    def _of_another_node(self, name, brokers, command):
        """Say which brokers on the node are not counted, and which are counted that are not on it."""
        pods = self.world.kubernetes.brokers()
        old = {one for one, raw in pods.items() if self._is_old(raw)}
        meant = {f"{SET}-{broker}" for broker in brokers}
        on_it = set(self.world.kubernetes.pods_on(name))
        yield from (f"{one} is on {name}, too" for one in sorted((on_it & old) - meant))
        yield from (f"{one} is not on {name}" for one in sorted((meant & old) - on_it))
        if command is not None and meant != {ref.name for ref in command.pods}:
            yield f"its pods are {[ref.name for ref in command.pods]}"

    def _overdrawn(self, life):
        """Say whether the budget of a day was used up by what we hit ourselves, as far as this life must know."""
        remembers = self.world.options.state == "last"
        spent = sum(count for one, count in self.debits if remembers or one is life)
        if spent >= self.world.options.daily_budget:
            yield f"{spent} brokers were hit by us"

    def _out_of_turn(self, life, command):
        """Say what is wrong with the order: an intent on disk, one notice, and at its end one fault on the same."""
        run, now = command.experiment_run, self.world.now
        if isinstance(command, Announce):
            if run in self.announced:
                yield f"{run} was announced before"
            if not any(f'"{run}"' in text for _, text in self.world.kept.accepted):
                yield f"the intent of {run} is not on disk"
            self.announced[run] = (command, life, now)
            return
        notice, by, at = self.announced.get(run, (None, None, now))
        if notice is None or by is not life:
            yield f"{run} was not announced by this life"
        elif (notice.node, notice.pods, notice.targets) != (command.node, command.pods, command.targets):
            yield f"{run} was announced of {notice.node}, {notice.pods}"
        elif now - at < self.world.options.notice - self.world.options.drain - EARLY:
            yield f"its notice was only {now - at:.0f} s ago"
        if run in self.struck:
            yield f"{run} was injected before"
        self.struck.add(run)
        self.debits.append((life, len(command.targets)))
