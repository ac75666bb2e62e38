#compdef sitectl
# Completion of sitectl for zsh: in a folder of $fpath as _sitectl, or
#
#   source <(sitectl completion zsh)

_sitectl() {
	local line
	local -a candidates
	while IFS= read -r line; do
		candidates+=("$line")
	done < <("${words[1]/#\~/$HOME}" __complete zsh "${(@Q)words[2,CURRENT]}" 2>/dev/null)
	if (( ${#candidates} )); then
		_describe -V sitectl candidates
	else
		_files
	fi
}

if [[ ${funcstack[1]} == _sitectl ]]; then
	_sitectl "$@"
else
	compdef _sitectl sitectl
fi
