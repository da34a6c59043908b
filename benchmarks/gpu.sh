#!/bin/sh
# Runs a command on a machine without network, with the wheels that device.sh has put into .whl; the code is that of
# the repository. Usage: benchmarks/gpu.sh python3 benchmarks/gpu.py --data .data
set -eu
cd "$(dirname "$0")/.."
site=${TMPDIR:-/tmp}/site
python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$site" .whl/*.whl
PYTHONPATH=$PWD:$PWD/plugins:$site PYTHONUNBUFFERED=1 exec "$@"
