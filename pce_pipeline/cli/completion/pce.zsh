# Completion of `pce` in zsh, written by `pce --install-completion`.
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
_pce_complete() {
    local -a found
    found=("${(@f)$("${words[1]}" --complete zsh "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "${found[1]}" ]]; then
        _describe -V 'pce' found
    else
        _files
    fi
}
compdef _pce_complete pce
