"""Routing: what an assignment costs and how soon it comes, with few and with many agents and waiting conversations.

A belfryd with appendfsync always and 50 queues, each with a skill set of its own and a step that relaxes it; every agent serves three of them.
All of it is real: agents by belfryctl import, a desk socket each (belfry-sim staff, no person at it: it accepts at once), conversations by
signed webhooks of a citizen each. Nothing is written past the gateway. Of each cell (agents, waiting), each phase begun when no
rewrite of the AOF runs:
  filled    webhooks while nobody is ready; then all are ready, and each takes one
  flow      closed loop, queues that assign without asking: assigned, resolved, the next; assignments/s, each with two durable calls
  asked     the same with queues that offer: offered, accepted, resolved, the next; three durable calls. Both use up conversations that
            wait besides, 5,000 or 20,000 each; `freed` has as many waiting as the cell says
  freed     open loop: so many resolve frames a second, timed from when each was due to the next offer at that desk, while as many new
            conversations come in by webhook; CPU of belfryd and redis-server (/proc) per assignment, the new conversation's included
  bare      two FCALLs (`ingest`, each opens a conversation), one after the other, from a bare client at that same rate, between the rounds of `freed`
  longest   the longest call that Redis knew of (SLOWLOG) from flow on; each change of the queues' mode has the mirrors read a new snapshot
  pick      bench_pick, one process without a socket: a choice by the mirror's index and by the plain scan
"""
import concurrent.futures, gc, http.client, json, os, select, socket, subprocess, sys, threading, time
from house import BIN, NUMBER, House, Table

QUEUES = 50
NUMBERS = [str(int(NUMBER) + 1 + i) for i in range(QUEUES)]
CELLS = {100: [100, 10000], 1000: [10000], 10000: [100, 100000]}
TICK = os.sysconf("SC_CLK_TCK")

ACCOUNT = '''[[whatsapp]]
id = "n{i}"
portfolio = "p"
phone_number_id = "{number}"
app_secret_file = "secret"
verify_token_file = "verify"
access_token_file = "token"
graph_url = "http://127.0.0.1:9"
queue = "q{i}"
'''


def skills_of(queue):
    return {f"topic{queue % 10}", f"lang{queue // 10}"}


def people(count):
    """What belfryctl imports: skills, queues, agents."""
    names = sorted({skill for i in range(QUEUES) for skill in skills_of(i)})
    queues = [{"id": f"queue_q{i}", "name": f"Queue {i}", "mode": "offer", "offer_timeout_s": 3600, "wrapup_s": 0, "priority": 0, "sticky_s": 0,
               "skills": sorted(skill + (":3" if skill[0] == "t" else ":1") for skill in skills_of(i)),
               "steps": [{"after_s": 60, "lower_levels": 1, "drop": []}]} for i in range(QUEUES)]
    agents = []
    for i in range(count):
        mine = [(i + d) % QUEUES for d in (0, 10, 21)]
        can = sorted(f"{skill}:{3 + (i // 50 + len(skill)) % 3}" for skill in set().union(*map(skills_of, mine)))
        agents.append({"id": f"agent_a{i}", "login": f"a{i}", "name": f"Agent {i}", "roles": ["agent"], "queues": [f"queue_q{q}" for q in mine],
                       "skills": can, "capacity": 1})
    return {"belfry": 1, "skills": [{"id": name, "name": name} for name in names], "queues": queues, "agents": []}, agents


class Post:
    """REST over the admin socket, one connection a thread."""

    def __init__(self, path):
        self.path, self.mine = path, threading.local()

    def __call__(self, path, body):
        if not hasattr(self.mine, "connection"):
            self.mine.connection = http.client.HTTPConnection("localhost", timeout=30)
            self.mine.connection.sock = socket.socket(socket.AF_UNIX)
            self.mine.connection.sock.connect(str(self.path))
        self.mine.connection.request("POST", "/api/v1" + path, json.dumps(body), {"Content-Type": "application/json"})
        answer = self.mine.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"bench: POST {path} said {answer.status} {text[:300]!r}")
        return json.loads(text)


def staffed(house, count):
    """Agents by belfryctl import, a key each; the file with the keys."""
    base, agents = people(count)
    files = [base] + [{"belfry": 1, "agents": agents[i::8]} for i in range(8)]

    def bring(i):
        path = house.home / f"people{i}.json"
        path.write_text(json.dumps(files[i]))
        ran = subprocess.run([BIN / "belfryctl", "--socket", house.home / "state/admin.sock", "import", path], capture_output=True, text=True)
        if ran.returncode != 0:
            sys.exit("bench: belfryctl import: " + ran.stdout + ran.stderr)

    bring(0)
    post = Post(house.home / "state/admin.sock")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(bring, range(1, 9)))
        keys = list(pool.map(lambda i: post("/keys", {"role": "agent", "agent": f"agent_a{i}"})["key"], range(count)))
    (house.home / "keys").write_text("\n".join(keys) + "\n")
    return house.home / "keys"


