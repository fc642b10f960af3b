"""redis-py against the address that the REDIS_* variables name, in RESP2 and RESP3. One line per check."""

import os
import threading
import time

import redis

HOST, PORT = os.environ["REDIS_HOST"], int(os.environ["REDIS_PORT"])
USER, PASSWORD = os.environ["REDIS_USER"], os.environ["REDIS_PASSWORD"]


def connect(protocol, **more):
    settings = {"username": USER, "password": PASSWORD, "protocol": protocol, "socket_timeout": 20}
    return redis.Redis(HOST, PORT, **(settings | more))


def refused(error, text, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except error as refusal:
        assert text in str(refusal), str(refusal)
    else:
        raise AssertionError(f"{call} was taken")


def types(r, _):
    value = bytes(range(256))
    assert r.set("py:bytes", value) is True
    assert r.get("py:bytes") == value
    assert r.get("py:none") is None
    assert r.set("py:bytes", b"x", nx=True) is None
    assert r.incrby("py:n", 2**62) == 2**62
    assert r.incrbyfloat("py:f", 1.5) == 1.5
    assert r.hset("py:h", mapping={"a": 1, "b": "zwei"}) == 2
    assert r.hgetall("py:h") == {b"a": b"1", b"b": b"zwei"}
    assert r.rpush("py:l", *range(500)) == 500
    assert r.lrange("py:l", 0, -1) == [str(n).encode() for n in range(500)]
    assert r.sadd("py:s", "a", "b", "a") == 2
    assert r.smembers("py:s") == {b"a", b"b"}
    assert r.zadd("py:z", {"a": 1, "b": 2.5}) == 2
    assert [(name, float(score)) for name, score in r.zrange("py:z", 0, -1, withscores=True)] == [
        (b"a", 1.0), (b"b", 2.5)]
    entry = r.xadd("py:x", {"f": "v"})
    assert r.xrange("py:x") == [(entry, {b"f": b"v"})]
    assert r.mset({f"py:m{n}": n for n in range(100)}) is True
    assert r.mget([f"py:m{n}" for n in range(100)]) == [str(n).encode() for n in range(100)]
    large = os.urandom(4 << 20)
    assert r.set("py:large", large, ex=100) is True
    assert r.get("py:large") == large
    assert 90 < r.ttl("py:large") <= 100
    assert r.delete("py:large", "py:bytes", "py:none") == 2
    refused(redis.ResponseError, "WRONGTYPE", r.get, "py:h")
    refused(redis.ResponseError, "unknown command", r.execute_command, "NOSUCH")
    assert r.geoadd("py:g", (13.361389, 38.115556, "Palermo")) == 1
    assert r.info("server")["tcp_port"] > 0


def pipeline(r, _):
    with r.pipeline(transaction=False) as pipe:
        for n in range(3000):
            pipe.set(f"py:p{n}", n)
            pipe.get(f"py:p{n}")
        answers = pipe.execute()
    assert answers[0::2] == [True] * 3000
    assert answers[1::2] == [str(n).encode() for n in range(3000)]
    with r.pipeline(transaction=False) as pipe:
        pipe.set("py:p", "text").incr("py:p").get("py:p")
        first, error, last = pipe.execute(raise_on_error=False)
    assert (first, last) == (True, b"text")
    assert "not an integer" in str(error), error


def transactions(r, _):
    with r.pipeline() as pipe:
        answers = pipe.set("py:t", 0).incr("py:t").incr("py:t").execute()
    assert answers == [True, 1, 2]
    with r.pipeline() as pipe:
        pipe.watch("py:t")
        assert pipe.get("py:t") == b"2"
        r.set("py:t", 10)
        pipe.multi()
        pipe.incr("py:t")
        refused(redis.WatchError, "", pipe.execute)
    assert r.get("py:t") == b"10"
    with r.pipeline() as pipe:
        pipe.execute_command("NOSUCH")
        pipe.set("py:t", 99)
        refused(redis.ResponseError, "unknown command", pipe.execute)
    assert r.get("py:t") == b"10"

    def add(pipe):
        value = int(pipe.get("py:t"))
        pipe.multi()
        pipe.set("py:t", value + 1)

    threads = [threading.Thread(target=lambda: [r.transaction(add, "py:t") for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert r.get("py:t") == b"50", r.get("py:t")


def scripts(r, _):
    assert r.eval("return {KEYS[1], ARGV[1], 7}", 1, "k", "v") == [b"k", b"v", 7]
    script = r.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    r.script_flush()
    assert script(keys=["py:lua"], args=[5]) == 5
    assert script(keys=["py:lua"], args=[5]) == 10
    with r.pipeline() as pipe:
        script(keys=["py:lua"], args=[1], client=pipe)
        pipe.get("py:lua")
        assert pipe.execute() == [11, b"11"]
    refused(redis.exceptions.NoScriptError, "", r.evalsha, "0" * 40, 0)
    refused(redis.ResponseError, "my error", r.eval, "return redis.error_reply('ERR my error')", 0)
    r.function_load("#!lua name=py\nredis.register_function('py_twice', function(keys, args) return args[1] * 2 end)",
                    replace=True)
    assert r.fcall("py_twice", 0, 21) == 42


def blocking(r, _):
    popped = []
    waits = threading.Thread(target=lambda: popped.append(r.blpop(["py:q1", "py:q2"], timeout=10)))
    waits.start()
    time.sleep(0.1)
    for n in range(100):  # who blocks holds nobody up
        assert r.set("py:b", n) is True
    assert r.rpush("py:q2", "work") == 1
    waits.join(10)
    assert [tuple(pair) for pair in popped] == [(b"py:q2", b"work")], popped
    start = time.monotonic()
    assert r.blpop("py:q1", timeout=0.2) is None
    assert 0.15 < time.monotonic() - start < 5
    r.rpush("py:q1", "a", "b")
    assert r.blmove("py:q1", "py:q3", 1, "RIGHT", "LEFT") == b"b"
    timer = threading.Timer(0.1, r.xadd, ("py:stream", {"n": 1}))
    timer.start()
    assert r.xread({"py:stream": "$"}, block=5000)
    timer.join()


def pubsub(r, _):
    with r.pubsub() as one, r.pubsub() as two:
        one.subscribe("py:a", "py:b")
        two.psubscribe("py:*")
        kinds = [one.get_message(timeout=5)["type"] for _ in range(2)] + [two.get_message(timeout=5)["type"]]
        assert kinds == ["subscribe", "subscribe", "psubscribe"], kinds
        assert r.publish("py:a", "hello") == 2
        message = one.get_message(timeout=5)
        assert (message["type"], message["channel"], message["data"]) == ("message", b"py:a", b"hello")
        message = two.get_message(timeout=5)
        assert (message["type"], message["pattern"], message["channel"]) == ("pmessage", b"py:*", b"py:a")
        for n in range(200):
            r.publish("py:b", n)
        assert [one.get_message(timeout=5)["data"] for _ in range(200)] == [str(n).encode() for n in range(200)]
        one.ping()
        assert one.get_message(timeout=5)["type"] == "pong"
        one.unsubscribe("py:a")
        assert one.get_message(timeout=5)["type"] == "unsubscribe"
        # A gateway that subscribes for many tells the client first and the server then.
        wanted, tries = {b"py:a": 0, b"py:b": 1}, 0
        while dict(r.pubsub_numsub("py:a", "py:b")) != wanted and tries < 100:
            tries += 1
            time.sleep(0.02)
        assert dict(r.pubsub_numsub("py:a", "py:b")) == wanted
    assert r.get("py:none") is None


def resp3(r, protocol):
    answer = r.execute_command("HELLO", protocol)
    fields = answer if isinstance(answer, dict) else dict(zip(answer[0::2], answer[1::2]))
    assert int(fields[b"proto"]) == protocol, answer
    assert r.hset("py:r3", mapping={"a": 1}) in (0, 1)
    # The types that the protocols have and have not.
    with r.client() as one:
        one.connection.send_command("HGETALL", "py:r3")
        raw = one.connection.read_response(disable_decoding=True)
        assert raw == ({b"a": b"1"} if protocol == 3 else [b"a", b"1"]), raw
        one.connection.send_command("EVAL", "return redis.call('ZSCORE', KEYS[1], 'a')", 1, "py:z")
        assert float(one.connection.read_response()) == 1.0
        assert one.client_setname("me") is True
        assert one.client_getname() in ("me", b"me")
        assert isinstance(one.client_id(), int)


def scan(r, _):
    with r.pipeline(transaction=False) as pipe:
        for n in range(2000):
            pipe.set(f"scan:{n}", n)
        pipe.execute()
    found = set(r.scan_iter("scan:*", count=100))
    assert found == {f"scan:{n}".encode() for n in range(2000)}, len(found)
    r.hset("py:hash", mapping={f"f{n}": n for n in range(1500)})
    assert len(dict(r.hscan_iter("py:hash", count=50))) == 1500
    r.sadd("py:set", *range(1500))
    assert len(set(r.sscan_iter("py:set", count=50))) == 1500
    r.zadd("py:zset", {str(n): n for n in range(1500)})
    assert len(dict(r.zscan_iter("py:zset", count=50))) == 1500
    assert r.unlink(*found) == 2000


def databases(r, protocol):
    with connect(protocol, db=3) as other:
        assert other.set("py:db", "three") is True
        assert r.get("py:db") is None
        assert other.get("py:db") == b"three"
        assert other.flushdb() is True
        assert other.dbsize() == 0
    refused(redis.ResponseError, "out of range", connect(protocol, db=99).ping)


def login(_, protocol):
    for more in ({"password": "wrong"}, {"username": "nobody"}, {"username": "", "password": "wrong"}):
        refused(redis.AuthenticationError, "", connect(protocol, retry=None, **more).ping)
    with connect(protocol) as again:
        assert again.ping() is True
        assert again.acl_whoami() in (USER, USER.encode())


def reconnect(r, protocol):
    assert r.set("py:kept", 1) is True
    # Whoever runs this starts the server again once it has ended.
    direct = redis.Redis("127.0.0.1", int(os.environ["REDIS_SERVER_PORT"]), username=USER, password=PASSWORD,
                         retry=None)
    try:
        direct.shutdown(nosave=True, now=True, force=True)
    except redis.RedisError:
        pass
    deadline = time.monotonic() + 15
    failures = 0
    while True:
        try:
            assert r.set("py:back", 1) is True
            break
        except redis.RedisError:
            failures += 1
            assert time.monotonic() < deadline, "the server did not come back"
            time.sleep(0.05)
    assert r.get("py:kept") is None, "that was the same server"
    with r.pipeline() as pipe:
        assert pipe.set("py:t", 1).incr("py:t").execute() == [True, 2]
    with connect(protocol) as another:
        assert another.get("py:back") == b"1"


def main():
    for protocol in (2, 3):
        with connect(protocol) as r:
            r.flushall()
            for check in (types, pipeline, transactions, scripts, blocking, pubsub, resp3, scan, databases, login,
                          reconnect):
                check(r, protocol)
                print(f"ok {check.__name__} RESP{protocol}", flush=True)


main()
