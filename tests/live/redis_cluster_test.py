#!/usr/bin/env python3
"""A cluster of three primaries with a replica each. Citizens write all the time; the primary of our slot is killed, and our slot moves to another
node, key by key. What was acknowledged is there afterwards, once. Usage: redis_cluster_test.py BIN_DIR"""
import functools
from redis_many import *


def counted(citizens, what=""):
    missing, doubled, unheard = citizens.account()
    say(f"{what}{len(citizens.yes)} acknowledged; {sum(citizens.noes.values())} refused or unanswered and repeated {dict(citizens.noes)}; "
        f"{len(missing)} missing, {len(doubled)} doubled, {unheard} kept without a yes")
    equal((len(missing), len(doubled)), (0, 0), "missing and doubled")
    assert set(citizens.noes) <= {503}, citizens.noes


def primary_killed(shards, secure=False):
    """`secure`: over TLS and with a user and a password."""
    with closing(Cluster(secure, PASSWORD if secure else "")) as many, \
            house(redis=many.url, shards=shards, limits=locked(many.dir) + f'ca_file = "{many.tls[0]}"\n' if secure else "") as h:
        h.start()
        h.people("ana")
        h.ready()
        owner = many.owner()
        citizens = Citizens(h)
        until("a burst", lambda: len(citizens.yes) > 300, 30)
        waited = owner.do("INFO", "commandstats").partition("cmdstat_wait:calls=")[2].partition(",")[0]
        assert int(waited or 0) > 0, "nobody was waited for"
        kill_at = time.monotonic()
        owner.kill()
        promoted = until("its replica is promoted", lambda: (lambda now: now is not owner and now("ROLE")[0] == "master" and now)(many.owner()), 30)
        promoted_at = time.monotonic()
        # The only replica is the primary now. Until it has one again nothing is acknowledged: it would be on one machine.
        until("/readyz says why", lambda: b"no replica" in h.readyz().body, 20)
        equal(citizens.since(promoted_at), 0, "acknowledged by a primary without a replica")
        owner.start()
        follows = until("the old primary is its replica", lambda: promoted.replicas() == 1 and time.monotonic(), 30)
        until("a yes", lambda: citizens.since(promoted_at) > 0, 30)
        say(f"{owner.name} is killed, {promoted.name} promoted {promoted_at - kill_at:.2f} s later; the first yes {max(0.0, citizens.first_since(promoted_at) + promoted_at - follows):.2f} s "
            "after that one has a replica again")
        at = time.monotonic()
        until("more of the burst", lambda: citizens.since(at) > 300, 30)
        citizens.stop()
        h.ready()
        counted(citizens)
        no_double_owner(h)
        equal(h.stop(), 0, "exit code")


def nobody_waits(shards):
    """With min_replicas = 0 service is back as soon as the replica is promoted; what only the dead one had is counted, and said."""
    with closing(Cluster()) as many, house(redis=many.url, shards=shards, limits="min_replicas = 0") as h:
        h.start()
        h.people("ana")
        h.ready()
        owner = many.owner()
        citizens = Citizens(h)
        until("a burst", lambda: len(citizens.yes) > 300, 30)
        owner.kill()
        until("its replica is promoted", lambda: (lambda now: now is not owner and now("ROLE")[0] == "master")(many.owner()), 30)
        promoted_at = time.monotonic()
        until("a yes", lambda: citizens.since(promoted_at) > 100, 30)
        citizens.stop()
        missing, doubled, unheard = citizens.account()
        say(f"the first yes {citizens.first_since(promoted_at):.2f} s after the promotion; {len(missing)} of {len(citizens.yes)} acknowledged missing, {len(doubled)} doubled")
        equal(len(doubled), 0, "doubled")
        assert citizens.first_since(promoted_at) < 3, "service came back late"
        equal(h.stop(), 0, "exit code")


