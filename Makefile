# Millrace. `make` alone lists what there is; ARGS goes to the program that is run:
#   make run ARGS="--http 127.0.0.1:9000"

SHELL := /bin/bash
.DEFAULT_GOAL := help

CARGO ?= cargo
ARGS ?=
TITLE ?= My stream
# Where cargo puts what it builds.
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Files in which npm notes that the pages' tools are there, and that the pages are built.
NODE_MODULES := web/node_modules/.package-lock.json
PAGES := web/dist/watch.html
PAGE_SOURCES := $(shell find web/client -type f) web/build.mjs web/tsconfig.json

.PHONY: help demo run build web deps test test-api test-minute fuzz lint fmt deny audit bench-ladder bench-glass bench-latency bench-memory bench-serve \
	bench-viewers bench-vod bench-window bench-build soak clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## Start the server with a built-in test-pattern publisher
	$(TARGET)/release/millrace demo $(ARGS)

run: build ## Start the server and print where to publish and watch
	$(TARGET)/release/millrace serve --stream "$(TITLE)" $(ARGS)

build: deps web ## Install what is missing and build the release binary
	$(CARGO) build --release --locked --package millrace

deps:
	@scripts/install-deps.sh build run web

web: $(PAGES) ## Build the pages that are embedded in the binary

$(NODE_MODULES): web/package.json web/package-lock.json
	@scripts/install-deps.sh web
	npm --prefix web ci --no-audit --no-fund
	@touch $@

$(PAGES): $(NODE_MODULES) $(PAGE_SOURCES)
	npm --prefix web run build
	@touch $@

test: ## Install what the tests need and run all of them
	@scripts/install-deps.sh build run web test
	@scripts/test.sh $(ARGS)

test-api: $(PAGES) ## The API against its own OpenAPI document, by Schemathesis
	@scripts/install-deps.sh build run web test
	$(CARGO) build --locked --package millrace
	node --test tests/contract/*.test.mjs

test-minute: ## A minute of 1080p read back frame by frame, and a minute in each of six players
	@scripts/install-deps.sh build run web test players
	$(CARGO) nextest run --locked --test live --run-ignored only minute_
	PLAYERS_SECONDS=60 node --test tests/browser/players.test.mjs

fuzz: ## Fuzz every parser for a minute, or one: ARGS="packager vod" (needs cargo-fuzz)
	@scripts/install-deps.sh build
	@scripts/fuzz.sh $(ARGS)

lint: ## Formatting, clippy and the pages' types
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	npm --prefix web run check

fmt: ## Format the Rust sources
	$(CARGO) fmt --all

deny: ## Check licences, sources and versions of the dependencies (needs cargo-deny)
	$(CARGO) deny check licenses bans sources

bench-ladder: build ## CPU and memory of a 1080p ladder against ffmpeg doing the same
	@scripts/install-deps.sh test
	node benches/ladder/run.mjs $(ARGS)

bench-glass: build ## Glass-to-glass delay in headless Chromium
	@scripts/install-deps.sh test
	node benches/glass/run.mjs $(ARGS)

bench-latency: build ## Glass-to-glass delay beside nginx-rtmp with FFmpeg, and where it goes
	@scripts/install-deps.sh test bench
	node benches/latency/run.mjs $(ARGS)

bench-memory: build ## Memory over ten minutes of 1080p
	@scripts/install-deps.sh test
	node benches/memory/run.mjs $(ARGS)

bench-serve: bench-build ## Requests per CPU-second of one core, against nginx
	node benches/serve/run.mjs $(ARGS)

bench-viewers: bench-build ## Delay of parts at thousands of low-latency viewers on one core
	node benches/viewers/run.mjs $(ARGS)

bench-vod: build ## Stored video: encoding, from the end to playing; reads of the API
	@scripts/install-deps.sh test bench
	$(CARGO) build --release --locked --package media-core --example transcode
	$(CARGO) build --release --locked --package storage --example long_recording --example reads
	node benches/vod/run.mjs $(ARGS)

bench-window: ## What a chunk and a request cost the packager, by criterion
	@scripts/install-deps.sh build
	node benches/window/run.mjs

soak: bench-build ## Half an hour of publishers on bad lines, viewers and recordings: ARGS="--hours 8"
	$(CARGO) build --release --locked --package netproxy
	node benches/soak/run.mjs $(ARGS)

bench-build: build
	@scripts/install-deps.sh bench
	$(CARGO) build --release --locked --package load

audit: ## Look the dependencies up in the RustSec advisory database as it is now (needs cargo-audit)
	cargo audit

clean: ## Remove what was built (not the data folder)
	$(CARGO) clean
	rm -rf web/dist web/node_modules
