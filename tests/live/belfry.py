"""What the live tests share: a belfryd in a directory of its own, belfry-sim beside it, an HTTP and a desk client, signed webhooks.

Python 3.11's standard library only. Whatever a test starts is ended when it leaves, by its pid; the directory of a failed test
stays, and is named. Nothing here gates on time: a wait has an end, long enough for a slow machine, and says what it waited for.
"""
import atexit, base64, collections, contextlib, hashlib, hmac, http.client, itertools, json, os, pathlib, random, re, select, shutil, signal, socket, struct
import subprocess, sys, tempfile, threading, time, traceback

BIN = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/release/bin").resolve()
NUMBER = "106540352242922"  # belfry-sim's own; a second account of a house has SECOND
SECOND = "106540352242923"
SECRETS = {"app_secret": "app-secret-of-the-test", "verify_token": "verify-token-of-the-test", "access_token": "access-token-of-the-test"}

PEERS = pathlib.Path(__file__).resolve().parents[2] / "loadtest/peers"

_started = []  # processes that a failing test may leave
_houses = []


def say(*words):
    print("   ", *words, flush=True)


class TimedOut(AssertionError):
    pass


def until(what, ask, seconds=20.0, every=0.02):
    """Asks until the answer is true; returns it."""
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimedOut(f"waited {seconds:g} s for {what}; the last answer was {answer!r}")
        time.sleep(every)


def equal(got, wanted, what=""):
    assert got == wanted, f"{what}: got {got!r}, wanted {wanted!r}"


def free_ports(count):
    """Ports below those the kernel hands to outgoing connections: nobody takes one while its belfryd is away."""
    found = []
    while len(found) < count:
        port = random.randrange(20000, 32000)
        with socket.socket() as s:
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", port))
                if port not in found:
                    found.append(port)
    return found


def peer_pid(path):
    """Who listens on a unix socket; None if nobody does."""
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(str(path))
        except OSError:
            return None
        return struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def start(words, **more):
    process = subprocess.Popen([str(word) for word in words], **more)
    _started.append(process)
    return process


def end(process, how=signal.SIGTERM, seconds=15):
    """Ends one process of ours; its exit code."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise TimedOut(f"{process.args[0]} did not end within {seconds} s of {how.name}")


def first_line(process, pattern, seconds, why):
    """The first line of its stdout that matches."""
    end_at, seen = time.monotonic() + seconds, b""
    fd = process.stdout.fileno()
    while time.monotonic() < end_at:
        if select.select([fd], [], [], 0.1)[0]:
            octets = os.read(fd, 65536)
            if not octets:
                break
            seen += octets
            found = re.search(pattern, seen.decode("utf-8", "replace"), re.M)
            if found:
                return found
    raise RuntimeError(f"{process.args[0]} did not say {pattern!r} within {seconds} s: {seen.decode('utf-8', 'replace')[-500:]}\n{why()}")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


def request(address, method, path, body=None, headers=None, seconds=30):
    """One HTTP exchange on a connection of its own."""
    connection = http.client.HTTPConnection(address, timeout=seconds)
    try:
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, headers)
        got = connection.getresponse()
        return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
    finally:
        connection.close()


# ---------------------------------------------------------------------------------------------------------------- webhooks

_wamids = itertools.count(1)


def wamid():
    return "wamid." + base64.b64encode(f"test-{os.getpid()}-{next(_wamids)}".encode()).decode()


def message(sender, body, at=None, **more):
    """One element of `messages`: a text, or what `more` says."""
    element = {"from": sender, "id": wamid(), "timestamp": str(int(at if at is not None else time.time())), "type": "text"}
    if body is not None:
        element["text"] = {"body": body}
    element.update(more)
    return element


def change(elements, number=NUMBER, kind="messages"):
    value = {"messaging_product": "whatsapp", "metadata": {"display_phone_number": "15550001", "phone_number_id": number}, kind: elements}
    senders = sorted({e["from"] for e in elements if e.get("from")}) if kind == "messages" else []
    if senders:
        value["contacts"] = [{"profile": {"name": "Citizen " + s[-4:]}, "wa_id": s} for s in senders]
    return {"field": "messages", "value": value}


def envelope(*changes):
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": list(changes)}]}).encode()


def signature(body, secret=SECRETS["app_secret"]):
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


# ------------------------------------------------------------------------------------------------------------------- house


class House:
    """One belfryd and its state directory. It may be killed and started again; its ports stay."""

    def __init__(self, shards=1, redis=None, directory=None, node="", graph=None, queue="", more="", limits=""):
        self.dir = pathlib.Path(directory or tempfile.mkdtemp(prefix="belfry-live-"))
        self.dir.mkdir(exist_ok=True)
        self.state = self.dir / "state"
        self.port, self.admin_port, meta_port = free_ports(3)
        self.graph = graph or f"http://127.0.0.1:{meta_port}"
        self.address, self.admin = f"127.0.0.1:{self.port}", f"127.0.0.1:{self.admin_port}"
        self.url = "http://" + self.address
        self.process = None
        self.starts = 0
        _houses.append(self)
        for name, value in SECRETS.items():
            (self.dir / name).write_text(value + "\n")
            (self.dir / name).chmod(0o600)
        accounts = "".join(f"""