def slot_moves(shards):
    """As `redis-cli --cluster reshard` does it, slowly: ASK while the keys move, MOVED when they have; and back again."""
    with closing(Cluster()) as many, house(redis=many.url, shards=shards) as h:
        h.start()
        (key,) = h.people("ana", capacity=50)
        h.ready()
        citizens = Citizens(h)
        desk = Desk(h, key).be_ready()
        for round in range(2):
            at = len(citizens.yes)
            until("a burst", lambda: len(citizens.yes) > at + 300, 30)
            source = many.owner()
            target = next(s for s in many.primaries() if s is not source)
            before = {word: h.log_has(f"redis says {word}") for word in ("ASK", "TRYAGAIN", "MOVED")}
            began = time.monotonic()
            target.do("CLUSTER", "SETSLOT", many.slot, "IMPORTING", many.id_of(source))
            source.do("CLUSTER", "SETSLOT", many.slot, "MIGRATING", many.id_of(target))
            moved = 0
            while keys := source.do("CLUSTER", "GETKEYSINSLOT", many.slot, 25):
                source.do("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
                moved += len(keys)
                time.sleep(0.05)
            half = time.monotonic()
            time.sleep(0.5)
            alone = citizens.since(began + 0.3)
            for server in (target, source, *(s for s in many.primaries() if s not in (source, target))):
                server.do("CLUSTER", "SETSLOT", many.slot, "NODE", many.id_of(target))
            done = time.monotonic()
            until("a yes from the new owner", lambda: citizens.since(done) > 0, 30)
            heard = {word: h.log_has(f"redis says {word}") - was for word, was in before.items()}
            say(f"{source.name} to {target.name}: {moved} keys in {half - began:.2f} s, {alone} acknowledged meanwhile, heard {heard}; the first yes "
                f"{citizens.first_since(done):.2f} s after the end")
            equal(many.owner(), target, "the owner")
            assert heard["ASK"] > 0, "ASK never came"
            equal(alone, 0, "acknowledged on half a slot")
            assert citizens.first_since(done) < 3, "service came back late"
            until("its replica is there", lambda: target.replicas() == 1, 20)
        at = len(citizens.yes)
        until("more of the burst", lambda: len(citizens.yes) > at + 300, 30)
        libraries = [len(s.do("FUNCTION", "LIST")) for s in many.primaries()]
        citizens.stop()
        h.ready()
        counted(citizens, f"libraries on the primaries {libraries}; ")
        equal(h.metric("belfry_messages_unaccounted"), 0, "unaccounted")
        no_double_owner(h)
        # Routing and the desk work on the new node.
        offers = len({f["conversation"] for f in desk.events("offer")}) if desk.closed is None else "(closed)"
        say(f"offers on the desk: {offers}")
        equal(h.stop(), 0, "exit code")


def slot_moves_at_once(shards):
    """Without keys in between: a node that is told the slot is another's answers MOVED, and the link follows it."""
    with closing(Cluster()) as many, house(redis=many.url, shards=shards) as h:
        h.start()
        h.people("ana")
        h.ready()
        citizens = Citizens(h)
        until("a burst", lambda: len(citizens.yes) > 300, 30)
        owner = many.owner()
        replica = next(s for s in many.servers if s("ROLE")[0] == "slave" and s("ROLE")[2] == owner.port)
        began = time.monotonic()
        replica.do("CLUSTER", "FAILOVER")
        until("they changed places", lambda: many.owner() is replica and replica.replicas() == 1, 30)
        over = time.monotonic()
        until("more of the burst", lambda: citizens.since(over) > 300, 30)
        citizens.stop()
        say(f"changed places within {over - began:.2f} s, the longest time without a yes {citizens.longest_gap(began - 1):.2f} s; "
            f"MOVED heard {h.log_has('MOVED') + h.log_has('on another node')} times")
        counted(citizens)
        equal(h.stop(), 0, "exit code")


if __name__ == "__main__":
    run(*((f"{name}, shards {shards}", functools.partial(test, shards)) for shards in (1, 3) for name, test in
          (("the primary of our slot is killed in a burst", primary_killed), ("our slot moves under load", slot_moves))),
        ("the primary is killed, all by TLS and with passwords", functools.partial(primary_killed, 1, True)),
        ("primary and replica change places", functools.partial(slot_moves_at_once, 1)),
        ("the primary is killed and nobody waits for replicas", functools.partial(nobody_waits, 1)))
