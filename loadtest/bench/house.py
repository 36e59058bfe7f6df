"""What the benches share: a belfryd in a directory of its own, its pids, a load, Redis' own figures. Standard library only."""
import http.client, json, os, pathlib, re, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

TOP = pathlib.Path(__file__).resolve().parents[2]
BIN = TOP / "build/release/bin"
NUMBER = "106540352242922"

CONFIG = '''[server]
state_dir = "{home}/state"
public_url = "https://localhost"
shards = {shards}
[listen]
public = ["http://127.0.0.1:0", "https://127.0.0.1:0"]
admin = "http://127.0.0.1:0"
[redis]
durability = "{fsync}"
url = "{redis}"
[[whatsapp]]
id = "city"
portfolio = "p"
phone_number_id = "{number}"
app_secret_file = "secret"
verify_token_file = "verify"
access_token_file = "token"
graph_url = "http://127.0.0.1:9"
queue = "city"
[[queue]]
id = "city"
name = "City hall"
offer_timeout = "1h"
'''


def start(words, pattern, log):
    """A process and the match of its first line that says it is ready."""
    out = open(log, "w+")
    process = subprocess.Popen([str(w) for w in words], stdout=out, stderr=subprocess.STDOUT)
    for _ in range(400):
        found = re.search(pattern, pathlib.Path(log).read_text())
        if found:
            return process, found
        if process.poll() is not None:
            break
        time.sleep(0.05)
    sys.exit(f"bench: {words[0]} is not ready:\n{pathlib.Path(log).read_text()[-1000:]}")


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()


class Redis:
    """A redis-server by its socket: ours, or one that the bench starts itself."""

    def __init__(self, sock):
        self.sock = str(sock)

    def cli(self, *words, text=None):
        return subprocess.run(["redis-cli", "-s", self.sock, *words], capture_output=True, text=True, errors="replace", input=text).stdout.strip()

    def info(self, section, name):
        return re.search(rf"{name}:([\d.]+)", self.cli("INFO", section)).group(1)

    def pid(self):
        return int(self.info("server", "process_id"))

    def cpu_us(self):
        return (float(self.info("cpu", "used_cpu_user")) + float(self.info("cpu", "used_cpu_sys"))) * 1e6

    def memory(self):
        return int(self.info("memory", "used_memory"))

    def benchmark(self, count, *words, connections=64, pipeline=1, random=20000):
        """Requests a second of one command from redis-benchmark."""
        ran = subprocess.run(["redis-benchmark", "-s", self.sock, "-n", str(count), "-c", str(connections), "-P", str(pipeline), "-r",
                              str(random), "--csv", *words], capture_output=True, text=True)
        return float(ran.stdout.strip().rsplit(",", 7)[1].strip('"'))  # rps, then avg min p50 p95 p99 max


class House:
    def __init__(self, fsync="always", shards=0, redis="embedded", more=""):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="belfry_bench_"))
        for name in ("secret", "verify", "token"):
            (self.home / name).write_text("bench-" + name)
            (self.home / name).chmod(0o600)
        (self.home / "belfry.toml").write_text(CONFIG.format(home=self.home, shards=shards, fsync=fsync, redis=redis, number=NUMBER) + more)
        self.belfryd, found = start([BIN / "belfryd", "--config", self.home / "belfry.toml"],
                                    r"listening public=http://127\.0\.0\.1:(\d+),https://127\.0\.0\.1:(\d+)", self.home / "belfryd.log")
        self.desk = f"http://127.0.0.1:{found.group(1)}"
        self.url = self.desk + "/webhooks/whatsapp/city"
        self.tls = f"https://127.0.0.1:{found.group(2)}/webhooks/whatsapp/city"
        self.secret = self.home / "secret"
        socks = [p for p in (self.home / "state").rglob("*.sock") if p.name != "admin.sock"]
        self.redis = Redis(socks[0])
        self.watch = ["--watch", f"gateway:{self.belfryd.pid}", "--watch", f"redis:{self.redis.pid()}"]

    def version(self):
        return re.search(r"belfry_([0-9a-f]{8})", self.redis.cli("FUNCTION", "LIST")).group(1)

    def api(self, method, path, body):
        """REST over the admin socket, as belfryctl speaks it."""
        connection = http.client.HTTPConnection("localhost", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.home / "state/admin.sock"))
        connection.request(method, "/api/v1" + path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"bench: {method} {path} said {answer.status} {text[:300]!r}")
        return json.loads(text)

    def agents(self, count, capacity):
        """So many agents of the queue; a file with their keys."""
        keys = []
        for i in range(count):
            agent = self.api("POST", "/agents", {"login": f"agent{i}", "name": f"Agent {i}", "queues": ["city"], "capacity": capacity})
            keys.append(self.api("POST", "/keys", {"role": "agent", "agent": agent["id"]})["key"])
        (self.home / "keys").write_text("\n".join(keys) + "\n")
        return self.home / "keys"

    def load(self, url, count, *more):
        return load(url, self.secret, count, *more)

    def close(self):
        stop(self.belfryd)
        shutil.rmtree(self.home, ignore_errors=True)


def load(url, secret, count, *more, connections=64):
    ran = subprocess.run([str(BIN / "belfry-sim"), "load", "webhook", "--url", url, "--app-secret-file", str(secret), "--phone-number-id", NUMBER,
                          "--count", str(count), "--seconds", "120", "--connections", str(connections), "--unique", "--json", *map(str, more)],
                         capture_output=True, text=True)
    lines = [line for line in ran.stdout.splitlines() if line.startswith("{")]
    if not lines:
        sys.exit("bench: the load generator said: " + ran.stdout + ran.stderr)
    return json.loads(lines[-1])


class Table:
    """Figures by name, gathered over rounds; medians and their spread are printed."""

    def __init__(self):
        self.rows = {}

    def note(self, name, value):
        self.rows.setdefault(name, []).append(value)

    def take(self, name, got, *wanted):
        """What a load said of itself."""
        self.note(name + ": /s", got["answers_per_second"])
        for key in ("p50", "p99"):
            self.note(f"{name}: {key} ms", got["accept_ms"][key])
        for who, value in got.get("cpu_us_per_answer", {}).items():
            if who != "load":
                self.note(f"{name}: CPU us of {who}", value)
        for key in ("p50", "p99"):
            if key in got.get("desk_ms", {}):
                self.note(f"{name}: to the desk {key} ms", got["desk_ms"][key])

    def median(self, name):
        return statistics.median(self.rows[name])

    def show(self):
        for name, values in self.rows.items():
            spread = f"   {min(values):.2f} to {max(values):.2f}" if len(values) > 1 else ""
            print(f"{name:58s} {statistics.median(values):12.2f}{spread}")

    def ratio(self, above, below, goal, most=False):
        sign = "at most" if most else "at least"
        # Of each round, for its two figures were taken in the same minute.
        ratios = [a / b for a, b in zip(self.rows[above], self.rows[below])]
        print(f"{above + ' / ' + below:90s} {statistics.median(ratios):6.2f}   goal: {sign} {goal}")
