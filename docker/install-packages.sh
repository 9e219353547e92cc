#!/bin/sh
# Installs the locked packages of some extras into /opt/eddy/venv: sh install-packages.sh train dashboard
# TORCH_INDEX: package index to take torch from; one that has CPU builds saves gigabytes.
set -eu

lock=requirements.txt
extras=""
for extra in "$@"; do extras="$extras --extra $extra"; done

python3.11 -m venv /opt/uv # beside the packages, and left behind with this stage
/opt/uv/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.txt
python3.11 -m venv --without-pip /opt/eddy/venv
install="/opt/uv/bin/uv pip install --python /opt/eddy/venv/bin/python"

if [ -n "${TORCH_INDEX:-}" ]; then
  # The lock's hashes are those of the default build: torch comes by its version, and the libraries of GPUs are left out.
  torch="$(sed -nE 's/^(torch==[^ ]+).*/\1/p' "$lock")"
  awk '/^[a-zA-Z0-9]/ { skip = /^(torch|triton|nvidia-[a-z0-9-]*|cuda-[a-z0-9-]*)==/ } !skip' "$lock" >lock-without-torch.txt
  lock=lock-without-torch.txt
  case " $* " in *" train "*) $install --index-url "$TORCH_INDEX" "$torch" ;; esac
fi
# uv checks the hashes that stand in the constraints
# shellcheck disable=SC2086  # a list of options
$install -c "$lock" -r pyproject.toml $extras
