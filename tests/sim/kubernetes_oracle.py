"""What really ended each broker and took each node, and the judgement of what Sentinel says of it.

It is told by the model what is done and by which signs that can be known, and sees what the watches deliver. A cause
must be the true one if a sign of it was delivered; otherwise it may be one of the words for what nobody explains. When
Sentinel dies, all that it was shown is forgotten, and every count that is younger than the state it goes on from.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.sim.errors import FalseVerdictError, IdentityError
from tests.sim.kubernetes_marks import others_taints
from tests.sim.kubernetes_signs import is_broker, node_of

from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.kubernetes.views import Kind

# What may be said of an end by those causes, besides `unknown`, if what gives them away was not shown in time.
LESS = {
    Cause.DRAIN: {Cause.POD_DELETED},  # by whoever evicted it
    Cause.ROLLOUT: {Cause.POD_DELETED},
    Cause.SPOT: {Cause.POD_DELETED, Cause.NODE_FAILURE},
    Cause.EXPERIMENT: {Cause.POD_DELETED},  # by a life of ours that nobody remembers
}
LASTS = 150.0  # seconds from the beginning of what is done to a node within which its brokers end by it
LATEST = 110.0  # seconds after which what is told of a node need not be why a broker left it
AIMED = (30.0, 150.0)  # seconds before and after an injection in which the end of its target may be called ours


def _has_run(kind, raw):
    """Whether that is a pod with a container that was started, and that is to stay."""
    return kind is Kind.POD and bool(raw["status"]["containerStatuses"]) and "deletionTimestamp" not in raw["metadata"]


@dataclass(eq=False, slots=True)
class End:
    """Of one life of a broker's process, or of a node (`restarts` None)."""

    what: str
    restarts: int | None
    cause: Cause
    signs: list
    at: float
    on: str | None = None  # the node it was on
    less: frozenset = frozenset()  # what else may be said of it if no sign of it was shown in time
    met: bool = False  # it was delivered as it was before its end
    unseen: bool = False  # a list was the first to tell that it had gone
    told: bool = False  # it was delivered that it went
    known: bool = False  # a sign of it was delivered
    known_at: float | None = None  # when the first was, in this life of Sentinel
    reopened: bool = False  # it was delivered since that its node is open
    closed: bool = False  # it was first delivered together with that its node is closed
    survived: bool = False  # a life of Sentinel ended since
    counts: list = field(default_factory=list)  # when it was counted, as far as its state remembers

    @property
    def broker(self):
        """Return whose end it is, if a broker's."""
        return int(self.what.split("-")[2]) if self.what.startswith("uid-kafka-") else None

    def describe(self):
        shown = "was shown" if self.known else "was never shown"
        return f"{self.what} (restarts {self.restarts}) ended at {self.at:.1f} by {self.cause}, which {shown}"


