# bash completion for NAME

_NAME_complete() {
    local rest=$COMP_LINE words=() word i
    # Bash parts words at = and : too. What has no space before it belongs to the word before.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $i -gt 0 && -n $word && $rest == "$word"* ]]; then
            words[${#words[@]} - 1]+=$word
        else
            rest=${rest#"${rest%%[![:space:]]*}"}
            words+=("$word")
        fi
        rest=${rest#"$word"}
    done
    local cur=${words[${#words[@]} - 1]} line prefix=
    # Of the current word, bash replaces only what follows the last break.
    for ((i = ${#cur} - 1; i >= 0; i--)); do
        if [[ ${cur:i:1} == [:=] && $COMP_WORDBREAKS == *"${cur:i:1}"* ]]; then
            prefix=${cur:0:i+1}
            break
        fi
    done
    local files=()
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :nospace) compopt -o nospace 2>/dev/null ;;
            :files | :dirs)
                local path=$cur
                [[ $cur == --*=* ]] && path=${cur#*=}
                [[ $line == :dirs ]] && line=-d || line=-f
                while IFS= read -r word; do files+=("$word"); done < <(compgen "$line" -- "$path")
                ;;
            *)
                line=${line%%$'\t'*}
                COMPREPLY+=("${line#"$prefix"}")
                ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
    # Bash quotes what it takes for file names, and puts a slash behind directories.
    ((${#COMPREPLY[@]})) || compopt -o filenames 2>/dev/null
    COMPREPLY+=("${files[@]}")
}

complete -F _NAME_complete NAME
