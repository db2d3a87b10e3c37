/** The scripts: each puts the words up to the cursor together, asks `__complete`, and offers what it says. */

export const SCRIPTS: ReadonlyMap<string, (program: string) => string> = new Map([
  ["bash", bash],
  ["zsh", zsh],
  ["fish", fish],
]);

/** Bash splits words at ":" and "=", and inserts only behind the last of them. */
function bash(program: string): string {
  return `# bash completion for ${program}; load it with: source <(${program} completion bash)
_${program}_complete() {
  local rest=\${COMP_LINE:0:COMP_POINT} words=() word last line directive
  local i
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if ((i > 0)) && [[ $rest != [[:space:]]* ]]; then
      last=$((\${#words[@]} - 1))
      words[last]+=$word
    else
      rest=\${rest#"\${rest%%[![:space:]]*}"}
      words+=("$word")
    fi
    ((i == COMP_CWORD)) || rest=\${rest#"$word"}
  done
  last=\${words[\${#words[@]} - 1]}
  local glued=
  case $last in *[:=]*) glued=\${last%"\${last##*[:=]}"} ;; esac
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :*) directive=\${line#:} ;;
      *) COMPREPLY+=("\${line#"$glued"}") ;;
    esac
  done < <("\${words[0]}" __completeNoDesc "\${words[@]:1}" 2>/dev/null)
  if ((\${directive:-0} & 2)); then compopt -o nospace 2>/dev/null; fi
  if ((!(\${directive:-0} & 4))); then compopt -o default 2>/dev/null; fi
}
complete -F _${program}_complete ${program}
`;
}

function zsh(program: string): string {
  return `#compdef ${program}
# zsh completion for ${program}; load it with: source <(${program} completion zsh)
_${program}() {
  local line directive=0
  local -a offers flags
  while IFS= read -r line; do
    case $line in
      :*) directive=\${line#:} ;;
      *) line=\${line//:/\\\\:}; offers+=("\${line/$'\\t'/:}") ;;
    esac
  done < <("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  ((directive & 2)) && flags+=(-S '')
  if ((\${#offers})); then
    _describe '' offers "\${flags[@]}"
  elif ((!(directive & 4))); then
    _files
  fi
}
if [ "\${funcstack[1]}" = "_${program}" ]; then _${program} "$@"; else compdef _${program} ${program}; fi
`;
}

function fish(program: string): string {
  return `# fish completion for ${program}; load it with: ${program} completion fish | source
function __${program}_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -l answer ($words[1] __complete $words[2..-1] "$last" 2>/dev/null)
    set -l directive (string replace -r '^:' '' -- $answer[-1])
    set -e answer[-1]
    if test (count $answer) -gt 0
        printf '%s\\n' $answer
    else if test (math "bitand($directive, 4)") -eq 0
        __fish_complete_path "$last"
    end
end
complete -c ${program} -f -a '(__${program}_complete)'
`;
}
