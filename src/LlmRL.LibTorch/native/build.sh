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
cuda=0
if [[ -z $root ]]; then
  header=
  for folder in /usr/include /usr/local/include; do
    if [[ -f $folder/ATen/ATen.h ]]; then header=$folder; break; fi
  done
  [[ -n $header ]] || { echo "no libtorch headers under /usr/include: install libtorch-dev, or name a libtorch: build.sh OUTDIR LIBTORCH" >&2; exit 1; }
  # A standard folder must not be named again: that would reorder the C++ headers.
  if [[ $header != /usr/include ]]; then flags+=(-isystem "$header"); fi
  flags+=(-isystem "$header/torch/csrc/api/include")
  if "${CXX:-g++}" -print-file-name=libtorch_cuda.so | grep -q /; then cuda=1; fi
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
  if [[ -f $root/lib/libtorch_cuda.so ]]; then cuda=1; fi
  include=$root/include
fi
if ((cuda)); then links+=(-ltorch_cuda -lc10_cuda); fi

# The version has moved between headers.
number() { { grep -hs "^#define TORCH_VERSION_$1 " "$include"/torch/{headeronly,csrc/api/include/torch,.}/version.h || true; } | awk 'NR == 1 {print $3}'; }
major=$(number MAJOR) minor=$(number MINOR)
[[ -n $major ]] || { echo "no libtorch version under $include/torch: is the installation complete?" >&2; exit 1; }
# The newest headers use C++20, the oldest compile as C++17 only.
if ((major > 2 || (major == 2 && minor >= 9))); then flags+=(-std=c++20); else flags+=(-std=c++17); fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/check.c" <<'EOF'
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char** paths) {
  for (int i = 1; i < count; i++)
    if (!dlopen(paths[i], RTLD_NOW)) return fprintf(stderr, "%s\n", dlerror()), 1;
  return 0;
}
EOF
# Whether libraries load, one after the other; says why not on the error stream.
loads() {
  [[ -x $work/check ]] || "${CXX:-g++}" -x c "$work/check.c" -o "$work/check" -ldl
  "$work/check" "$@"
}

# What the runtime's headers need of CUDA's crt/host_defines.h where no package has brought it: annotations for the device's compiler, which mean nothing to this one.
host_defines() {
  local name
  mkdir -p "$1"
  {
    echo '#pragma once'
    for name in __host__ __device__ __global__ __shared__ __constant__ __managed__ __device_builtin__ __cudart_builtin__ __device_builtin_texture_type__ \
      __device_builtin_surface_type__ CUDARTAPI CUDARTAPI_CDECL; do echo "#define $name"; done
    for name in __align__ __builtin_align__; do echo "#define $name(n) __attribute__((aligned(n)))"; done
  } >"$1/host_defines.h"
}

# CUDA graphs need the headers of CUDA's runtime, which pip keeps beside torch (in one folder since CUDA 13), a toolkit below /usr/local, and Debian in /usr/include.
# Pip's package of the runtime may lack the folder crt, which others have.
cuda_headers() {
  local site=${root:+$(dirname "$root")} folder runtime= crt=
  ((cuda)) || { echo "this libtorch has no CUDA"; return 1; }
  local folders=()
  if [[ -n $site ]]; then folders+=("$site"/nvidia/cu[0-9]*/include "$site/nvidia/cuda_runtime/include"); fi
  folders+=("${CUDA_HOME:-/usr/local/cuda}/include" "${CUDA_PATH:-/usr/local/cuda}/include" /usr/local/cuda*/include "$include" /usr/include)
  if [[ -n $site ]]; then folders+=("$site/triton/backends/nvidia/include" "$site/nvidia/cuda_nvcc/include" "$site/nvidia/cuda_crt/include"); fi
  for folder in "${folders[@]}"; do
    if [[ -z $runtime && -f $folder/cuda_runtime_api.h ]]; then runtime=$folder; fi
    if [[ -z $crt && -f $folder/crt/host_defines.h ]]; then crt=$folder; fi
  done
  [[ -n $runtime ]] || { echo "no cuda_runtime_api.h beside torch or below /usr/local/cuda (CUDA_HOME names another toolkit)"; return 1; }
  if [[ -z $crt ]]; then
    crt=$work/cuda
    host_defines "$crt/crt"
  fi
  cuda_flags=(-DLLMRL_CUDA_GRAPHS)
  for folder in "$runtime" "$crt"; do
    # As above: a standard folder must not be named again.
    if [[ $folder != /usr/include ]]; then cuda_flags+=(-isystem "$folder"); fi
  done
}

