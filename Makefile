# The same commands in the README and in CI.
.PHONY: help run test bench flood fuzz

help:
	@echo 'make run    build and start the server; it makes its configuration and key at the first start'
	@echo 'make test   install what the tests need, then check format, lints, tests and documentation'
	@echo 'make bench  measure beside FreeRADIUS; ARGS="log-ins --rounds 3" for a part of it (docs/performance.md)'
	@echo 'make flood  measure what floods do to good log-ins'
	@echo 'make fuzz   fuzz every target for ten minutes (docs/fuzzing.md)'

run:
	cargo build --release
	"$${CARGO_TARGET_DIR:-target}/release/radgram" serve

test:
	scripts/test-deps
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo check --package radgram-fuzz
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

flood:
	cargo bench --bench flood

fuzz:
	for target in packet attributes eap dictionary radsec_framing routeros_codec; do fuzz/run $$target 600 || exit 1; done
