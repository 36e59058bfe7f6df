#!/usr/bin/env python3
"""The checker of the transition log is checked: a good log breaks nothing, and each invariant is seen broken by a few lines. It needs nothing that runs."""
import sys, time, unittest
from transitions import Replay


class Log:
    """Writes lines as the API shows them."""

    def __init__(self, **agents):
        self.items, self.ms, self.load, self.gens = [], 1_700_000_000_000, {}, {}
        for name, capacity in (agents or {"ana": 20, "bob": 20}).items():
            self.agent(name, capacity=capacity)

    def at(self):
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.ms // 1000)) + f".{self.ms % 1000:03d}Z"

    def agent(self, name, availability="ready", sessions=1, capacity=20, **more):
        self.items.append({"at": self.at(), "kind": "agent", "agent": name, "queue": "hall", "availability": availability, "sessions": sessions,
                           "capacity": capacity, "load": self.load.setdefault(name, 0), **more})
        return self

    def wait(self, ms):
        self.ms += ms
        return self

    def line(self, kind, conversation, agent="", change=None, **more):
        gen = self.gens[conversation] = more.pop("gen", self.gens.get(conversation, 0) + 1)
        item = {"at": self.at(), "kind": kind, "conversation": conversation, "gen": gen, "queue": "hall"}
        if agent:
            item["agent"] = agent
        if change is not None:
            self.load[agent] += change
            item["load"] = self.load[agent]
        self.items.append(item | more)
        return self.wait(1)

    def queued(self, c, eff=100, **more): return self.line("queued", c, eff=eff, weight=10, **more)
    def offered(self, c, who, change=10, **more): return self.line("offered", c, who, change, weight=10, **more)
    def accepted(self, c, who, **more): return self.line("accepted", c, who, **more)
    def requeued(self, c, who, why="declined", eff=100, change=-10, **more): return self.line("requeued", c, who, change, eff=eff, weight=10, why=why, **more)
    def wrapup(self, c, who, change=-7, **more): return self.line("wrapup", c, who, change, **more)
    def closed(self, c, who, change=-3, **more): return self.line("closed", c, who, change, **more)

    def replay(self, conversations=None):
        replay = Replay()
        for item in self.items:
            replay.feed(item)
        return replay.end(conversations)

    def broken(self, conversations=None):
        return sorted(self.replay(conversations).found)


class Holds(unittest.TestCase):
    def test_a_good_log(self):
        log = (Log().queued("c1").offered("c1", "ana").requeued("c1", "ana").offered("c1", "bob").accepted("c1", "bob").wrapup("c1", "bob")
               .closed("c1", "bob").offered("c2", "ana", gen=2).accepted("c2", "ana").requeued("c2", "ana", "transferred", eff=7)
               .offered("c2", "bob", why="transfer").requeued("c2", "bob", "timeout", eff=7)
               .queued("c3", 300).offered("c3", "ana").accepted("c3", "ana").line("parked", "c3", "ana", -10).line("woken", "c3", "ana", 10))
        replay = log.replay({"c1": ("closed", ""), "c2": ("queued", ""), "c3": ("active", "ana")})
        self.assertEqual(dict(replay.found), {})
        self.assertEqual(replay.waits, [])

    def test_a_program_answers_first(self):
        log = (Log().agent("eli", bot=True, capacity=0).line("bot", "c1", "eli", 0, eff=5).requeued("c1", "eli", "transferred", eff=5, change=0)
               .offered("c1", "ana").accepted("c1", "ana").line("bot", "c2", "eli", 0, eff=6).line("after_hours", "c2", "eli", 0, eff=6)
               .queued("c2", 6).line("bot", "c3", "eli", 0, eff=7).closed("c3", "eli", 0))
        replay = log.replay({"c1": ("active", "ana"), "c2": ("queued", ""), "c3": ("closed", "eli")})
        self.assertEqual(dict(replay.found), {})
        self.assertEqual(Log().agent("eli", bot=True).queued("c1").offered("c1", "eli").broken(), ["I13"])

    def test_a_lowered_capacity_takes_nothing_away(self):
        self.assertEqual(Log().offered("c1", "ana", gen=2).agent("ana", capacity=0).accepted("c1", "ana").wrapup("c1", "ana").broken(), [])


