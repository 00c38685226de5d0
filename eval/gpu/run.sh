#!/usr/bin/env bash
# Checks and times LlmRL on a machine with a GPU that has neither the .NET SDK nor a network, only a C++ compiler and a python3 with torch.
#
#   eval/gpu/run.sh pack [FILE]    on a machine with the .NET SDK: makes .build/gpu/llmrl-gpu.tar.gz, which holds all that is needed
#   eval/gpu/run.sh [options]      there, in the unpacked archive, or in a checkout that the archive was brought along with
#
#   --device cuda|cpu   default cuda; cpu walks through the very same steps
#   --small             tiny shapes: minutes on one core
#   --out DIR           default eval/gpu/results/DATE-DEVICE
#   --models "A B"      default: A, qwen2.5-0.5b and tinyllama-1.1b
#   --phases "P Q"      default: generate logprobs sft reward dpo grpo ppo
#   --dtypes "T U"      default: bfloat16 float32; on the CPU in ATen operators, as on a GPU
#   --steps N           timed steps of a phase, default 3
#   --python PYTHON     whose torch is used, default python3
#   --system            the libtorch below /usr/include instead of python's
#   --only check|bench  one half
set -euo pipefail

here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$root/.build/gpu
archive=$build/llmrl-gpu.tar.gz
native=src/LlmRL.LibTorch/native

die() { printf 'run.sh: %s\n' "$*" >&2; exit 2; }
say() { printf 'run.sh: %s\n' "$*" >&2; }

pack() {
  command -v dotnet >/dev/null || die "pack needs the .NET SDK 10"
  local target=${1:-$archive} stage
  stage=$(mktemp -d)
  trap 'rm -rf "$stage"' RETURN
  local bundle=$stage/llmrl-gpu
  mkdir -p "$bundle/app" "$bundle/eval/gpu" "$bundle/models" "$bundle/$native" "$(dirname "$target")"
  # One folder for both programs: they share the runtime.
  local project
  for project in src/LlmRL.Cli eval/gpu; do
    say "publishing $project"
    dotnet publish "$root/$project" -c Release -r linux-x64 --self-contained -p:DebugType=none -p:RunAnalyzers=false -o "$bundle/app" -nologo -v quiet -clp:'ErrorsOnly;NoSummary' >&2
  done
  rm -f "$bundle/app"/*.xml
  cp "$root"/models/*.json "$bundle/models/"
  cp "$root"/eval/gpu/*.json "$root"/eval/gpu/run.sh "$bundle/eval/gpu/"
  cp "$root/$native"/* "$bundle/$native/"
  { git -C "$root" rev-parse --short HEAD && { git -C "$root" diff --quiet HEAD || echo '(with changes)'; }; } 2>/dev/null | paste -sd' ' >"$bundle/commit" || true
  tar -C "$stage" -czf "$target.part" llmrl-gpu
  mv "$target.part" "$target"
  say "$target, $(du -h "$target" | cut -f1)"
}

if [[ ${1:-} == pack ]]; then
  shift
  pack "$@"
  exit
fi

device=cuda small='' out='' models='' phases='' dtypes='' steps=3 python=python3 system='' only=''
while (($# > 0)); do
  case $1 in
    --small) small=1; shift; continue ;;
    --system) system=1; shift; continue ;;
    --device|--out|--models|--phases|--dtypes|--steps|--python|--only) (($# > 1)) || die "$1 needs a value" ;;
    *) die "$1 is no option; the first lines of this file list them" ;;
  esac
  declare "${1#--}=$2"
  shift 2
done
[[ $device == cuda || $device == cpu ]] || die "--device $device: use cuda or cpu"
[[ -z $only || $only == check || $only == bench ]] || die "--only $only: use check or bench"

# The program: beside this script in an unpacked archive, else in the archive that a checkout was brought along with.
bundle=$root
if [[ ! -x $root/app/llmrl-gpu ]]; then
  [[ -f $archive ]] || die "there is no program: run eval/gpu/run.sh pack on a machine with the .NET SDK, and bring $archive along"
  if [[ ! -x $build/llmrl-gpu/app/llmrl-gpu || $archive -nt $build/llmrl-gpu/app/llmrl-gpu ]]; then
    rm -rf "$build/llmrl-gpu"
    tar -C "$build" -xzmf "$archive"
  fi
  bundle=$build/llmrl-gpu
fi

# libtorch: python's, as the folder torch/ with include/ and lib/, else the system's.
ask() { "$python" -c "import torch; $1" 2>/dev/null || true; }
torch=''
if [[ -z $system ]]; then
  command -v "$python" >/dev/null || die "there is no $python: name one that has torch with --python, or use the system's libtorch with --system"
  torch=$(ask 'print(torch.__path__[0])')
  [[ -n $torch ]] || die "$python has no torch ($("$python" -c 'import torch' 2>&1 | tail -n 1)): pip install torch, name another with --python, or use the system's libtorch with --system"
  [[ -f $torch/include/ATen/ATen.h && -e $torch/lib/libtorch_cpu.so ]] || die "$torch has no include/ATen/ATen.h or no lib/libtorch_cpu.so: it is no whole PyTorch"
  if [[ $device == cuda ]]; then
    [[ -e $torch/lib/libtorch_cuda.so ]] || die "the PyTorch in $torch ($(ask 'print(torch.__version__)')) was built without CUDA: install one with it, or use --device cpu"
    [[ $(ask 'print(torch.cuda.is_available())') == True ]] || die "PyTorch sees no CUDA device ($(nvidia-smi -L 2>&1 | head -n 1)): is the driver installed and as new as PyTorch's CUDA $(ask 'print(torch.version.cuda)')?"
  fi
elif [[ $device == cuda ]]; then
  compgen -G '/usr/lib/*/libtorch_cuda.so*' >/dev/null || die "the system's libtorch was built without CUDA: leave --system out, or use --device cpu"
fi

for name in "${CXX:-g++}" c++ clang++; do
  if command -v "$name" >/dev/null; then export CXX=$name; break; fi
done
command -v "${CXX:-none}" >/dev/null || die "there is no C++ compiler: install g++, or name one with CXX"

# A pip PyTorch on CUDA finds cuBLAS and its like in packages beside it.
if [[ -n $torch ]]; then
  LD_LIBRARY_PATH=$torch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  for folder in "$torch"/../nvidia/*/lib; do
    [[ ! -d $folder ]] || LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$folder
  done
  export LD_LIBRARY_PATH
fi

version=$([[ -n $torch ]] && ask 'print(torch.__version__)' || echo system)
stamp="$version $torch $(cat "$bundle/$native"/* | cksum)"
if [[ ! -f $build/native/libllmrl_torch.so || ! -f $build/native/stamp || $(<"$build/native/stamp") != "$stamp" ]]; then
  mkdir -p "$build/native"
  bash "$bundle/$native/build.sh" "$build/native" ${torch:+"$torch"} >"$build/native/log" 2>&1 \
    || { tail -n 15 "$build/native/log" >&2; die "the shim does not compile against libtorch $version with $CXX (whole log: $build/native/log)"; }
  say "$(tail -n 1 "$build/native/log")"
  printf '%s' "$stamp" >"$build/native/stamp"
fi
export LLMRL_NATIVE=$build/native/libllmrl_torch.so
[[ -n $torch ]] || version=$(sed -n 's/.* against libtorch \([0-9.]*\).*/\1 of the system/p' "$build/native/log" | tail -n 1)
cli=$bundle/app/llmrl-cli gpu=$bundle/app/llmrl-gpu

if [[ $device == cuda ]]; then
  what=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1 || true)
  [[ -n $what ]] || what=$(ask 'print(torch.cuda.get_device_name(0))')
