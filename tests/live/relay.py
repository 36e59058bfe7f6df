"""A relay between belfryd and redis-server that understands RESP: it stops exactly at the command that a test names.

A trap waits for one FCALL. It springs `before` (the command is taken from belfryd and not given to Redis) or `after` (Redis has answered, belfryd
does not hear it). Then it `hold`s the link, which stays open and silent, or it `cut`s it. What was taken before may be given to Redis later, by
release(): so a command that was still on its way when its sender died or gave up. The product knows nothing of this.
"""
import contextlib, pathlib, socket, threading

from belfry import TimedOut


class RespError(str):
    """An error reply."""


def parse(octets, at=0):
    """One value of RESP2 from `at`: (value, where it ends); None if it is not whole."""
    line_end = octets.find(b"\r\n", at)
    if line_end < 0:
        return None
    kind, line, at = octets[at:at + 1], bytes(octets[at + 1:line_end]), line_end + 2
    if kind == b"+":
        return line.decode(), at
    if kind == b"-":
        return RespError(line.decode("utf-8", "replace")), at
    if kind == b":":
        return int(line), at
    if kind == b"$":
        size = int(line)
        if size < 0:
            return "", at  # a nil: nothing here tells it from an empty string
        if len(octets) < at + size + 2:
            return None
        return bytes(octets[at:at + size]).decode("utf-8", "surrogateescape"), at + size + 2
    assert kind == b"*", bytes(octets[:40])
    items = []
    for _ in range(int(line)):
        item = parse(octets, at)
        if item is None:
            return None
        items.append(item[0])
        at = item[1]
    return items, at


def encode(words):
    parts = [str(word).encode("utf-8", "surrogateescape") for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


class Redis:
    """A plain connection of the test itself."""

    def __init__(self, path, seconds=20):
        self.socket, self.rest, self.lock = socket.socket(socket.AF_UNIX), b"", threading.Lock()
        self.socket.settimeout(seconds)
        self.socket.connect(str(path))

    def __call__(self, *words):
        with self.lock:
            return self._call(words)

    def _call(self, words):
        self.socket.sendall(encode(words))
        while (found := parse(self.rest)) is None:
            octets = self.socket.recv(1 << 20)
            if not octets:
                raise ConnectionError("Redis closed the link")
            self.rest += octets
        self.rest = self.rest[found[1]:]
        return found[0]


class Trap:
    def __init__(self, function, at, then, when=None, skip=0):
        assert at in ("before", "after") and then in ("hold", "cut")
        self.function, self.at, self.then, self.when, self.skip = function, at, then, when or (lambda words, answer: True), skip
        self.sprung, self.answered = threading.Event(), threading.Event()
        self.words = self.answer = self.wire = None

    def matches(self, words, answer=None):
        if len(words) < 2 or words[0] != "FCALL" or words[1].rsplit("_", 1)[0] != self.function or not self.when(words, answer):
            return False
        self.skip -= 1
        return self.skip < 0

    def wait(self, seconds=20):
        if not self.sprung.wait(seconds):
            raise TimedOut(f"{self.function} did not come by within {seconds} s")
        return self

    def release(self, seconds=20):
        """Gives Redis the command that was taken, whoever sent it and whatever became of him; Redis' answer."""
        assert self.at == "before" and self.sprung.is_set()
        self.wire.give_late(self)
        if not self.answered.wait(seconds):
            raise TimedOut(f"Redis did not answer the late {self.function}")
        return self.answer


class _Wire:
    """One link of belfryd's, and its continuation to Redis. Two threads: one a direction."""

    def __init__(self, relay, client):
        self.relay, self.client, self.server = relay, client, socket.socket(socket.AF_UNIX)
        self.waiting = []  # (words, trap) of each command given to Redis and not answered, in order
        self.lock = threading.Lock()
        self.deaf = self.mute = self.pushes = self.kept = False
        try:
            self.server.connect(relay.redis)
        except OSError:
            return self.close()
        for work in (self._up, self._down):
            threading.Thread(target=work, daemon=True).start()

    def close(self, also_server=True):
        for end in (self.client, self.server) if also_server else (self.client,):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            if end is self.client:
                end.close()

    def _spring(self, trap, words, answer):
        trap.words, trap.answer, trap.wire = words, answer, self
        if trap.at == "before":
            self.deaf = self.kept = True
        else:
            self.mute = True
        if trap.then == "cut":
            self.close(also_server=not self.kept)
        trap.sprung.set()

    def give_late(self, trap):
        with self.lock:
            self.waiting.append((trap.words, trap))
        self.server.sendall(encode(trap.words))

    def _up(self):
        rest = bytearray()
        with contextlib.suppress(OSError):
            while octets := self.client.recv(1 << 16):
                if self.deaf:
                    continue
                rest += octets
                at = 0
                while not self.deaf and (found := parse(rest, at)) is not None:
                    words, end = found
                    if words[0] == "SUBSCRIBE":
                        self.pushes = True
                    self.relay.saw(words)
                    trap = self.relay.take("before", words)
                    if trap:
                        self._spring(trap, words, None)
                        break
                    with self.lock:
                        self.waiting.append((words, None))
                    self.server.sendall(rest[at:end])
                    at = end
                del rest[:at]
        # belfryd's end is gone. Redis hears of it, unless something taken is still to be given.
        self.close(also_server=not self.kept)

    def _down(self):
        rest = bytearray()
        with contextlib.suppress(OSError):
            while octets := self.server.recv(1 << 16):
                if self.pushes:
                    self.client.sendall(octets)
                    continue
                rest += octets
                at = 0
                while (found := parse(rest, at)) is not None:
                    answer, end = found
                    with self.lock:
                        words, late = self.waiting.pop(0)
                    if late:
                        late.answer = answer
                        late.answered.set()
                    elif not self.mute and (trap := self.relay.take("after", words, answer)):
                        self._spring(trap, words, answer)
                    if not self.mute and not self.kept:
                        self.client.sendall(rest[at:end])
                    at = end
                del rest[:at]
        self.close()


class Relay:
    """Listens on a unix socket of its own; `url` is what belfryd is given."""

    def __init__(self, redis_url):
        self.redis = redis_url.removeprefix("unix://")
        self.path = pathlib.Path(self.redis).with_name("relay.sock")
        self.url = f"unix://{self.path}"
        self.traps, self.lock, self.version, self.ask = [], threading.Lock(), None, Redis(self.redis)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                _Wire(self, self.listener.accept()[0])

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def saw(self, words):
        if words[0] == "FCALL":
            self.version = words[1].rsplit("_", 1)[1]

    def take(self, at, words, answer=None):
        with self.lock:
            for trap in self.traps:
                if trap.at == at and trap.matches(words, answer):
                    self.traps.remove(trap)
                    return trap

    def trap(self, function, at, then, when=None, skip=0):
        made = Trap(function, at, then, when, skip)
        with self.lock:
            self.traps.append(made)
        return made

    def disarm(self, trap):
        """True if it had not sprung."""
        with self.lock:
            if trap in self.traps:
                self.traps.remove(trap)
                return True
            return False

    def fcall(self, function, *words):
        """A function of belfryd's own library, asked by the test."""
        return self.ask("FCALL", f"{function}_{self.version}", 1, "{belfry}", *words)
