# Completion of mydocker for bash: `mydocker completion bash` prints this file.

_mydocker() {
    # Bash breaks words at the signs in COMP_WORDBREAKS; = and : belong to ours.
    local line="${COMP_LINE:0:COMP_POINT}" words candidate text
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local current="${words[-1]}" prefix=""
    # What readline replaces is only the part behind the last break.
    [[ $current == *[:=]* && $COMP_WORDBREAKS == *[:=]* ]] && prefix="${current%"${current##*[:=]}"}"
    COMPREPLY=()
    while IFS=$'\t' read -r candidate _; do
        if [[ $candidate == :paths ]]; then
            compopt -o filenames 2>/dev/null
            while IFS= read -r text; do
                COMPREPLY+=("$text")
            done < <(compgen -f -- "${current#"$prefix"}")
        else
            text="${candidate#"$prefix"}"
            [[ $text == *[/:=] ]] && compopt -o nospace 2>/dev/null
            COMPREPLY+=("$text")
        fi
    done < <("${words[0]}" complete -- "${words[@]:1}" 2>/dev/null)
}

complete -F _mydocker mydocker