link() { "${CXX:-g++}" -shared "$work"/*.o -o "$work/libllmrl_torch.so" "${links[@]}"; }

cuda_flags=()
pids=()
for source in "$here"/*.cpp; do
  "${CXX:-g++}" "${flags[@]}" -c "$source" -o "$work/$(basename "$source" .cpp).o" &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done
link

# The library is there without graphs; with them it takes its place, if it can be built and loads.
graphs="no CUDA graphs: "
if ! cuda_headers >"$work/reason"; then
  graphs+=$(tail -n 1 "$work/reason")
else
  mkdir "$work/plain"
  mv "$work/llmrl_cuda.o" "$work/libllmrl_torch.so" "$work/plain"
  if "${CXX:-g++}" "${flags[@]}" "${cuda_flags[@]}" -c "$here/llmrl_cuda.cpp" -o "$work/llmrl_cuda.o" 2>"$work/reason" && link 2>"$work/reason" && loads "$work/libllmrl_torch.so" 2>"$work/reason"; then
    graphs="with CUDA graphs"
  else
    graphs+=$(grep -m 1 -E 'error|undefined|cannot|not found' "$work/reason" || tail -n 1 "$work/reason")
    mv "$work/plain/libllmrl_torch.so" "$work/libllmrl_torch.so"
  fi
fi
# Renamed into place so that a running program never maps a half-written file.
mv "$work/libllmrl_torch.so" "$out/.libllmrl_torch.so.new"
mv "$out/.libllmrl_torch.so.new" "$out/libllmrl_torch.so"
echo "built $out/libllmrl_torch.so against libtorch $major.$minor.$(number PATCH) (${root:-system}), $graphs"

# Debian's libtorch names OpenCV and FFmpeg, which bring 200 libraries, 70 MB and 0.1 s into every process, and calls none of their functions. Empty libraries of
# those names, loaded first, keep them out. Only names of which no symbol is used get one, and what was built must load with them.
stand_ins() {
  local torch name path used=$work/used folder=$work/stand-ins
  torch=$(ldd "$out/libllmrl_torch.so" | awk '$1 ~ /^libtorch_cpu/ {print $3}')
  mkdir "$folder"
  nm -D --undefined-only "$torch" | awk '{sub(/@.*/, "", $NF); print $NF}' | sort -u >"$used"
  readelf -d "$torch" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -E '^lib(opencv_|avcodec|avformat|avutil|swscale|swresample)' >"$work/names" || return 0
  while read -r name; do
    path=$(ldd "$torch" | awk -v name="$name" '$1 == name {print $3}')
    if [[ -f $path ]] && (($(nm -D --defined-only "$path" | awk '{sub(/@.*/, "", $NF); print $NF}' | sort -u | comm -12 - "$used" | wc -l) > 0)); then continue; fi
    "${CXX:-g++}" -shared -nostdlib "-Wl,-soname,$name" -x c /dev/null -o "$folder/$name"
  done <"$work/names"
  if loads "$folder"/* "$out/libllmrl_torch.so"; then
    rm -rf "$out/stand-ins"
    mv "$folder" "$out/stand-ins"
  else
    echo "libtorch does not load without the libraries that it names and does not call: all are loaded" >&2
  fi
}
rm -rf "$out/stand-ins"
[[ -n $root ]] || stand_ins
