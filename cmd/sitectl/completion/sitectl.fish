# Completion of sitectl for fish, from 3.1 on: in ~/.config/fish/completions/sitectl.fish, or
#
#   sitectl completion fish | source

# Finds the candidates; fails if there are none, so that files are offered.
function __sitectl_find
    set -l words (commandline -opc)
    set -l program (string replace -r '^~' $HOME -- $words[1])
    set -e words[1]
    set -l current (commandline -ct)
    set -g __sitectl_candidates ($program __complete fish $words "$current" 2>/dev/null)
    test (count $__sitectl_candidates) -gt 0
end

complete -c sitectl -n __sitectl_find -f -k -a '$__sitectl_candidates'
