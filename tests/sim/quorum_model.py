"""A naive KRaft quorum: who may change the metadata of a cluster, and what it says of itself.

Nothing here is clever on purpose: the log of a voter is the number of its changes, the followers copy them step by
step, and who has the longest log among a majority leads. The leader writes at every step, as real ones do several
times a second, so that who does not follow is soon seen to be behind.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.sim.kafka_model import Broker

from kafka_sentinel.core.cluster import QuorumView

FETCHED = 4  # changes that a voter can take over in one step
CAUGHT_UP = 1.0  # seconds behind the leader that count as caught up
PATIENCE = (0.5, 2.0)  # seconds until voters miss their leader, and it misses them


@dataclass(slots=True)
class Voter:
    node: Broker  # its process; that of a broker, too, where they are combined
    log: int = 0
    caught_up_at: float = 0.0

    @property
    def connected(self):
        return self.node.up and not self.node.isolated


class Quorum:
    def __init__(self, nodes, rng, note):
        """`nodes`: number → process. `note` is told what happens, by a word for it."""
        self.voters = {number: Voter(node) for number, node in nodes.items()}
        self.others: dict[int, Voter] = {}  # that were removed, and may be added again
        self._former: list[tuple[float, frozenset[int]]] = []  # until when who were the voters
        self.leader, self.epoch = min(nodes), 1
        self.led_since = 0.0  # by this leader
        self.unled_since = None  # since when nothing can be changed; None: it can
        self.unfit_since: dict[int, float] = {}  # voter → since when it could not take over at once
        self._rng, self._note = rng, note
        self._patience = rng.uniform(*PATIENCE)

    @property
    def majority(self):
        return len(self.voters) // 2 + 1

    def active(self):
        """Whether its leader has a majority, without which nothing is changed."""
        return self.leader >= 0 and self.voters[self.leader].connected and len(self._connected()) >= self.majority

    def _connected(self):
        return [number for number, voter in self.voters.items() if voter.connected]

    def step(self, now):
        if self.active():
            self.unled_since = None
            self._replicate(now)
        else:
            self._miss_leader(now)
        for number, voter in self.voters.items():
            if voter.connected and self._is_caught_up(voter, now):
                self.unfit_since.pop(number, None)
            else:
                self.unfit_since.setdefault(number, now)

    def _replicate(self, now):
        leader = self.voters[self.leader]
        leader.log += 1
        for number in self._connected():
            voter = self.voters[number]
            voter.log = min(voter.log + FETCHED, leader.log)
            if voter.log == leader.log:
                voter.caught_up_at = now

    def _miss_leader(self, now):
        if self.unled_since is None:
            self.unled_since, self._patience = now, self._rng.uniform(*PATIENCE)
            lost = len(self._connected()) < self.majority
            self._note("majority_lost" if lost else "quorum_unled")
        if now - self.unled_since < self._patience:
            return
        self.leader = -1
        able = self._connected()
        if len(able) >= self.majority:
            longest = max(self.voters[number].log for number in able)
            self.leader = self._rng.choice([number for number in able if self.voters[number].log == longest])
            self.epoch, self.led_since = self.epoch + 1, now
            self._note("quorum_elected")

    def _is_caught_up(self, voter, now):
        return now - voter.caught_up_at <= CAUGHT_UP

    def view(self, now):
        """Return what its leader says, also one that nobody follows and that does not know it yet; None: there is none.

        Brokers that reach the leader pass the question on, so one that is cut off from them may still answer.
        """
        if self.leader < 0 or not self.voters[self.leader].node.up:
            return None
        caught_up = [
            number for number, voter in self.voters.items() if number == self.leader or self._is_caught_up(voter, now)
        ]
        return QuorumView(self.leader, self.epoch, tuple(sorted(self.voters)), tuple(sorted(caught_up)))

    def change_voters(self, now):
        """Have its leader remove a voter, itself perhaps, or add one that was removed."""
        if not self.active():
            return
        known = sorted(number for number, voter in self.others.items() if voter.connected)
        before = frozenset(self.voters)
        if known and self._rng.random() < 0.5:
            number = self._rng.choice(known)
            self.voters[number] = voter = self.others.pop(number)
            voter.log, voter.caught_up_at = self.voters[self.leader].log, now  # one is added once it has caught up
            self._note("voter_added")
        elif len(self.voters) > 1:
            number = self._rng.choice(sorted(self.voters))
            self.others[number] = self.voters.pop(number)
            self.unfit_since.pop(number, None)
            self._note("voter_removed")
            if number == self.leader:
                self.leader = self._successor()
                self.epoch, self.led_since = self.epoch + 1, now
        if before != frozenset(self.voters):
            self._former.append((now, before))

    def _successor(self):
        """Return whom a leader that leaves hands over to, who has copied all; -1: nobody can."""
        able = [number for number in self._connected() if self._is_whole(number)]
        return self._rng.choice(able) if len(self._connected()) >= self.majority and able else -1

    def _is_whole(self, number):
        return self.voters[number].log == max(voter.log for voter in self.voters.values())

    def spares(self, targets, now, grace):
        """Whether a majority is left without the targets of voters that could take over, or could until a moment ago.

        `grace`: how long ago in seconds, also for who the voters were.
        """
        unfit = {number for number, since in self.unfit_since.items() if now - since > grace}
        self._former = [(until, voters) for until, voters in self._former if now - until <= grace]
        memberships = [frozenset(self.voters), *(voters for _, voters in self._former)]
        return any(len(voters - unfit - set(targets)) >= len(voters) // 2 + 1 for voters in memberships)