else
  what=cpu
fi
out=${out:-$here/results/$(date -u +%Y-%m-%d)-$(printf %s "$what" | tr -c 'A-Za-z0-9' '-' | tr 'A-Z' 'a-z')}
mkdir -p "$out"
rm -f "$out"/{machine.txt,doctor.txt,check.json,bench.jsonl,failed.txt,results.json,summary.md}

{
  echo "date: $(date -u '+%Y-%m-%d %H:%M UTC')"
  echo "program: $(cat "$bundle/commit" 2>/dev/null || echo unknown commit)"
  echo "device: $what"
  [[ $device != cuda ]] || echo "driver: $(nvidia-smi --query-gpu=driver_version,memory.total --format=csv,noheader 2>/dev/null | head -n 1 || echo unknown)"
  echo "libtorch: $version"
  echo "compiler: $("$CXX" --version | head -n 1)"
  echo "processor: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
  [[ -z $small ]] || echo "shapes: small, a rehearsal: the speeds mean nothing"
} >"$out/machine.txt"

fail() { say "$1"; printf '%s\n' "$1" >>"$out/failed.txt"; }

"$cli" doctor >"$out/doctor.txt" 2>&1 || fail "doctor: $(tail -n 1 "$out/doctor.txt")"
if [[ $device == cuda ]] && ! grep -q '^device .*CUDA, ' "$out/doctor.txt"; then
  fail "doctor: the program sees no CUDA device, though PyTorch does; see doctor.txt"
fi

if [[ $only != bench ]]; then
  "$gpu" check "$device" "$bundle/models" "$out/check.json" >&2 || fail "check: not all comparisons hold"
fi

if [[ $only != check ]]; then
  extra=()
  if [[ -n $small ]]; then
    extra=(--batch 2 --prompt-length 8 --completion-length 16)
    steps=1
    models=${models:-nano} phases=${phases:-generate logprobs sft dpo grpo}
  fi
  [[ $device != cpu ]] || export LLMRL_OPERATORS=1
  bench() {
    local what="$model $phase $dtype${1:+ $1}"
    if "$cli" bench "$phase" --model "$config" --json --device "$device" --dtype "$dtype" --steps "$steps" --warm-up 1 "${extra[@]}" "$@" >"$out/one.json" 2>"$out/error.txt"; then
      cat "$out/one.json" >>"$out/bench.jsonl"
      say "$what: $(sed -n 's/.*"median":\([0-9.e-]*\).*/\1/p' "$out/one.json") s a step"
    else
      fail "bench $what: $(grep . "$out/error.txt" | tail -n 1)"
    fi
  }
  for model in ${models:-A qwen2.5-0.5b tinyllama-1.1b}; do
    config=$bundle/models/$model.json
    [[ -f $config ]] || config=$bundle/eval/gpu/$model.json
    for dtype in ${dtypes:-bfloat16 float32}; do
      for phase in ${phases:-generate logprobs sft reward dpo grpo ppo}; do
        bench
        [[ $phase != sft ]] || bench --checkpointing
      done
    done
  done
  rm -f "$out/one.json" "$out/error.txt"
fi

"$gpu" report "$out"
