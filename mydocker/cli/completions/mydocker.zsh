#compdef mydocker
# Completion of mydocker for zsh: `mydocker completion zsh` prints this file, to be named _mydocker in $fpath.

_mydocker() {
    local line candidate purpose paths=0
    local -a texts shown open open_shown
    while IFS=$'\t' read -r candidate purpose; do
        if [[ $candidate == :paths ]]; then
            paths=1
        elif [[ $candidate == *[/:=] ]]; then
            open+=("$candidate")
            open_shown+=("$candidate")
        else
            texts+=("$candidate")
            shown+=("$candidate${purpose:+  -- $purpose}")
        fi
    done < <(${words[1]} complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    (( $#texts )) && compadd -l -d shown -- "${texts[@]}"
    (( $#open )) && compadd -S '' -d open_shown -- "${open[@]}"
    (( paths )) && _files
}

if [[ $funcstack[1] == _mydocker ]]; then
    _mydocker "$@"
else
    compdef _mydocker mydocker
fi
