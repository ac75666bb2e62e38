#!/bin/bash
# Becomes sitectl, with what the inputs of the action say.
set -euo pipefail

if [[ -n "$SITECTL_KUBECONFIG" ]]; then
	KUBECONFIG="$(mktemp "$RUNNER_TEMP/kubeconfig.XXXXXXXX")" # for nobody else to read; the runner removes it
	printf '%s\n' "$SITECTL_KUBECONFIG" > "$KUBECONFIG"
	export KUBECONFIG
fi
if [[ -n "$SITECTL_BUILDER" ]]; then
	export BUILDKIT_HOST="$SITECTL_BUILDER"
fi

read -r -d '' -a arguments <<< "$SITECTL_ARGUMENTS" || true # read fails at the end

unset SITECTL_KUBECONFIG SITECTL_BUILDER
# bash 3.2 of macOS takes an empty array for a variable that is not set.
exec "${SITECTL:-sitectl}" --file "$SITECTL_FILE" "$SITECTL_COMMAND" ${arguments[@]+"${arguments[@]}"}
