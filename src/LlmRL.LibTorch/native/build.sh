#!/usr/bin/env bash
# Builds libllmrl_torch.so: build.sh OUTDIR [LIBTORCH]
# Without LIBTORCH the system's libtorch (/usr/include, the linker's own path) is used; LIBTORCH names an unpacked
# libtorch, or the torch folder inside a pip-installed PyTorch.
set -euo pipefail

out=${1:?usage: build.sh OUTDIR [LIBTORCH]}
root=${2:-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$out"

flags=(-O2 -std=c++17 -fPIC -fvisibility=hidden -Wall -Wno-unknown-pragmas)
links=(-Wl,--no-as-needed -ltorch -ltorch_cpu -lc10)
if [[ -z $root ]]; then
  header=
  for folder in /usr/include /usr/local/include; do
    if [[ -f $folder/ATen/ATen.h ]]; then header=$folder; break; fi
  done
  [[ -n $header ]] || { echo "no libtorch headers under /usr/include: install libtorch-dev, or name a libtorch: build.sh OUTDIR LIBTORCH" >&2; exit 1; }
  flags+=("-I$header" "-I$header/torch/csrc/api/include")
  version_file=$header/torch/csrc/api/include/torch/version.h
  [[ -f $version_file ]] || version_file=$header/torch/version.h
else
  [[ -f $root/include/ATen/ATen.h ]] || { echo "$root/include/ATen/ATen.h is missing: LIBTORCH must name a libtorch folder" >&2; exit 1; }
  root=$(cd "$root" && pwd)
  flags+=("-I$root/include" "-I$root/include/torch/csrc/api/include")
  links=("-L$root/lib" "-Wl,-rpath,$root/lib" "${links[@]}")
  # Old pip builds use the C++ ABI from before GCC 5; the symbols tell.
  if nm -D --defined-only "$root/lib/libc10.so" | grep -q __cxx11; then flags+=(-D_GLIBCXX_USE_CXX11_ABI=1); else flags+=(-D_GLIBCXX_USE_CXX11_ABI=0); fi
  if [[ -f $root/lib/libtorch_cuda.so ]]; then links+=(-ltorch_cuda -lc10_cuda); fi
  version_file=$root/include/torch/csrc/api/include/torch/version.h
  [[ -f $version_file ]] || version_file=$root/include/torch/version.h
fi

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
part() { sed -n "s/^#define TORCH_VERSION_$1 //p" "$version_file"; }
echo "built $out/libllmrl_torch.so against libtorch $(part MAJOR).$(part MINOR).$(part PATCH) (${root:-system})"
