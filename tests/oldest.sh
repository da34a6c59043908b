#!/usr/bin/env bash
# Runs tests with the oldest versions that pyproject.toml allows, torch first of all, in a fresh virtual environment
# (6 GB for the time it takes). Usage: tests/oldest.sh [arguments of pytest]; without any, all tests but the slow ones.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PYTHONPATH VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK=1 LATENTBENCH_CACHE=$work/cache UV_CACHE_DIR=$work/uv

python3 -m venv "$work/venv"
PATH=$work/venv/bin:$PATH
python -m pip install -q uv
uv pip install -q --python "$work/venv/bin/python" --resolution lowest-direct -e '.[test]'
python -c 'import importlib.metadata as m; print(*(f"{n} {m.version(n)}" for n in ("torch", "numpy", "pandas", "scikit-learn", "pydantic")), sep=", ")'

# Old libraries call what newer ones, on which they depend, have deprecated: that is not for us to mend.
test $# -gt 0 || set -- -n auto --dist loadfile
python -m pytest -p no:cacheprovider -W ignore::DeprecationWarning -W ignore::PendingDeprecationWarning "$@"
