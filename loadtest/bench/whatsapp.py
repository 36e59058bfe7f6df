"""Signed webhooks of ~900 octets over 64 keep-alive connections, made durable, against limits and a peer of the same run.

Rounds are interleaved; medians are printed, and ratios of the same round. The machine is noisy: read the ratios.
  bare    the same `ingest` FCALL from a bare client to the same redis-server: 64 outstanding over one connection, as the gateway
          has it, and over 64; the better of the two is the limit
  node    node http + HMAC + JSON.parse + ioredis doing the same FCALL; "two writes" is the same with an SADD and an RPUSH
  parse   llhttp + HMAC + simdjson alone, in one process without a socket: the least that a webhook costs
"""
import json, select, socket, subprocess, threading, time
from house import BIN, TOP, House, Table, load, start, stop
import function


def bare(house, count):
    version = house.version()
    # redis-benchmark's random numbers come from time ^ pid: two runs may draw the same, and the second would find nothing but duplicates.
    words = lambda: ("FCALL", f"ingest_{version}", "1", "{bench}", "", "city", "wa:20000", f"{time.monotonic_ns()}.__rand_int____rand_int__",
                     "wa:p:__rand_int__", "x" * 380, "9999999999999", "", "", "city|10|45000|0||", "Eva")
    return max(house.redis.benchmark(count, *words(), connections=1, pipeline=64), house.redis.benchmark(count, *words(), connections=64))


