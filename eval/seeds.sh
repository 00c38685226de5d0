#!/usr/bin/env bash
# Runs a recipe for several seeds and prints what its evaluate stage measured:  eval/seeds.sh RECIPE METRIC[,METRIC…] SEED…
# e.g.  eval/seeds.sh recipes/quickstart.yaml pass@1,pass@8 1 2 3
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
recipe=$1 metrics=$2
shift 2
name=$(sed -n 's/^name: *//p' "$recipe" | head -n 1)
for seed in "$@"; do
  ./llmrl run "$recipe" --set "seed=$seed" >/dev/null
  summary=runs/$name-seed$seed/summary.json
  printf 'seed %s, %s s:' "$seed" "$(sed -n 's/^  "seconds": \([0-9.]*\),.*/\1/p' "$summary")"
  for metric in ${metrics//,/ }; do
    sed -n "s#^ *\"\($metric/[^\"]*\)\": \([-0-9.eE+]*\),\{0,1\}#  \1 \2#p" "$summary" | tr -d '\n'
  done
  echo
done
