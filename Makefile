# `make help` lists what there is. Needs Python 3.11 and make; everything else goes into .venv.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
# An index that serves CPU builds of torch, where the usual one would bring CUDA: make setup TORCH_INDEX=https://…
TORCH_INDEX ?=
PYTEST_WORKERS ?= 2

# The demo's port (0 = any free one), customers, product and search.
DEMO_PORT ?= 0
DEMO_USERS ?= 1 718 2471
DEMO_ITEM ?= 1082185
DEMO_QUERY ?= something for a barbecue

SHELL := /bin/bash
# What `make bench-quality` measures on, and further flags: make bench-quality QUALITY_DATA=shop QUALITY="--windows 6"
QUALITY_DATA ?=
QUALITY ?=
# How often `make bench-durability` kills each engine.
KILLS ?= 200
# Which made-up shops `make bench-shops` measures, and further flags: make bench-shops SHOPS="news wholesale"
SHOPS ?=
SHOPS_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := .demo
PEERS := .venv-peers
PEERS_READY := $(PEERS)/.ready
SITE_PACKAGES = $(shell $(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
PROTOS := protos/recommender/v1 protos/encoder/v1
PROTOC = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I. -I$(SITE_PACKAGES)

.PHONY: help setup test check proto proto-baseline bench bench-diversity bench-durability bench-filters bench-hostile \
	bench-live bench-overload bench-quality bench-replay bench-shops bench-state bench-swap bench-training demo clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '  make %-16s %s\n' "$$name" "$$text"; \
	done

setup: $(READY)  ## a virtual environment in .venv with everything in it, at the versions tested together
	@:

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "setting up $(VENV): about 2 GB, a minute or two"
	@$(PYTHON) -m venv $(VENV)
	@# Byte code is kept by whoever imports a module first: of 16,000 modules most never are, and all take over a minute.
	@$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) \
		--editable '.[server,redis,compiled,client,index,model,demo,dev]'
	@touch $@

test: setup  ## the test-suite
	@OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile

check: setup  ## format, lint, types, imports, then the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

proto: setup  ## regenerate the protobuf code
	$(PROTOC) --python_out=. --mypy_out=. $(PROTOS:%=%/*.proto)
	$(PROTOC) --grpc_python_out=. --mypy_grpc_out=. $(PROTOS:%=%/*_service.proto)

proto-baseline: setup  ## take today's .proto files for published: from now on none of them may break its callers
	$(PROTOC) --include_imports --descriptor_set_out=protos/baseline.binpb $(PROTOS:%=%/*.proto)

bench: setup  ## measure the server beside an echo of the same bytes, features, explanations; writes bench/*.json
	@$(BIN)/python tests/benchmarks/bench_serving.py $(DEMO)/snapshots --json bench/serving.json
	@OMP_WAIT_POLICY=PASSIVE $(BIN)/python tests/benchmarks/bench_features.py $(DEMO)/snapshots --json bench/features.json
	@$(BIN)/python tests/benchmarks/bench_explain.py $(DEMO)/snapshots --json bench/explain.json

bench-diversity: setup  ## what variety and coverage cost in accuracy; writes bench/diversity/curve.json and .svg
	@$(BIN)/recsys-index dataset complete-journey --out $(DEMO)/data
	@OMP_WAIT_POLICY=PASSIVE $(BIN)/python tests/benchmarks/diversity_curve.py --data $(DEMO)/data \
		--cache "$${RECSYS_CACHE:-$(DEMO)/embeddings}" --test 2017-12-04T05:00Z --out bench/diversity

bench-durability: setup  ## kill -9 of writers and of a Valkey server, KILLS=200 times each; writes bench/durability.json
	@$(BIN)/python -m tests.benchmarks.bench_durability --kills $(KILLS)

bench-state: setup  ## durable events a second; who-asks with a million events in state; writes bench/state.json
	@$(BIN)/python -m tests.benchmarks.bench_state

bench-training: setup  ## other objectives, labels and ways to stop beside ours; writes bench/objectives.json
	@$(BIN)/recsys-index dataset complete-journey --out $(DEMO)/data
	@OMP_WAIT_POLICY=PASSIVE $(BIN)/python tests/benchmarks/objectives.py --data $(DEMO)/data \
		--until 2017-12-04T05:00Z --cache "$${RECSYS_CACHE:-$(DEMO)/embeddings}"

bench-replay: setup  ## what four weeks of live events and new items are worth; writes bench/replay.json
	@$(BIN)/recsys-index dataset complete-journey --out $(DEMO)/data
	@$(BIN)/python tests/benchmarks/bench_replay.py --data $(DEMO)/data --work $(DEMO)/replay \
		--cache "$${RECSYS_CACHE:-$(DEMO)/embeddings}" --json bench/replay.json

bench-swap: setup  ## 20 callers for a minute while snapshots change; writes bench/swap.json
	@$(BIN)/python tests/benchmarks/bench_swap.py $(DEMO)/snapshots --json bench/swap.json

$(PEERS_READY): tests/benchmarks/peers.txt
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/benchmarks/peers.txt
	@touch $@

bench-filters: setup  ## under filters beside without, a million items: search, whole answers; writes bench/filter*.json
	@$(BIN)/python tests/benchmarks/bench_filters.py
	@OMP_WAIT_POLICY=PASSIVE $(BIN)/python tests/benchmarks/bench_filtered_answers.py

bench-hostile: setup  ## 20,000 hostile requests: unfair answers, the slowest, growth of memory; writes bench/hostile.json
	@$(BIN)/python -m tests.benchmarks.bench_hostile $(DEMO)/snapshots --json bench/hostile.json

bench-live: setup  ## live events over the wire: seen at once, events a second, what answers cost then; writes bench/live.json
	@$(BIN)/python -m tests.benchmarks.bench_live $(DEMO)/snapshots --json bench/live.json

bench-overload: setup  ## a minute of five times as many calls as the server can answer; writes bench/overload.json
	@$(BIN)/python tests/benchmarks/bench_overload.py $(DEMO)/snapshots --json bench/overload.json

bench-quality: setup $(PEERS_READY)  ## our lists beside textbook methods and RecTools; writes bench/quality.json
	@$(if $(QUALITY_DATA),,$(BIN)/recsys-index dataset complete-journey --out $(DEMO)/data)
	@$(BIN)/python tests/benchmarks/quality.py $(if $(QUALITY_DATA),--data $(QUALITY_DATA)) \
		--peers-python $(PEERS)/bin/python --json bench/quality.json $(QUALITY)

bench-shops: setup  ## our lists beside textbook methods in six made-up shops; writes bench/shops.json
	@$(BIN)/python tests/benchmarks/bench_shops.py --folder $(DEMO)/shops --json bench/shops.json \
		--peers-python $(PEERS)/bin/python $(if $(SHOPS),--shops "$(SHOPS)") $(SHOPS_FLAGS)

# The server's own lines go to a file: they are for machines. `wait` in the trap lets it end before make does.
demo: setup  ## a year of grocery purchases: data, rebuild, server, recommendations with reasons, a search
	@set -eu; \
	$(BIN)/recsys-index dataset complete-journey --out $(DEMO)/data; \
	$(BIN)/recsys-index rebuild --data $(DEMO)/data --snapshots $(DEMO)/snapshots \
		--cache "$${RECSYS_CACHE:-$(DEMO)/embeddings}"; \
	$(BIN)/recsys-encoder --address 127.0.0.1:0 > $(DEMO)/encoder.log 2>&1 & encoder=$$!; \
	trap 'kill $$encoder 2>/dev/null || true; wait $$encoder 2>/dev/null || true' EXIT; \
	for _ in $$(seq 300); do \
		grep -q '^listening on ' $(DEMO)/encoder.log && break; \
		kill -0 $$encoder 2>/dev/null || break; \
		sleep 0.2; \
	done; \
	grep -q '^listening on ' $(DEMO)/encoder.log || \
		{ echo "the encoder did not start; it said:" >&2; cat $(DEMO)/encoder.log >&2; exit 1; }; \
	$(BIN)/recsys-server --snapshots $(DEMO)/snapshots --address 127.0.0.1:$(DEMO_PORT) --clock snapshot \
		--encoder "$$(sed -n 's/^listening on //p' $(DEMO)/encoder.log)" > $(DEMO)/server.log 2>&1 & server=$$!; \
	trap 'kill $$server $$encoder 2>/dev/null || true; wait $$server $$encoder 2>/dev/null || true' EXIT; \
	for _ in $$(seq 300); do \
		grep -q '^worker .* serves ' $(DEMO)/server.log && break; \
		kill -0 $$server 2>/dev/null || break; \
		sleep 0.2; \
	done; \
	grep -q '^worker .* serves ' $(DEMO)/server.log || \
		{ echo "the server did not start; it said:" >&2; cat $(DEMO)/server.log >&2; exit 1; }; \
	target=$$(sed -n 's/^listening on //p' $(DEMO)/server.log); \
	for user in $(DEMO_USERS); do \
		echo; $(BIN)/recsys-client recommend "$$user" --limit 8 --explain --target "$$target"; \
	done; \
	echo; $(BIN)/recsys-client recommend $(firstword $(DEMO_USERS)) --serving-config discover --limit 4 --explain \
		--target "$$target"; \
	echo; $(BIN)/recsys-client similar $(DEMO_ITEM) --limit 5 --explain --target "$$target"; \
	echo; $(BIN)/recsys-client search "$(DEMO_QUERY)" --user $(firstword $(DEMO_USERS)) --limit 5 --explain \
		--target "$$target"; \
	kill $$server $$encoder; wait $$server $$encoder; trap - EXIT; \
	printf '%s\n' '' 'The server has been stopped. To ask for more, start it again in one terminal, and the encoder in another' \
		'  $(BIN)/recsys-server --snapshots $(DEMO)/snapshots --clock snapshot --encoder 127.0.0.1:50061' \
		'  $(BIN)/recsys-encoder' \
		'and ask in a third' \
		'  $(BIN)/recsys-client users' \
		'  $(BIN)/recsys-client recommend 1 --explain' \
		'  $(BIN)/recsys-client recommend 1 --serving-config discover --explain' \
		'  $(BIN)/recsys-client search "something for a barbecue" --user 1 --explain' \
		'  $(BIN)/recsys-batch --users all --limit 10 --out lists.parquet'

clean:  ## delete what the other targets made, but not .venv and .venv-peers
	rm -rf $(DEMO) bench build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find recsys index server client protos tests -name __pycache__ -type d -prune -exec rm -rf {} +
