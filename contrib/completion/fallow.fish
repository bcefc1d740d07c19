# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of fallow's command line for fish. What there is, the tool's own help tells.

function __fallow_commands
    fallow --help 2>/dev/null | string replace -rf '^  ([a-z]+) +(.*)' '$1\t$2'
end

function __fallow_options
    set -l words (commandline -opc)
    fallow $words[2] --help 2>/dev/null |
        string replace -rf '^  (?:-[a-z], )?(--[a-z-]+=?) *(.*)' '$1\t$2'
end

# Names of processes that are no trouble to type, and pids.
function __fallow_targets
    cat /proc/*/comm 2>/dev/null | string match -r '^[A-Za-z0-9_.+-]+$' | sort -u
    string match -rg '^/proc/([0-9]+)$' /proc/*
end

function __fallow_columns
    fallow regions --columns=help 2>/dev/null | string replace -rf '^ *([a-z][a-z_-]*) .*' '$1'
end

function __fallow_values
    set -l option (string split -m 1 = -- (commandline -ct))[1]
    switch $option
        case --source
            string join \n -- $option={auto,kmod,procfs}
        case --format
            string join \n -- $option={openmetrics,json,csv,html}
        case --columns --sort
            string join \n -- $option=(__fallow_columns)
    end
end

complete -c fallow -f
complete -c fallow -n __fish_use_subcommand -a '(__fallow_commands)'
complete -c fallow -n 'not __fish_use_subcommand' -a '(__fallow_options)'
complete -c fallow -n 'not __fish_use_subcommand' -a '(__fallow_values)'
complete -c fallow -n 'not __fish_seen_subcommand_from diff' -a '(__fallow_targets)'
complete -c fallow -n '__fish_seen_subcommand_from diff' -F
complete -c fallow -n '__fish_contains_opt -s o output' -F
