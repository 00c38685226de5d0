#!/usr/bin/env bash
# Builds libllmrl_torch.so: build.sh OUTDIR [LIBTORCH]
# Without LIBTORCH the system's libtorch (/usr/include, the linker's own path) is used; LIBTORCH names an unpacked
# libtorch, or the torch folder inside a pip-installed PyTorch.
set -euo pipefail

out=${1:?usage: build.sh OUTDIR [LIBTORCH]}
root=${2:-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$out"

flags=(-O2 -fPIC -fvisibility=hidden -Wall -Wno-unknown-pragmas)
links=(-Wl,--no-as-needed -ltorch -ltorch_cpu -lc10)
if [[ -z $root ]]; then
  header=
  for folder in /usr/include /usr/local/include; do
    if [[ -f $folder/ATen/ATen.h ]]; then header=$folder; break; fi
  done
  [[ -n $header ]] || { echo "no libtorch headers under /usr/include: install libtorch-dev, or name a libtorch: build.sh OUTDIR LIBTORCH" >&2; exit 1; }
  # A standard folder must not be named again: that would reorder the C++ headers.
  if [[ $header != /usr/include ]]; then flags+=(-isystem "$header"); fi
  flags+=(-isystem "$header/torch/csrc/api/include")
  include=$header
else
  [[ -f $root/include/ATen/ATen.h ]] || { echo "$root/include/ATen/ATen.h is missing: LIBTORCH must name a libtorch folder" >&2; exit 1; }
  root=$(cd "$root" && pwd)
  flags+=(-isystem "$root/include" -isystem "$root/include/torch/csrc/api/include")
  links=("-L$root/lib" "-Wl,-rpath,$root/lib" "${links[@]}")
  # Old pip builds use the C++ ABI from before GCC 5; the symbols' names tell. Searched as bytes: binutils need not be there.
  abi=0
  if grep -qa '_ZN3c10[A-Za-z0-9_]*__cxx11' "$root/lib/libc10.so"; then abi=1; fi
  flags+=("-D_GLIBCXX_USE_CXX11_ABI=$abi")
  if [[ -f $root/lib/libtorch_cuda.so ]]; then links+=(-ltorch_cuda -lc10_cuda); fi
  include=$root/include
fi

# The version has moved between headers.
number() { { grep -hs "^#define TORCH_VERSION_$1 " "$include"/torch/{headeronly,csrc/api/include/torch,.}/version.h || true; } | awk 'NR == 1 {print $3}'; }
major=$(number MAJOR) minor=$(number MINOR)
[[ -n $major ]] || { echo "no libtorch version under $include/torch: is the installation complete?" >&2; exit 1; }
# The newest headers use C++20, the oldest compile as C++17 only.
if ((major > 2 || (major == 2 && minor >= 9))); then flags+=(-std=c++20); else flags+=(-std=c++17); fi

objects=()
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pids=()
for source in "$here"/*.cpp; do
  object=$work/$(basename "$source" .cpp).o
  objects+=("$object")
  "${CXX:-g++}" "${flags[@]}" -c "$source" -o "$object" &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done
"${CXX:-g++}" -shared "${objects[@]}" -o "$work/libllmrl_torch.so" "${links[@]}"
# Renamed into place so that a running program never maps a half-written file.
mv "$work/libllmrl_torch.so" "$out/.libllmrl_torch.so.new"
mv "$out/.libllmrl_torch.so.new" "$out/libllmrl_torch.so"
echo "built $out/libllmrl_torch.so against libtorch $major.$minor.$(number PATCH) (${root:-system})"