def bare_open_loop(house, rate, count):
    """The same FCALL, so many a second, timed from when each was due; one connection. p50 and p99 in ms."""
    version = house.version()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(house.redis.sock)
    words = lambda i: ("FCALL", f"ingest_{version}", "1", "{bare}", "", "city", "wa:20000", f"{time.monotonic_ns()}", f"wa:p:{i % 20000}", "x" * 380,
                       "9999999999999", "", "", "city|10|45000|0||", "Eva")
    took, sent, answered, begun = [], 0, 0, time.monotonic()
    while len(took) < count:
        due = begun + sent / rate
        now = time.monotonic()
        if sent < count and now >= due:
            connection.sendall(b"".join([b"*15\r\n", *(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words(sent))]))
            sent += 1
            continue
        readable, _, _ = select.select([connection], [], [], max(0, due - now) if sent < count else 5)
        if readable:
            answered += connection.recv(65536).count(b"\r\n")  # a reply is one string: two line ends
            while len(took) < answered // 2:
                took.append(time.monotonic() - begun - len(took) / rate)
        elif sent == count:
            raise SystemExit("bench: Redis does not answer")
    took.sort()
    return {"p50": took[count // 2] * 1000, "p99": took[count * 99 // 100] * 1000}


def rewriting(house, count, *more):
    """A load during which Redis rewrites its AOF again and again."""
    over = threading.Event()

    def rewrite():
        while not over.wait(0.3):
            house.redis.cli("BGREWRITEAOF")

    helper = threading.Thread(target=rewrite)
    helper.start()
    try:
        return house.load(house.url, count, *more)
    finally:
        over.set()
        helper.join()


def peer(house, kind):
    words = ["node", TOP / "loadtest/peers/webhook.mjs", house.redis.sock, house.secret]
    process, found = start(words + ([f"ingest_{house.version()}"] if kind == "fcall" else []), r"port=(\d+)", house.home / f"node_{kind}.log")
    return process, f"http://127.0.0.1:{found.group(1)}/"


def parse(table):
    ran = subprocess.run([BIN / "bench_parse", "--benchmark_format=json", "--benchmark_min_time=0.3"], capture_output=True, text=True)
    for row in json.loads(ran.stdout)["benchmarks"]:
        table.note(f"parse: {row['name']}: us", row["cpu_time"] / 1000)


def one_round(table, options, houses, peers):
    always, every = houses
    node, node_url, plain, plain_url = peers
    table.note("bare FCALL/s, fsync always", bare(always, options.count))
    table.take("accepted, fsync always", always.load(always.url, options.count, *always.watch))
    table.take("accepted during AOF rewrites", rewriting(always, options.count, *always.watch))
    table.take("accepted over TLS", always.load(always.tls, options.count, "--insecure", *always.watch))
    table.take("node peer", load(node_url, always.secret, options.count, "--watch", f"node:{node.pid}"))
    table.take("node peer, two writes", load(plain_url, always.secret, options.count))
    table.take("refused", always.load(always.url, options.count, "--bad-signature-rate", "1", *always.watch))
    table.take("node peer refused", load(node_url, always.secret, options.count, "--bad-signature-rate", "1"))
    table.take("duplicates", always.load(always.url, options.count, "--duplicate-rate", "1", *always.watch))
    table.take("node peer duplicates", load(node_url, always.secret, options.count, "--duplicate-rate", "1"))
    direct = bare_open_loop(always, 1000, 3000)
    table.note("bare FCALL, 1000/s open loop: p50 ms", direct["p50"])
    table.note("bare FCALL, 1000/s open loop: p99 ms", direct["p99"])
    table.take("accepted, 1000/s open loop", always.load(always.url, 3000, "--rate", "1000"))
    table.note("bare FCALL/s, everysec", bare(every, options.count))
    table.take("accepted, everysec", every.load(every.url, options.count, *every.watch))
    # With desks on a house of its own: nobody waits there, and every conversation finds an agent.
    desks = House("always", options.shards)
    try:
        keys = desks.agents(200, 100)
        more = ["--desks", "200", "--key-file", keys, "--citizens", "2000"]
        desks.load(desks.url, 4000, *more, "--seed", "7")  # every citizen's conversation is taken
        table.take("accepted, 200 desks", desks.load(desks.url, options.count // 2, *more, *desks.watch, "--seed", "7"))
        table.take("200 desks, 1000/s open loop", desks.load(desks.url, 3000, *more, "--rate", "1000", "--seed", "7"))
    finally:
        desks.close()
    function.measure(table, code_of(always), always.version())
    parse(table)


def code_of(house):
    listed = house.redis.cli("--json", "FUNCTION", "LIST", "WITHCODE")
    return next(library["library_code"] for library in map(lambda l: l if isinstance(l, dict) else dict(zip(l[::2], l[1::2])), json.loads(listed))
                if library["library_name"] == f"belfry_{house.version()}")


def whatsapp(options):
    houses = House("always", options.shards), House("everysec", options.shards)
    table = Table()
    node, node_url = peer(houses[0], "fcall")
    plain, plain_url = peer(houses[0], "plain")
    try:
        for each in houses:
            each.load(each.url, 2000)
        load(node_url, houses[0].secret, 2000)
        for _ in range(options.rounds):
            one_round(table, options, houses, (node, node_url, plain, plain_url))
    finally:
        stop(node), stop(plain)
        for each in houses:
            each.close()
    table.show()
    print()
    table.ratio("accepted, fsync always: /s", "bare FCALL/s, fsync always", 0.8)
    table.ratio("accepted, everysec: /s", "bare FCALL/s, everysec", 0.6)
    table.ratio("accepted, fsync always: /s", "node peer: /s", 1.8)
    table.ratio("refused: /s", "node peer refused: /s", 2.5)
    table.ratio("duplicates: /s", "node peer duplicates: /s", 2.5)
    for case in ("to an owned conversation", "new, queued", "new, offered at once"):
        table.ratio(f"function: {case}: Redis CPU us", f"function: {case}, minimal: Redis CPU us", 1.6, most=True)
    above = table.median("accepted, 1000/s open loop: p99 ms") - table.median("bare FCALL, 1000/s open loop: p99 ms")
    print(f"{'accepted, 1000/s open loop: p99 above that of the bare FCALL, ms':90s} {above:6.2f}   goal: at most 4")
    for name, goal in (("accepted, fsync always: CPU us of gateway", 20), ("accepted, 200 desks: CPU us of gateway", 32),
                       ("function: octets of a 300-octet message", 450), ("function: octets of a new conversation", 1900)):
        print(f"{name:90s} {table.median(name):6.0f}   goal: at most {goal}")
