"""Replays the transition log (GET /api/v1/audit/transitions, oldest first) and says which invariant of routing it breaks, and where.

Pure: items in, findings out. It knows nothing but what the log says, so it must be given the log from its first line.
  I1   one owner: nobody is offered, or accepts, what another has
  I2   the load the log tells is the sum of what the agent holds, and never grows beyond his capacity
  I3   a conversation is in one place, and goes on from where it was; generations count by one, so no transition is missing
  I5   back in the queue, it has the place it had
  I10  nobody waits while somebody free could take him: `waits` has how long both were so at the same time
  I12  no agent is given work while another has had more than one slot less for `settled_ms` on end. Each node hints from its own mirror, so several
       may choose the same agent at once: what he was given in the last LAG_MS does not count here, `spread` shows it
  I13  nobody is given anything who is not ready and at his desk, and a program nothing but what opens with it
"""
import bisect, calendar, collections, time

SLOT = 10  # the weight of one conversation
GIVEN = ("bot", "offered", "active", "parked", "wrapup")
# From which states a kind may come ("" is: not seen before), and what state it makes.
STEPS = {
    "bot": (("",), "bot"),
    "after_hours": (("", "bot"), "after_hours"),
    "queued": (("", "after_hours"), "queued"),
    "offered": (("", "queued"), "offered"),
    "assigned": (("", "queued"), "active"),
    "accepted": (("offered",), "active"),
    "requeued": (GIVEN, "queued"),
    "parked": (("active",), "parked"),
    "woken": (("parked", "wrapup"), "active"),
    "wrapup": (("active",), "wrapup"),
    "closed": (("queued", "after_hours", *GIVEN), "closed"),
}
BANS = ("declined", "timeout", "transferred")  # who let it go so is not asked again for BAN_MS
BAN_MS = 120_000
LAG_MS = 2_000

_seconds = {}


def ms(at):
    """2026-01-31T12:00:00.123Z as milliseconds."""
    whole = _seconds.get(at[:19])
    if whole is None:
        whole = _seconds[at[:19]] = calendar.timegm(time.strptime(at[:19], "%Y-%m-%dT%H:%M:%S")) * 1000
    return whole + int(at[20:].rstrip("Z").ljust(3, "0")[:3] or 0)


class Conversation:
    __slots__ = ("state", "gen", "agent", "queue", "eff", "weight", "base", "since", "bans", "asks_first")

    def __init__(self):
        self.state, self.gen, self.agent, self.queue, self.eff = "", None, "", "", None
        self.weight = self.base = SLOT
        self.since, self.bans, self.asks_first = 0, {}, False


class Agent:
    __slots__ = ("ready", "bot", "sessions", "capacity", "queues", "held", "load", "free_since", "less_since", "raised")

    def __init__(self):
        self.ready, self.bot, self.sessions, self.capacity, self.queues, self.held, self.load = False, False, 0, 0, (), {}, 0
        self.free_since = None  # since when he could take one more
        self.less_since = 0     # since when his load is not higher than it is now
        self.raised = collections.deque()  # when it grew, and by how much, lately

    def free(self):
        return self.ready and not self.bot and self.sessions > 0 and self.load + SLOT <= self.capacity


