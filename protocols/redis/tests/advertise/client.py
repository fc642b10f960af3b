"""redis-py's RedisCluster at the gateway that GATEWAY names, for as long as its standard input is open."""

import os
import sys
import threading
import time

import redis

open_still = threading.Event()
open_still.set()


def wait():
    sys.stdin.read()
    open_still.clear()


threading.Thread(target=wait, daemon=True).start()
host, port = os.environ["GATEWAY"].rsplit(":", 1)
c = redis.RedisCluster(host=host, port=int(port), client_name="driver", protocol=int(os.environ["PROTOCOL"]))
turn = 0
while open_still.is_set() or turn < 3:
    for n in range(100):
        assert c.set(f"py:{n}", turn) is True
        assert c.get(f"py:{n}") == str(turn).encode()
    with c.pipeline() as pipe:
        for n in range(100):
            pipe.incr(f"py:{n}")
        assert pipe.execute() == [turn + 1] * 100
    assert c.mget_nonatomic([f"py:{n}" for n in range(100)]) == [str(turn + 1).encode()] * 100
    if turn % 3 == 0:
        c.nodes_manager.initialize()
    turn += 1
# Each gateway counts its own share of the shards, and they agree on shares once both have seen the last slot move.
until = time.monotonic() + 20
while sum(node.redis_connection.dbsize() for node in c.get_primaries()) != 100:
    assert time.monotonic() < until
    time.sleep(0.1)
    c.nodes_manager.initialize()
ports = sorted({node.port for node in c.get_nodes()})
print("nodes", *ports)
print("turns", turn)