[[whatsapp]]
id = "{id}"
portfolio = "city"
phone_number_id = "{number}"
app_secret_file = "app_secret"
verify_token_file = "verify_token"
access_token_file = "access_token"
graph_url = "{self.graph}"
queue = "{where}"
rate = 1000
""" for id, number, where in (("city", NUMBER, "hall"), ("water", SECOND, "works")))
        self.config = self.dir / "belfry.toml"
        self.config.write_text(f"""
[server]
state_dir = "{self.state}"
shards = {shards}
node_id = "{node}"
[listen]
public = ["http://{self.address}"]
admin = "http://{self.admin}"
[log]
level = "debug"
{f'''[redis]
url = "{redis}"''' if redis else ""}
{limits}
[[queue]]
id = "hall"
name = "Town hall"
{queue}
[[queue]]
id = "works"
name = "Water works"
{accounts}{more}""")

    # -- the process

    def start(self, seconds=30):
        self.starts += 1
        with open(self.dir / "belfryd.log", "ab") as log:
            self.process = start([BIN / "belfryd", "--config", self.config], stdout=subprocess.PIPE, stderr=log)
        first_line(self.process, r"^listening public=\S+ admin=\S+", seconds, self.last_words)
        return self

    def ready(self, seconds=20):
        until("/readyz", lambda: self.readyz().status == 200, seconds)
        return self

    def stop(self, how=signal.SIGTERM, seconds=15):
        code = end(self.process, how, seconds)
        self.process.stdout.close()
        return code

    def kill(self):
        return self.stop(signal.SIGKILL)

    def last_words(self, lines=15):
        if not (self.dir / "belfryd.log").exists():
            return "(it never started)"
        return "\n".join((self.dir / "belfryd.log").read_text("utf-8", "replace").splitlines()[-lines:])

    def log_has(self, word):
        return (self.dir / "belfryd.log").read_text("utf-8", "replace").count(word)

    def redis_pid(self):
        return peer_pid(self.state / "redis.sock")

    def redis_servers(self):
        """Every redis-server of this state directory, by its title: there must never be two."""
        found = []
        for each in pathlib.Path("/proc").iterdir():
            if each.name.isdigit():
                with contextlib.suppress(OSError):
                    title = (each / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                    if title.startswith("redis-server") and str(self.state) in title and alive(each.name):
                        found.append(int(each.name))
        return found

    # -- its doors

    def readyz(self):
        try:
            return request(self.admin, "GET", "/readyz", seconds=5)
        except OSError as error:
            return Answer(0, {}, str(error).encode())

    def metric(self, name, **labels):
        total = 0.0
        for line in request(self.admin, "GET", "/metrics").body.decode().splitlines():
            found = re.match(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if found and found[1] == name and all(f'{k}="{v}"' in (found[2] or "") for k, v in labels.items()):
                total += float(found[3])
        return total

    def api(self, method, path, body=None, key=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if key or self.key:
            headers["Authorization"] = "Bearer " + (key or self.key)
        return request(self.address, method, "/api/v1" + path, body, headers)

    def get(self, path, key=None):
        answer = self.api("GET", path, key=key)
        assert answer.status == 200, (path, answer)
        return answer.json

    def all(self, path, key=None):
        items, after = [], ""
        while True:
            page = self.get(path + ("&" if "?" in path else "?") + "limit=200" + (f"&after={after}" if after else ""), key)
            items += page["items"]
            after = page.get("next")
            if not after:
                return items

    def webhook(self, body, account="city", sign=True, **headers):
        if sign is True:
            headers["X-Hub-Signature-256"] = signature(body)
        elif sign:
            headers["X-Hub-Signature-256"] = sign
        headers.setdefault("Content-Type", "application/json")
        return request(self.address, "POST", "/webhooks/whatsapp/" + account, body, headers)

    def hear(self, *elements, **more):
        """A signed webhook with these elements; the yes is checked."""
        answer = self.webhook(envelope(change(list(elements), **more)))
        assert answer.status == 200, answer

    # -- its people

    key = ""

    def ctl(self, *words):
        done = subprocess.run([BIN / "belfryctl", "--config", self.config, *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout.strip()

    def people(self, *logins, queues=("hall",), capacity=5):
        """Agents and their keys; and a key of an auditor and one of an administrator, for what the test asks itself."""
        if not self.key:
            self.key = self.ctl("key", "add", "--role", "admin", "--name", "test")
            self.auditor = self.dir / "auditor"
            self.auditor.write_text(self.ctl("key", "add", "--role", "auditor", "--name", "check") + "\n")
        keys = []
        for login in logins:
            words = itertools.chain.from_iterable(("--queue", queue) for queue in queues)
            made = json.loads(self.ctl("--json", "agent", "add", "--login", login, "--name", login.title(), "--capacity", str(capacity), *words))
            keys.append(self.ctl("key", "add", "--role", "agent", "--agent", made["id"]))
        return keys

    # -- belfry-sim

    def meta(self, *words, journal=None, numbers=(NUMBER,)):
        more = ["--journal", journal] if journal else []
        return Meta(self, [*words, *more, *itertools.chain.from_iterable(("--phone-number-id", n) for n in numbers)])

    def sim(self, *words, **more):
        """A role that ends by itself or by SIGTERM; its report is JSON on stdout."""
        return start([BIN / "belfry-sim", *words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)

    def check(self, *journals):
        """What belfry-sim says was lost or doubled; `missing` and `doubled` must be 0."""
        words = [BIN / "belfry-sim", "check", "--belfry-url", self.url, "--key-file", self.auditor, "--json"]
        for journal in journals:
            words += ["--journal", journal]
        done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=100)
        assert done.returncode in (0, 1), (done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def cleanup(self, keep=False):
        if self in _houses:
            _houses.remove(self)
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.redis_servers():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
        if keep:
            print(f"    kept {self.dir}; belfryd's last words:\n{self.last_words()}", flush=True)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


@contextlib.contextmanager
def external_redis():
    """A redis-server that several belfryds share, durable as they ask for; its url."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="belfry-live-redis-"))
    sock = directory / "redis.sock"
    with open(directory / "log", "wb") as log:
        server = start(["redis-server", "--port", "0", "--unixsocket", sock, "--dir", directory, "--appendonly", "yes", "--appendfsync", "always",
                        "--save", "", "--maxmemory-policy", "noeviction"], stdout=log, stderr=log)
    try:
        until("redis-server", lambda: peer_pid(sock))
        yield f"unix://{sock}"
    finally:
        end(server)
        shutil.rmtree(directory, ignore_errors=True)


