"""What the tests of several Redis servers share: servers with replicas, sentinels, a cluster; and citizens who write all the time."""
import concurrent.futures
from belfry import *
from relay import Redis, RespError


PASSWORD = "a-password-of-the-test"
LOCKED = ("--requirepass", PASSWORD, "--masterauth", PASSWORD, "--user", "belfry", "on", f">{PASSWORD}", "~*", "&*", "+@all")


def certificate(directory):
    """A certificate for 127.0.0.1 that signs itself; its file and its key's."""
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", directory / "key.pem", "-out", directory / "cert.pem"]
    subprocess.run([str(w) for w in words], check=True, capture_output=True)
    return directory / "cert.pem", directory / "key.pem"


def locked(house):
    """[redis] of a house whose servers want a user and a password."""
    (house / "redis-password").write_text(PASSWORD + "\n")
    (house / "redis-password").chmod(0o600)
    return f'user = "belfry"\npassword_file = "{house}/redis-password"\n'


class Server:
    """A redis-server of a directory of its own; it keeps its port and its data when it is started again."""

    def __init__(self, directory, name, *more, tls=None, password=""):
        self.dir, self.name, self.more, self.tls, self.password = directory / name, name, more, tls, password
        if password:
            self.more += LOCKED
        if tls:
            self.more += ("--tls-cert-file", tls[0], "--tls-key-file", tls[1], "--tls-ca-cert-file", tls[0], "--tls-auth-clients", "no",
                          "--tls-replication", "yes", "--tls-cluster", "yes")
        self.dir.mkdir()
        (self.port,) = free_ports(1)
        self.address = f"127.0.0.1:{self.port}"
        self.start()

    def start(self, *more):
        with open(self.dir / "log", "ab") as log:
            self.process = start(["redis-server", *(("--port", 0, "--tls-port") if self.tls else ("--port",)), self.port, "--bind", "127.0.0.1", "--unixsocket", self.dir / "sock", "--dir", self.dir,
                                  "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction",
                                  "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", *self.more, *more], stdout=log, stderr=log)
        until(f"{self.name} answers", lambda: peer_pid(self.dir / "sock") == self.process.pid)
        return self

    def __call__(self, *words, seconds=20):
        try:
            return self._call(words, seconds)
        except ConnectionError:  # a server that becomes a replica lets all its clients go
            return self._call(words, seconds)

    def _call(self, words, seconds):
        redis = Redis(self.dir / "sock", seconds)
        try:
            if self.password:
                redis("AUTH", self.password)
            return redis(*words)
        finally:
            redis.socket.close()

    def do(self, *words):
        answer = self(*words)
        assert not isinstance(answer, RespError), (self.name, words, answer)
        return answer

    def kill(self):
        end(self.process, signal.SIGKILL)

    def replicas(self):
        role = self("ROLE")
        return len(role[2]) if role[0] == "master" else -1


def end_all(processes):
    for process in processes:
        if process.poll() is None:
            with contextlib.suppress(OSError):
                process.send_signal(signal.SIGCONT)
            end(process, signal.SIGKILL)


class Sentinels:
    """A primary, its replicas, three sentinels; all on loopback."""

    def __init__(self, replicas=2, password=""):
        self.dir, self.password = pathlib.Path(tempfile.mkdtemp(prefix="belfry-live-sentinel-")), password
        self.primary = Server(self.dir, "node0", password=password)
        self.replicas = [Server(self.dir, f"node{i + 1}", "--replicaof", f"127.0.0.1 {self.primary.port}", password=password) for i in range(replicas)]
        self.servers = [self.primary, *self.replicas]
        until("every replica is in step", lambda: self.primary.replicas() == replicas)
        self.ports, self.processes = free_ports(3), []
        for port in self.ports:
            home = self.dir / f"sentinel{port}"
            home.mkdir()
            (home / "conf").write_text(f"port {port}\nbind 127.0.0.1\ndir {home}\nunixsocket {home}/sock\nsentinel monitor hall 127.0.0.1 {self.primary.port} 2\n"
                                       "sentinel down-after-milliseconds hall 600\nsentinel failover-timeout hall 4000\n"
                                       + (f"sentinel auth-pass hall {password}\nrequirepass {password}\nuser belfry on >{password} ~* &* +@all\n" if password else ""))
            with open(home / "log", "ab") as log:
                self.processes.append(start(["redis-sentinel", home / "conf"], stdout=log, stderr=log))
        self.url = "redis+sentinel://" + ",".join(f"127.0.0.1:{port}" for port in self.ports) + "/hall"
        until("the sentinels know each other and the replicas", lambda: all(self.know(port) == (replicas, 2) for port in self.ports), 30)

    def know(self, port):
        with contextlib.suppress(OSError):
            answer = self.ask(port, "SENTINEL", "MASTER", "hall")
            about = dict(zip(answer[::2], answer[1::2]))
            return int(about["num-slaves"]), int(about["num-other-sentinels"])

    def ask(self, port, *words):
        redis = Redis(self.dir / f"sentinel{port}" / "sock")
        try:
            if self.password:
                redis("AUTH", self.password)
            return redis(*words)
        finally:
            redis.socket.close()

    def close(self, keep=False):
        end_all([*self.processes, *(s.process for s in self.servers)])
        if keep:
            print(f"    kept {self.dir}", flush=True)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


