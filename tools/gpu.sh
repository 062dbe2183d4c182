#!/usr/bin/env bash
# Trains frames on one GPU for some minutes: large batches, bfloat16, compiled, channels last.
#   tools/gpu.sh [MINUTES] [SETTING=VALUE ...]
# A second call goes on where the first ended. Checkpoints, scores by round and weights are in
# output/frames. Settings are those of model_config.ini; device=cpu tries it without a GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-15}
shift || true
.venv/bin/python bench/frame_projected.py train data/weights/frames.safetensors --minutes "$minutes" \
  --set device=cuda bs=128 lr=5e-4 lr_critic=5e-4 bf16=true compiled=true steps=20000 every=200 "$@"
