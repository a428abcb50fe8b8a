# make demo    a real model, real pairs, two MPI ranks: from nothing to a trained folder
# make test    every test
# make test-cluster  faults and layouts on several hosts in network namespaces, with Slurm (root; CLUSTER_ARGS="--only 'kill-*' --seed 1")
# make test-kills  training killed 200 times at random moments while it saves (KILLS=200 KILLS_SEED=1)
# make bench   speed and memory held to their goals, beside TRL, PyTorch and transformers where they are (BENCH_PYTHON=a Python that
#              has torch, transformers and trl); takes hours: BENCH_ARGS=--quick, or BENCH_ARGS="--only dpo,start"
# make bench-data  a million rows through the token cache in bounded memory; fails when it is not (needs python3 alone)
# make parity  the real model against PyTorch (the same Python)
# make parity-gemma  the second real model, Gemma 3 270M out of a GGUF file (the same Python)
# make parity-architectures  a random model of every architecture against PyTorch (the same Python)
# make parity-trl  whole training runs beside TRL's trainers, loss by loss (the same Python)
# make install PREFIX=/usr/local
# make format  the source in its one format

PREFIX ?= /usr/local
KILLS ?= 200
KILLS_SEED ?= 1
BENCH_PYTHON ?= python3
BENCH_ROWS ?= 8
BENCH_REPEATS ?= 5
BENCH_ARGS ?=
BENCH_DATA_ROWS ?= 1000000
CLUSTER_ARGS ?=
BUILD := swift build -c release
RELEASE := .build/release

.PHONY: build shims demo test test-kills test-cluster bench bench-data parity parity-gemma parity-architectures parity-trl install format lint clean

build: shims
	scripts/setup
	$(BUILD) --product treg
	$(BUILD) --product treg-launch

# One shim per MPI that is installed; the worker loads the one that fits how it was started.
shims:
	scripts/setup
	$(MAKE) --no-print-directory -C CMPI OUT=$(CURDIR)/.build/cmpi

demo: build
	demo/run

test: shims
	scripts/setup tests
	$(MAKE) --no-print-directory -C CMPI OUT=$(CURDIR)/.build/cmpi
	$(BUILD) --build-tests
	python3 Tests/Cluster/check_mpijob.py
	bash -n cluster/slurm/train.sbatch && bash -n cluster/slurm/rewards-array.sbatch
	scripts/test

test-cluster: build
	python3 Tests/Cluster/check_mpijob.py
	python3 Tests/Cluster/run.py --bin $(RELEASE) $(CLUSTER_ARGS)

test-kills: shims
	$(BUILD) --build-tests
	TREG_KILLS=$(KILLS) TREG_KILLS_SEED=$(KILLS_SEED) scripts/test --filter CheckpointKillTests

bench: build
	$(BENCH_PYTHON) Benchmarks/run.py --treg $(RELEASE)/treg --model "$$(python3 demo/fetch_model.py)" \
	  --python $(BENCH_PYTHON) --rows $(BENCH_ROWS) --repeats $(BENCH_REPEATS) \
	  --report .build/bench.json --plot .build/bench.svg $(BENCH_ARGS)

bench-data: build
	$(BENCH_PYTHON) Benchmarks/million_rows.py --treg $(RELEASE)/treg --rows $(BENCH_DATA_ROWS)

parity: build
	$(BENCH_PYTHON) Tests/Oracles/parity_real.py --treg $(RELEASE)/treg --model "$$(python3 demo/fetch_model.py)"

parity-gemma: build
	$(BENCH_PYTHON) Tests/Oracles/parity_gemma.py --treg $(RELEASE)/treg --model "$$(python3 demo/fetch_model.py gemma)"

parity-architectures: build
	$(BENCH_PYTHON) Tests/Oracles/check_architectures.py --treg $(RELEASE)/treg

parity-trl: build
	$(BENCH_PYTHON) Tests/Oracles/check_trl_runs.py --treg $(RELEASE)/treg

install: shims
	$(BUILD) --product treg --static-swift-stdlib
	$(BUILD) --product treg-launch --static-swift-stdlib
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/treg
	install $(RELEASE)/treg $(RELEASE)/treg-launch $(DESTDIR)$(PREFIX)/bin
	install .build/cmpi/libcmpi-*.so $(DESTDIR)$(PREFIX)/lib/treg

FORMATTED := Package.swift Sources launch Tests

format:
	swift format --in-place --recursive --parallel --configuration .swift-format $(FORMATTED)

lint:
	swift format lint --strict --recursive --parallel --configuration .swift-format $(FORMATTED)

clean:
	rm -rf .build
