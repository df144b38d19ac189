# Completion of mydocker for fish: `mydocker completion fish` prints this file.

function __mydocker_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] complete -- $words[2..-1] 2>/dev/null)
        if string match -q ':paths*' -- $line
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end

complete -c mydocker -f -a '(__mydocker_complete)'