def report(process, seconds=100):
    """What a role of belfry-sim printed when it ended: its last JSON object."""
    out, _ = process.communicate(timeout=seconds)
    found = None
    for line in out.splitlines():
        with contextlib.suppress(ValueError):
            found = json.loads(line)
    assert found is not None, (process.args, process.returncode, out)
    return found


class Meta:
    """belfry-sim meta: Graph API, signed webhooks, faults; steered on the same port."""

    def __init__(self, house, words):
        self.address = house.graph.removeprefix("http://")
        self.errors = open(house.dir / "meta.log", "ab")
        self.process = start([BIN / "belfry-sim", "meta", "--port", self.address.split(":")[1], "--webhook", house.url + "/webhooks/whatsapp/city",
                              "--app-secret-file", house.dir / "app_secret", "--verify-token-file", house.dir / "verify_token",
                              "--access-token-file", house.dir / "access_token", *words], stdout=subprocess.PIPE, stderr=self.errors)
        first_line(self.process, r"^listening graph=\S+", 20, lambda: (house.dir / "meta.log").read_text())

    def ask(self, path):
        return request(self.address, "GET", "/sim/" + path).json

    def tell(self, path, body, **headers):
        answer = request(self.address, "POST", "/sim/" + path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        assert answer.status == 200, answer
        return answer.json

    def citizen(self, sender, text=None, **more):
        return self.tell("inbound", {"from": sender, "name": "Citizen " + sender[-4:], **({"text": text} if text else {}), **more})["wamid"]

    def sends(self):
        found, after = [], 0
        while True:
            page = self.ask(f"sends?after={after}")
            if not page["sends"]:
                return found
            found += page["sends"]
            after = page["next"]

    def stop(self):
        return end(self.process)


# -------------------------------------------------------------------------------------------------------------------- desk


class Desk:
    """One desk socket. A thread reads; `frames` is everything heard, in order; event ids are checked as they come."""
    dense = True  # ids count by one

    def __init__(self, house, key, last_id=None, hello=True, seconds=20, ticket=None):
        self._open(house, "/ws/desk", "belfry.desk.v1" + (f", ticket.{ticket}" if ticket else ""),
                   {} if ticket else {"Authorization": f"Bearer {key}"}, last_id, seconds)
        if hello:
            self.send({"t": "hello", **({"last_id": last_id} if last_id is not None else {})})
            self.welcome = self.wait(lambda f: f["t"] == "welcome", "welcome", seconds)

    def _open(self, house, path, protocols, headers, last_id, seconds):
        self.frames, self.closed, self.why, self.gaps, self.last_id = [], None, "", [], last_id
        self.heard = threading.Condition()
        self.sending = threading.Lock()
        self.count = itertools.count(1)
        self.name = os.urandom(4).hex()
        self.socket = socket.create_connection(("127.0.0.1", house.port), timeout=seconds)
        nonce = base64.b64encode(os.urandom(16)).decode()
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: {house.address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                             f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {nonce}\r\nSec-WebSocket-Protocol: {protocols}\r\n"
                             f"{more}\r\n").encode())
        self.rest = b""
        while b"\r\n\r\n" not in self.rest:
            octets = self.socket.recv(4096)
            if not octets:
                raise ConnectionError(f"no answer to the upgrade: {self.rest!r}")
            self.rest += octets
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        if not head.startswith(b"HTTP/1.1 101"):
            self.socket.close()
            raise ConnectionError(head.decode("latin-1") + self.rest.decode("latin-1"))
        wanted = base64.b64encode(hashlib.sha1((nonce + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        assert wanted in head and protocols.split(",")[0].encode() in head.lower(), head
        self.socket.settimeout(None)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    # -- bytes

    def _take(self, count):
        while len(self.rest) < count:
            octets = self.socket.recv(65536)
            if not octets:
                raise ConnectionError("the socket ended")
            self.rest += octets
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def _read(self):
        code = 1006
        try:
            while True:
                first, second = self._take(2)
                size = second & 127
                if size == 126:
                    (size,) = struct.unpack("!H", self._take(2))
                elif size == 127:
                    (size,) = struct.unpack("!Q", self._take(8))
                body = self._take(size)
                assert not second & 128 and first & 128, "a server's frame is whole and not masked"
                if first & 15 == 1:
                    self._frame(json.loads(body))
                elif first & 15 == 8:
                    code = struct.unpack("!H", body[:2])[0] if len(body) >= 2 else 1005
                    self.why = body[2:].decode()
                    self._write(8, body[:2])
                    break
                elif first & 15 == 9:
                    self._write(10, body)
        except OSError:
            pass
        finally:
            with self.heard:
                self.closed = code
                self.heard.notify_all()

    def _frame(self, frame):
        with self.heard:
            if frame["t"] == "event" and "id" in frame:
                if self.last_id is not None and int(frame["id"]) != int(self.last_id) + 1 and self.dense:
                    self.gaps.append((self.last_id, frame["id"]))
                self.last_id = frame["id"]
            elif frame["t"] == "welcome" and (self.last_id is None or frame["reset"]):
                self.last_id = frame["last_id"]
            self.frames.append(frame)
            self.heard.notify_all()

    def _write(self, opcode, body):
        mask = os.urandom(4)
        size = bytes([128 | len(body)]) if len(body) < 126 else bytes([254]) + struct.pack("!H", len(body))
        repeated = mask * (len(body) // 4 + 1)
        masked = bytes(a ^ b for a, b in zip(body, repeated))
        with self.sending:
            self.socket.sendall(bytes([128 | opcode]) + size + mask + masked)

    # -- words

    def send(self, frame):
        self._write(1, json.dumps(frame).encode())

    def wait(self, wanted, what, seconds=20):
        """The first frame that is wanted, among all heard and those to come."""
        end_at, looked = time.monotonic() + seconds, 0
        with self.heard:
            while True:
                for frame in self.frames[looked:]:
                    if wanted(frame):
                        return frame
                looked = len(self.frames)
                if self.closed is not None:
                    raise ConnectionError(f"closed with {self.closed} while waiting for {what}")
                left = end_at - time.monotonic()
                if left <= 0:
                    raise TimedOut(f"no {what} within {seconds} s; the last frames: {self.frames[-4:]}")
                self.heard.wait(left)

    def event(self, kind, seconds=20, test=lambda f: True, **fields):
        return self.wait(lambda f: f["t"] == "event" and f["kind"] == kind and all(f.get(k) == v for k, v in fields.items()) and test(f),
                         f"{kind} {fields}", seconds)

    def events(self, kind=None):
        return [f for f in list(self.frames) if f["t"] == "event" and (kind is None or f["kind"] == kind)]

    def message(self, test, what="message", seconds=20):
        """The event of a message of which `test` is true."""
        return self.event("message", seconds, lambda f: test(f["message"]))

    def command(self, t, client_id=None, seconds=20, **fields):
        """Sends one frame and returns its ack or nack."""
        client_id = client_id or f"{self.name}-{next(self.count)}"
        since = len(self.frames)
        self.send({"t": t, "client_id": client_id, **fields})
        return self.wait(lambda f: f in self.frames[since:] and f["t"] in ("ack", "nack") and f["client_id"] == client_id, f"answer to {t}", seconds)

    def do(self, t, seconds=20, **fields):
        """A command that must be acknowledged."""
        answer = self.command(t, seconds=seconds, **fields)
        assert answer["t"] == "ack", (t, fields, answer)
        return answer

    def refused(self, t, code, **fields):
        answer = self.command(t, **fields)
        assert answer["t"] == "nack" and answer["problem"]["code"] == code, (t, code, answer)
        return answer["problem"]

    def be_ready(self):
        self.do("availability", value="ready")
        return self

    def take(self, test=lambda f: True, seconds=20):
        """Accepts the offer of which `test` is true; conversation and generation."""
        offer = self.event("offer", seconds, test)
        self.do("accept", conversation=offer["conversation"], gen=offer["gen"])
        return offer["conversation"], offer["gen"] + 1

    def signed_out(self):
        """Waits until the gateway has closed it because what it was opened with is worth nothing now."""
        until("a desk is closed", lambda: self.closed is not None)
        equal((self.closed, self.why), (4401, "signed out"), "how a desk was closed")

    def cut(self):
        """The cable is pulled: no close frame."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)
        self.socket.close()

    def close(self):
        with contextlib.suppress(OSError):
            self._write(8, struct.pack("!H", 1000))
            self.thread.join(5)
        self.cut()


class Tab(Desk):
    """One tab of a visitor of the web chat. Event ids grow, and skip what is not his to see."""
    dense = False

    def __init__(self, house, inbox="portal", token=None, last_id=None, origin=None, hello=True, seconds=20, **more):
        self._open(house, "/ws/chat", "belfry.chat.v1", {"Origin": origin or house.url}, last_id, seconds)
        if hello:
            self.send({"t": "hello", "inbox": inbox, **({"token": token} if token else {}), **({"last_id": last_id} if last_id else {}), **more})
            self.welcome = self.wait(lambda f: f["t"] == "welcome", "welcome", seconds)
            self.token = self.welcome["token"]

    def write(self, text, **more):
        """A message that must be acknowledged; its id."""
        return self.do("message", text=text, **more)["id"]


class Smsc:
    """npm's `smpp` as SMSC, steered over HTTP (loadtest/peers/smsc.mjs)."""

    def __init__(self, house_dir, *words):
        self.log = open(house_dir / "smsc.log", "ab")
        self.process = start(["node", PEERS / "smsc.mjs", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        found = first_line(self.process, r"port=(\d+) control=(\d+)", 20, lambda: (house_dir / "smsc.log").read_text())
        self.port, self.control = int(found[1]), f"127.0.0.1:{found[2]}"

    def get(self, path):
        return request(self.control, "GET", "/" + path).json

    def tell(self, path, **body):
        answer = request(self.control, "POST", "/" + path, body)
        assert answer.status == 200, (path, answer)
        return answer.json

    def submits(self, to=None):
        return [s for s in self.get("submits") if to is None or s["destination_addr"] == to]

    def deliver(self, source, text=None, coding=0, destination="12345", **more):
        octets = more.pop("octets", None)
        if octets is None:
            octets = text.encode("utf-16-be" if coding == 8 else "latin-1")
        return self.tell("deliver", source_addr=source, source_addr_ton=1, source_addr_npi=1, destination_addr=destination,
                         data_coding=coding, hex=octets.hex(), **more)["status"]


# --------------------------------------------------------------------------------------------------------------- invariants


def no_double_owner(house):
    """Reads the transition log: between two ownerships of a conversation stands its release, and generations count by one."""
    owner, gen, count = {}, {}, 0
    for each in house.all("/audit/transitions"):
        conversation, kind, agent = each.get("conversation"), each["kind"], each.get("agent")
        if not conversation or kind == "sla":  # news of a clock: no change of state
            continue
        count += 1
        assert conversation not in gen or each["gen"] > gen[conversation], ("generations go back", each, gen[conversation])
        gen[conversation] = each["gen"]
        if kind in ("bot", "offered", "assigned"):
            if "from" in each:  # whom its agent had invited
                equal(owner.pop(conversation, None), each["from"], f"whose it was at {each}")
            assert owner.get(conversation) is None, ("a second owner", each, owner[conversation])
            owner[conversation] = agent
        elif kind in ("accepted", "parked", "woken", "wrapup"):
            equal(owner.get(conversation), agent, f"whose it is at {each}")
        elif kind in ("requeued", "closed", "after_hours"):
            owner[conversation] = None
    say(f"{count} transitions of {len(gen)} conversations, no second owner")
    return count


# ------------------------------------------------------------------------------------------------------------------ running


@contextlib.contextmanager
def house(**options):
    """A house that is cleaned away if all went well, and kept if not."""
    built = House(**options)
    try:
        yield built
    except BaseException:
        built.cleanup(keep=True)
        raise
    built.cleanup()


@atexit.register
def _end_all():
    for process in _started:
        if process.poll() is None:
            with contextlib.suppress(OSError):
                process.kill()
                process.wait(5)
    for each in list(_houses):
        each.cleanup(keep=True)


def run(*tests):
    """Runs (name, function) pairs; the exit code of the program says whether all held."""
    if not (BIN / "belfryd").exists() or not shutil.which("redis-server"):
        print(f"skipped: no {BIN}/belfryd, or no redis-server")
        sys.exit(77)
    failed = []
    for name, test in tests:
        began = time.monotonic()
        print(f"--- {name}", flush=True)
        try:
            test()
            print(f"ok  {name} ({time.monotonic() - began:.1f} s)", flush=True)
        except Exception:
            failed.append(name)
            traceback.print_exc(file=sys.stdout)
            print(f"BAD {name} ({time.monotonic() - began:.1f} s)", flush=True)
    print("failed: " + ", ".join(failed) if failed else f"all {len(tests)} held", flush=True)
    sys.exit(1 if failed else 0)
