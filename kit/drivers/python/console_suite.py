"""psycopg 3 and asyncpg against the admin console that the PG* variables name. One line per check."""

import asyncio
from decimal import Decimal

import asyncpg
import psycopg

TABLES = ("active_sockets clients config databases dns_hosts dns_zones fds lists mem peer_pools peers pools servers"
          " sockets state stats stats_averages stats_totals totals users version").split()
STATE = [("active", "yes"), ("paused", "no"), ("suspended", "no")]


def simple(conn):
    with psycopg.connect(autocommit=True, cursor_factory=psycopg.ClientCursor) as own:
        for table in TABLES:
            own.execute(f"SHOW {table}").fetchall()
        assert own.execute("SHOW STATE").fetchall() == STATE
        notices = []
        own.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        own.execute("SHOW HELP")
        assert len(notices) == 1 and "SHOW STATS|STATS_TOTALS" in notices[0], notices


def extended(conn):
    for table in TABLES:
        conn.execute(f"SHOW {table}").fetchall()
    assert conn.execute("show state").fetchall() == STATE
    row = conn.execute("SHOW TOTALS").fetchone()
    assert row[0] == "total_server_assignment_count" and isinstance(row[1], Decimal), row


def binary(conn):
    for table in TABLES:
        in_text = conn.execute(f"SHOW {table}")
        in_binary = conn.cursor(binary=True).execute(f"SHOW {table}")
        assert [c.type_code for c in in_text.description] == [c.type_code for c in in_binary.description]
    both = [conn.cursor(binary=way).execute("SHOW LISTS").fetchall() for way in (False, True)]
    assert both[0] == both[1] and both[0][0][0] == "databases", both


def prepared(conn):
    conn.prepare_threshold = 0
    for _ in range(5):
        assert conn.execute("SHOW STATE").fetchall() == STATE


def pipeline(conn):
    with conn.pipeline():
        cursors = [conn.execute("SHOW STATE") for _ in range(5)]
    assert all(cursor.fetchall() == STATE for cursor in cursors)


def errors(conn):
    for sql, state in (("SHOW nothing", "08P01"), ("RESUME", "08P01")):
        try:
            conn.execute(sql)
            raise AssertionError(sql)
        except psycopg.Error as error:
            assert error.sqlstate == state, error
    conn.cancel()
    assert conn.execute("SHOW STATE").fetchall() == STATE


def by_asyncpg(_):
    async def ask():
        conn = await asyncpg.connect(statement_cache_size=0)
        rows = await conn.fetch("SHOW TOTALS")
        assert all(isinstance(row["value"], Decimal) for row in rows) and len(rows) == 22, rows
        assert [tuple(row) for row in await conn.fetch("SHOW STATE")] == STATE
        await conn.fetch("SHOW LISTS")
        conn.terminate()
    asyncio.run(ask())


with psycopg.connect(autocommit=True) as conn:
    for name, check in (("simple", simple), ("extended", extended), ("binary", binary), ("prepared", prepared),
                        ("pipeline", pipeline), ("errors", errors), ("asyncpg", by_asyncpg)):
        check(conn)
        print(f"ok {name}", flush=True)
