# The verbs of this repository. Each sets up what it needs; nothing else has to be installed first
# than Rust, on Debian 12 as root or with sudo.
CARGO ?= cargo
target_dir = $(or $(CARGO_TARGET_DIR),target)

.PHONY: help demo test lint setup fuzz bench bench-redis

help:
	@echo 'make demo   build Tidegate and try it in front of a throw-away PostgreSQL and Redis'
	@echo 'make test   set up, lint, and run every test'
	@echo 'make lint   formatting, clippy, and the rules of the house'
	@echo 'make fuzz   run the fuzz targets for a while (FUZZ_SECONDS=60 each)'
	@echo 'make bench  measure Tidegate beside PgBouncer and HAProxy, ten minutes (BENCH=--full for the whole matrix)'
	@echo 'make bench-redis  the same for Redis, beside twemproxy and HAProxy (BENCH=--quick for a short look)'
	@echo 'make setup  install what the tests use'

demo:
	scripts/setup demo
	$(CARGO) build --release --locked --package tidegate
	exec $(target_dir)/release/tidegate demo

test: setup lint
	$(CARGO) test --workspace --locked --offline --features tidegate-kit/sqlx

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked --features tidegate-kit/sqlx -- -D warnings
	$(CARGO) xtask tidy

setup:
	scripts/setup

fuzz:
	scripts/fuzz

bench:
	scripts/setup bench
	$(CARGO) build --release --locked --package tidegate --package tidegate-bench
	$(target_dir)/release/tidegate-bench postgres $(BENCH)

bench-redis:
	scripts/setup bench
	$(CARGO) build --release --locked --package tidegate --package tidegate-bench
	$(target_dir)/release/tidegate-bench redis $(BENCH)
