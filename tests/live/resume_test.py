#!/usr/bin/env python3
"""A desk comes back after 499, 500 and 501 missed events, to the same and to another belfryd on the same Redis, while more events land. What it
then shows is what the log says. Usage: resume_test.py BIN_DIR"""
import functools
from belfry import *

WHO = "491511000001"


@contextlib.contextmanager
def pair(shards):
    with external_redis() as url, house(redis=url, node="a", shards=shards) as a, house(redis=url, node="b", shards=shards, graph=a.graph) as b:
        a.start(), b.start()
        b.key = ""
        keys = a.people("ana", capacity=20)
        b.key, b.auditor = a.key, a.auditor
        a.ready(), b.ready()
        yield a, b, keys[0]
        equal((a.stop(), b.stop()), (0, 0), "exit codes")


def talk(houses, count, word):
    """So many messages of the citizen, through both belfryds, acknowledged when this returns; in batches, so in the order of each batch."""
    said = [message(WHO, f"{word} {i}") for i in range(count)]
    for i in range(0, count, 50):
        houses[i // 50 % len(houses)].hear(*said[i:i + 50])
    return [m["text"]["body"] for m in said]


def shown(desk):
    return [f["message"]["text"] for f in desk.events("message") if f["message"]["dir"] == "in"]


def log(house, conversation):
    return [m["text"] for m in house.all(f"/conversations/{conversation}/messages")]


def resume(shards):
    with pair(shards) as (a, b, key):
        desk = Desk(a, key).be_ready()
        a.hear(message(WHO, "first"))
        conversation, _ = desk.take()
        desk.event("assigned")
        for missed in (499, 500, 501):
            for where, target in (("the same", a), ("another", b)):
                last = desk.last_id
                desk.close()
                said = talk((a, b), missed, f"{missed} {where}")
                desk = Desk(target, key, last)
                equal(desk.welcome["reset"], missed > 500, f"reset after {missed} at {where}")
                equal(int(desk.welcome["last_id"]) - int(last), missed, "events meanwhile")
                if missed <= 500:
                    until("the replay", lambda: len(shown(desk)) >= missed, 20)
                    equal(shown(desk), said, f"the replay of {missed} at {where}")
                assert conversation in [c["id"] for c in desk.welcome["conversations"]], desk.welcome
                # What comes next goes on without a hole, whichever way it began.
                more = talk((b, a), 3, f"after {missed} {where}")
                until("what comes next", lambda: shown(desk)[-3:] == more, 20)
                equal(desk.gaps, [], "event ids")
                equal(log(target, conversation)[-3 - missed:], said + more, "the log")
        say(f"log of {len(log(a, conversation))} messages; the last event is {desk.last_id}")
        desk.close()


def resume_while_events_land(shards):
    with pair(shards) as (a, b, key):
        desk = Desk(a, key).be_ready()
        a.hear(message(WHO, "first"))
        conversation, _ = desk.take()
        desk.event("assigned")
        resets = 0
        for round, missed in enumerate((30, 300, 440, 499, 500, 501)):
            last = desk.last_id
            desk.cut()  # without a word
            said = talk((a, b), missed, f"{round} missed")
            landing = threading.Thread(target=lambda: said.extend(t for _ in range(12) for t in talk((a, b), 5, f"{round} landing {_}")))
            landing.start()
            desk = Desk((b, a)[round % 2], key, last)
            landing.join()
            end_word = talk((a,), 1, f"{round} end")[0]
            said.append(end_word)
            until("the last message", lambda: shown(desk)[-1:] == [end_word], 20)
            ids = [int(f["id"]) for f in desk.events()]
            start = int(desk.welcome["last_id"] if desk.welcome["reset"] else last)
            if desk.welcome["reset"]:
                resets += 1
                assert start - int(last) > 500, ("reset, though not too far behind", last, desk.welcome["last_id"])
            else:
                equal(shown(desk), said, "what is shown")
            equal(ids, list(range(start + 1, start + 1 + len(ids))), "event ids")
            equal(shown(desk), said[len(said) - len(ids):], "what is shown is the end of what was said")
            equal(log(a, conversation)[-len(said):], said, "the log")
            say(f"{missed} missed, {len(said) - missed} landed: {'reset, then ' if desk.welcome['reset'] else ''}{len(ids)} events")
        desk.close()


def two_tabs_show_the_same(shards):
    with pair(shards) as (a, b, key):
        tabs = [Desk(h, key) for h in (a, b, a, b)]
        tabs[0].be_ready()
        a.hear(message(WHO, "first"))
        tabs[3].take()
        said = ["first"] + talk((a, b), 200, "both")
        for tab in tabs:
            until("all of it", lambda: len(shown(tab)) >= 200, 20)
        equal([[(f["id"], f["kind"]) for f in tab.events()] for tab in tabs[1:]], [[(f["id"], f["kind"]) for f in tabs[0].events()]] * 3, "events of four tabs")
        equal(shown(tabs[2]), said[1:], "what a tab shows")
        for tab in tabs:
            tab.close()


if __name__ == "__main__":
    run(*((f"{test.__name__.replace('_', ' ')}, shards {shards}", functools.partial(test, shards)) for shards in (1, 3)
          for test in (resume, resume_while_events_land, two_tabs_show_the_same)))
