#!/usr/bin/env bash
# Installs PyTorch, JAX and Keras beside this script, in .venv (ignored by git, about 5 GB).
#
#   bench/peers/install.sh              # with python3
#   PYTHON=python3.13 bench/peers/install.sh
#
# The registry's Linux wheel of PyTorch is linked against CUDA, and `import torch` opens those libraries on a
# machine without a GPU too. They are installed; Triton, which only a compiler for GPUs needs, is not.
set -euo pipefail
cd "$(dirname "$0")"

"${PYTHON:-python3}" -m venv .venv
pip() { .venv/bin/python -m pip --quiet --no-cache-dir "$@"; }

pip install 'numpy==2.4.*' 'safetensors==0.8.*' 'optax==0.2.*' 'jax[cpu]==0.10.*' 'keras==3.15.*' 'sacrebleu==2.6.*'
pip install --no-deps 'torch==2.15.0'
pip install filelock typing-extensions sympy networkx jinja2 fsspec
if [ "$(uname -sm)" = "Linux x86_64" ]; then
    pip install 'cuda-toolkit[cublas,cudart,cufft,cufile,cupti,cusolver,cusparse,nvjitlink,nvrtc,nvtx]==13.2.2' \
        'nvidia-cudnn-cu13==9.26.0.51' 'nvidia-cusparselt-cu13==0.8.1' 'nvidia-nccl-cu13==2.30.7' \
        'nvidia-nvshmem-cu13==3.7.2'
fi
.venv/bin/python -c 'import torch, jax; print("torch", torch.__version__, "jax", jax.__version__)'
KERAS_BACKEND=jax .venv/bin/python -c 'import keras; print("keras", keras.__version__)'
