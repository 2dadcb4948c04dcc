#compdef NAME
# zsh completion for NAME

_NAME() {
    local line ask=() nospace=()
    local -a described
    for line in "${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        case $line in
            '') ;;
            :nospace) nospace=(-S '') ;;
            :*) ask+=("$line") ;;
            *$'\t'*) described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
            *) described+=("${line//:/\\:}") ;;
        esac
    done
    (( $#described )) && _describe -V 'NAME' described "${nospace[@]}"
    for line in "${ask[@]}"; do
        [[ $PREFIX == --*=* ]] && compset -P '--*='
        if [[ $line == :dirs ]]; then _files -/; else _files; fi
    done
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _NAME "$@"; else compdef _NAME NAME; fi
