# bash completion for nfs-exportd
_nfs_exportd() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word command='' words='' joined=''
	local common='--help -h --config -c --exports-file --os-cloud --credentials --serve-as --timeout --log-level --log-format --exportfs --etab --no-preflight --proof-socket --adopt'
	# The = of --flag=value is a word of its own, see COMP_WORDBREAKS in bash(1).
	if [[ $cur == = ]]; then
		cur='' joined=1
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD-2]} joined=1
	fi
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
		plan|apply|check|explain|completion) command=$word; break ;;
		esac
	done
	case $prev in
	--config|-c|--exports-file|--credentials|--exportfs|--etab|--proof-socket|--adopt|--metrics-file)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames
		return ;;
	--format|--log-format) words='text json' ;;
	--log-level) words='debug info warn error' ;;
	--color) words='auto always never' ;;
	--os-cloud|--serve-as|--timeout|--approve|--lock-timeout) return ;;
	*)
		[[ $joined ]] && return
		case $command in
		'') words='plan apply check explain completion --help --version' ;;
		plan) words="$common --detailed-exitcode --format --color" ;;
		apply) words="$common --approve --no-reload --lock-timeout --metrics-file" ;;
		check) words="$common --format" ;;
		explain) words="$common" ;;
		completion) words='bash zsh fish --help -h' ;;
		esac ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _nfs_exportd nfs-exportd
