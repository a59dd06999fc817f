# Every chore of the project; `make demo` and `make test` do all their set-up themselves.
#
#   make demo        forecast a real series and write a report       make bench   time it, against rivals
#   make test        lint, types, tests, examples: all that CI runs  make docs    the documentation
#   make test-slow   sanitizers, many seeds, long fits, real data    make clean   back to a fresh clone
#   make rivals      TensorFlow, JAX and ONNX Runtime for the benchmarks, in .rivals
#   make rivals-classifiers   sktime and aeon for the benchmark of fit times, in .rivals-classifiers

PYTHON ?= python3
WORKERS ?= 2
bin := .venv/bin
installed := .venv/.installed

DEMO ?= forecast example:sp500 --report demo-report.html --save demo-model
FRAMES ?= tests/data/io tests/data/labelled tests/data/parse tests/data/reshape tests/data/calendar tests/data/preprocess tests/data/test_gaps.py \
  tests/data/test_future.py tests/evaluate/forecasting/test_baselines.py tests/cli/commands/test_forecast.py

.PHONY: demo test tests test-beside test-pandas3 test-slow bench rivals rivals-classifiers docs clean

demo: $(installed)
	$(bin)/unrolled $(DEMO)
	@echo "The command is $(bin)/unrolled: try $(bin)/unrolled backtest example:sp500, or $(bin)/unrolled serve demo-model"

# Python's files are compiled once, not by each of the many processes that tests start.
unexport PYTHONDONTWRITEBYTECODE

# The types and pandas 3 take one core: they are checked beside the tests, which take two.
test: $(installed)
	$(bin)/ruff check --quiet .
	$(bin)/ruff format --check .
	$(MAKE) --no-print-directory -j 2 tests test-beside

# A worker a core, on one thread each; tests of threads set their number, and threads that wait must not spin.
in_workers := UNROLLED_REQUIRE_KERNELS=1 OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
tests: $(installed)
	$(in_workers) $(bin)/pytest -n $(WORKERS) --dist worksteal

# Its output is kept until it ends, so as not to stand among the dots of the tests.
test-beside: $(installed)
	@{ $(bin)/mypy && $(MAKE) --no-print-directory test-pandas3 WORKERS=1; } > .venv/beside.log 2>&1; \
	  status=$$?; cat .venv/beside.log; exit $$status

# Where frames come in and go out, on pandas 3 and without statsforecast.
test-pandas3: .venv-pandas3/.installed
	$(in_workers) .venv-pandas3/bin/pytest -n $(WORKERS) $(FRAMES)

test-slow: $(installed) .venv-pandas3/.installed
	UNROLLED_REQUIRE_KERNELS=1 $(bin)/pytest -m slow --timeout 3600
	$(MAKE) --no-print-directory test-pandas3 FRAMES=tests

bench: $(installed)
	$(bin)/python -m benchmarks.run

.venv-pandas3/.installed: .ci/pandas3.py $(installed)
	@echo "installing pandas 3 into .venv-pandas3, the rest is linked"
	@$(bin)/python .ci/pandas3.py
	@touch $@

rivals: .rivals/.installed

rivals-classifiers: .rivals-classifiers/.installed

docs: $(installed)
	$(bin)/python docs/build.py

clean:
	rm -rf .venv .venv-pandas3 .rivals .rivals-classifiers build dist docs/_site demo-report.html demo-model .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Python's sources are used where they lie; what is compiled or declared is installed anew when it changes.
compiled := pyproject.toml constraints.txt CMakeLists.txt $(wildcard src/unrolled/kernels/*/*.?pp src/unrolled/kernels/*/*/*.?pp)

$(installed): .venv/.created $(compiled)
	@echo "installing what pyproject.toml and constraints.txt name into .venv: about a minute"
	@$(MAKE) --no-print-directory -j 2 .venv/.dependencies .venv/.kernels
	@touch $@

# pip would compile Python's files on one core, and only after the kernels; a file for a newer Python may fail.
.venv/.dependencies: .venv/.created pyproject.toml constraints.txt
	@$(bin)/python -c "$$print_dependencies" > .venv/dependencies.txt
	@$(bin)/python -m pip install -qq --disable-pip-version-check --no-compile -c constraints.txt -r .venv/dependencies.txt
	@$(bin)/python -m compileall -qq -j 0 .venv/lib || true
	@touch $@

.venv/.kernels: .venv/.created $(compiled)
	@$(bin)/python -m pip install -qq --disable-pip-version-check --no-deps -e .
	@touch $@

define print_dependencies
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print(*project["dependencies"], *project["optional-dependencies"]["dev"], sep="\n")
endef
export print_dependencies

.rivals/.installed: benchmarks/rivals.txt
	@echo "installing what benchmarks/rivals.txt names into .rivals: about 2 GB, some minutes"
	@$(PYTHON) -m venv .rivals
	@.rivals/bin/python -m pip install -qq --disable-pip-version-check -r benchmarks/rivals.txt
	@touch $@

.rivals-classifiers/.installed: benchmarks/rivals-classifiers.txt
	@echo "installing what benchmarks/rivals-classifiers.txt names into .rivals-classifiers: some minutes"
	@$(PYTHON) -m venv .rivals-classifiers
	@.rivals-classifiers/bin/python -m pip install -qq --disable-pip-version-check -r benchmarks/rivals-classifiers.txt
	@touch $@

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) must be Python 3.11 or newer; name another with make PYTHON=python3.x" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "make: $(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@