class Staff:
    """belfry-sim staff: the desks."""

    def __init__(self, house, keys):
        self.process = subprocess.Popen([BIN / "belfry-sim", "staff", "--url", house.desk, "--key-file", keys], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        if not self.process.stdout.readline().startswith("open"):
            sys.exit("bench: the desks did not open")

    def do(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("bench: the desks are gone")
        told = json.loads(line)
        if told["lost"] or told["nacks"]:
            print(f"bench: {order}: {told}", file=sys.stderr)
        return told

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Cpu:
    """Microseconds of user and system time of belfryd and redis-server since the last look."""

    def __init__(self, house):
        self.pids = {"gateway": house.belfryd.pid, "redis": house.redis.pid()}
        self.before = self.now()

    def now(self):
        def of(pid):
            with open(f"/proc/{pid}/stat") as file:
                words = file.read().rsplit(")", 1)[1].split()
            return (int(words[11]) + int(words[12])) * 1e6 / TICK
        return {name: of(pid) for name, pid in self.pids.items()}

    def look(self):
        before, self.before = self.before, self.now()
        return {name: self.before[name] - before[name] for name in self.before}


def fill(house, count, *more):
    if count <= 0:
        return None
    got = house.load(house.url, count, "--phone-number-id", ",".join(NUMBERS), "--citizens", 10000000, "--retry", *more)
    if got["accepted_new"] < count * 0.99:
        sys.exit(f"bench: webhooks were refused: {got}")
    return got


def bare(house, rate, seconds):
    """Two FCALLs, the second sent when the first is answered, so many pairs a second; from when each pair was due. p50 and p99 in ms."""
    function = f"ingest_{house.version()}"
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(house.redis.sock)
    run = time.monotonic_ns()

    def call(i):
        words = ["FCALL", function, "1", "{bare}", "", "city", "wa:20000", f"{run}.{i}", f"wa:p:{run}.{i}", "x" * 380, "9999999999999",
                 "city|10|45000|0||\n\nEva"]
        connection.sendall(b"".join([b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words)]))

    gc.disable()
    count, took, sent, stages, rest, begun = int(rate * seconds), [], 0, [], b"", time.monotonic()
    while len(took) < count:
        due = begun + sent / rate
        now = time.monotonic()
        if sent < count and now >= due:
            call(2 * sent)
            stages.append((sent, 1))
            sent += 1
            continue
        readable, _, _ = select.select([connection], [], [], max(0, due - now) if sent < count else 10)
        if not readable:
            if sent == count:
                sys.exit("bench: Redis does not answer")
            continue
        rest += connection.recv(65536)
        lines = rest.count(b"\r\n") // 2  # a reply is one string: two line ends
        done, stages = stages[:lines], stages[lines:]
        for i, stage in done:
            if stage == 2:
                took.append(time.monotonic() - begun - i / rate)
            else:
                call(2 * i + 1)
                stages.append((i, 2))
        for _ in range(2 * lines):
            rest = rest[rest.index(b"\r\n") + 2:]
    gc.enable()
    took.sort()
    return took[count // 2] * 1000, took[count * 99 // 100] * 1000


def longest(house):
    """The longest call since the last look, ms, and its name."""
    slow = [(entry[2] / 1000, " ".join(entry[3][:2])) for entry in json.loads(house.redis.cli("--json", "SLOWLOG", "GET", "128") or "[]", strict=False)]
    house.redis.cli("SLOWLOG", "RESET")
    return max(slow, default=(0, "none above 3 ms"))


def waiting_now(house):
    return sum(int(house.redis.cli("ZCARD", "{belfry}:q:q%d" % i)) for i in range(QUEUES))


def settle(house):
    """A bulk of new conversations has Redis write its AOF anew, by a child that takes a processor for some seconds: not what is measured here."""
    while house.redis.info("persistence", "aof_rewrite_in_progress") != "0" or house.redis.info("persistence", "aof_rewrite_scheduled") != "0":
        time.sleep(0.1)
    # Nor the pages of a snapshot: until Redis has little to do.
    calls = lambda: int(house.redis.info("stats", "total_commands_processed"))
    before, last = calls(), time.monotonic()
    while time.monotonic() < last + 30:
        time.sleep(0.3)
        now = calls()
        if now - before < 300:
            break
        before = now


def modes(house, mode):
    """What all queues do with a conversation and an agent: offer or auto. Each is a change that every mirror reads anew."""
    for i in range(QUEUES):
        house.api("PUT", f"/queues/queue_q{i}", {"mode": mode})
    time.sleep(0.5)
    settle(house)


def cell(table, house, staff, agents, waiting, options, first):
    name = f"{agents} agents, {waiting} waiting"
    cpu = Cpu(house)
    # Twice what all desks let go of at once.
    flow = options.flow or (20000 if max(waiting, agents) >= 10000 else 5000)
    before = house.redis.memory()
    missing = waiting + 2 * flow + (agents if first else 0) - waiting_now(house)
    began = time.monotonic()
    got = fill(house, missing)
    if got and missing >= 5000:
        used = cpu.look()
        print(f"{name}: filled with {missing} in {time.monotonic() - began:.1f} s, CPU us each: gateway {used['gateway'] / missing:.1f}, "
              f"redis {used['redis'] / missing:.1f}", file=sys.stderr)
        if missing >= 50000:
            table.note(f"{name}: Redis MB of 100,000 open conversations", (house.redis.memory() - before) / missing * 100000 / 1e6)
    if first:
        staff.do("ready")
    time.sleep(1)
    longest(house)
    for phase, mode in (("flow", "auto"), ("asked", "offer")):
        modes(house, mode)
        cpu.look()
        told = staff.do(f"flow {flow}")
        used = cpu.look()
        table.note(f"{name}: {phase}: assignments/s", told["assigned"] / told["seconds"])
        for who, value in used.items():
            table.note(f"{name}: {phase}: CPU us of {who}", value / told["assigned"])
    time.sleep(1)
    for _ in range(options.rounds):
        settle(house)
        p50, p99 = bare(house, options.rate, options.seconds)
        table.note(f"{name}: bare: p50 ms", p50)
        table.note(f"{name}: bare: p99 ms", p99)
        time.sleep(0.2)
        inflow = threading.Thread(target=fill, args=(house, options.rate * options.seconds, "--rate", options.rate, "--connections", 16))
        cpu.look()
        inflow.start()
        told = staff.do(f"rate {options.rate} {options.seconds}")
        inflow.join()
        used = cpu.look()
        print(f"{name}: {told}", file=sys.stderr)
        if "written_ms" in told:
            table.note(f"{name}: written to offer, agent free: p99 ms", told["written_ms"]["p99"])
        table.note(f"{name}: freed to offer: p50 ms", told["offer_ms"]["p50"])
        table.note(f"{name}: freed to offer: p99 ms", told["offer_ms"]["p99"])
        table.note(f"{name}: p99 above bare, ms", told["offer_ms"]["p99"] - p99)
        for who, value in used.items():
            table.note(f"{name}: CPU us of {who}", value / told["offers"])
    ms, call = longest(house)
    print(f"{name}: the longest call in Redis took {ms:.1f} ms ({call})", file=sys.stderr)
    table.note(f"{name}: longest call in Redis, ms", ms)
    print(f"{name}: {waiting_now(house)} wait at the end", file=sys.stderr)


def routing(options):
    table = Table()
    cells = CELLS
    if options.agents or options.waiting:
        cells = {options.agents or 100: [options.waiting or 100]}
    for agents, sizes in cells.items():
        house = House("always", options.shards, more="".join(ACCOUNT.format(i=i, number=number) for i, number in enumerate(NUMBERS)))
        try:
            house.redis.cli("CONFIG", "SET", "slowlog-log-slower-than", "3000")
            began = time.monotonic()
            keys = staffed(house, agents)
            at = time.monotonic()
            staff = Staff(house, keys)
            print(f"{agents} agents: imported in {at - began:.1f} s, desks open in {time.monotonic() - at:.1f} s", file=sys.stderr)
            for waiting in sizes:
                cell(table, house, staff, agents, waiting, options, waiting == sizes[0])
            staff.close()
        finally:
            house.close()
    pick(table)
    table.show()
    print()
    goals(table, cells)


def pick(table):
    ran = subprocess.run([BIN / "bench_pick", "--benchmark_format=json", "--benchmark_min_time=0.2"], capture_output=True, text=True)
    for row in json.loads(ran.stdout)["benchmarks"]:
        table.note(f"pick: {row['name']}: us", row["cpu_time"] / (1000 if row["time_unit"] == "ns" else 0.001))


def goals(table, cells):
    names = [f"{agents} agents, {waiting} waiting" for agents, sizes in cells.items() for waiting in sizes]
    few, many = "100 agents, 100 waiting", "10000 agents, 100000 waiting"
    if few in names and many in names:
        for phase in ("", "flow: ", "asked: "):
            for who in ("gateway", "redis"):
                table.ratio(f"{many}: {phase}CPU us of {who}", f"{few}: {phase}CPU us of {who}", 2, most=True)
    for name in names:
        print(f"{name + ': flow: assignments/s':90s} {table.median(name + ': flow: assignments/s'):6.0f}   goal: at least 5000")
        print(f"{name + ': p99 above bare, ms':90s} {table.median(name + ': p99 above bare, ms'):6.2f}   goal: at most 10")
        memory = name + ": Redis MB of 100,000 open conversations"
        if memory in table.rows:
            print(f"{memory:90s} {table.median(memory):6.0f}   goal: below 300")
    for agents in (100, 1000, 10000):
        table.ratio(f"pick: scan/{agents}: us", f"pick: choose/{agents}: us", 10)
    table.ratio("pick: match/10000/100000: us", "pick: match/100/100: us", 4, most=True)
