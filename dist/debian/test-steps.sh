# For test-package.sh and test-service.sh: what a step is, and whether one failed.
failed=0
# ok WHAT COMMAND...: the command must succeed.
ok() {
	what=$1
	shift
	if "$@"; then
		echo "ok      $what"
	else
		echo "FAILED  $what: $*"
		failed=1
	fi
}
not() { ! "$@"; }
