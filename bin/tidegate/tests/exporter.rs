//! A Prometheus exporter that was made for PgBouncer reads the console unchanged.

mod console_house;
mod dialect;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use console_house::House;
use dialect::Dialect;
use tidegate_kit::{Drivers, Port, RawClient, Target, eventually, message, wait_until};

/// The exporter, as it is published; ended with the test.
struct Exporter {
    child: Child,
    folder: tempfile::TempDir,
    port: Port,
}

impl Exporter {
    fn start(console: &Target) -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a folder"), Port::reserve());
        let dsn = format!(
            "postgresql://{}:{}@{}:{}/{}",
            console.user, console.password, console.host, console.port, console.database
        );
        let config = folder.path().join("exporter.yml");
        let text = format!("exporter_port: {}\npgbouncers:\n  - dsn: \"{dsn}\"\n", port.number());
        fs::write(&config, text).expect("write");
        let log = File::create(folder.path().join("log")).expect("a log");
        let mut command = Drivers::exporter(&config);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let exporter = Self {
            child: child.expect("it starts"),
            folder,
            port,
        };
        let answers = wait_until(Duration::from_secs(60), || exporter.ask().is_ok());
        assert!(answers, "it does not listen:\n{}", exporter.log());
        exporter
    }

    fn ask(&self) -> std::io::Result<String> {
        let mut socket = TcpStream::connect(self.port.address())?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(socket, "GET /metrics HTTP/1.0\r\nHost: exporter\r\n\r\n")?;
        let mut text = String::new();
        socket.read_to_string(&mut text)?;
        Ok(text)
    }

    /// The value of a sample, by its name and labels.
    fn value(metrics: &str, sample: &str) -> Option<f64> {
        let rest = metrics.lines().find_map(|line| line.strip_prefix(sample))?;
        rest.strip_prefix(' ')?.parse().ok()
    }

    #[track_caller]
    fn shows(&self, expected: &[(&str, f64)]) {
        let mut metrics = String::new();
        let shown = wait_until(Duration::from_secs(30), || {
            metrics = self.ask().unwrap_or_default();
            let is_so = |(sample, value): &(&str, f64)| {
                Self::value(&metrics, sample).is_some_and(|found| (found - value).abs() < f64::EPSILON)
            };
            expected.iter().all(is_so)
        });
        assert!(shown, "{expected:?} are not all in:\n{metrics}\n{}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// One client has the only server, and another waits for it.
#[track_caller]
fn check(console: &Target, app: &Target, more: &[(&str, f64)]) {
    let exporter = Exporter::start(console);
    // Also of a gateway that nobody has used: an empty table is a failure to it.
    exporter.shows(&[("pgbouncer_up", 1.0)]);
    let mut busy = RawClient::connect(app);
    busy.query("SELECT 1");
    busy.query("BEGIN; SELECT 1");
    let mut waits = RawClient::connect(app);
    waits.send(&message::query("SELECT 1"));
    let name = &app.database;
    let pool = |metric: &str| format!("pgbouncer_pools_{metric}{{database=\"{name}\",user=\"app\"}}");
    let database =
        |metric: &str| format!("pgbouncer_databases_{metric}{{backend_database=\"app\",database=\"{name}\"}}");
    let samples = [
        (pool("client_active_connections"), 1.0),
        (pool("client_waiting_connections"), 1.0),
        (pool("server_active_connections"), 1.0),
        (pool("server_idle_connections"), 0.0),
        (database("database_pool_size"), 1.0),
        (database("database_current_connections"), 1.0),
        (format!("pgbouncer_stats_queries_total{{database=\"{name}\"}}"), 2.0),
        (
            format!("pgbouncer_stats_transactions_total{{database=\"{name}\"}}"),
            1.0,
        ),
    ];
    let mut expected: Vec<(&str, f64)> = samples.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    expected.push(("pgbouncer_up", 1.0));
    expected.extend(more);
    exporter.shows(&expected);
    let wait = |metrics: &str| Exporter::value(metrics, &pool("client_maxwait_seconds")).unwrap_or(0.0);
    eventually("the wait grows", || wait(&exporter.ask().unwrap_or_default()) > 0.1);
    busy.query("COMMIT");
    assert_eq!(waits.reply().value(), "1");
    exporter.shows(&[(&pool("client_waiting_connections"), 0.0)]);
    let log = exporter.log();
    assert!(!log.contains("ERROR") && !log.contains("Traceback"), "{log}");
}

#[test]
fn an_exporter_reads_a_gateway_with_a_console() {
    if Drivers::skipped() {
        return;
    }
    let house = House::with(|settings| settings.size(1));
    check(&house.target("watcher"), &house.settings.target(), &[]);
}

#[test]
fn an_exporter_reads_a_gateway_with_pgbouncers_files() {
    if Drivers::skipped() {
        return;
    }
    let dialect = Dialect::new("default_pool_size = 1\nmax_client_conn = 150");
    let watcher = dialect.ops().with_user("watcher", "watcher-secret");
    check(
        &watcher,
        &dialect.shop(),
        &[
            ("pgbouncer_config_max_client_conn", 150.0),
            ("pgbouncer_config_max_user_connections", 0.0),
        ],
    );
}
