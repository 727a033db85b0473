# make run: a first benchmark from nothing. make test: linter and tests. make quick: tests of a minute or two.
# make site: the published results as pages, with the pictures of the sweeps in outputs/. Each does its own set-up.
PYTHON ?= python3
BIN := .venv/bin
# Idle OpenMP threads that spin make two torch processes slow each other down many times over.
export OMP_WAIT_POLICY ?= PASSIVE
export MLFLOW_DISABLE_TELEMETRY ?= true

.PHONY: run test quick site speed gpu reproduce lock clean

run: .venv/installed
	@$(BIN)/python run.py experiment=quick
	@$(BIN)/python -m results outputs/quick --figures > /dev/null
	@echo "Figures: outputs/quick/figures"

test: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $${TEST_WORKERS:-2} --dist loadfile

quick: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $${TEST_WORKERS:-2} --dist loadfile -m "not slow"

PUBLISHED := results/published
site: run
	$(BIN)/python -m results.site $(filter-out %/networks.json,$(wildcard $(PUBLISHED)/*.json)) \
		$(PUBLISHED)/networks.json+$(PUBLISHED)/networks_maps.json \
		--pictures outputs --out outputs/site

speed: .venv/installed .venv-quantus/installed
	$(BIN)/python -m tests.speed.sharing
	@held=0; export OMP_NUM_THREADS=1; \
	.venv-quantus/bin/python -m tests.speed.quantus_speed || held=1; \
	$(BIN)/python -m tests.speed.speed || held=1; exit $$held

gpu: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.speed.gpu

reproduce: .venv/installed
	$(BIN)/python -m benchmarks.reproduce

lock: .venv/installed
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra weights --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.lock > /dev/null

.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"glassbench needs Python >= 3.11; $(PYTHON) is {sys.version.split()[0]}")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@touch $@

# Quantus needs numpy < 2.4; all else comes from .venv, which this environment sees behind its own packages.
.venv-quantus/installed: .venv/installed
	$(PYTHON) -m venv .venv-quantus
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
		"$$(.venv-quantus/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/behind.pth"
	.venv-quantus/bin/python -m pip install --quiet --disable-pip-version-check 'quantus==0.6.0' 'numpy<2.4'
	@touch $@

clean:
	rm -rf .venv .venv-quantus
