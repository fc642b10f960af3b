// pgjdbc against the address that the PG* variables name. One line per check.

import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.Properties;
import java.util.UUID;
import org.postgresql.PGConnection;

final class Suite {
    interface Check {
        void run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        check("types", Suite::types);
        check("prepared", Suite::prepared);
        check("batch", Suite::batch);
        check("transactions", Suite::transactions);
        check("errors", Suite::errors);
        check("cursors", Suite::cursors);
        check("copy", Suite::copy);
        check("cancel", Suite::cancel);
    }

    static void types() throws Exception {
        byte[] bytes = new byte[256];
        for (int n = 0; n < bytes.length; n++) {
            bytes[n] = (byte) n;
        }
        UUID uuid = UUID.randomUUID();
        // binaryTransfer begins with the server-prepared statement, so go past the threshold.
        try (Connection connection = connect(2);
                PreparedStatement select = connection.prepareStatement(
                        "SELECT ?::bool, ?::int, ?::bigint, ?::float8, ?::numeric, ?::text, ?::bytea,"
                                + " ?::uuid, NULL::text")) {
            for (int round = 0; round < 6; round++) {
                select.setBoolean(1, true);
                select.setInt(2, -7 - round);
                select.setLong(3, 1L << 62);
                select.setDouble(4, 1.5);
                select.setBigDecimal(5, new BigDecimal("12345.6789"));
                select.setString(6, "naïve ✓");
                select.setBytes(7, bytes);
                select.setObject(8, uuid);
                try (ResultSet row = select.executeQuery()) {
                    must(row.next(), "a row");
                    same(true, row.getBoolean(1));
                    same(-7 - round, row.getInt(2));
                    same(1L << 62, row.getLong(3));
                    same(1.5, row.getDouble(4));
                    same(new BigDecimal("12345.6789"), row.getBigDecimal(5));
                    same("naïve ✓", row.getString(6));
                    must(Arrays.equals(bytes, row.getBytes(7)), "the bytes");
                    same(uuid, row.getObject(8));
                    same(null, row.getString(9));
                }
            }
        }
    }

    static void prepared() throws Exception {
        for (int threshold : new int[] {0, 1, 5, -1}) {
            try (Connection connection = connect(threshold)) {
                try (PreparedStatement add = connection.prepareStatement("SELECT ? + 1")) {
                    for (int n = 0; n < 20; n++) {
                        add.setInt(1, n);
                        same(n + 1, number(add));
                    }
                }
                // More statements than the driver keeps, so that it closes some.
                for (int n = 0; n < 300; n++) {
                    try (PreparedStatement one = connection.prepareStatement("SELECT ? + " + n)) {
                        for (int round = 0; round < 3; round++) {
                            one.setInt(1, round);
                            same(round + n, number(one));
                        }
                    }
                }
            }
        }
    }

    static void batch() throws Exception {
        try (Connection connection = connect(1); Statement statement = connection.createStatement()) {
            statement.execute("DROP TABLE IF EXISTS jdbc_batch");
            statement.execute("CREATE TABLE jdbc_batch (id serial PRIMARY KEY, word text)");
            try (PreparedStatement insert = connection.prepareStatement(
                    "INSERT INTO jdbc_batch (word) VALUES (?)", Statement.RETURN_GENERATED_KEYS)) {
                for (int n = 0; n < 2000; n++) {
                    insert.setString(1, "word " + n);
                    insert.addBatch();
                }
                same(2000, insert.executeBatch().length);
                int keys = 0;
                try (ResultSet generated = insert.getGeneratedKeys()) {
                    while (generated.next()) {
                        keys++;
                    }
                }
                same(2000, keys);
            }
            try (ResultSet row = statement.executeQuery("SELECT count(*) FROM jdbc_batch")) {
                row.next();
                same(2000, row.getInt(1));
            }
            statement.execute("DROP TABLE jdbc_batch");
        }
    }

    static void transactions() throws Exception {
        try (Connection connection = connect(1); Statement statement = connection.createStatement()) {
            statement.execute("DROP TABLE IF EXISTS jdbc_tx; CREATE TABLE jdbc_tx (id int PRIMARY KEY)");
            connection.setAutoCommit(false);
            connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            statement.execute("INSERT INTO jdbc_tx VALUES (1)");
            var savepoint = connection.setSavepoint("here");
            refused("23505", () -> statement.execute("INSERT INTO jdbc_tx VALUES (1)"));
            connection.rollback(savepoint);
            connection.commit();
            statement.execute("INSERT INTO jdbc_tx VALUES (2)");
            connection.rollback();
            try (ResultSet row = statement.executeQuery("SELECT count(*) FROM jdbc_tx")) {
                row.next();
                same(1, row.getInt(1));
            }
            connection.commit();
            connection.setReadOnly(true);
            refused("25006", () -> statement.execute("INSERT INTO jdbc_tx VALUES (3)"));
            connection.rollback();
            connection.setReadOnly(false);
            statement.execute("DROP TABLE jdbc_tx");
            connection.commit();
        }
    }

