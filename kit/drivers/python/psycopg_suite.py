"""psycopg 3 against the address that the PG* variables name. One line per check."""

import threading
import time
import uuid
from datetime import datetime, timezone
from decimal import Decimal

import psycopg
from psycopg.types.json import Jsonb


def types(conn):
    moment = datetime(2026, 11, 20, 12, 30, 15, 123456, tzinfo=timezone.utc)
    ident = uuid.uuid4()
    values = (True, -7, 2**62, 1.5, Decimal("12345.6789"), "naïve ✓", bytes(range(256)),
              moment, ident, [1, None, 3])
    sql = ("SELECT %s::bool, %s::int, %s::bigint, %s::float8, %s::numeric, %s::text, %s::bytea,"
           " %s::timestamptz, %s::uuid, %s::int[]")
    for binary in (False, True):
        row = conn.cursor(binary=binary).execute(sql, values).fetchone()
        assert row == values, row
    document = {"a": [1, 2, {"b": None}]}
    assert conn.execute("SELECT %s", (Jsonb(document),)).fetchone() == (document,)
    assert conn.execute("SELECT NULL").fetchone() == (None,)


def prepared(conn):
    conn.prepare_threshold = 2
    for n in range(30):
        assert conn.execute("SELECT %s::int + 1", (n,)).fetchone() == (n + 1,)
    for n in range(150):  # more than the driver keeps, so that it deallocates
        for _ in range(3):
            assert conn.execute(f"SELECT %s::int + {n}", (1,)).fetchone() == (n + 1,)


def transactions(conn):
    conn.execute("DROP TABLE IF EXISTS psycopg_tx")
    conn.execute("CREATE TABLE psycopg_tx (id int PRIMARY KEY)")
    with conn.transaction():
        conn.execute("INSERT INTO psycopg_tx VALUES (1)")
        try:
            with conn.transaction():
                conn.execute("INSERT INTO psycopg_tx VALUES (1)")
            raise AssertionError("a duplicate was taken")
        except psycopg.errors.UniqueViolation:
            pass
        conn.execute("INSERT INTO psycopg_tx VALUES (2)")
    with conn.transaction(force_rollback=True):
        conn.execute("INSERT INTO psycopg_tx VALUES (3)")
    rows = conn.execute("SELECT id FROM psycopg_tx ORDER BY id").fetchall()
    assert rows == [(1,), (2,)], rows
    with conn.cursor() as cursor:
        cursor.executemany("INSERT INTO psycopg_tx VALUES (%s)", [(n,) for n in range(10, 500)])
        assert cursor.rowcount == 490
    conn.execute("DROP TABLE psycopg_tx")


def errors(conn):
    for sql, state in (("SELECT 1/0", "22012"), ("SELEC", "42601"), ("SELECT nothing", "42703")):
        try:
            conn.execute(sql)
            raise AssertionError(f"{sql} was taken")
        except psycopg.Error as error:
            assert error.sqlstate == state, error.sqlstate
    assert conn.execute("SELECT 1").fetchone() == (1,)


def cursors(conn):
    with conn.transaction():
        with conn.cursor(name="numbers", scrollable=True) as cursor:
            cursor.execute("SELECT generate_series(1, 10000)")
            assert cursor.fetchone() == (1,)
            assert len(cursor.fetchmany(500)) == 500
            cursor.scroll(9000, mode="absolute")
            assert cursor.fetchone() == (9001,)
        with conn.cursor(name="iterated") as cursor:
            cursor.itersize = 100
            cursor.execute("SELECT n, repeat('x', 200) FROM generate_series(1, 2500) n")
            assert sum(row[0] for row in cursor) == 2500 * 2501 // 2
    with conn.cursor(name="held", withhold=True) as cursor:
        cursor.execute("SELECT generate_series(1, 10)")
        assert [row[0] for row in cursor.fetchall()] == list(range(1, 11))
    rows = conn.cursor().stream("SELECT generate_series(1, 3000)")
    assert [row[0] for row in rows] == list(range(1, 3001))
    # libpq resets its single-row mode only here, and not when a pipeline begins.
    assert conn.execute("SELECT 1").fetchone() == (1,)


def pipeline(conn):
    with conn.pipeline():
        answers = [conn.execute("SELECT %s::int, %s::text", (n, f"n{n}")) for n in range(1000)]
        for n, answer in enumerate(answers):
            assert answer.fetchone() == (n, f"n{n}")
    # An error aborts the rest up to the next sync, and what follows it works. The driver raises
    # it at whichever call happens to read it.
    with conn.pipeline() as pipe:
        first = conn.execute("SELECT 1")
        try:
            conn.execute("SELECT 1/0")
            conn.execute("SELECT 2")
            pipe.sync()
            raise AssertionError("the error of the pipeline was lost")
        except psycopg.errors.DivisionByZero:
            pass
        try:
            pipe.sync()
        except psycopg.errors.PipelineAborted:
            pass
        after = conn.execute("SELECT 3")
        assert first.fetchone() == (1,)
        assert after.fetchone() == (3,)
    with conn.pipeline(), conn.transaction():
        conn.execute("CREATE TEMP TABLE psycopg_pipe (id int) ON COMMIT DROP")
        conn.cursor().executemany("INSERT INTO psycopg_pipe VALUES (%s)", [(n,) for n in range(200)])
        assert conn.execute("SELECT count(*) FROM psycopg_pipe").fetchone() == (200,)


def copy(conn):
    conn.execute("DROP TABLE IF EXISTS psycopg_copy")
    conn.execute("CREATE TABLE psycopg_copy (id int, word text)")
    with conn.cursor() as cursor:
        with cursor.copy("COPY psycopg_copy FROM STDIN") as out:
            for n in range(20000):
                out.write_row((n, f"word {n}"))
        with cursor.copy("COPY psycopg_copy TO STDOUT (FORMAT binary)") as rows:
            rows.set_types(["int4", "text"])
            assert sum(row[0] for row in rows.rows()) == sum(range(20000))
        try:
            with cursor.copy("COPY psycopg_copy FROM STDIN") as out:
                out.write_row((1, "lost"))
                raise KeyError("the program gives up")
        except KeyError:
            pass
    assert conn.execute("SELECT count(*) FROM psycopg_copy").fetchone() == (20000,)
    conn.execute("DROP TABLE psycopg_copy")


def cancel(conn):
    timer = threading.Timer(0.2, conn.cancel_safe)
    timer.start()
    start = time.monotonic()
    try:
        conn.execute("SELECT pg_sleep(60)")
        raise AssertionError("the query was not cancelled")
    except psycopg.errors.QueryCanceled:
        pass
    assert time.monotonic() - start < 1.2
    timer.join()
    assert conn.execute("SELECT 1").fetchone() == (1,)


def main():
    with psycopg.connect("", autocommit=True) as conn:
        for check in (types, prepared, transactions, errors, cursors, pipeline, copy, cancel):
            check(conn)
            print("ok", check.__name__, flush=True)


if __name__ == "__main__":
    main()
