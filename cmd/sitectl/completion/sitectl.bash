# Completion of sitectl for bash, from 3.2 on. It needs no other package:
#
#   source <(sitectl completion bash)

_sitectl() {
	local word rest=${COMP_LINE:0:COMP_POINT} before candidate
	local words=()
	COMPREPLY=()
	# Bash cuts words at = and : as well; here they end at white space.
	for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
		if [[ ${#words[@]} -gt 0 && -n $rest && $rest != [[:space:]]* ]]; then
			words[${#words[@]}-1]+=$word
		else
			rest=${rest#"${rest%%[![:space:]]*}"}
			words+=("$word")
		fi
		rest=${rest#"$word"}
	done
	word=${words[${#words[@]}-1]}
	before=${word%"${word##*[=:]}"} # what bash takes for words of their own
	while IFS= read -r candidate; do
		COMPREPLY+=("${candidate#"$before"}")
	done < <("${1/#\~/$HOME}" __complete bash "${words[@]:1}" 2>/dev/null)
}

complete -o default -F _sitectl sitectl
