#!/bin/bash
# A real Kubernetes on one machine (etcd, API server, controller manager, scheduler; nodes with
# containerd, kubelet and kube-proxy), without systemd, container engine or registry.
#
#   missing               what this machine lacks for it, one a line
#   build                 compile the binaries, where no folder has them
#   up                    start everything; certificates and images are made on first use
#   down                  end everything that was started, and remove the data
#   hold                  up, print the kubeconfig's path, and down when standard input ends
#   kubeconfig            print the path of the administrator's kubeconfig
#   start|stop|restart|kill COMPONENT
#                         etcd apiserver kcm scheduler; for node i: node-i (a power cut),
#                         containerd-i kubelet-i proxy-i, link-i (their way to the API server;
#                         link-0: that of the pods)
#   cut I | heal I        take down / up the network link of node I (a partition)
#
# Settings: CLUSTER_DIR its data; CLUSTER_PORT the first of 5 ports on 127.0.0.1; CLUSTER_SUBNET
# the second octet of its 10.x networks; CLUSTER_NODES how many; KUBEBUILDER_ASSETS a folder with
# all binaries. Clusters with other DIR, PORT and SUBNET run side by side.
set -u -o pipefail
umask 022
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

VERSION=v1.37.2
DIR=${CLUSTER_DIR:-${TMPDIR:-/tmp}/crumble-cluster}
SUBNET=${CLUSTER_SUBNET:-251}
NODES=${CLUSTER_NODES:-2}
API=${CLUSTER_PORT:-16540} ETCD=$((API + 1)) PEER=$((API + 2)) KCM=$((API + 3)) SCHEDULER=$((API + 4))
SERVICES=10.$SUBNET.0.0/17 PODS=10.$SUBNET.128.0/17
API_SERVICE=10.$SUBNET.0.1 GATEWAY=10.$SUBNET.255.1
BRIDGE=crumble$SUBNET CGROUP=crumble-$SUBNET
PKI=$DIR/pki CONF=$DIR/conf RUN=$DIR/run LOG=$DIR/log IMAGES=$DIR/images
CNI=/usr/lib/cni
WAIT=120 # seconds for any one component

. "$HERE/lib/process.sh"
. "$HERE/lib/build.sh"
. "$HERE/lib/images.sh"
. "$HERE/lib/control_plane.sh"
. "$HERE/lib/node.sh"

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/crumble
BIN=$CACHE/kubernetes-$VERSION
[ -z "${KUBEBUILDER_ASSETS:-}" ] || ! have_all "$KUBEBUILDER_ASSETS" || BIN=$KUBEBUILDER_ASSETS
export PATH=$BIN:$PATH:/usr/sbin:/sbin

up() {
	local t i
	build
	t=$(now)
	mkdir -p "$PKI" "$CONF" "$RUN" "$LOG"
	start_control_plane
	make_images
	for i in $(seq "$NODES"); do start_node "$i"; done
	for i in $(seq "$NODES"); do until_ok "node $i" "kubelet-$i" node_ready "$i"; done
	say "control plane and $NODES nodes ready after $(since "$t")"
}

down() {
	local f n
	for f in "$RUN"/node-*.pid; do
		[ ! -e "$f" ] || { n=$(basename "$f" .pid); stop_node "${n#node-}"; }
	done
	for n in scheduler kcm apiserver etcd; do end $n TERM 20; done # clients first: they hold it
	for f in "$RUN"/*.pid; do
		[ ! -e "$f" ] || end "$(basename "$f" .pid)" TERM 5
	done
	ip link del "$BRIDGE" 2>/dev/null
	# empty mount points of the nodes
	rmdir /run/netns /run/containerd /var/log/pods /var/log/containers /var/lib/cni 2>/dev/null
	rm -rf --one-file-system "${DIR:?}"/{etcd,pki,conf,run,log,images,pause,rootfs} "$DIR"/node-[0-9]*
	rmdir "$DIR" 2>/dev/null
	return 0
}

# Whoever started this holds the other end of standard input: even SIGKILL closes it.
hold() {
	trap 'exit 1' TERM INT HUP
	trap 'down' EXIT
	up
	echo "ready $CONF/admin.kubeconfig"
	while read -r _; do :; done
}

component() { # component VERB NAME
	local i=${2##*-}
	case $1:$2 in
	start:etcd | start:apiserver | start:kcm | start:scheduler) "start_$2" ;;
	start:node-* | start:containerd-* | start:kubelet-* | start:proxy-* | start:link-*)
		"start_${2%-*}" "$i" ;;
	start:*) die "no component $2" ;;
	stop:node-*) stop_node "$i" ;;
	kill:node-*) stop_node "$i" KILL ;;
	stop:*) end "$2" TERM 20 ;;
	kill:*) end "$2" KILL 5 ;;
	restart:*) component stop "$2" && component start "$2" ;;
	esac
}

verb=${1:-}
[ $# -eq 0 ] || shift
case $verb in
__become_node) become_node "$@" ;;
missing | build | up | down | hold) "$verb" ;;
kubeconfig) echo "$CONF/admin.kubeconfig" ;;
start | stop | restart | kill) component "$verb" "${1:?which component?}" ;;
cut) ip link set "$BRIDGE-${1:?which node?}" down ;;
heal) ip link set "$BRIDGE-${1:?which node?}" up ;;
*) sed -n '2,/^set -u/p' "$0" | sed '$d; s/^# \{0,1\}//'; exit 2 ;;
esac
