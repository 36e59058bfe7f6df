"""The `ingest` function against a minimal one that a conversation cannot do without: Redis CPU a call, memory a message.

The minimal one: dedupe, address -> conversation, log, and the agent's event, or a new conversation with its contact that is queued, or offered
at once to an agent who has room, with a timer; one entry tells the matchers. No window, aliases, replay bounds, or generations checked.
"""
import subprocess, tempfile, pathlib, shutil, time
from house import Redis

MINIMAL = '''#!lua name=minimal
local function minimal(keys, a)
  local T, call = keys[1], redis.call
  if call('SADD', T .. ':dd:' .. a[1], a[2]) == 0 then return 'dup' end
  local conv = call('HGET', T .. ':addr:' .. a[3], 'v')
  if conv then
    local own = call('HGET', T .. ':conv:' .. conv, 'own')
    local n = call('RPUSH', T .. ':log:' .. conv, a[4])
    local seq = call('HINCRBY', T .. ':agent:' .. own, 'seq', '1')
    call('RPUSH', T .. ':replay:' .. own, seq .. '|' .. conv .. '|' .. n)
    call('PUBLISH', T .. ':a:' .. own, a[4])
    return conv
  end
  local now = call('TIME')[1]
  conv = string.format('%d', call('INCR', T .. ':seq'))
  call('HSET', T .. ':addr:' .. a[3], 'v', conv)
  call('HSET', T .. ':contact:' .. conv, 'name', a[6], 'addr', a[3], 'v', conv)
  call('RPUSH', T .. ':log:' .. conv, a[4])
  local agent = a[5]
  call('XADD', T .. ':ev', 'MAXLEN', '~', '200000', '*', 'v', conv, 'a', agent, 'q', 'city', 't', now)
  if agent == '' then
    call('HSET', T .. ':conv:' .. conv, 'state', 'queued', 'gen', '1', 'q', 'city', 'addr', a[3], 'first', now)
    call('ZADD', T .. ':q:city', now, conv)
    return conv
  end
  local r = call('HMGET', T .. ':agent:' .. agent, 'load', 'cap')
  if tonumber(r[1]) >= tonumber(r[2]) then return 'full' end
  call('HSET', T .. ':conv:' .. conv, 'state', 'offered', 'gen', '2', 'own', agent, 'q', 'city', 'addr', a[3], 'first', now)
  call('HINCRBY', T .. ':agent:' .. agent, 'load', '1')
  call('ZADD', T .. ':dl', now, conv)
  local seq = call('HINCRBY', T .. ':agent:' .. agent, 'seq', '1')
  call('RPUSH', T .. ':replay:' .. agent, seq .. '|' .. conv)
  call('PUBLISH', T .. ':a:' .. agent, conv)
  return conv
end
redis.register_function('minimal', minimal)
'''
BODY = "x" * 330  # an entry of a 300-octet message
AGENTS = 10


def measure(table, code, version, count=20000):
    home = pathlib.Path(tempfile.mkdtemp(prefix="belfry_bench_"))
    server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", home / "sock", "--save", "", "--appendonly", "no", "--dir", home],
                              stdout=subprocess.DEVNULL)
    redis = Redis(home / "sock")
    try:
        while redis.cli("PING") != "PONG":
            time.sleep(0.05)
        for library in (code, MINIMAL):
            redis.cli("-x", "FUNCTION", "LOAD", "REPLACE", text=library)

        def run(name, *words, random):
            cpu, memory = redis.cpu_us(), redis.memory()
            redis.benchmark(count, *words, connections=4, pipeline=16, random=random)
            table.note(f"function: {name}: Redis CPU us", (redis.cpu_us() - cpu) / count)
            return (redis.memory() - memory) / count

        ours = lambda member, address, agent="": ("FCALL", f"ingest_{version}", "1", "{b}", "", "city", "wa:20000", member, address, BODY,
                                                  "9999999999999", f"city|10|45000|0|{agent}|" + ("2\n{}\nEva" if agent else "\n\nEva"))
        least = lambda member, address, agent="": ("FCALL", "minimal", "1", "{m}", "x", member, address, BODY, agent, "Eva")
        # Of each run its own: redis-benchmark may draw the same numbers twice, and what was seen before costs less.
        some = lambda: f"{time.monotonic_ns()}.__rand_int____rand_int__"
        one_of_many = "wa:p:__rand_int____rand_int__"
        octets = run("new, queued", *ours(some(), one_of_many), random=10**9)
        run("new, queued, minimal", *least(some(), one_of_many), random=10**9)
        table.note("function: octets of a new conversation", octets)
        redis.cli("FLUSHALL")
        # One agent with room for all: the hint names him.
        redis.cli(text="\n".join([f'FCALL agent_put_{version} 1 {{b}} "" ana name Ana cap 100000000 queues city avail ready ses 1',
                                  "HSET {m}:agent:ana load 0 cap 100000000"]) + "\n")
        run("new, offered at once", *ours(some(), one_of_many, "ana"), random=10**9)
        run("new, offered at once, minimal", *least(some(), one_of_many, "ana"), random=10**9)
        redis.cli("FLUSHALL")
        lines = []
        for i in range(1000):
            address = "wa:p:%012d" % i
            lines.append(" ".join(f'"{w}"' for w in ours(f"first{i}", address)))
            lines.append(" ".join(f'"{w}"' for w in least(f"first{i}", address)))
        for i in range(1, 1001):
            lines += [f"HSET {{b}}:conv:{i} own agent{i % AGENTS} state active", f"HSET {{m}}:conv:{i} own agent{i % AGENTS} state active"]
        lines += [f"LTRIM {{b}}:replay:agent{i} -1 -1" for i in range(AGENTS)]
        redis.cli(text="\n".join(lines) + "\n")
        # Twice: the agents' replay lists fill up to their bound in the first.
        run("warm", *ours(some(), "wa:p:__rand_int__"), random=1000)
        del table.rows["function: warm: Redis CPU us"]
        octets = run("to an owned conversation", *ours(some(), "wa:p:__rand_int__"), random=1000)
        run("to an owned conversation, minimal", *least(some(), "wa:p:__rand_int__"), random=1000)
        table.note("function: octets of a 300-octet message", octets)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(home, ignore_errors=True)