class Replay:
    def __init__(self, settled_ms=6000):
        self.settled_ms = settled_ms
        self.found = collections.defaultdict(list)  # invariant -> what broke it
        self.kinds, self.why = collections.Counter(), collections.Counter()
        self.conversations, self.agents = {}, {}
        self.waiting = collections.defaultdict(dict)  # queue -> conversation -> nothing, in the order of `since`
        self.places = collections.defaultdict(list)   # queue -> (eff, conversation), sorted
        self.free = set()
        self.waits = []     # (ms, until when, conversation, agent): he waited so long while this agent was free
        self.overtaken = collections.Counter()  # how many stood before the one who was given -> how often
        self.spread = 0     # the most that anybody had more, in weight, than the least loaded one, as he was given something
        self.now = 0

    def bad(self, invariant, item, words):
        self.found[invariant].append(f"{words}: {item}")

    def feed(self, item):
        self.now = max(self.now, ms(item["at"]))
        kind = item["kind"]
        self.kinds[kind] += 1
        if kind == "agent":
            return self._agent(item)
        if kind == "sla":  # tells of a clock; nothing moved
            return None
        if "conversation" not in item:
            return None
        self.why[f"{kind}:{item.get('why', '')}"] += 1
        id = item["conversation"]
        c = self.conversations.get(id)
        if c is None:
            c = self.conversations[id] = Conversation()
        if c.gen is None:
            c.gen = item["gen"] - 1 if item["gen"] <= 2 else item["gen"]  # one that opens with an offer begins with 2
            if item["gen"] > 2:
                self.bad("I3", item, "the log does not begin with its beginning")
        if item["gen"] != c.gen + 1:
            self.bad("I3", item, f"generation {item['gen']} follows {c.gen}")
        c.gen = item["gen"]
        if kind not in STEPS:
            return self.bad("I3", item, "an unknown kind of transition")
        befores, after = STEPS[kind]
        agent = item.get("agent", "")
        if c.state not in befores:
            self.bad("I1" if kind in ("offered", "assigned", "accepted") else "I3", item, f"it is {c.state or 'nowhere'}, with {c.agent or 'nobody'}")
        elif c.agent and agent != c.agent:
            self.bad("I1", item, f"it is {c.state} with {c.agent}")
        if c.state == "queued":
            self._leaves_queue(id, c)
        before, c.state = c.state, after
        getattr(self, "_" + kind)(id, c, item, agent, before)
        return None

    # ---- conversations

    def _bot(self, id, c, item, agent, before):
        c.eff, c.agent, c.queue = item.get("eff"), agent, item["queue"]
        a = self.agents.setdefault(agent, Agent())
        if not a.bot or not a.ready or a.sessions < 1:
            self.bad("I13", item, f"{agent} is no program that is there")
        self._moves(agent, id, 0, item)

    def _after_hours(self, id, c, item, agent, before):
        if before == "bot":
            self._moves(agent, id, None, item)
            c.agent = ""
        c.eff = item.get("eff")

    def _queued(self, id, c, item, agent, before):
        c.base = c.weight = item.get("weight", SLOT)
        c.eff = item.get("eff")
        self._waits(id, c, item["queue"])

    def _offered(self, id, c, item, agent, before):
        c.queue = item.get("queue", c.queue)
        c.base = item.get("weight", c.base)
        a = self.agents.setdefault(agent, Agent())
        if not a.ready or a.sessions < 1:
            self.bad("I13", item, f"{agent} is {'' if a.ready else 'not '}ready and has {a.sessions} desks")
        if a.bot:
            self.bad("I13", item, f"{agent} is a program")
        by_transfer = item.get("why") == "transfer"
        if not by_transfer and not c.asks_first:
            self._fair(item, agent, a, c)
        if c.agent and c.agent != agent:  # found already; keep the sums right
            self._moves(c.agent, id, None, {})
        c.agent = agent
        self._moves(agent, id, c.base, item)

    _assigned = _offered

    def _accepted(self, id, c, item, agent, before):
        pass

    def _requeued(self, id, c, item, agent, before):
        eff = item.get("eff")
        if c.eff is not None and eff != c.eff:
            self.bad("I5", item, f"its place was {c.eff}")
        c.eff = eff
        if agent and item.get("why") in BANS:
            c.bans[agent] = self.now + BAN_MS
        c.asks_first = before != "offered" and item.get("why") != "transferred"
        c.base = item.get("weight", c.base)
        self._moves(agent, id, None, item)
        c.agent = ""
        self._waits(id, c, item["queue"])

    def _parked(self, id, c, item, agent, before):
        self._moves(agent, id, 0, item)

    def _woken(self, id, c, item, agent, before):
        self._moves(agent, id, c.base, item)

    def _wrapup(self, id, c, item, agent, before):
        a = self.agents.setdefault(agent, Agent())
        left = item.get("load", 0) - (a.load - a.held.get(id, 0))  # what wrap-up weighs is the queue's business
        if not 0 <= left <= c.base:
            self.bad("I2", item, f"wrap-up weighs {left}")
        self._moves(agent, id, left, item)

    def _closed(self, id, c, item, agent, before):
        if agent:
            self._moves(agent, id, None, item)
        c.agent = ""

    # ---- agents

    def _agent(self, item):
        id = item["agent"]
        a = self.agents.setdefault(id, Agent())
        a.ready, a.bot, a.sessions = item.get("availability") == "ready", item.get("bot", False), item.get("sessions", 0)
        a.capacity, a.queues = item.get("capacity", a.capacity), tuple(filter(None, item.get("queue", "").split(",")))
        if item.get("load", 0) != a.load:
            self.bad("I2", item, f"he holds {a.load}")
        self._look(id, a)

    def _moves(self, agent, id, weight, item):
        """He holds it with this weight from now on; None: no more. `item` tells the load that came of it."""
        a = self.agents.setdefault(agent, Agent())
        old = a.load
        if weight is None:
            if id not in a.held and item:
                self.bad("I2", item, f"{agent} does not hold it")
            a.load -= a.held.pop(id, 0)
        else:
            a.load += weight - a.held.get(id, 0)
            a.held[id] = weight
        if item and item.get("load", 0) != a.load:
            self.bad("I2", item, f"{agent} holds {a.load}")
        if a.load < old:
            a.less_since = self.now
        elif a.load > old:
            a.raised.append((self.now, a.load - old))
        if a.load > max(old, a.capacity):  # an administrator may lower the capacity under his feet
            self.bad("I2", item, f"{agent} can hold {a.capacity}")
        self._look(agent, a)

    def _look(self, id, a):
        """Whether he is free now; where he no longer is, how long somebody waited for him."""
        if a.free():
            if a.free_since is None:
                a.free_since = self.now
                self.free.add(id)
        elif a.free_since is not None:
            for queue in a.queues:
                self._first(queue, id, a)
            a.free_since = None
            self.free.discard(id)

    # ---- who waits for whom

    def _waits(self, id, c, queue):
        c.queue, c.since, c.weight = queue, self.now, c.base
        self.waiting[queue][id] = None
        if c.eff is not None:
            bisect.insort(self.places[queue], (c.eff, id))

    def _leaves_queue(self, id, c):
        self.waiting[c.queue].pop(id, None)
        if c.eff is not None:
            places = self.places[c.queue]
            at = bisect.bisect_left(places, (c.eff, id))
            if places[at:at + 1] == [(c.eff, id)]:
                del places[at]
            self.overtaken[at] += 1
        longest, whom = 0, ""
        for agent in self.free:
            a = self.agents[agent]
            length = self._length(c, agent, a) if c.queue in a.queues else None
            if length is not None and length > longest:
                longest, whom = length, agent
        self._note(longest, id, whom)

    def _length(self, c, agent, a):
        """For how long both have been so: it waits, he is free. None if he may not take it yet."""
        since = max(a.free_since, c.since, c.bans.get(agent, 0))
        return None if since > self.now else self.now - since

    def _note(self, length, id, agent):
        if length > 500:
            self.waits.append((length, self.now, id, agent))

    def _first(self, queue, agent, a):
        """He is no longer free, or it ends here: the first whom he may take has waited longest."""
        for id in self.waiting[queue]:
            length = self._length(self.conversations[id], agent, a)
            if length is not None:
                return self._note(length, id, agent)

    def _fair(self, item, agent, a, c):
        while a.raised and self.now - a.raised[0][0] > LAG_MS:
            a.raised.popleft()
        unseen = sum(weight for _, weight in a.raised)
        for other in self.free:
            b = self.agents[other]
            if other == agent or c.queue not in b.queues or c.bans.get(other, 0) > self.now:
                continue
            # As shares of what each can carry.
            less = a.load - b.load * a.capacity / b.capacity
            self.spread = max(self.spread, less)
            if less - unseen > SLOT and self.now - max(b.less_since, b.free_since) > self.settled_ms:
                self.bad("I12", item, f"{agent} has {a.load} already, {other} has had {b.load} for {self.now - b.less_since} ms")

    # ---- in the end

    def end(self, conversations=None):
        """`conversations`: what the API shows now, {id: (state, owner)}; nobody may have moved since the last item."""
        for agent in list(self.free):
            a = self.agents[agent]
            for queue in a.queues:
                self._first(queue, agent, a)
        if conversations is None:
            return self
        for id, (state, owner) in conversations.items():
            c = self.conversations.get(id)
            if c is None:
                self.bad("I3", {"conversation": id}, "no transition tells of it")
            elif (c.state, c.agent) != (state, owner if state in GIVEN else ""):
                self.bad("I3", {"conversation": id}, f"it is {state} with {owner!r}; the log says {c.state} with {c.agent!r}")
        for id in self.conversations.keys() - conversations.keys():
            self.bad("I3", {"conversation": id}, "it is lost")
        return self

    def waited(self, pauses=()):
        """`waits`, longest first, each without the time in which nothing could be done: `pauses` is [(from ms, to ms)], apart."""
        out = []
        for length, until, conversation, agent in self.waits:
            lost = sum(max(0, min(until, b) - max(until - length, a)) for a, b in pauses)
            out.append((length - lost, until, conversation, agent))
        return sorted(out, reverse=True)