    static void errors() throws Exception {
        try (Connection connection = connect(1); Statement statement = connection.createStatement()) {
            refused("22012", () -> statement.executeQuery("SELECT 1/0"));
            refused("42601", () -> statement.executeQuery("SELEC"));
            refused("42P01", () -> statement.executeQuery("SELECT * FROM jdbc_nowhere"));
            must(statement.execute("SELECT 1; SELECT 2"), "a result");
            must(statement.getMoreResults(), "a second result");
            must(connection.isValid(5), "a valid connection");
        }
    }

    static void cursors() throws Exception {
        try (Connection connection = connect(1)) {
            connection.setAutoCommit(false);
            try (PreparedStatement select = connection.prepareStatement(
                    "SELECT n, repeat('x', 200) FROM generate_series(1, ?) n")) {
                for (int round = 0; round < 3; round++) {
                    select.setFetchSize(100);
                    select.setInt(1, 2500);
                    long total = 0;
                    try (ResultSet rows = select.executeQuery()) {
                        while (rows.next()) {
                            total += rows.getInt(1);
                        }
                    }
                    same(2500L * 2501 / 2, total);
                }
            }
            connection.commit();
        }
    }

    static void copy() throws Exception {
        try (Connection connection = connect(1); Statement statement = connection.createStatement()) {
            statement.execute("DROP TABLE IF EXISTS jdbc_copy; CREATE TABLE jdbc_copy (id int, word text)");
            StringBuilder lines = new StringBuilder();
            for (int n = 0; n < 5000; n++) {
                lines.append(n).append("\tword ").append(n).append('\n');
            }
            var manager = connection.unwrap(PGConnection.class).getCopyAPI();
            same(5000L, manager.copyIn("COPY jdbc_copy FROM STDIN", new StringReader(lines.toString())));
            StringWriter out = new StringWriter();
            same(5000L, manager.copyOut("COPY jdbc_copy TO STDOUT", out));
            must(out.toString().contentEquals(lines), "the same lines");
            statement.execute("DROP TABLE jdbc_copy");
        }
    }

    static void cancel() throws Exception {
        try (Connection connection = connect(1); Statement statement = connection.createStatement()) {
            Thread canceller = new Thread(() -> {
                try {
                    Thread.sleep(200);
                    statement.cancel();
                } catch (InterruptedException | SQLException e) {
                    e.printStackTrace();
                }
            });
            long start = System.nanoTime();
            canceller.start();
            refused("57014", () -> statement.execute("SELECT pg_sleep(60)"));
            must(System.nanoTime() - start < 1_200_000_000L, "cancelled within a second");
            canceller.join();
            statement.setQueryTimeout(1);
            refused("57014", () -> statement.execute("SELECT pg_sleep(60)"));
            statement.setQueryTimeout(0);
            must(statement.execute("SELECT 1"), "a result");
        }
    }

    /** Connects with this prepareThreshold; -1 sends even the first execution by name. */
    static Connection connect(int threshold) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("sslmode", System.getenv("PGSSLMODE"));
        String authority = System.getenv("PGSSLROOTCERT");
        if (authority != null) {
            properties.setProperty("sslrootcert", authority);
        }
        properties.setProperty("prepareThreshold", Integer.toString(threshold));
        return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":"
                + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE"), properties);
    }

    static int number(PreparedStatement statement) throws SQLException {
        try (ResultSet row = statement.executeQuery()) {
            must(row.next(), "a row");
            return row.getInt(1);
        }
    }

    static void refused(String sqlstate, Check check) throws Exception {
        try {
            check.run();
        } catch (SQLException error) {
            same(sqlstate, error.getSQLState());
            return;
        }
        throw new AssertionError("no error " + sqlstate);
    }

    static void same(Object want, Object got) {
        must(want == null ? got == null : want.equals(got), want + ", and not " + got);
    }

    static void must(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError("expected " + what);
        }
    }

    static void check(String name, Check check) throws Exception {
        check.run();
        System.out.println("ok " + name);
    }
}
