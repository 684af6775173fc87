# Processes of the cluster: each in a session of its own, known by its pid and start time, so that
# a number which the kernel gave to somebody else since is never signalled.

say() { echo "cluster.sh: $*" >&2; }
die() { say "$*"; exit 1; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", b - a }'; }

birth() { # birth PID: its start time, if it lives
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	set -- ${stat##*) }
	[ "$1" != Z ] && [ "$1" != X ] && echo "${20}"
}

pid_of() { # pid_of NAME: its pid, if the recorded process lives
	local pid start
	read -r pid start 2>/dev/null <"$RUN/$1.pid" || return 1
	[ "$(birth "$pid")" = "$start" ] && echo "$pid"
}

record() { echo "$2 $(birth "$2")" >"$RUN/$1.pid"; }

spawn() { # spawn NAME COMMAND...
	local name=$1; shift
	setsid "$@" >>"$LOG/$name.log" 2>&1 </dev/null &
	record "$name" $!
	disown $! # its end is no news for our standard error
}

child_of() { # child_of PID [COMM]: its first child, once there is one (of that name)
	local child
	for _ in $(seq 200); do
		child=$(tr -d ' ' 2>/dev/null <"/proc/$1/task/$1/children")
		if [ -n "$child" ]; then
			[ -z "${2:-}" ] || [ "$(cat "/proc/$child/comm" 2>/dev/null)" = "$2" ] &&
				{ echo "$child"; return 0; }
		fi
		sleep 0.02
	done
	return 1
}

spawn_in() { # spawn_in NODE_PID NAME COMMAND...: the same, inside a node
	local node=$1 name=$2 child; shift 2
	setsid nsenter -t "$node" -m -n -p -- "$@" >>"$LOG/$name.log" 2>&1 </dev/null &
	child=$(child_of $!) || die "$name did not start: see $LOG/$name.log"
	record "$name" "$child"
	disown $!
}

end() { # end NAME [SIGNAL] [SECONDS]: SIGKILL after so long
	local name=$1 sig=${2:-TERM} tries=$((${3:-15} * 20)) pid i=0
	pid=$(pid_of "$name") || { rm -f "$RUN/$name.pid"; return 0; }
	case $name in
	link-*) kill -"$sig" -- "-$pid" 2>/dev/null ;; # socat forks: its whole group
	*) kill -"$sig" "$pid" 2>/dev/null ;;
	esac
	kill -CONT "$pid" 2>/dev/null
	while pid_of "$name" >/dev/null; do
		i=$((i + 1))
		[ $i -ne $tries ] || kill -KILL "$pid" 2>/dev/null
		[ $i -le $((tries + 100)) ] || { say "$name ($pid) does not end"; return 1; }
		sleep 0.05
	done
	rm -f "$RUN/$name.pid"
}

until_ok() { # until_ok WHAT NAME COMMAND...: waits while process NAME lives
	local what=$1 name=$2 limit=$(($(date +%s) + WAIT)); shift 2
	until "$@" >/dev/null 2>&1; do
		if [ -n "$name" ] && ! pid_of "$name" >/dev/null; then
			tail -n 5 "$LOG/$name.log" >&2
			die "$name ended: see $LOG/$name.log"
		fi
		[ "$(date +%s)" -lt "$limit" ] || die "$what: not ready after $WAIT s, see $LOG"
		sleep 0.1
	done
}
