#!/bin/sh
# Puts what `python benchmarks/gpu.py` needs on a machine without network into .whl and .data: wheels for Python 3.12
# on x86-64 of what such a machine's torch environment lacks, latentbench's entry points, and Fashion-MNIST.
# Usage: benchmarks/device.sh [FOLDER with Fashion-MNIST's four idx.gz files]; see benchmarks/README.md.
set -eu
cd "$(dirname "$0")/.."
data=${1:-/usr/share/datasets/fashion-mnist}

exclude=$(git rev-parse --git-path info/exclude)
mkdir -p "$(dirname "$exclude")"
for folder in .whl .data; do
    grep -qxF "/$folder/" "$exclude" 2>/dev/null || echo "/$folder/" >>"$exclude"
    rm -rf "$folder"
    mkdir "$folder"
done

# POT 0.9.7's wheel has 33 MB, 31 of them for a function that is not used here.
for package in \
    annotated-types==0.8.0 \
    POT==0.9.6.post1 \
    prdc==0.2 \
    pydantic==2.14.3 \
    pydantic_core==2.50.4 \
    pynndescent==0.7.0 \
    pythae==0.1.2 \
    scikit-dimension==0.5.0 \
    typing_extensions==4.16.0 \
    typing-inspection==0.4.5 \
    umap-learn==0.5.12; do
    python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --python-version 3.12 --implementation cp \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_24_x86_64 \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform manylinux1_x86_64 \
        --dest .whl "$package"
done
# Only its metadata counts, which names the plugins: the code is imported from the repository, first on PYTHONPATH.
python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir .whl .

cp "$data"/*-ubyte.gz .data/
du -sh .whl .data
