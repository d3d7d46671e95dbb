# Everything a newcomer needs: `make serve` and `make test`. Needs Python 3.11 or newer and make, nothing else.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do command -v $$name && break; done)
BIN := .venv/bin
ENVIRONMENT := .venv/.complete
BASELINE := headwise.v1.baseline.json
PROTOS := $(wildcard proto/headwise/*/*.proto)
# The workers are as many as the cores: each does its numbers on one.
test test-quick coverage: export OMP_NUM_THREADS := 1
PARALLEL := -n logical --maxprocesses 4 --dist loadfile
EXAMPLES := tumor wine digits parity parity_logit parity_two digit_traits severity diabetes

.PHONY: e2e-compose podman faults soak help serve models test test-quick coverage test-system bench-tripwires bench-inspect bench-calibration bench-calibration-cost bench bench-quick wrk check lint format types imports security fuzz fuzz-quick sbom audit proto proto-check proto-baseline lock clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

serve: models ## train the example models if they are missing, then serve them on 127.0.0.1:8080
	@echo "[3/3] serving; Ctrl-C stops"
	@exec $(BIN)/headwise serve

models: $(ENVIRONMENT) ## train and export the example models that are missing
	@echo "[2/3] example models"
	@$(BIN)/python models/recipes/train.py

$(ENVIRONMENT): requirements/dev.txt
	@echo "[1/3] environment: .venv with $(PYTHON), about two minutes the first time"
	@$(PYTHON) -c 'import sys; sys.exit("headwise needs Python 3.11 or newer, this is " + sys.version) if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

test: $(ENVIRONMENT) .venv-clients/.complete ## every test that needs nothing beyond PyPI
	@$(BIN)/python -m pytest -m "not system and not thorough and not engine" $(PARALLEL) $(PYTEST_FLAGS)

test-quick: $(ENVIRONMENT) ## the unit tests, under a minute
	@$(BIN)/python -m pytest -m "not system" $(PARALLEL) tests/unit $(PYTEST_FLAGS)

test-system: export PATH := $(CURDIR)/.prometheus/usr/bin:$(PATH)
test-system: $(ENVIRONMENT) .prometheus/.complete ## the tests that need Debian packages; installs them
	@(command -v curl && command -v unzip && command -v haproxy) >/dev/null \
	  || (apt-get update -qq && apt-get install -qq -y --no-install-recommends curl unzip haproxy)
	@$(BIN)/python -m pytest -m "system and not thorough" $(PYTEST_FLAGS)

# Unpacked, not installed: the package starts a server of its own.
.prometheus/.complete:
	@rm -rf .prometheus && mkdir .prometheus
	@apt-get update -qq && cd .prometheus && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb .
	@touch $@
e2e-compose: $(ENVIRONMENT) ## build, `docker compose up`, kill, `down`, on Docker or podman; 5 minutes, then 2
	@$(BIN)/python -m pytest -m engine tests/system $(PYTEST_FLAGS)

podman: ## install an engine for e2e-compose, where there is none; Debian, as root
	@apt-get update -qq && apt-get install -qq -y --no-install-recommends podman runc netavark aardvark-dns iptables catatonit mmdebstrap

faults: $(ENVIRONMENT) wrk ## every fault of docs/faults.md, which it rewrites; Linux, as root, 12 minutes
	@(command -v nft && command -v faketime) >/dev/null || (apt-get update -qq && apt-get install -qq -y nftables faketime)
	@rm -f .faults.xml
	@$(BIN)/python -m pytest -m fault --in-time --junitxml .faults.xml $(PYTEST_FLAGS); $(BIN)/python docs/faults_page.py .faults.xml

soak: $(ENVIRONMENT) wrk ## a million requests: memory, files and tasks; 4 minutes
	@$(BIN)/python -m pytest -rP -k a_million_requests tests/faults $(PYTEST_FLAGS)

coverage: $(ENVIRONMENT) ## branch coverage of what runs inside the tests' own process
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q $(PARALLEL) tests/unit $(addprefix tests/contract/test_,surfaces.py tfs_stubs.py)
	@$(BIN)/coverage run -m pytest -q $(PARALLEL) -k "not example" $(addprefix tests/e2e/test_,bake_formulas.py export.py rewrite.py)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --fail-under=85

SERVING := fastapi litserve bentoml rayserve mlserver

bench: models wrk $(SERVING:%=.venv-bench-%/.complete) ## the gateway beside its peers and its limits; half an hour, 3 GB
	@$(BIN)/python bench/speed.py $(BENCH_FLAGS)

bench-quick: models wrk .venv-bench-fastapi/.complete ## the gateway beside a plain one and a no-op; 2 minutes
	@$(BIN)/python bench/speed.py --quick --results .bench-quick $(BENCH_FLAGS)

wrk:
	@command -v wrk >/dev/null || (apt-get update -qq && apt-get install -qq -y wrk)

# A peer that cannot be installed is listed with what uv said; there is no interpreter then.
.venv-bench-%/.complete: requirements/serving/%.txt
	@echo "environment: .venv-bench-$*"
	@rm -rf .venv-bench-$* && $(PYTHON) -m venv --without-pip .venv-bench-$*
	@$(BIN)/uv pip install --quiet --python .venv-bench-$*/bin/python --require-hashes -r $< 2>.venv-bench-$*.log \
	  || (tail -3 .venv-bench-$*.log; rm .venv-bench-$*/bin/python)
	@touch $@

bench-tripwires: $(ENVIRONMENT) ## what checking the numbers against the card costs
	@$(BIN)/python bench/tripwires.py

bench-inspect: models ## how long `headwise inspect` takes
	@$(BIN)/python bench/inspect_command.py

bench-calibration: models .venv-peers/.complete ## headwise's calibration beside other libraries; 10 minutes
	@OMP_NUM_THREADS=1 $(BIN)/python bench/calibration.py --plots docs/calibration --page docs/calibration.md

bench-calibration-cost: $(ENVIRONMENT) ## what a calibrated row, a fit and a choice cost
	@OMP_NUM_THREADS=1 $(BIN)/python bench/calibration_cost.py

.venv-clients/.complete: requirements/clients.txt
	@$(PYTHON) -m venv .venv-clients
	@.venv-clients/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements/clients.txt
	@touch $@

.venv-peers/.complete: $(wildcard requirements/peers*.txt)
	@$(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes --no-deps -r requirements/peers.txt
	@.venv-peers/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes --no-deps \
	  -r requirements/peers-torch.txt || echo "no torch for this system: the benchmark leaves probmetrics out"
	@touch $@

FUZZ_SECONDS := 600

fuzz: $(ENVIRONMENT) ## look for bytes that end in an error nobody raised: FUZZ_SECONDS=600 a target, one after the other
	@$(BIN)/python fuzz/campaign.py --seconds $(FUZZ_SECONDS) $(FUZZ_FLAGS)

fuzz-quick: $(ENVIRONMENT) ## the same for 30 s a target, two at a time
	@$(BIN)/python fuzz/campaign.py --seconds 30 --jobs 2

sbom: $(ENVIRONMENT) ## what the images are made of, as CycloneDX in dist/
	@$(BIN)/python requirements/sbom.py

.venv-audit/.complete: requirements/audit.txt
	@$(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements/audit.txt
	@touch $@

audit: .venv-audit/.complete ## known vulnerabilities of what is locked; needs an index that tells advisories
	@for lock in gateway embedded dev; do echo "requirements/$$lock.txt"; \
	  .venv-audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r requirements/$$lock.txt || exit 1; done

check: lint types imports security proto-check coverage test ## what CI runs, but for fuzz-quick and test-system

lint: $(ENVIRONMENT) ## ruff; hadolint
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/hadolint service/Dockerfile

format: $(ENVIRONMENT) ## format the code
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

types: $(ENVIRONMENT) ## mypy --strict
	@$(BIN)/mypy

security: $(ENVIRONMENT) ## bandit; deptry and pip check: dependencies that are missing, unused or at odds
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive service
	@$(BIN)/deptry service
	@$(BIN)/python -m pip check

imports: $(ENVIRONMENT) ## import-linter: the house's layers
	@$(BIN)/lint-imports

proto: $(ENVIRONMENT) ## generate the messages from proto/
	@$(BIN)/python -m grpc_tools.protoc -I proto --python_out=service --pyi_out=service $(PROTOS)
	@$(BIN)/python -m grpc_tools.protoc -I proto --grpc_python_out=service proto/headwise/v1/classification_service.proto

proto-check: proto ## fail if the committed messages are not what proto/ generates, or headwise.v1 breaks its callers
	@cd proto && ../$(BIN)/buf lint --path headwise/v1
	@cd proto && ../$(BIN)/buf breaking --path headwise/v1 --against $(BASELINE)
	@git diff --exit-code --stat -- service/headwise/v1 service/headwise/tfserving service/headwise/v2

proto-baseline: $(ENVIRONMENT) ## what headwise.v1 is now is what it is held against: for a release
	@cd proto && ../$(BIN)/buf build --path headwise/v1 -o $(BASELINE)

lock: $(ENVIRONMENT) ## pin every dependency with its hashes
	@for lock in "gateway:pyproject.toml --extra traces" "embedded:pyproject.toml --extra embedded --extra traces -c requirements/gateway.txt" \
	  "train:requirements/train.in --no-emit-package numpy -c requirements/embedded.txt" \
	  "dev:pyproject.toml --all-extras --group dev -c requirements/embedded.txt -c requirements/train.txt"; do \
	  $(BIN)/uv pip compile $${lock#*:} --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --no-annotate -o requirements/$${lock%%:*}.txt $(LOCK_FLAGS) || exit 1; done
	@$(BIN)/uv pip compile requirements/audit.in --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate -o requirements/audit.txt $(LOCK_FLAGS)
	@for peer in $(SERVING); do \
	  $(BIN)/uv pip compile requirements/serving/$$peer.in --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --no-annotate -o requirements/serving/$$peer.txt $(LOCK_FLAGS) || exit 1; done

clean: ## remove the environment, caches and trained models
	@rm -rf .venv .venv-clients .venv-peers .venv-audit .prometheus .fuzz .venv-bench-* .bench-quick $(filter-out $(wildcard bench/results/serving*),$(wildcard bench/results/*)) .mypy_cache .ruff_cache .pytest_cache .hypothesis $(addprefix models/,$(EXAMPLES))