@dataclass
class Truth:
    clock: object
    lives: dict = field(default_factory=dict)  # (pod uid, restarts) → End
    nodes: dict = field(default_factory=dict)  # name → its Ends, in order
    rolls: list = field(default_factory=list)  # when one was begun or asked for
    cuts: list = field(default_factory=list)  # (name of a broker's pod, when it was cut off and nothing happened to it)
    aimed: dict = field(default_factory=dict)  # pod uid → when an experiment of ours was to hit it
    placed: list = field(default_factory=list)  # (when it was told, name of a broker's pod, the node it is on by that)
    there: set = field(default_factory=set)  # nodes that are there by what was told, by name
    on: dict = field(default_factory=dict)  # pod uid → the node it is on by what was told
    housed: set = field(default_factory=set)  # uids of pods that were seen on a node that was there
    met: set = field(default_factory=set)  # uids of pods that were delivered while they lived
    ran: set = field(default_factory=set)  # those of them whose containers had been started by then
    stands: dict = field(default_factory=dict)  # (kind, name) → the object as it was delivered last

    # --- told by the model

    def ends(self, uid, restarts, cause, signs, *, on, less=()):
        new = End(uid, restarts, cause, list(signs), self.clock(), on, frozenset(less))
        known = self.lives.setdefault((uid, restarts), new)
        known.met |= uid in (self.met if restarts is None else self.ran)
        if known.cause is not cause:  # evicted by a drain, and its node goes before it is gone
            known.signs += signs
        for (kind, name), raw in self.stands.items():  # of a drain that came to it only later
            if known is new and any(sign.shows(kind, name, raw, raw) for sign in signs):
                known.known, known.known_at = True, self.clock()

    def node_goes(self, name, cause, signs, *, less=()):
        new = End(name, None, cause, list(signs), self.clock(), less=frozenset(less))
        self.nodes.setdefault(name, []).append(new)

    def cut_off(self, pod_name):
        self.cuts.append((pod_name, self.clock()))

    def ended_with(self, end):
        """Return the ends of other brokers by what took the same node at the same moment."""
        return [one for one in self.lives.values() if one is not end and (one.on, one.at) == (end.on, end.at)]

    # --- told by the watches

    def delivered(self, kind, name, raw, last, *, unseen=False):
        """A watch told that the object is like that now; None: gone. `unseen`: a list does not name it any more."""
        uid = last["metadata"]["uid"]
        if raw is None:
            self.stands.pop((kind, name), None)
        else:
            self.stands[kind, name] = raw
        if kind is Kind.NODE:
            (self.there.discard if raw is None else self.there.add)(name)
        if raw is not None:
            self.met.add(uid)
            self.ran |= {uid} if _has_run(kind, raw) else set()
        if kind is Kind.POD:
            self.on[uid] = None if raw is None else node_of(raw)
            self.placed.append((self.clock(), name, self.on[uid]))
        for end in self._all():
            self._show(end, kind, name, raw, last, unseen=unseen)

    def _all(self):
        yield from self.lives.values()
        for ends in self.nodes.values():
            yield from ends

    def _show(self, end, kind, name, raw, last, *, unseen):
        uid, passed = last["metadata"]["uid"], self.clock() - end.at
        shown = any(passed <= sign.within and sign.shows(kind, name, raw, last) for sign in end.signs)
        as_before = raw is not None and (end.restarts is None or _has_run(kind, raw))
        end.met |= as_before and uid == end.what and not shown
        if shown and not end.known and kind is Kind.NODE and name == end.what and raw is not None:
            end.closed = raw["spec"]["unschedulable"]  # nothing tells whether it was closed before, as for a reboot
        if shown and not end.counts:
            end.known, end.known_at = True, self.clock() if end.known_at is None else end.known_at
        end.unseen |= unseen and uid == end.what and not end.told
        end.told |= kind is Kind.POD and uid == end.what and (raw is None or "deletionTimestamp" in raw["metadata"])
        is_open = kind is Kind.NODE and name == end.on and raw is not None and not others_taints(raw)
        end.reopened |= is_open
        if not end.told and is_open:
            end.known &= end.cause is not Cause.DRAIN  # taken back before it was known that a pod had gone

    def look(self):
        """Note which pods are on nodes that are there, as Sentinel looks at that between two deliveries."""
        self.housed |= {uid for uid, node in self.on.items() if node in self.there}

    # --- the lives of Sentinel

    def begins_anew(self, made):
        """A life goes on from a state that was made then, or from none."""
        for known in (self.there, self.on, self.housed, self.met, self.ran, self.stands):
            known.clear()
        for end in self._all():
            end.met = end.unseen = end.told = end.known = end.reopened = end.closed = False
            end.known_at, end.survived = None, True
            end.counts = [at for at in end.counts if made is not None and at <= made]

    # --- what Sentinel says

    def restart_counted(self, restart):
        end = self.lives.get((restart.life.pod_uid, restart.life.restarts))
        if end is None:
            raise FalseVerdictError(f"a restart was counted that never was: {restart.life}, {restart.cause}")
        self._judge(end, restart.cause, restart.text)
        return end

    def disruption_counted(self, record):
        ends = self.nodes.get(record.node, [])
        if not ends:
            raise FalseVerdictError(f"a disruption was counted of a node that nothing happened to: {record.as_dict()}")
        waiting = [one for one in ends if not one.counts] or ends[-1:]
        meant = [one for one in waiting if one.cause is record.cause] or waiting
        self._judge(meant[-1], record.cause, "; ".join(record.reasons))
        self._judge_brokers(meant[-1], record)

    def _judge_brokers(self, end, record):
        """It names each broker that was seen on the node and ended by it, and none that was never seen there."""
        by_it = {
            one.broker
            for one in self.lives.values()
            if one.on == end.what and one.cause is end.cause and 0 <= one.at - end.at <= LASTS
            if one.met and one.what in self.housed and not self._is_settled(one, end)
        }
        ever = {int(name.split("-")[1]) for _, name, node in self.placed if node == end.what and is_broker(name)}
        if not by_it <= record.brokers <= ever:
            bounds = f"brokers {sorted(by_it)} at least, {sorted(ever)} at most"
            raise FalseVerdictError(f"{bounds}, but {record.as_dict()}")

    def _is_settled(self, end, of_node):
        """Whether the end of a broker was counted long before anything was told of its node."""
        told = self.clock() if of_node.known_at is None else of_node.known_at
        return told - end.at > LATEST and any(at < told for at in end.counts)

    def _judge(self, end, cause, text):
        end.counts.append(self.clock())
        if len(end.counts) > 1:
            raise IdentityError(f"counted twice: {end.describe()}")
        if cause not in self.fitting(end):
            raise FalseVerdictError(f"said to be {cause} ({text}), but {end.describe()}")

    def fitting(self, end, before=float("inf")):
        """Return the causes that may be given for an end, by what was shown of it before that instant."""
        known = end.known and end.known_at <= before and not end.unseen
        known &= end.on is None or end.what in self.housed
        known &= not (end.survived and end.cause is Cause.EXPERIMENT)
        aimed = self.aimed.get(end.what)
        ours = aimed is not None and -AIMED[0] <= end.at - aimed <= AIMED[1]
        fitting = {end.cause} | ({Cause.EXPERIMENT} if ours else set()) | ({Cause.DRAIN} if end.closed else set())
        if not known:
            return fitting | self._guesses(end)
        return fitting if end.reopened else fitting | self._since(end)  # one closing of its node, by what was told

    def _guesses(self, end):
        """What may be said of an end that nothing shows: that it is gone, or what was done to its node or set since."""
        rolled = {Cause.ROLLOUT} if any(at > end.at for at in self.rolls) else set()
        return {Cause.UNKNOWN} | LESS.get(end.cause, set()) | end.less | self._since(end) | rolled

    def _since(self, end):
        return {one.cause for one in self.nodes.get(end.on, ()) if one.at > end.at}

    def not_counted(self):
        for end in self.lives.values():
            if end.met and not end.counts and (end.restarts is None or end.known):
                yield f"never counted: {end.describe()}"
