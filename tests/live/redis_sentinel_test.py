#!/usr/bin/env python3
"""A primary, two replicas, three sentinels. Citizens write all the time and the primary is killed: what was acknowledged is there afterwards, once,
and service is back soon. And why a replica must have it first: the same with and without. Usage: redis_sentinel_test.py BIN_DIR"""
import functools
from redis_many import *


def primary_killed(shards, rounds=1, password=""):
    with closing(Sentinels(2, password)) as many, house(redis=many.url, shards=shards, limits=locked(many.dir) if password else "") as h:
        h.start()
        h.people("ana")
        h.ready()
        citizens = Citizens(h)
        until("a burst", lambda: len(citizens.yes) > 200, 30)
        began, killed = time.monotonic(), []
        for round in range(rounds):
            waited = [int(s.do("INFO", "commandstats").partition("cmdstat_wait:calls=")[2].partition(",")[0] or 0) for s in many.servers if s not in killed]
            assert any(waited), "nobody was waited for"
            named = many.ask(many.ports[0], "SENTINEL", "get-master-addr-by-name", "hall")
            (primary,) = [s for s in many.servers if str(s.port) == named[1]]
            before, kill_at = len(citizens.yes), time.monotonic()
            primary.kill()
            others = [s for s in many.servers if s is not primary]
            promoted = until("a replica is promoted", lambda: next((s for s in others if s("ROLE")[0] == "master"), None), 30)
            promoted_at = time.monotonic()
            until("a yes after the promotion", lambda: citizens.since(promoted_at) > 0, 30)
            back = citizens.first_since(promoted_at)
            say(f"{primary.name} is killed after {before} yes; {promoted.name} promoted {promoted_at - kill_at:.2f} s later, "
                f"the first yes {back:.2f} s after that")
            assert back < 5, "service came back late"
            until("/readyz", lambda: h.readyz().status == 200, 20)
            primary.start()  # a replica from now on: the sentinels see to it
            until("the old primary follows", lambda: primary("ROLE")[0] == "slave" and any(s.replicas() == 2 for s in many.servers), 40)
            at = len(citizens.yes)
            until("more of the burst", lambda: len(citizens.yes) > at + 200, 30)
        citizens.stop()
        missing, doubled, unheard = citizens.account()
        say(f"{len(citizens.yes)} acknowledged; {sum(citizens.noes.values())} refused or unanswered and repeated {dict(citizens.noes)}; "
            f"{len(missing)} missing, {len(doubled)} doubled, {unheard} kept without a yes")
        equal((len(missing), len(doubled)), (0, 0), "missing and doubled")
        assert set(citizens.noes) <= {503}, citizens.noes
        no_double_owner(h)
        equal(h.stop(), 0, "exit code")


def replica_away(shards, min_replicas):
    """The only replica stands still and its link is cut; then the primary dies and the replica wakes and takes over."""
    with closing(Sentinels(1)) as many, house(redis=many.url, shards=shards, limits="" if min_replicas is None else f"min_replicas = {min_replicas}") as h:
        h.start()
        h.people("ana")
        h.ready()
        until("the replica has all", lambda: many.primary.do("WAIT", 1, 1000) == 1)
        citizens = Citizens(h)
        until("a burst", lambda: len(citizens.yes) > 100, 30)
        (replica,) = many.replicas
        replica.process.send_signal(signal.SIGSTOP)
        many.primary.do("CLIENT", "KILL", "TYPE", "replica")
        time.sleep(0.2)
        cut = time.monotonic()
        time.sleep(2.5)
        alone = citizens.since(cut)
        many.primary.kill()
        replica.process.send_signal(signal.SIGCONT)
        until("the replica is promoted", lambda: replica("ROLE")[0] == "master", 40)
        promoted = time.monotonic()
        if min_replicas is None:  # it has no replica either, until the old primary is back
            time.sleep(4)
            equal(citizens.since(cut), 0, "acknowledged by a primary whose replica is away")
            many.primary.start()
        until("a yes after that", lambda: citizens.since(promoted) > 50, 30)
        citizens.stop()
        missing, doubled, unheard = citizens.account()
        say(f"{alone} acknowledged while no replica was there, {len(missing)} of {len(citizens.yes)} acknowledged missing, {len(doubled)} doubled, "
            f"answers meanwhile {dict(citizens.noes)}")
        equal(len(doubled), 0, "doubled")
        if min_replicas == 0:
            assert alone > 0 and missing, "the test does not see what it must see: without a replica an acknowledgement can be lost"
        else:
            equal((alone, len(missing)), (0, 0), "acknowledged without a replica, missing")
        equal(h.stop(), 0, "exit code")


def replaced_behind_its_back(shards, min_replicas=None):
    """The primary stands still until another has its place, and wakes: it takes itself for the primary still. Nobody may believe it. Without waiting
    for replicas it is believed until the sentinels are asked the next time: what that cost is counted."""
    with closing(Sentinels(2)) as many, house(redis=many.url, shards=shards, limits="" if min_replicas is None else f"min_replicas = {min_replicas}") as h:
        h.start()
        h.people("ana")
        h.ready()
        citizens = Citizens(h)
        until("a burst", lambda: len(citizens.yes) > 200, 30)
        many.primary.process.send_signal(signal.SIGSTOP)
        promoted = until("a replica is promoted", lambda: next((s for s in many.replicas if s("ROLE")[0] == "master"), None), 30)
        promoted_at = time.monotonic()
        many.primary.process.send_signal(signal.SIGCONT)
        until("a yes", lambda: citizens.since(promoted_at) > 50, 30)
        back = citizens.first_since(promoted_at)
        until("the old primary follows", lambda: many.primary("ROLE")[0] == "slave" and any(s.replicas() == 2 for s in many.servers), 40)
        at = time.monotonic()
        until("more of the burst", lambda: citizens.since(at) > 200, 30)
        citizens.stop()
        missing, doubled, unheard = citizens.account()
        say(f"{len(citizens.yes)} acknowledged, the first {back:.2f} s after the promotion; {dict(citizens.noes)}; {len(missing)} missing, {len(doubled)} doubled; "
            f"heard of it from the sentinels {h.log_has('name another primary')} times")
        equal((len(missing) if min_replicas is None else 0, len(doubled)), (0, 0), "missing and doubled")
        assert min_replicas is None or h.log_has("name another primary"), "nobody asked the sentinels"
        equal(h.stop(), 0, "exit code")


if __name__ == "__main__":
    if not shutil.which("redis-sentinel"):
        print("skipped: no redis-sentinel")
        sys.exit(77)
    run(("the primary is killed in a burst, shards 1", functools.partial(primary_killed, 1)),
        ("... twice, shards 3, with a user and passwords, also of the sentinels", functools.partial(primary_killed, 3, 2, PASSWORD)),
        ("the primary is replaced behind its back", functools.partial(replaced_behind_its_back, 1)),
        ("... and nobody waits for replicas", functools.partial(replaced_behind_its_back, 1, 0)),
        ("the replica is away: nothing is acknowledged", functools.partial(replica_away, 1, None)),
        ("the replica is away and nobody waits for it: the loss is seen", functools.partial(replica_away, 1, 0)))
