# Completion of `pce` in bash, written by `pce --install-completion`.
_pce_complete() {
    local IFS=$'\n'
    COMPREPLY=($("${COMP_WORDS[0]}" --complete bash "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _pce_complete pce