class Breaks(unittest.TestCase):
    def test_I1_offered_while_offered(self):
        self.assertEqual(Log().queued("c1").offered("c1", "ana").offered("c1", "bob").broken(), ["I1"])

    def test_I1_accepted_by_another(self):
        self.assertEqual(Log().queued("c1").offered("c1", "ana").accepted("c1", "bob").broken(), ["I1"])

    def test_I1_offered_while_active(self):
        self.assertEqual(Log().queued("c1").offered("c1", "ana").accepted("c1", "ana").offered("c1", "bob").broken(), ["I1"])

    def test_I2_a_load_that_does_not_add_up(self):
        self.assertEqual(Log().queued("c1").offered("c1", "ana", change=20).broken(), ["I2"])
        self.assertEqual(Log().queued("c1").offered("c1", "ana").requeued("c1", "ana", change=0).broken(), ["I2"])
        self.assertEqual(Log().offered("c1", "ana", gen=2).agent("ana", load=0).broken(), ["I2"])

    def test_I2_beyond_the_capacity(self):
        log = Log(ana=10).offered("c1", "ana", gen=2).queued("c2", 200).offered("c2", "ana")
        self.assertEqual(log.broken(), ["I2"])

    def test_I3_a_transition_is_missing(self):
        self.assertEqual(Log().queued("c1").offered("c1", "ana", gen=3).broken(), ["I3"])

    def test_I3_from_where_it_was_not(self):
        self.assertEqual(Log().queued("c1").line("closed", "c1").queued("c1").broken(), ["I3"])
        self.assertEqual(Log().queued("c1").queued("c1").broken(), ["I3"])

    def test_I3_what_the_api_shows(self):
        log = Log().queued("c1").queued("c2", 200)
        self.assertEqual(log.broken({"c1": ("queued", ""), "c2": ("queued", "")}), [])
        self.assertEqual(log.broken({"c1": ("queued", "")}), ["I3"])  # lost
        self.assertEqual(log.broken({"c1": ("queued", ""), "c2": ("closed", "")}), ["I3"])
        self.assertEqual(log.broken({"c1": ("queued", ""), "c2": ("queued", ""), "c3": ("queued", "")}), ["I3"])

    def test_I5_another_place(self):
        self.assertEqual(Log().queued("c1").offered("c1", "ana").requeued("c1", "ana", eff=101).broken(), ["I5"])
        twice = Log().offered("c1", "ana", gen=2).requeued("c1", "ana", eff=7).offered("c1", "bob").requeued("c1", "bob", eff=8)
        self.assertEqual(twice.broken(), ["I5"])

    def test_I10_waits_while_somebody_is_free(self):
        log = Log(ana=10, bob=10).queued("c1").wait(9000).offered("c1", "ana")
        self.assertEqual([(w[0] // 1000, w[2]) for w in log.replay().waits], [(9, "c1")])
        # While there was nothing to do it with, it does not count.
        ended = log.ms
        self.assertEqual(log.replay().waited([(ended - 5000, ended + 100)])[0][0] // 1000, 4)
        # Bob has refused it; it waits for ana, who is not there.
        log = Log(bob=10).queued("c1").offered("c1", "bob").requeued("c1", "bob").wait(9000).agent("ana", capacity=10).offered("c1", "ana")
        self.assertEqual(log.replay().waits, [])
        # It waits to the end; and somebody is free until something else is given to him.
        self.assertEqual(len(Log().queued("c1").wait(9000).agent("bob").replay().waits), 2)
        self.assertEqual(Log(ana=10).queued("c1", 1).wait(9000).queued("c2", 2).offered("c2", "ana").replay().waits[0][2], "c1")

    def test_I12_work_for_who_has_more(self):
        log = Log(ana=50, bob=50).wait(7000).offered("c1", "ana", gen=2).offered("c2", "ana", gen=2).offered("c3", "ana", gen=2)
        self.assertEqual((log.broken(), log.replay().spread), ([], 20))  # several nodes at once
        self.assertEqual(log.wait(2500).offered("c4", "ana", gen=2).broken(), ["I12"])
        log = Log(ana=50, bob=50).offered("c1", "ana", gen=2).wait(7000).offered("c2", "ana", gen=2)
        self.assertEqual(log.broken(), [])  # one slot more is nothing

    def test_I13_not_ready_or_not_there(self):
        self.assertEqual(Log().agent("ana", "paused").queued("c1").offered("c1", "ana").broken(), ["I13"])
        self.assertEqual(Log().agent("ana", sessions=0).queued("c1").offered("c1", "ana").broken(), ["I13"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
