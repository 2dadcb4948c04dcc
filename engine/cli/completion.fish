# fish completion for NAME

function __NAME_complete
    set -l words (commandline -opc)
    set -l cur (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] "$cur" 2>/dev/null)
        switch $line
            case :nospace
            case :files
                __fish_complete_path (string replace -r -- '^--[^=]*=' '' "$cur")
            case :dirs
                __fish_complete_directories (string replace -r -- '^--[^=]*=' '' "$cur")
            case '*'
                echo -- $line
        end
    end
end

complete -c NAME -f -a '(__NAME_complete)'
