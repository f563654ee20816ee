#!/usr/bin/env bash
# Stop a release whose report does not pass, or that got worse than the last one:
#     pre_release.sh NEW.json [LAST.json]
set -euo pipefail
attn-audit gate "$1" --policy "${POLICY:-default}"
if [ $# -gt 1 ]; then attn-audit compare "$2" "$1" --policy "${CHANGES:-no-worse}"; fi
