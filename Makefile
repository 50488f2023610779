# Everything a person needs: `make app` sets up and runs the explorer, `make test` sets up and runs all checks.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: app test test-slow test-lowest test-newest format lock licences audit clean

app: .venv/app.done
	$(BIN)/streamlit run app.py

test: .venv/test.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-slow: .venv/test.done
	$(BIN)/python -m pytest --slow -n 2 --dist loadfile --no-loadscope-reorder

# the tests with the lowest, or the newest, versions that the ranges in pyproject.toml allow, in an environment of their own
test-lowest test-newest:
	PYTHON=$(PYTHON) .ci/versions $(@:test-%=%)

format: .venv/test.done
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# exact versions of what the explorer needs, with hashes, for every platform: see docs/deployment.md
lock: .venv/test.done
	$(BIN)/python -m pip install --quiet "uv<1"
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra app --generate-hashes --no-annotate \
	    --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

licences: .venv/test.done
	$(BIN)/python -m pip install --quiet --editable ".[app,cluster,onnx,bench,dev]"
	$(BIN)/python .ci/licences.py

# known vulnerabilities of what the lock names; asks a database, so it needs the network
audit: .venv/test.done
	$(BIN)/python -m pip install --quiet "pip-audit<3"
	$(BIN)/pip-audit --disable-pip --require-hashes --requirement requirements.lock

# TORCH_INDEX: take torch and torchvision from this package index, such as PyTorch's for processors without a GPU
.venv/app.done: requirements.txt pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed; name one with make PYTHON=...')"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --index-url $(TORCH_INDEX) $(shell sed -n 's/^\(torch.*\)/"\1"/p' requirements.txt))
	$(BIN)/python -m pip install -r requirements.txt
	$(BIN)/python -m pip install --no-deps --editable .
	touch $@

.venv/test.done: .venv/app.done
	$(BIN)/python -m pip install --editable ".[app,cluster,onnx,dev]"
	touch $@

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
