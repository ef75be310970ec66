# The same commands in the README and in CI.
.PHONY: help run test bench

help:
	@echo 'make run    build and start the server; it makes its configuration and key at the first start'
	@echo 'make test   install what the tests need, then check format, lints, tests and documentation'
	@echo 'make bench  measure beside FreeRADIUS; ARGS="log-ins --rounds 3" for a part of it (docs/performance.md)'

run:
	cargo build --release
	"$${CARGO_TARGET_DIR:-target}/release/radgram" serve

test:
	scripts/test-deps
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	@if command -v cargo-nextest >/dev/null; then \
		echo 'cargo nextest run'; cargo nextest run; \
	else \
		echo 'cargo test (faster with cargo-nextest: cargo install --locked cargo-nextest)'; cargo test --lib --bins --tests; \
	fi
	cargo test --doc
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps

bench:
	scripts/test-deps bench
	cargo bench --bench radius -- $(ARGS)
