test:
	cargo nextest run
