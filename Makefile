# Everything a person needs: `make app` sets up and runs the explorer, `make test` sets up and runs all checks.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: app test test-slow format clean

app: .venv/app.done
	$(BIN)/streamlit run app.py

test: .venv/test.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

test-slow: .venv/test.done
	$(BIN)/python -m pytest --slow

format: .venv/test.done
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/app.done: requirements.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed; name one with make PYTHON=...')"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -r requirements.txt
	touch $@

.venv/test.done: requirements-dev.txt .venv/app.done
	$(BIN)/python -m pip install -r requirements-dev.txt
	touch $@

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