@contextlib.contextmanager
def closing(many):
    try:
        yield many
    except BaseException:
        many.close(keep=True)
        raise
    many.close()


class Citizens:
    """Some dozens write all the time, as Meta does: the same webhook again until there is a yes. Each yes is noted, and when."""

    def __init__(self, house, writers=8, citizens=40, retry=True):
        self.house, self.retry, self.over = house, retry, threading.Event()
        self.yes, self.noes, self.lock, self.count = {}, collections.Counter(), threading.Lock(), itertools.count(1)
        self.never = set()  # sent, and never heard a yes
        self.citizens = [f"49151{i:07d}" for i in range(citizens)]
        self.threads = [threading.Thread(target=self._write, daemon=True) for _ in range(writers)]
        for thread in self.threads:
            thread.start()

    def _post(self, body):
        try:
            return request(self.house.address, "POST", "/webhooks/whatsapp/city", body,
                           {"X-Hub-Signature-256": signature(body), "Content-Type": "application/json"}, seconds=10).status
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__

    def _write(self):
        while not self.over.is_set():
            with self.lock:
                n = next(self.count)
            text = f"said {n}"
            body = envelope(change([message(self.citizens[n % len(self.citizens)], text)]))
            while True:
                code = self._post(body)
                if code == 200:
                    with self.lock:
                        self.yes[text] = time.monotonic()
                    break
                with self.lock:
                    self.noes[code] += 1
                if not self.retry or self.over.is_set():
                    with self.lock:
                        self.never.add(text)
                    break
                time.sleep(0.05)

    def since(self, moment):
        """How many yes were heard at or after that moment."""
        with self.lock:
            return sum(at >= moment for at in self.yes.values())

    def first_since(self, moment):
        with self.lock:
            return min((at - moment for at in self.yes.values() if at >= moment), default=None)

    def longest_gap(self, since):
        with self.lock:
            times = sorted(at for at in self.yes.values() if at >= since)
        return max((b - a for a, b in zip(times, times[1:])), default=0.0)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive(), "a citizen still waits for an answer"
        return self

    def account(self):
        """What is there, by the REST API: what of the yes is missing, what is there twice, what is there without a yes."""
        there = collections.Counter()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            pages = pool.map(lambda c: self.house.all(f"/conversations/{c['id']}/messages"), self.house.all("/conversations"))
            for messages in pages:
                there.update(m.get("text") for m in messages if m["dir"] == "in")
        missing = [text for text in self.yes if there[text] == 0]
        doubled = [text for text, times in there.items() if times > 1]
        unasked = [text for text in there if text not in self.yes and text not in self.never]
        equal(unasked, [], "messages that nobody wrote")
        return missing, doubled, sum(text in there for text in self.never)


class Cluster:
    """Three primaries, a replica each; all on loopback."""

    def __init__(self, secure=False, password=""):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="belfry-live-cluster-"))
        self.tls = certificate(self.dir) if secure else None
        self.servers = [Server(self.dir, f"node{i}", "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", str(free_ports(1)[0]),
                               tls=self.tls, password=password) for i in range(6)]
        self.url = ("rediss" if secure else "redis") + "+cluster://" + ",".join(s.address for s in self.servers[:3])
        made = subprocess.run(["redis-cli", "--cluster", "create", *(s.address for s in self.servers), "--cluster-replicas", "1", "--cluster-yes",
                               *(("--tls", "--cacert", str(self.tls[0])) if secure else ()), *(("--no-auth-warning", "-a", password) if password else ())],
                              capture_output=True, text=True, timeout=60)
        assert made.returncode == 0, (made.stdout, made.stderr)
        self.ids = {s.do("CLUSTER", "MYID"): s for s in self.servers}
        self.slot = self.servers[0].do("CLUSTER", "KEYSLOT", "{belfry}")
        until("the cluster is whole", lambda: all("cluster_state:ok" in s("CLUSTER", "INFO") for s in self.servers) and self.owner().replicas() == 1, 30)

    def id_of(self, server):
        return next(id for id, s in self.ids.items() if s is server)

    def alive(self):
        return [s for s in self.servers if s.process.poll() is None]

    def owner(self):
        """Who has our slot, as most of the living say."""
        said = collections.Counter()
        for server in self.alive():
            for low, high, owner, *_ in server("CLUSTER", "SLOTS"):
                if low <= self.slot <= high:
                    said[owner[2]] += 1
        return self.ids[said.most_common(1)[0][0]]

    def primaries(self):
        return [s for s in self.alive() if s("ROLE")[0] == "master"]

    def close(self, keep=False):
        end_all([s.process for s in self.servers])
        if keep:
            print(f"    kept {self.dir}", flush=True)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
