# Each verb does its own set-up; scripts/setup.sh says what that is.
# PG_CONFIG=/path/to/pg_config builds for that server instead of the pinned PostgreSQL 16, PG_MAJOR=18 for the pinned 18.

.DEFAULT_GOAL := all
.PHONY: all build help demo demo-retail stop test test-quick test-versions test-faults test-mutants test-container soak bench bench-quick lint install installcheck clean distclean
.NOTPARALLEL:

all: build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

build: ## the extension, release build (also: make)
	@scripts/build.sh build

demo: ## the sales pipeline on a private server, from nothing
	@scripts/demo.sh

demo-retail: ## a year of a grocer's transactions, fetched when run, on the same server
	@scripts/retail.sh

stop: ## stops the demo's server, keeps its data
	@scripts/stop.sh

test: ## every test
	@scripts/test.sh

test-quick: ## pure, in-backend and regress tests, for everyday use
	@scripts/test.sh quick

test-versions: ## PostgreSQL 18 built and tested, 16 upgraded to it, 15 and 17 type-checked
	@scripts/versions.sh

test-faults: ## load under fire: kills, timeouts, full disks; eight minutes, or PG_CUMULATE_FAULT_SECONDS
	@scripts/test.sh --test faults

test-mutants: ## faults that the tests must find; MUTANTS="name ..." for some of them
	@scripts/mutants.sh $(MUTANTS)

test-container: ## image and compose file built and run for real; needs a Docker engine, compose 2 and the base images
	@scripts/container.sh

soak: ## the law and load under fire for an hour each, or PG_CUMULATE_LAW_SECONDS and PG_CUMULATE_FAULT_SECONDS
	@scripts/soak.sh

bench: ## speed beside plain SQL and beside copying, at full size: half an hour on an idle machine
	@scripts/bench.sh

bench-quick: ## the same, small, in about two minutes
	@scripts/bench.sh quick

lint: ## format, clippy, rules of the house, licences
	@scripts/lint.sh

install: ## builds and installs into the server of PG_CONFIG
	@scripts/build.sh install

installcheck: ## regression tests on the running server that psql connects to; needs PG_CONFIG
	@scripts/build.sh installcheck

clean: ## stops our servers, removes their data and results; compiled crates and tools stay
	@scripts/clean.sh

distclean: clean ## clean, and all of target
	@rm -rf target
