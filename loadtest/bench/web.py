"""The web chat beside npm `ws` in the same run: silent sockets plain and over TLS (memory of each, sockets opened a second), and durable
messages beside the bare FCALL.

  silent    a socket that said hello and got its welcome; of `ws` one that only opened. Goals: at most 4 KiB plain, 24 KiB over TLS; opened
            at twice the rate of `ws`
  announce  one announcement to all sockets, plain: from the request to the last that has it, and the gateway's CPU. Goals: 1.4 x what `ws` reaches
            with the same text, at 0.6 of its CPU
  messages  64 citizens, each writes when the last message was acknowledged: fsync always. Goal: half of the bare FCALL `ingest`
"""
import json, pathlib, statistics, subprocess, sys, time, urllib.request
import kannel
from whatsapp import bare
from house import BIN, TOP, House, Table, start, stop

WEB = '''
[[web]]
id = "portal"
origins = ["https://city.example"]
queue = "city"
challenge_after = 0
message_rate = 1000
message_burst = 1000
[limits]
connections = 19500
'''


def rss(pid):
    return next(int(line.split()[1]) * 1024 for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))


class Citizens:
    """A belfry-sim visitors, and what it said."""

    def __init__(self, url, *more):
        self.log = pathlib.Path(f"/tmp/belfry_bench_visitors_{time.monotonic_ns()}.log")
        self.process, _ = start([BIN / "belfry-sim", "visitors", "--json", "--url", url, "--insecure", *map(str, more)], r'"opened"', self.log)

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def opened(self):
        while not self.lines():
            time.sleep(0.1)
        said = self.lines()[0]
        if said["lost"]:
            sys.exit(f"bench: {said['lost']} sockets were lost: {said['why']}")
        return said["per_s"]

    def end(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.unlink()


def silent(url, pid, sockets, *more):
    """Octets a socket, and how many opened a second. The first hundreds warm it up."""
    warm = Citizens(url, "--sockets", 300, *more)
    before = rss(pid)
    all_ = Citizens(url, "--sockets", sockets, *more)
    time.sleep(1)
    each = (rss(pid) - before) / sockets
    rate = all_.opened()
    all_.end()
    warm.end()
    return each, rate


def announced(url, pid, sockets, tell, *more):
    """Sockets a second that an announcement reaches, and CPU us a socket; the median of five, after one that warms up."""
    all_ = Citizens(url, "--sockets", sockets, "--listen", *more)
    all_.opened()
    rates, cpus = [], []
    for nth in range(6):
        time.sleep(0.5)
        before, cpu = time.time(), kannel.cpu_us(pid)
        tell(nth)
        while len(all_.lines()) < nth + 2:
            time.sleep(0.02)
        rates.append(sockets / (all_.lines()[-1]["heard_at_us"] / 1e6 - before))
        time.sleep(0.2)
        cpus.append((kannel.cpu_us(pid) - cpu) / sockets)
    all_.end()
    return statistics.median(rates[1:]), statistics.median(cpus[1:])


def peer(*more):
    log = pathlib.Path(f"/tmp/belfry_bench_ws_{time.monotonic_ns()}.log")
    process, found = start(["node", TOP / "loadtest/peers/sockets.mjs", *more], r"listening (\d+)", log)
    return process, found.group(1)


def web(options):
    table = Table()
    for _ in range(options.rounds):
        house = House("always", options.shards or 1, more=WEB)
        try:
            plain = house.desk + "/ws/chat"
            each, rate = silent(plain, house.belfryd.pid, options.sockets)
            table.note("silent, octets", each)
            table.note("opened /s", rate)
            told = []

            def announce(nth):
                until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
                house.api("PUT", f"/announcements/bench-{nth}", {"severity": "minor", "headline": "The bridge is closed until noon", "expires": until})
                told.append(json.dumps({"t": "event", "kind": "alert", "alert": {"id": f"bench-{nth}", "severity": "minor",
                                                                                "headline": "The bridge is closed until noon", "expires": until}}))

            rate, cpu = announced(plain, house.belfryd.pid, options.sockets, announce)
            table.note("announced /s", rate)
            table.note("announced, us a socket", cpu)
            tls = house.tls.replace("/webhooks/whatsapp/city", "/ws/chat")
            each, rate = silent(tls, house.belfryd.pid, min(options.sockets, 5000))
            table.note("silent TLS, octets", each)
            table.note("opened TLS /s", rate)
            before = kannel.cpu_us(house.belfryd.pid)
            writing = Citizens(plain, "--sockets", 64, "--count", options.count)
            writing.process.wait(300)
            said = writing.lines()[-1]
            if said.get("refused") or "acked" not in said:
                sys.exit(f"bench: messages were refused: {said}")
            table.note("messages /s", said["per_s"])
            table.note("messages p99 ms", said["p99_ms"])
            table.note("gateway us a message", (kannel.cpu_us(house.belfryd.pid) - before) / said["acked"])
            writing.log.unlink()
            table.note("bare FCALL /s", bare(house, options.count))
        finally:
            house.close()
        process, port = peer()
        try:
            each, rate = silent(f"http://127.0.0.1:{port}/", process.pid, options.sockets, "--echo")
            table.note("ws: silent, octets", each)
            table.note("ws: opened /s", rate)
            rate, cpu = announced(f"http://127.0.0.1:{port}/", process.pid, options.sockets,
                                  lambda nth: urllib.request.urlopen(f"http://127.0.0.1:{port}/broadcast", told[nth].encode()).read(), "--echo")
            table.note("ws: announced /s", rate)
            table.note("ws: announced, us a socket", cpu)
        finally:
            stop(process)
    table.show()
    table.ratio("opened /s", "ws: opened /s", 2)
    table.ratio("announced /s", "ws: announced /s", 1.4)
    table.ratio("announced, us a socket", "ws: announced, us a socket", 0.6, most=True)
    table.ratio("messages /s", "bare FCALL /s", 0.5)
    table.ratio("silent, octets", "ws: silent, octets", "4 KiB plain, 24 KiB over TLS, not a ratio", most=True)
