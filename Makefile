# Everything here may be run again at once: what is there is not fetched or built a second time.
#   make run ARGS='--port 9000'      make test ARGS='--filter TallyRedisTests'

SHELL := /bin/bash
ARGS ?=

# Modules whose tests need no server.
UNIT := Core|Access|Config|Cron|Metrics|Exchange|Flush|Track|SQLite|Simulation
SOURCES := Package.swift Sources Tests
# With Swift's own libraries inside, the program starts sooner and moves to machines that have no Swift.
RELEASE := -c release --static-swift-stdlib

.DEFAULT_GOAL := help
.PHONY: help bench setup setup-tests run build test torture fuzz unit coverage dev format lint package test-package clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build for release and start the service (ARGS are those of `tally serve`)
	exec "$$(swift build $(RELEASE) --show-bin-path)/tally" serve $(ARGS)

build: setup ## Build the program for release
	swift build $(RELEASE) --product tally

test: setup-tests lint ## See to the form of the sources, and run all tests, with real servers (ARGS are those of `swift test`)
	swift build --build-tests
	swift test --skip-build --disable-xctest $(ARGS)

torture: setup-tests build ## Make all attacks in full, some two hours (ARGS as for test; TALLY_SEED repeats a run)
	swift build --build-tests
	Scripts/torture "$$(swift build $(RELEASE) --show-bin-path)/tally" $(ARGS)

unit: setup ## Run the tests that need no server
	swift build --build-tests
	swift test --skip-build --disable-xctest --filter '^Tally($(UNIT))Tests\.' $(ARGS)

fuzz: setup ## Feed the parsers from libFuzzer under AddressSanitizer (ARGS='RUNS SEED')
	@Scripts/fuzz $(ARGS)

coverage: setup ## Say which lines the unit tests run, by file, the least covered first (a build of its own)
	@Scripts/coverage '^Tally($(UNIT))Tests\.'

bench: build ## Measure tally beside its peers and write docs/performance.md (ROUNDS, SECONDS; ARGS='--only rows')
	@Scripts/setup-bench
	Benchmarks/bench --tally "$$(swift build $(RELEASE) --show-bin-path)/tally" $(ARGS)

dev: setup ## Run the service, built and started again on every change (ARGS as for run)
	Scripts/dev $(ARGS)

format: ## Format all sources in place
	swift format --in-place --parallel --recursive $(SOURCES)

lint: ## Say what `make format` would change, and fail where it is anything
	swift format lint --strict --parallel --recursive $(SOURCES)

package: build ## Make a Debian package: .build/packages/tally_VERSION_ARCHITECTURE.deb
	Scripts/package "$$(swift build $(RELEASE) --show-bin-path)/tally"

test-package: package ## Install that package into a clean Debian 12, booted with systemd, and run it there (as root)
	Scripts/test-package "$$(ls -t .build/packages/tally_*.deb | head -1)"

setup: ## Install what building needs, where it is missing
	@Scripts/setup

setup-tests: setup ## Install what the tests need, where it is missing
	@Scripts/setup-tests

clean: ## Remove what was built (fetched tools stay in .tools)
	swift package clean
